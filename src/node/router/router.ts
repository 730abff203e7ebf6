import { QvacError } from '../../errors.ts';
import type { Clock } from '../../lib/clock.ts';
import type { Logger } from '../../lib/log.ts';
import type { PeerIdString } from '../../lib/types.ts';
import type { Receipt } from '../../proofs/receipt.ts';
import { auditProtocol, heartbeatMs, routeProtocol } from '../../protocol/constants.ts';
import type { Discovery } from '../discovery/discovery.ts';
import type { Peer } from '../peer/peer.ts';
import type { Reputation } from '../selection/reputation.ts';
import type { SecondOpinion } from '../verification/second-opinion.ts';
import type { Verifier } from '../verification/verifier.ts';
import type { SpendingAllowances } from './allowances.ts';
import { handleAudit } from './audit-handler.ts';
import { Commits } from './commits.ts';
import { maxAuditsPerPeer, maxRoutesPerPeer } from './constants.ts';
import { InFlight } from './in-flight.ts';
import { Probes } from './probes.ts';
import { handleRoute, type Routed } from './route-handler.ts';

export interface RouterComponents {
  readonly peer: Peer;
  readonly discovery: Pick<Discovery, 'live' | 'find' | 'refresh'>;
  readonly reputation: Reputation;
  readonly verifier: Verifier;
  /**
   * Who is asked before a provider is blamed for numbers, by whose question it was: that node sees the prompt.
   * @default this router alone re-executes, twice
   */
  readonly second?: ((client: PeerIdString) => SecondOpinion | null) | undefined;
  /** Keeps the receipts of routed jobs. */
  readonly receipts: { save(receipt: Receipt): Promise<unknown> };
  /** What it may spend for each client. @default null: no provider is paid */
  readonly allowances?: SpendingAllowances | null | undefined;
  readonly clock: Clock;
  readonly logger: Logger;
}

export interface RouterInit {
  /** Whom it serves (section 4.0): its owner's client and the peers it was told to, nobody else. */
  serves(peer: PeerIdString): boolean;
  /** Silence after which it sends a beat of its own, ms. @default that of section 4.0 */
  readonly beatMs?: number | undefined;
  /** Hears how each question went. */
  readonly onRouted?: ((event: Routed) => void) | undefined;
}

/** The verifying router of section 4.0. `start` and `stop` are idempotent. */
export interface Router {
  start(): Promise<void>;
  /** Ends what is in progress and waits for it. */
  stop(): Promise<void>;
  /** Questions in progress. */
  readonly active: number;
}

/**
 * ```ts
 * const router = createRouter({ peer, discovery, reputation, verifier, receipts, clock, logger }, { serves: (id) =>
 * allowed.has(id) });
 * await router.start();
 * ```
 */
export function createRouter(components: RouterComponents, init: RouterInit): Router {
  return new VerifyingRouter(components, init);
}

class VerifyingRouter implements Router {
  readonly #components: RouterComponents;
  readonly #init: RouterInit;
  readonly #questions = new InFlight();
  readonly #audits = new InFlight();
  readonly #jobs = new InFlight();
  readonly #commits = new Commits();
  readonly #running = new Set<Promise<void>>();
  #stop: AbortController | null = null;

  constructor(components: RouterComponents, init: RouterInit) {
    this.#components = components;
    this.#init = init;
  }

  get active(): number {
    return this.#questions.total;
  }

  async start(): Promise<void> {
    if (this.#stop !== null) return;
    const stop = new AbortController();
    this.#stop = stop;
    const { peer, logger } = this.#components;
    const components = {
      ...this.#components,
      allowances: this.#components.allowances ?? null,
      key: peer.key,
      questions: this.#questions,
      audits: this.#audits,
      jobs: this.#jobs,
      commits: this.#commits,
      probes: new Probes(this.#components),
    };
    const init = {
      serves: (id: PeerIdString) => !stop.signal.aborted && this.#init.serves(id),
      beatMs: this.#init.beatMs ?? heartbeatMs,
      signal: stop.signal,
      routed: (event: Routed) => {
        logger.info(
          'a question ended',
          event.event === 'answered'
            ? {
                ...event,
                faults: event.faults.join(' '),
                considered: event.considered.length,
                payment: event.payment?.state ?? null,
              }
            : { ...event },
        );
        this.#init.onRouted?.(event);
      },
    };
    await peer.handle(routeProtocol, (stream) => this.#track(handleRoute(components, init, stream)), {
      maxInboundStreams: maxRoutesPerPeer + 8,
    });
    await peer.handle(auditProtocol, (stream) => this.#track(handleAudit(components, init, stream)), {
      maxInboundStreams: maxAuditsPerPeer + 4,
    });
  }

  async stop(): Promise<void> {
    this.#stop?.abort(new QvacError('E_INTERRUPTED', 'the router is stopping'));
    this.#stop = null;
    await Promise.allSettled(this.#running);
  }

  async #track(handling: Promise<void>): Promise<void> {
    this.#running.add(handling);
    try {
      await handling;
    } finally {
      this.#running.delete(handling);
    }
  }
}
