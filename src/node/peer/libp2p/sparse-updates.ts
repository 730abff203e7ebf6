import type { StreamMuxer } from '@libp2p/interface';

/** What yamux's muxers and streams have beyond their exported types. */
interface Internals {
  _newStream(...args: unknown[]): WindowedStream;
}

interface WindowedStream {
  readonly state: number;
  /** Bytes that the other side may send in all before an update. */
  readonly recvWindow: number;
  /** What is left of them. */
  readonly recvWindowCapacity: number;
  sendWindowUpdate(): void;
}

/** yamux's `StreamState.Init`: the first update opens the stream. */
const initState = 0;

/**
 * Makes a yamux muxer update the other side's window only once half of it is used, like the Go implementation. By
 * itself it does so for every frame that arrives, which costs both sides one more packet for each.
 */
export function sparseUpdates<Muxer extends StreamMuxer>(muxer: Muxer): Muxer {
  const internals = muxer as unknown as Internals;
  const newStream = internals._newStream.bind(muxer);
  internals._newStream = (...args) => {
    const stream = newStream(...args);
    const update = stream.sendWindowUpdate.bind(stream);
    stream.sendWindowUpdate = () => {
      if (stream.state === initState || stream.recvWindowCapacity <= stream.recvWindow / 2) update();
    };
    return stream;
  };
  return muxer;
}
