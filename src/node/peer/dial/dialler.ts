import { setMaxListeners } from 'node:events';
import { type Connection, ConnectionClosedError, type PeerId } from '@libp2p/interface';
import type { Multiaddr } from '@multiformats/multiaddr';
import { QvacError } from '../../../errors.ts';
import { anySignal, raceSignal } from '../../../lib/abort.ts';
import { shortPeer } from '../../../lib/names.ts';
import type { AbortOptions, PeerIdString } from '../../../lib/types.ts';
import { frameStream } from '../../streams/serve-stream.ts';
import type { FrameStream } from '../../streams/streams.ts';
import { isRelayed, parseTarget, type Target } from '../addresses.ts';
import { type EagerOption, isUnanswered } from '../libp2p/eager.ts';
import { maxStreams, type QvacNode } from '../libp2p.ts';
import { dialError, isStaleConnection } from '../peer-errors.ts';
import { addressTimeoutMs, laterMs, maxDialled, openTimeoutMs, relayGapMs } from './constants.ts';
import { DialRanks, type Rank, ranks } from './dial-order.ts';
import { type Entrant, race } from './race.ts';

export interface DiallerComponents {
  /** The node while it is started. */
  running(): QvacNode | null;
  /** The known addresses of a peer, without `/p2p/<peer>`. */
  addressesOf(peer: PeerId): Promise<readonly Multiaddr[]>;
  /** Opens a new connection to one address, with `/p2p/<peer>`. */
  dial(address: Multiaddr, options: { readonly signal: AbortSignal }): Promise<Connection>;
  isBanned(peer: PeerIdString): boolean;
  /** Chooses among the addresses of a peer. @default all. @throws QvacError if none may be dialled */
  readonly choose?: ((peer: PeerId, addresses: readonly Multiaddr[]) => readonly Multiaddr[]) | undefined;
  /** Why no stream of a protocol may be opened on a connection, or null. @default any may */
  readonly refusal?: ((connection: Connection, protocol: string) => QvacError | null) | undefined;
}

export interface OpenOptions extends AbortOptions, EagerOption {}

/** Opens connections and streams in bounded time; its errors are one line. */
export class Dialler {
  readonly #components: DiallerComponents;
  readonly #ranks = new DialRanks();
  /** Peers that are being dialled for a stream. */
  readonly #opening = new Set<string>();
  /** Dials under way, by target: whoever wants the same joins. */
  readonly #dials = new Map<string, Promise<Connection>>();

  constructor(components: DiallerComponents) {
    this.#components = components;
  }

  /** Whether `peer` is being dialled for a stream, which goes first on the new connection. */
  isOpening(peer: PeerId): boolean {
    return this.#opening.has(peer.toString());
  }

