import { createHash } from 'node:crypto';
import { open, stat } from 'node:fs/promises';
import { resolve } from 'node:path';
import { createJsonFile } from '../../lib/json-file.ts';
import type { AbortOptions } from '../../lib/types.ts';
import { createProgressMeter, type OnProgress } from './progress.ts';

const chunkBytes = 4 * 1024 * 1024;
/** Most digests to remember; the oldest are dropped. */
const maxRemembered = 256;

export interface DigestOptions extends AbortOptions {
  readonly onProgress?: OnProgress | undefined;
}

/** SHA-256 of a file, lower-case hex. */
export async function sha256OfFile(path: string, { signal, onProgress }: DigestOptions = {}): Promise<string> {
  const file = await open(path, 'r');
  try {
    const { size } = await file.stat();
    const meter = createProgressMeter('hash', path, 0, size, onProgress);
    const hash = createHash('sha256');
    const buffer = Buffer.alloc(chunkBytes);
    for (let at = 0; ; ) {
      signal?.throwIfAborted();
      const { bytesRead } = await file.read(buffer, 0, chunkBytes, at);
      if (bytesRead === 0) break;
      hash.update(buffer.subarray(0, bytesRead));
      at += bytesRead;
      meter.advance(at);
    }
    meter.finish();
    return hash.digest('hex');
  } finally {
    await file.close();
  }
}

/** SHA-256 digests, each computed once and remembered while the file keeps its size, time of change and inode. */
export interface FileDigests {
  /** Lower-case hex. @throws the signal's reason if it aborts */
  of(path: string, options?: DigestOptions): Promise<string>;
}

/** @param memory path of the JSON file that remembers; a damaged one is replaced */
export function createFileDigests(memory: string): FileDigests {
  const file = createJsonFile(memory, { what: 'the digests of files', onDamaged: 'start-anew', toJson, parse });
  return {
    async of(path, options) {
      const key = resolve(path);
      const { size, mtimeMs, ino } = await stat(key);
      const mark = `${size} ${mtimeMs} ${ino}`;
      const entry = (await file.read())?.get(key);
      if (entry?.mark === mark) return entry.sha256;
      const sha256 = await sha256OfFile(key, options);
      await file
        .update((known) => {
          const others = [...(known ?? [])].filter(([other]) => other !== key);
          return new Map([...others, [key, { mark, sha256 }] as const].slice(-maxRemembered));
        })
        // If the folder is not writable, the digest is computed again next time.
        .catch(() => undefined);
      return sha256;
    },
  };
}

interface Remembered {
  readonly mark: string;
  readonly sha256: string;
}

function toJson(known: ReadonlyMap<string, Remembered>): unknown {
  return Object.fromEntries(known);
}

function parse(json: unknown): ReadonlyMap<string, Remembered> | null {
  if (typeof json !== 'object' || json === null) return null;
  return new Map(Object.entries(json).filter((pair): pair is [string, Remembered] => isRemembered(pair[1])));
}

function isRemembered(entry: unknown): entry is Remembered {
  return (
    typeof entry === 'object' &&
    entry !== null &&
    'mark' in entry &&
    typeof entry.mark === 'string' &&
    'sha256' in entry &&
    typeof entry.sha256 === 'string' &&
    /^[0-9a-f]{64}$/.test(entry.sha256)
  );
}
