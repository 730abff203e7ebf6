import { randomBytes } from 'node:crypto';
import { networkInterfaces } from 'node:os';
import { ipOfMultiaddr, kindOfIp } from '../../../lib/ip-kind.ts';
import type { Logger } from '../../../lib/log.ts';
import type { PeerIdString } from '../../../lib/types.ts';
import { Link, linkPlaces } from './link.ts';
import { answersOf, asksFor, nodeIn, type Packet } from './records.ts';

export interface LocalDiscoveryInit {
  /** This node. */
  readonly peer: PeerIdString;
  /** The DNS name of the network's nodes (protocol section 7). */
  readonly service: string;
  /** Whether others may find this node, too. */
  readonly answers: boolean;
  /** Multiaddrs of this node with `/p2p/<id>`. */
  addrs(): readonly string[];
  /** Called for each answer of another node, not only the first. `addrs` are multiaddrs without `/p2p`. */
  onPeer(peer: PeerIdString, addrs: readonly string[]): void;
  /** Called when another node answers with this node's key, for each answer. */
  onTwin(address: string): void;
}

/** Time between two questions, and between two looks at the interfaces, which come and go. */
const askEveryMs = 10_000;
/** Questions within this time get one answer, so that a flood of them is not multiplied. */
const answerGapMs = 100;

interface OpenLink {
  readonly link: Link;
  /** The answer that is due. */
  timer: NodeJS.Timeout | null;
  answeredAt: number;
}

/** Finds nodes by multicast DNS on every network interface, over IPv4 and IPv6, and is found by them. */
export class LocalDiscovery {
  readonly #init: LocalDiscoveryInit;
  readonly #logger: Logger;
  /** Tells this run from another one with the same key. */
  readonly #instance = randomBytes(16).toString('hex');
  readonly #links = new Map<string, OpenLink>();
  #timer: NodeJS.Timeout | null = null;

  constructor(logger: Logger, init: LocalDiscoveryInit) {
    this.#logger = logger;
    this.#init = init;
  }

  start(): void {
    if (this.#timer !== null) return;
    this.#timer = setInterval(() => this.#round(), askEveryMs);
    this.#timer.unref();
    this.#round();
  }

  async stop(): Promise<void> {
    if (this.#timer !== null) clearInterval(this.#timer);
    this.#timer = null;
    await Promise.all([...this.#links.keys()].map((name) => this.#close(name)));
  }

  /** Opens links that came, closes those that are gone, and asks on all. */
  #round(): void {
    // An interface that got another address is another link.
    const places = new Map(linkPlaces(networkInterfaces()).map((place) => [`${place.name} ${place.at}`, place]));
    for (const name of this.#links.keys()) if (!places.has(name)) void this.#close(name);
    for (const [name, place] of places) {
      if (this.#links.has(name)) continue;
      const link = new Link(place, {
        onQuery: (query) => this.#heardQuery(name, query),
        onResponse: (response) => this.#heardResponse(response),
        onError: (error) => {
          this.#logger.debug('multicast does not work on an interface', { name, reason: error.message });
          void this.#close(name);
        },
      });
      this.#links.set(name, { link, timer: null, answeredAt: Number.NEGATIVE_INFINITY });
    }
    for (const { link } of this.#links.values()) link.ask(this.#init.service);
  }

  async #close(name: string): Promise<void> {
    const open = this.#links.get(name);
    if (open === undefined) return;
    this.#links.delete(name);
    if (open.timer !== null) clearTimeout(open.timer);
    await open.link.close();
  }

  #heardQuery(name: string, query: Packet): void {
    const open = this.#links.get(name);
    if (open === undefined || !this.#init.answers || !asksFor(query, this.#init.service) || open.timer !== null) return;
    const waitMs = open.answeredAt + answerGapMs - performance.now();
    if (waitMs <= 0) this.#answer(open);
    else
      open.timer = setTimeout(() => {
        open.timer = null;
        this.#answer(open);
      }, waitMs);
  }

  #answer(open: OpenLink): void {
    const { addresses } = open.link.place;
    // Others on this link cannot reach an address of another link; a node of this machine needs loopback.
    const addrs = this.#init.addrs().filter((address) => {
      const ip = ipOfMultiaddr(address);
      return ip !== null && (addresses.includes(ip) || kindOfIp(ip) === 'loopback');
    });
    if (addrs.length === 0) return;
    open.answeredAt = performance.now();
    open.link.answer(answersOf(this.#init.service, this.#instance, addrs));
  }

  #heardResponse(response: Packet): void {
    const node = nodeIn(response, this.#init.service);
    if (node === null || node.instance === this.#instance) return;
    if (node.peer !== this.#init.peer) {
      this.#init.onPeer(node.peer, node.addrs);
      return;
    }
    const reach = (address: string): boolean => kindOfIp(ipOfMultiaddr(address) ?? '') !== 'loopback';
    this.#init.onTwin(node.addrs.find(reach) ?? node.addrs[0] ?? '');
  }
}
