import { EventEmitter } from 'node:events';
import { messageOf } from '../../../errors.ts';
import { delay } from '../../../lib/abort.ts';
import { type Clock, type Monotonic, monotonicMs } from '../../../lib/clock.ts';
import { ipOfMultiaddr, kindOfIp } from '../../../lib/ip-kind.ts';
import type { Logger } from '../../../lib/log.ts';
import type { AbortOptions, PeerIdString } from '../../../lib/types.ts';
import type { Tested } from '../../home/reach.ts';
import { usableDirectAddress } from '../addresses.ts';
import { busyMs, doubtAfterMs, evidenceTimeoutMs, minFailures, recheckMs, retryMs } from './constants.ts';
import type { DialledBack } from './dial-back.ts';

type Family = 'ip4' | 'ip6';

export interface ReachabilityComponents {
  /** Asks a peer to dial this node back at a port. @throws QvacError if it does not want to, or cannot be asked */
  ask(peer: PeerIdString, port: number, options: AbortOptions): Promise<DialledBack>;
  /** Multiaddrs at which this node listens. */
  listening(): readonly string[];
  readonly clock: Clock;
  readonly logger: Logger;
  /** @default performance.now */
  readonly monotonic?: Monotonic | undefined;
}

/** A port of this node, as one IP version reaches it. */
interface Candidate {
  readonly family: Family;
  readonly port: number;
  confirmed: Tested | null;
  /** The last failed test since the last success. */
  failed: Tested | null;
  failures: number;
  /** Peers that have failed since the last success. */
  readonly failedBy: Set<PeerIdString>;
  testedAt: number;
  dueAt: number;
  running: boolean;
}

/** A peer outside this network that dials back. */
interface Helper {
  readonly peer: PeerIdString;
  readonly family: Family;
  /** Connections that it has opened to this node. */
  arrivals: number;
  askedAt: number;
  notBefore: number;
}

/**
 * Finds out at which addresses others reach this node: it asks connected peers to dial it back, one after another, and
 * believes a success only if the connection arrives. It tests again from time to time, with another peer if it has one.
 */
export class Reachability {
  /** The set of confirmed addresses has changed, or a first test has failed. */
  readonly events = new EventEmitter<{ change: [] }>();
  readonly #components: ReachabilityComponents;
  readonly #monotonic: Monotonic;
  readonly #candidates = new Map<string, Candidate>();
  readonly #helpers = new Map<PeerIdString, Helper>();
  readonly #arrived = new EventEmitter<{ arrived: [peer: PeerIdString] }>();
  /** Outside ports that a router forwards to this node. */
  #mapped: readonly number[] = [];
  #stopping = new AbortController();

  constructor(components: ReachabilityComponents) {
    this.#components = components;
    this.#monotonic = components.monotonic ?? monotonicMs;
    this.#arrived.setMaxListeners(0);
  }

