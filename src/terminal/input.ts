import { fstatSync } from 'node:fs';
import type { Readable } from 'node:stream';
import { QvacError } from '../errors.ts';

export interface PipedInputOptions {
  /** The command can run without input, so it does not wait for a silent socket. */
  readonly optional: boolean;
  /** Maximum bytes. @default 4 MiB */
  readonly limit?: number;
  readonly signal?: AbortSignal;
  /** Called once if no byte has come for a second: a person may not know that input is being waited for. */
  readonly onSilence?: () => void;
  /** @default process.stdin */
  readonly stream?: Readable & { readonly isTTY?: boolean };
  /** @default what the system reports */
  readonly kind?: StdinKind;
}

export type StdinKind = 'pipe' | 'file' | 'socket' | 'other';

/** How long to wait for a socket as stdin, which the parent process may have left open without using it. */
const socketPatienceMs = 500;
const silenceMs = 1_000;

function kindOfStdin(): StdinKind {
  try {
    const facts = fstatSync(0);
    return facts.isFIFO() ? 'pipe' : facts.isFile() ? 'file' : facts.isSocket() ? 'socket' : 'other';
  } catch {
    return 'other';
  }
}

/**
 * All of stdin if it is a pipe, a file or a socket; null if it is empty or something else.
 * @throws QvacError E_BAD_INPUT if it is longer than `limit` or not UTF-8; the signal's reason
 */
export async function readPipedInput(options: PipedInputOptions): Promise<string | null> {
  const { optional, limit = 4 * 1024 * 1024, signal, stream = process.stdin, kind = kindOfStdin() } = options;
  if (stream.isTTY === true || kind === 'other') return null;
  const silence = setTimeout(() => options.onSilence?.(), silenceMs);
  stream.once('data', () => clearTimeout(silence));
  const bytes = await collect(stream, limit, kind === 'socket' && optional ? socketPatienceMs : null, signal).finally(
    () => clearTimeout(silence),
  );
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
      if (size > limit) finish(() => reject(new QvacError('E_BAD_INPUT', `standard input exceeds ${limit} bytes`)));
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
