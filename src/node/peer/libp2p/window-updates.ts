import type { Stream, StreamMuxer } from '@libp2p/interface';

/** What yamux's muxer and streams have beyond their types. */
interface YamuxMuxer {
  onRemoteStream(stream: Stream): void;
}

interface YamuxStream {
  state: number;
  /** Bytes that the other side may send in all, and those that it may still send. */
  readonly recvWindow: number;
  readonly recvWindowCapacity: number;
  sendWindowUpdate(): void;
}

/** States in which the stream was opened, but the other side does not know it yet: the next update says so. */
const opening: ReadonlySet<number> = new Set([0, 2]);

/**
 * Makes the streams of a yamux muxer allow the other side more bytes once it has used half of the window, as go-yamux
 * does. By themselves they do so after every message, which costs both sides a packet for each token, and a relay two.
 */
export function withRareUpdates<Muxer extends StreamMuxer>(muxer: Muxer): Muxer {
  const create = muxer.createStream.bind(muxer);
  muxer.createStream = async (options) => rarely(await create(options));
  const receiver = muxer as unknown as YamuxMuxer;
  const receive = receiver.onRemoteStream.bind(muxer);
  receiver.onRemoteStream = (stream) => receive(rarely(stream));
  return muxer;
}

function rarely<Each extends Stream>(stream: Each): Each {
  const yamux = stream as unknown as YamuxStream;
  const update = yamux.sendWindowUpdate.bind(stream);
  yamux.sendWindowUpdate = () => {
    const used = yamux.recvWindow - yamux.recvWindowCapacity;
    if (opening.has(yamux.state) || 2 * used >= yamux.recvWindow) update();
  };
  return stream;
}
