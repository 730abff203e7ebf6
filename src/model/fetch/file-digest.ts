import { createHash } from 'node:crypto';
import { open, stat } from 'node:fs/promises';
import { resolve } from 'node:path';
import { readJson, writeFileAtomic } from '../../lib/files.ts';
import type { AbortOptions } from '../../lib/types.ts';
import { createProgressMeter, type OnProgress } from './progress.ts';

const chunkBytes = 4 * 1024 * 1024;
/** Remembered digests; the oldest go first. */
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

/** Digests that are computed once per file and remembered while its size, time of change and inode stay. */
export interface FileDigests {
  of(path: string, options?: DigestOptions): Promise<string>;
}

/** @param memory the JSON file that remembers; one that is missing or damaged is made anew */
export function createFileDigests(memory: string): FileDigests {
  return {
    async of(path, options) {
      const key = resolve(path);
      const { size, mtimeMs, ino } = await stat(key);
      const mark = `${size} ${mtimeMs} ${ino}`;
      const known = await readMemory(memory);
      const entry = known.get(key);
      if (entry?.mark === mark) return entry.sha256;
      const sha256 = await sha256OfFile(key, options);
      const latest = await readMemory(memory);
      latest.delete(key);
      latest.set(key, { mark, sha256 });
      const kept = [...latest].slice(-maxRemembered);
      // A folder that cannot be written costs time only: the digest is computed again.
      await writeFileAtomic(memory, `${JSON.stringify(Object.fromEntries(kept))}\n`).catch(() => undefined);
      return sha256;
    },
  };
}

interface Remembered {
  readonly mark: string;
  readonly sha256: string;
}

async function readMemory(path: string): Promise<Map<string, Remembered>> {
  const value = await readJson(path).catch(() => undefined);
  const known = new Map<string, Remembered>();
  if (typeof value !== 'object' || value === null) return known;
  for (const [file, entry] of Object.entries(value)) {
    if (isRemembered(entry)) known.set(file, entry);
  }
  return known;
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