  /** A stream, on an open connection if there is one. @throws QvacError as `Peer.open` */
  async open(
    target: PeerIdString | string,
    protocol: string,
    { signal: givenUp, eager }: OpenOptions,
  ): Promise<FrameStream> {
    const destination = parseTarget(target);
    return this.#bounded(destination, { signal: givenUp }, async (signal) => {
      const warm = this.linkTo(destination.peer);
      try {
        return await this.#openOn(warm ?? (await this.#dialForStream(destination, signal)), protocol, {
          signal,
          eager,
        });
      } catch (error) {
        if (warm === null || !isStaleConnection(error)) throw error;
        return this.#openOn(await this.#dialForStream(destination, signal), protocol, { signal, eager });
      }
    });
  }

  #openOn(
    connection: Connection,
    protocol: string,
    options: EagerOption & { readonly signal: AbortSignal },
  ): Promise<FrameStream> {
    const refusal = this.#components.refusal?.(connection, protocol) ?? null;
    return refusal === null ? openStream(connection, protocol, options) : Promise.reject(refusal);
  }

  /** Ensures an open connection. @throws QvacError as `Peer.open` */
  async connect(target: PeerIdString | string, options: AbortOptions): Promise<PeerIdString> {
    const destination = parseTarget(target);
    if (this.linkTo(destination.peer) === null)
      await this.#bounded(destination, options, (signal) => this.#dial(destination, signal));
    return destination.peer.toString() as PeerIdString;
  }

  /** An open connection: a direct one if there is one, of several the newest, since an older one may be half dead. */
  linkTo(peer: PeerId): Connection | null {
    const open = (this.#components.running()?.getConnections(peer) ?? []).filter(({ status }) => status === 'open');
    return open.findLast(({ remoteAddr }) => !isRelayed(remoteAddr)) ?? open.at(-1) ?? null;
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

  #dial(destination: Target, signal: AbortSignal): Promise<Connection> {
    const name = destination.address?.toString() ?? destination.peer.toString();
    let dial = this.#dials.get(name);
    if (dial === undefined) {
      // Not the caller's signal: others may join.
      const deadline = AbortSignal.timeout(openTimeoutMs);
      setMaxListeners(0, deadline);
      dial = this.#dialNew(destination, deadline).finally(() => this.#dials.delete(name));
      this.#dials.set(name, dial);
    }
    return raceSignal(dial, signal);
  }

  async #dialNew({ peer, address }: Target, signal: AbortSignal): Promise<Connection> {
    const { running, addressesOf, isBanned } = this.#components;
    const node = running();
    if (node === null) throw new QvacError('E_NETWORK', 'this node is not started');
    if (peer.equals(node.peerId)) throw new Error('cannot dial self');
    if (isBanned(peer.toString() as PeerIdString))
      throw Object.assign(new Error('the peer is banned'), { name: 'DialDeniedError' });
    const { choose } = this.#components;
    // libp2p resolves the names of further addresses.
    if (address?.getComponents()[0]?.name === 'dnsaddr' && choose === undefined) return node.dial(address, { signal });
    const known = address === null ? await addressesOf(peer) : [address];
    const addresses = choose?.(peer, known) ?? known;
    // libp2p asks the hash table.
    if (addresses.length === 0) return node.dial(peer, { signal });
    return race(this.#entrants(peer, addresses), signal);
  }

  /** Addresses that seldom work from here start later, and those through a relay one after another. */
  #entrants(peer: PeerId, addresses: readonly Multiaddr[]): readonly Entrant[] {
    const ranked = addresses
      .map((address) => ({ address, rank: this.#ranks.of(address) }))
      .toSorted((a, b) => a.rank - b.rank)
      .slice(0, maxDialled);
    const hasLikely = ranked.some(({ rank }) => isLikely(rank));
    let relays = 0;
    return ranked.map(({ address, rank }) => {
      const named = address.toString().endsWith(`/p2p/${peer}`) ? address : address.encapsulate(`/p2p/${peer}`);
      const laterStart = hasLikely ? laterMs : 0;
      const startMs = rank === ranks.relayed ? laterStart + relayGapMs * relays++ : isLikely(rank) ? 0 : laterStart;
      return {
        startMs,
        isRelayed: rank === ranks.relayed,
        dial: (signal) =>
          this.#components.dial(named, { signal: anySignal(signal, AbortSignal.timeout(addressTimeoutMs)) }),
      };
    });
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

function isLikely(rank: Rank): boolean {
  return rank === ranks.near || rank === ranks.public || rank === ranks.publicIp6;
}

async function openStream(
  connection: Connection,
  protocol: string,
  options: EagerOption & { readonly signal: AbortSignal },
): Promise<FrameStream> {
  const { remotePeer } = connection;
  const all = { ...options, maxOutboundStreams: maxStreams, runOnLimitedConnection: true };
  const stream = await connection.newStream(protocol, all);
  return frameStream(stream, remotePeer, {
    // As if it had not been opened.
    explain: (cause) =>
      isUnanswered(stream)
        ? dialError(cause ?? new ConnectionClosedError(), shortPeer(remotePeer.toString() as PeerIdString))
        : null,
  });
}
