import type { Connection } from '@libp2p/interface';
import type { Logger } from '../../lib/log.ts';
import type { PeerIdString } from '../../lib/types.ts';
import { frameStream, serveStream } from '../streams/serve-stream.ts';
import type { FrameStream } from '../streams/streams.ts';
import { withPlaces } from './guard/stream-places.ts';
import { maxStreams, type QvacNode } from './libp2p.ts';
import type { HandleOptions } from './peer.ts';

type Handler = (stream: FrameStream, connection: Connection) => Promise<void>;

export interface ServedProtocolsInit {
  readonly logger: Logger;
  /** A peer sent a frame that breaks the protocol. */
  readonly onBadFrame: (peer: PeerIdString) => void;
}

/** The protocols of frames that a node serves, before and while it runs. */
export class ServedProtocols {
  readonly #init: ServedProtocolsInit;
  readonly #handlers = new Map<string, Handler>();
  #node: QvacNode | null = null;

  constructor(init: ServedProtocolsInit) {
    this.#init = init;
  }

  /** As `Peer.handle`. */
  handle(
    protocol: string,
    handler: (stream: FrameStream) => Promise<void>,
    { maxInboundStreams = 32 }: HandleOptions,
  ): Promise<void> {
    return this.handleRaw(protocol, withPlaces(handler, maxInboundStreams));
  }

  /** Serves `protocol` without a limit of streams per peer; `handler` sees the connection, too. */
  async handleRaw(protocol: string, handler: Handler): Promise<void> {
    this.#handlers.set(protocol, handler);
    if (this.#node !== null) await this.#register(this.#node, protocol, handler);
  }

  /** Registers all protocols with a node, and later ones as they come. */
  async attach(node: QvacNode): Promise<void> {
    this.#node = node;
    for (const [protocol, handler] of this.#handlers) await this.#register(node, protocol, handler);
  }

  /** The node stops. */
  detach(): void {
    this.#node = null;
  }

  #register(node: QvacNode, protocol: string, handler: Handler): Promise<void> {
    return node.handle(
      protocol,
      (stream, connection) =>
        serveStream(
          frameStream(stream, connection.remotePeer),
          protocol,
          (frames) => handler(frames, connection),
          this.#init,
        ),
      { maxInboundStreams: maxStreams, maxOutboundStreams: maxStreams, runOnLimitedConnection: true, force: true },
    );
  }
}
