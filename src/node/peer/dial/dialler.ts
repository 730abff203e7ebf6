import { setMaxListeners } from 'node:events';
import type { Connection, PeerId } from '@libp2p/interface';
import { QvacError } from '../../../errors.ts';
import { anySignal } from '../../../lib/abort.ts';
import { shortPeer } from '../../../lib/names.ts';
import type { AbortOptions, PeerIdString } from '../../../lib/types.ts';
import { frameStream } from '../../streams/serve-stream.ts';
import type { FrameStream } from '../../streams/streams.ts';
import { parseTarget, type Target } from '../addresses.ts';
import { maxStreams, type QvacNode } from '../libp2p.ts';
import { dialError, isStaleConnection } from '../peer-errors.ts';

/** How long a dial and the opening of a stream may take, in ms. */
const openTimeoutMs = 10_000;

/** Opens connections and streams in bounded time; its errors are one line. */
export class Dialler {
  readonly #running: () => QvacNode | null;
  /** Peers that are being dialled for a stream. */
  readonly #opening = new Set<string>();

  /** @param running the node while it is started */
  constructor(running: () => QvacNode | null) {
    this.#running = running;
  }

  /** Whether `peer` is being dialled for a stream, which goes first on the new connection. */
  isOpening(peer: PeerId): boolean {
    return this.#opening.has(peer.toString());
  }

  /** A stream, on an open connection if there is one. @throws QvacError as `Peer.open` */
  async open(target: PeerIdString | string, protocol: string, options: AbortOptions): Promise<FrameStream> {
    const destination = parseTarget(target);
    return this.#bounded(destination, options, async (signal) => {
      const warm = this.#openConnection(destination.peer);
      try {
        return await openStream(warm ?? (await this.#dialForStream(destination, signal)), protocol, signal);
      } catch (error) {
        if (warm === null || !isStaleConnection(error)) throw error;
        return openStream(await this.#dialForStream(destination, signal), protocol, signal);
      }
    });
  }

  /** Ensures an open connection. @throws QvacError as `Peer.open` */
  async connect(target: PeerIdString | string, options: AbortOptions): Promise<PeerIdString> {
    const destination = parseTarget(target);
    if (this.#openConnection(destination.peer) === null)
      await this.#bounded(destination, options, (signal) => this.#dial(destination, signal));
    return destination.peer.toString() as PeerIdString;
  }

  #openConnection(peer: PeerId): Connection | null {
    return (
      this.#running()
        ?.getConnections(peer)
        .find((connection) => connection.status === 'open') ?? null
    );
  }

  async #dialForStream(destination: Target, signal: AbortSignal): Promise<Connection> {
    const peer = destination.peer.toString();
    this.#opening.add(peer);
    try {
      return await this.#dial(destination, signal);
    } finally {
      this.#opening.delete(peer);
    }
  }

  async #dial(destination: Target, signal: AbortSignal): Promise<Connection> {
    const node = this.#running();
    if (node === null) throw new QvacError('E_NETWORK', 'this node is not started');
    return node.dial(destination.address ?? destination.peer, { signal });
  }

  /** Runs `attempt` with a deadline. @throws QvacError with the reason in one line */
  async #bounded<Value>(
    destination: Target,
    options: AbortOptions,
    attempt: (signal: AbortSignal) => Promise<Value>,
  ): Promise<Value> {
    options.signal?.throwIfAborted();
    const deadline = AbortSignal.timeout(openTimeoutMs);
    const signal = anySignal(deadline, options.signal);
    // libp2p adds a listener per address and queue.
    setMaxListeners(0, signal);
    try {
      return await attempt(signal);
    } catch (error) {
      if (options.signal?.aborted === true) throw options.signal.reason;
      throw dialError(error, destination.address?.toString() ?? shortPeer(destination.peer.toString() as PeerIdString));
    }
  }
}

async function openStream(connection: Connection, protocol: string, signal: AbortSignal): Promise<FrameStream> {
  return frameStream(
    await connection.newStream(protocol, { signal, maxOutboundStreams: maxStreams }),
    connection.remotePeer,
  );
}
