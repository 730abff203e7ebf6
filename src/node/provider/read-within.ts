import { QvacError } from '../../errors.ts';
import type { FrameOf, FrameType } from '../../protocol/frames.ts';
import type { FrameStream } from '../streams.ts';

/** The next frame. @throws QvacError E_TIMEOUT where it takes longer than `timeoutMs`, and as `stream.read` */
export async function readWithin<T extends FrameType>(stream: FrameStream, allowed: readonly T[], timeoutMs: number): Promise<FrameOf<T> | null> {
  const late = new AbortController();
  const timer = setTimeout(() => late.abort(new QvacError('E_TIMEOUT', `no frame within ${timeoutMs} ms`)), timeoutMs);
  try {
    return await stream.read(allowed, { signal: late.signal });
  } finally {
    clearTimeout(timer);
  }
}
