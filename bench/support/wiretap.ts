import type { AbortOptions } from '../../src/lib/types.ts';
import type { Peer } from '../../src/node/peer/peer.ts';
import type { FrameStream } from '../../src/node/streams/streams.ts';
import type { Frame, FrameType } from '../../src/protocol/frames.ts';

export interface Wiretap {
  /** Called for each frame before it is sent. @returns false if the frame is lost */
  readonly sending?: ((frame: Frame) => boolean) | undefined;
  readonly received?: ((frame: Frame) => void) | undefined;
}

/** `peer` with a tap on the streams that it opens. */
export function tapped(peer: Peer, { sending = () => true, received = () => undefined }: Wiretap): Peer {
  const wrapped = (stream: FrameStream): FrameStream => ({
    remote: stream.remote,
    async read<T extends FrameType>(allowed: readonly T[], options?: AbortOptions) {
      const frame = await stream.read(allowed, options);
      if (frame !== null) received(frame);
      return frame;
    },
    async readRaw<T extends FrameType>(allowed: readonly T[], options?: AbortOptions) {
      const raw = await stream.readRaw(allowed, options);
      if (raw !== null) received(raw.frame);
      return raw;
    },
    async write(frame, options) {
      if (sending(frame)) await stream.write(frame, options);
    },
    forward: (bytes, options) => stream.forward(bytes, options),
    close: (options) => stream.close(options),
    abort: (reason) => stream.abort(reason),
  });
  return new Proxy(peer, {
    get(target, key) {
      if (key === 'open')
        return async (...init: Parameters<Peer['open']>): Promise<FrameStream> => wrapped(await target.open(...init));
      const value: unknown = Reflect.get(target, key, target);
      return typeof value === 'function' ? value.bind(target) : value;
    },
  });
}
