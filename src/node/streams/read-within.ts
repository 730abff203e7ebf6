import { QvacError } from '../../errors.ts';
import { anySignal } from '../../lib/abort.ts';
import type { AbortOptions } from '../../lib/types.ts';
import type { FrameOf, FrameType } from '../../protocol/frames.ts';
import type { FrameStream } from './streams.ts';

/**
 * The next frame.
 * @throws QvacError E_TIMEOUT where it takes longer than `timeoutMs`, and as `stream.read`
 * @throws the signal's reason where it aborts
 */
export async function readWithin<T extends FrameType>(
  stream: FrameStream,
  allowed: readonly T[],
  timeoutMs: number,
  options: AbortOptions = {},
): Promise<FrameOf<T> | null> {
  const late = new AbortController();
  const timer = setTimeout(() => late.abort(new QvacError('E_TIMEOUT', `no frame within ${timeoutMs} ms`)), timeoutMs);
  try {
    return await stream.read(allowed, {
      signal: anySignal(late.signal, options.signal),
    });
  } finally {
    clearTimeout(timer);
  }
}
