import type { AbortOptions, PeerIdString } from '../../src/lib/types.ts';
import type { FrameStream } from '../../src/node/streams/streams.ts';
import { frameLimits } from '../../src/protocol/constants.ts';
import { decodeFrame } from '../../src/protocol/frame-codec.ts';
import type { Frame, FrameType } from '../../src/protocol/frames.ts';

/** One end of a stream without a network: keeps what is written, and accepts it only as fast as `read` allows. */
export interface MemoryStream extends FrameStream {
  readonly written: readonly Frame[];
  readonly aborted: Error | null;
  /** The other side stops taking frames, or continues. */
  block(blocked: boolean): void;
}

export function createMemoryStream(): MemoryStream {
  const written: Frame[] = [];
  let aborted: Error | null = null;
  let free = Promise.withResolvers<void>();
  free.resolve();
  const silence = (_allowed: readonly FrameType[], options: AbortOptions = {}): Promise<never> =>
    new Promise((_resolve, reject) =>
      options.signal?.addEventListener('abort', () => reject(options.signal?.reason as Error), { once: true }),
    );
  const write = async (frame: Frame): Promise<void> => {
    await free.promise;
    if (aborted !== null) throw aborted;
    written.push(frame);
  };
  return {
    remote: { peer: 'peer' as PeerIdString, publicKey: new Uint8Array(32) },
    written,
    get aborted() {
      return aborted;
    },
    block(blocked) {
      if (blocked) free = Promise.withResolvers();
      else free.resolve();
    },
    read: silence,
    readRaw: silence,
    write,
    forward: (bytes) => write(frameIn(bytes)),
    close: async () => undefined,
    abort(reason) {
      aborted ??= reason;
      free.resolve();
    },
  };
}

/** The frame of any type in the bytes of `FrameStream.readRaw`. */
export function frameIn(bytes: Uint8Array): Frame {
  return decodeFrame(bytes.subarray(4), Object.keys(frameLimits) as FrameType[]);
}
