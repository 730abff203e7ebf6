import type { PeerIdString } from '../../../lib/types.ts';
import type { FrameStream } from '../../streams/streams.ts';

type Handler = (stream: FrameStream) => Promise<void>;

/**
 * `handler` for at most `most` streams of each peer at a time. Further streams are answered `busy`, so that a client
 * tries another peer; libp2p's own limit would reset them, which looks like a broken connection.
 */
export function withPlaces(handler: Handler, most: number): Handler {
  const taken = new Map<PeerIdString, number>();
  return async (stream) => {
    const { peer } = stream.remote;
    const before = taken.get(peer) ?? 0;
    if (before >= most) return stream.write({ t: 'busy' });
    taken.set(peer, before + 1);
    try {
      await handler(stream);
    } finally {
      const left = (taken.get(peer) ?? 1) - 1;
      if (left === 0) taken.delete(peer);
      else taken.set(peer, left);
    }
  };
}
