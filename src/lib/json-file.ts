import { rm, stat } from 'node:fs/promises';
import { messageOf, QvacError } from '../errors.ts';
import { fileError, isMissing, readJson, writeFileAtomic } from './files.ts';
import { createTurns } from './in-turn.ts';
import { type Logger, silentLogger } from './log.ts';

/** How a value is kept as JSON. */
export interface JsonForm<Value> {
  toJson(value: Value): unknown;
  /** Null if `json` is not such a value. Anyone may have edited the file. */
  parse(json: unknown): Value | null;
}

export interface JsonFileInit<Value> extends JsonForm<Value> {
  /** Names the content in a log, like "the list of peers". */
  readonly what: string;
  /**
   * For a file that cannot be read, is not JSON, is longer than `maxBytes`, or that `parse` refuses. `throw`: E_HOME.
   * `start-anew`: logged, and treated as missing, so that the next write replaces it.
   */
  readonly onDamaged: 'throw' | 'start-anew';
  /** @default any length */
  readonly maxBytes?: number | undefined;
  /** @default none */
  readonly logger?: Logger | undefined;
}

/** One value in one file of its owner (0600). Writes of one `JsonFile` are done one after another, each atomically. */
export interface JsonFile<Value> {
  readonly path: string;
  /** The value, or null without a file. @throws QvacError E_HOME as `onDamaged` says */
  read(): Promise<Value | null>;
  /** On disk when it resolves, as `value` was at the call. @throws QvacError E_HOME, and the old file stays */
  write(value: Value): Promise<void>;
  /** Writes the value that `change` makes of the current one. @throws QvacError E_HOME, and the old file stays */
  update(change: (current: Value | null) => Value): Promise<void>;
  /** Does nothing without a file. @throws QvacError E_HOME */
  remove(): Promise<void>;
}

/**
 * ```ts
 * const init = { what: 'the list of peers', onDamaged: 'start-anew', toJson, parse, logger } as const;
 * const file = createJsonFile(home.peers, init);
 * await file.update((peers) => merge(peers ?? [], seen));
 * ```
 */
export function createJsonFile<Value>(path: string, init: JsonFileInit<Value>): JsonFile<Value> {
  const { what, onDamaged, logger = silentLogger } = init;
  const inTurn = createTurns();
  async function read(): Promise<Value | null> {
    try {
      return await readForm(path, init);
    } catch (error) {
      if (onDamaged === 'throw' || !(error instanceof QvacError)) throw error;
      logger.warn(`${what} cannot be used`, { path, reason: messageOf(error) });
      return null;
    }
  }
  const textOf = (value: Value): string => `${JSON.stringify(init.toJson(value))}\n`;
  return {
    path,
    read,
    write(value) {
      const text = textOf(value);
      return inTurn(() => writeFileAtomic(path, text));
    },
    update: (change) => inTurn(async () => writeFileAtomic(path, textOf(change(await read())))),
    remove: () =>
      inTurn(() =>
        rm(path, { force: true }).catch((error: unknown) => {
          throw fileError(error, `remove ${path}`);
        }),
      ),
  };
}

/** @throws QvacError E_HOME for a damaged or unreadable file */
async function readForm<Value>(path: string, { parse, maxBytes }: JsonFileInit<Value>): Promise<Value | null> {
  if (maxBytes !== undefined && (await sizeOf(path)) > maxBytes) throw damaged(path, `more than ${maxBytes} bytes`);
  const json = await readJson(path);
  if (json === undefined) return null;
  const value = parse(json);
  if (value === null) throw damaged(path, 'other fields than expected');
  return value;
}

async function sizeOf(path: string): Promise<number> {
  try {
    return (await stat(path)).size;
  } catch (error) {
    if (isMissing(error)) return 0;
    throw fileError(error, `read ${path}`);
  }
}

function damaged(path: string, why: string): QvacError {
  return new QvacError('E_HOME', `${path} is damaged (${why})`, { hint: 'move it away; a new one is made' });
}
