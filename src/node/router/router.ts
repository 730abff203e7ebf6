import { QvacError } from '../../errors.ts';
import type { Clock } from '../../lib/clock.ts';
import type { Logger } from '../../lib/log.ts';
import type { PeerIdString } from '../../lib/types.ts';
import type { Receipt } from '../../proofs/receipt.ts';
import { auditProtocol, heartbeatMs, routeProtocol } from '../../protocol/constants.ts';
import type { Discovery } from '../discovery/discovery.ts';
import type { Peer } from '../peer/peer.ts';
import { defaultAuditRate } from '../selection/constants.ts';
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
   * Another node that re-executes a client's answers that failed a numeric check, and so sees their prompts.
   * @default this router re-executes them a second time
   */
  readonly second?: ((client: PeerIdString) => SecondOpinion | null) | undefined;
  /** Stores the receipts of routed jobs. */
  readonly receipts: { save(receipt: Receipt): Promise<unknown> };
  /** What the router may spend for each client. @default null: no provider is paid */
  readonly allowances?: SpendingAllowances | null | undefined;
  readonly clock: Clock;
  readonly logger: Logger;
}

export interface RouterInit {
  /** Whether the router serves this peer (section 4.0): its owner's client, or a peer that its owner allowed. */
  serves(peer: PeerIdString): boolean;
  /** How likely an established provider's answer is re-executed, if its client did not ask for it. @default 0.05 */
  readonly auditRate?: number | undefined;
  /** Silence after which the router sends a heartbeat of its own, ms. @default that of section 4.0 */
  readonly beatMs?: number | undefined;
  /** How long a provider may take to send its card right before an offer, ms. @default 3_000 */
  readonly probeTimeoutMs?: number | undefined;
  /** Called at the end of each question. */
  readonly onRouted?: ((event: Routed) => void) | undefined;
}

/** The verifying router of section 4.0. `start` and `stop` are idempotent. */
export interface Router {
  start(): Promise<void>;
  /** Ends all questions and audits in progress, and waits until they have ended. */
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
      auditRate: this.#init.auditRate ?? defaultAuditRate,
      key: peer.key,
      questions: this.#questions,
      audits: this.#audits,
      jobs: this.#jobs,
      commits: this.#commits,
      probes: new Probes(this.#components, this.#init),
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
                lost: event.lost.length,
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
