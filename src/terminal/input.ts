import { fstatSync } from 'node:fs';
import type { Readable } from 'node:stream';
import { QvacError } from '../errors.ts';

export interface PipedInputOptions {
  /** There is something to do without it, so a stdin that stays open and silent may be passed over. */
  readonly optional: boolean;
  /** Most bytes. @default 4 MiB */
  readonly limit?: number;
  readonly signal?: AbortSignal;
  /** @default process.stdin */
  readonly stream?: Readable & { readonly isTTY?: boolean };
  /** What stdin is. @default as the system says */
  readonly kind?: StdinKind;
}

export type StdinKind = 'pipe' | 'file' | 'socket' | 'other';

/** How long a socket as stdin may stay silent: a program that started us may just not have closed it. */
const socketPatienceMs = 500;

function kindOfStdin(): StdinKind {
  try {
    const facts = fstatSync(0);
    return facts.isFIFO() ? 'pipe' : facts.isFile() ? 'file' : facts.isSocket() ? 'socket' : 'other';
  } catch {
    return 'other';
  }
}

/**
 * All of stdin where it is a pipe or a file, else null.
 * @throws QvacError E_BAD_INPUT where it is longer than `limit` or no UTF-8, or the signal's reason
 */
export async function readPipedInput(options: PipedInputOptions): Promise<string | null> {
  const { optional, limit = 4 * 1024 * 1024, signal, stream = process.stdin, kind = kindOfStdin() } = options;
  if (stream.isTTY === true || kind === 'other') return null;
  const bytes = await collect(stream, limit, kind === 'socket' && optional ? socketPatienceMs : null, signal);
  if (bytes === null || bytes.length === 0) return null;
  try {
    return new TextDecoder('utf-8', { fatal: true }).decode(bytes);
  } catch (error) {
    throw new QvacError('E_BAD_INPUT', 'standard input is not UTF-8 text', { cause: error });
  }
}

function collect(
  stream: Readable,
  limit: number,
  patienceMs: number | null,
  signal: AbortSignal | undefined,
): Promise<Buffer | null> {
  return new Promise((resolve, reject) => {
    const chunks: Buffer[] = [];
    let size = 0;
    const finish = (outcome: () => void): void => {
      clearTimeout(timer);
      stream.off('data', onData).off('end', onEnd).off('error', onError);
      signal?.removeEventListener('abort', onAbort);
      stream.pause();
      outcome();
    };
    const onData = (chunk: Buffer): void => {
      clearTimeout(timer);
      size += chunk.length;
      if (size > limit)
        finish(() => reject(new QvacError('E_BAD_INPUT', `standard input is longer than ${limit} bytes`)));
      else chunks.push(chunk);
    };
    const onEnd = (): void => finish(() => resolve(Buffer.concat(chunks)));
    const onError = (error: Error): void =>
      finish(() => reject(new QvacError('E_BAD_INPUT', 'cannot read standard input', { cause: error })));
    const onAbort = (): void => finish(() => reject(signal?.reason as Error));
    const timer = patienceMs === null ? undefined : setTimeout(() => finish(() => resolve(null)), patienceMs);
    stream.on('data', onData).on('end', onEnd).on('error', onError);
    signal?.addEventListener('abort', onAbort);
    if (signal?.aborted === true) onAbort();
  });
}