  /** The addresses at which peers have dialled this node back, without `/p2p`. */
  confirmed(): readonly Tested[] {
    return [...this.#candidates.values()].flatMap(({ confirmed }) => confirmed ?? []);
  }

  /** The addresses at which no peer has reached this node. */
  failed(): readonly Tested[] {
    return [...this.#candidates.values()].flatMap(({ confirmed, failed }) =>
      confirmed === null ? (failed ?? []) : [],
    );
  }

  /** `unknown` until the first test has ended. */
  verdict(): 'direct' | 'unreachable' | 'unknown' {
    if (this.confirmed().length > 0) return 'direct';
    return this.failed().length > 0 ? 'unreachable' : 'unknown';
  }

  /** A connected peer can dial back. @param address its own, as this node sees it */
  addHelper(peer: PeerIdString, address: string): void {
    const family = familyOf(address);
    if (family === null || !isOutside(address)) return;
    const known = this.#helpers.get(peer);
    if (known?.family === family) return;
    const never = Number.NEGATIVE_INFINITY;
    this.#helpers.set(peer, { peer, family, arrivals: known?.arrivals ?? 0, askedAt: never, notBefore: never });
    this.tick();
  }

  removeHelper(peer: PeerIdString): void {
    this.#helpers.delete(peer);
  }

  /** A peer has opened a direct connection to this node. */
  arrived(peer: PeerIdString): void {
    const helper = this.#helpers.get(peer);
    if (helper === undefined) return;
    helper.arrivals += 1;
    this.#arrived.emit('arrived', peer);
  }

  /** Tests these outside ports, too. */
  setMapped(ports: readonly number[]): void {
    this.#mapped = ports;
    this.tick();
  }

  /** A connection was lost, so the network may have changed: tests the confirmed addresses again soon. */
  doubt(): void {
    for (const candidate of this.#candidates.values())
      if (candidate.confirmed !== null) candidate.dueAt = Math.min(candidate.dueAt, candidate.testedAt + doubtAfterMs);
  }

  stop(): void {
    this.#stopping.abort();
    this.#stopping = new AbortController();
    this.#helpers.clear();
    this.#candidates.clear();
  }

  /** Starts the tests that are due. */
  tick(): void {
    this.#update();
    const now = this.#monotonic();
    for (const candidate of this.#candidates.values()) {
      if (candidate.running || candidate.dueAt > now) continue;
      const helper = this.#helperFor(candidate, now);
      if (helper !== null) void this.#test(candidate, helper);
    }
  }

  /** Adds ports that are new and drops those that are gone. */
  #update(): void {
    const ports = new Map<string, { readonly family: Family; readonly port: number }>();
    const add = (family: Family, port: number): void => void ports.set(`${family} ${port}`, { family, port });
    for (const address of this.#components.listening()) {
      const [family, port] = [familyOf(address), portOf(address)];
      if (family !== null && port !== null && kindOfIp(ipOfMultiaddr(address) ?? '') !== 'loopback') add(family, port);
    }
    for (const port of this.#mapped) add('ip4', port);
    for (const [name, { confirmed }] of this.#candidates) {
      if (ports.has(name)) continue;
      this.#candidates.delete(name);
      if (confirmed !== null) this.events.emit('change');
    }
    for (const [name, { family, port }] of ports) {
      if (this.#candidates.has(name)) continue;
      const never = Number.NEGATIVE_INFINITY;
      const fresh = { confirmed: null, failed: null, failures: 0, failedBy: new Set<PeerIdString>() };
      this.#candidates.set(name, { family, port, ...fresh, testedAt: never, dueAt: never, running: false });
    }
  }

  /** The peer that was asked longest ago, one that has not failed first. */
  #helperFor({ family, failedBy }: Candidate, now: number): Helper | null {
    const able = [...this.#helpers.values()].filter((each) => each.family === family && each.notBefore <= now);
    const rank = ({ peer, askedAt }: Helper): number => askedAt + (failedBy.has(peer) ? now + 1 : 0);
    return able.reduce<Helper | null>((best, each) => (best === null || rank(each) < rank(best) ? each : best), null);
  }

  async #test(candidate: Candidate, helper: Helper): Promise<void> {
    const { signal } = this.#stopping;
    const { peer, arrivals } = helper;
    candidate.running = true;
    helper.askedAt = this.#monotonic();
    candidate.testedAt = helper.askedAt;
    try {
      const { addr, ok } = await this.#components.ask(peer, candidate.port, { signal });
      const address = usableDirectAddress(addr)?.toString() ?? '';
      if (familyOf(address) !== candidate.family || portOf(address) !== candidate.port || !isOutside(address))
        throw new Error(`a peer claims to have dialled ${addr.slice(0, 100)}`);
      const tested = { address, by: peer, at: this.#components.clock.now() };
      if (ok && (await this.#hasArrived(helper, arrivals, signal))) this.#succeed(candidate, tested);
      else this.#fail(candidate, tested);
    } catch (error) {
      if (signal.aborted) return;
      helper.notBefore = this.#monotonic() + busyMs;
      this.#components.logger.debug('a peer did not test an address', { peer, error: messageOf(error) });
    } finally {
      candidate.running = false;
    }
    if (!signal.aborted) this.tick();
  }

  /** Whether a connection from `helper` has arrived since it had opened `before` of them. */
  async #hasArrived(helper: Helper, before: number, signal: AbortSignal): Promise<boolean> {
    const wait = new AbortController();
    const onArrived = (peer: PeerIdString): void => {
      if (peer === helper.peer) wait.abort();
    };
    this.#arrived.on('arrived', onArrived);
    try {
      // The answer may overtake the end of the handshake on the new connection.
      if (helper.arrivals === before)
        await delay(evidenceTimeoutMs, AbortSignal.any([wait.signal, signal])).catch(() => undefined);
      return helper.arrivals > before;
    } finally {
      this.#arrived.off('arrived', onArrived);
    }
  }

  #succeed(candidate: Candidate, tested: Tested): void {
    const before = candidate.confirmed;
    candidate.confirmed = tested;
    candidate.failed = null;
    candidate.failures = 0;
    candidate.failedBy.clear();
    candidate.dueAt = this.#monotonic() + recheckMs;
    this.#components.logger.info('a peer dialled this node back', { peer: tested.by, address: tested.address });
    if (before?.address !== tested.address) this.events.emit('change');
  }

  #fail(candidate: Candidate, tested: Tested): void {
    const before = this.verdict();
    let dropped = false;
    candidate.failed = tested;
    candidate.failures += 1;
    candidate.failedBy.add(tested.by);
    const now = this.#monotonic();
    const others = [...this.#helpers.values()].some(
      ({ peer, family }) => family === candidate.family && !candidate.failedBy.has(peer),
    );
    const settled = candidate.failures >= minFailures;
    candidate.dueAt = settled ? now + retryMs : now + (others ? 0 : busyMs);
    if (settled) {
      dropped = candidate.confirmed !== null;
      candidate.confirmed = null;
      candidate.failedBy.clear();
    }
    this.#components.logger.info('a peer could not dial this node back', { peer: tested.by, address: tested.address });
    if (dropped || this.verdict() !== before) this.events.emit('change');
  }
}

function familyOf(address: string): Family | null {
  if (/^\/(ip6|dns6)\//.test(address)) return 'ip6';
  return /^\/(ip4|dns4?)\//.test(address) ? 'ip4' : null;
}

function portOf(address: string): number | null {
  const [, port] = /\/tcp\/(\d+)$/.exec(address) ?? [];
  return port === undefined ? null : Number(port);
}

/** Whether an address is of the internet: a public IP, or a name. */
function isOutside(address: string): boolean {
  const ip = ipOfMultiaddr(address);
  return ip === null || kindOfIp(ip) === 'public';
}
