import type { AbortOptions, PeerIdString } from '../lib/types.ts';
import type { SigningKey } from '../proofs/signing.ts';
import type { FrameStream } from './streams.ts';

/** One libp2p node of ours. Long-lived: `start` and `stop` are idempotent. */
export interface Peer {
  readonly id: PeerIdString;
  readonly key: SigningKey;
  /** Addresses that others can dial, with `/p2p/<id>`. */
  addrs(): readonly string[];
  /** The peers with an open connection. */
  connected(): readonly PeerIdString[];
  start(): Promise<void>;
  stop(): Promise<void>;
  /** Answers `protocol`. A throw in `handler` resets that stream only. */
  handle(protocol: string, handler: (stream: FrameStream) => Promise<void>, options?: HandleOptions): Promise<void>;
  /**
   * Opens a stream, dialling where needed. `target` is a peer id or a multiaddr with `/p2p/<id>`.
   * @throws QvacError E_NETWORK with one line that says why
   */
  open(target: PeerIdString | string, protocol: string, options?: AbortOptions): Promise<FrameStream>;
}

export interface HandleOptions {
  /** Streams of this protocol that one connection may have open. */
  readonly maxInboundStreams?: number | undefined;
}
