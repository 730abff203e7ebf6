import { messageOf } from '../../../errors.ts';
import { type Monotonic, monotonicMs } from '../../../lib/clock.ts';
import type { Logger } from '../../../lib/log.ts';
import { mapAgainMs, mapHurryMs, mapLifeSeconds, mapRetryMs, mapStopMs } from './constants.ts';
import { gateways, mapPort } from './nat-pmp.ts';

export interface PortMapperComponents {
  readonly logger: Logger;
  /** @default that of this machine's home router */
  readonly nat?: { readonly gateways: typeof gateways; readonly mapPort: typeof mapPort } | undefined;
  /** @default performance.now */
  readonly monotonic?: Monotonic | undefined;
}

interface Forwarded {
  readonly gateway: string;
  readonly port: number;
  readonly outsidePort: number;
}

/** Keeps ports of this machine forwarded by the home router, if that does so on request. */
export class PortMapper {
  readonly #components: PortMapperComponents;
  readonly #onChange: (outsidePorts: readonly number[]) => void;
  readonly #monotonic: Monotonic;
  #forwarded: readonly Forwarded[] = [];
  #askedAt = Number.NEGATIVE_INFINITY;
  #nextAt = Number.NEGATIVE_INFINITY;
  #running: Promise<void> | null = null;
  #stopping = new AbortController();

  /** @param onChange receives the outside ports when they have changed */
  constructor(components: PortMapperComponents, onChange: (outsidePorts: readonly number[]) => void) {
    this.#components = components;
    this.#onChange = onChange;
    this.#monotonic = components.monotonic ?? monotonicMs;
  }

  /** Makes and renews what is due. To be called now and then. @param ports at which this node listens. Never throws. */
  tick(ports: readonly number[]): void {
    if (this.#running !== null || ports.length === 0 || this.#monotonic() < this.#nextAt) return;
    this.#running = this.#renew(ports).finally(() => {
      this.#running = null;
    });
  }

  /** A connection was lost: a router that was restarted has forgotten the port, and is asked again soon. */
  hurry(): void {
    if (this.#forwarded.length > 0) this.#nextAt = Math.min(this.#nextAt, this.#askedAt + mapHurryMs);
  }

  async #renew(ports: readonly number[]): Promise<void> {
    const { logger, nat = { gateways, mapPort } } = this.#components;
    const { signal } = this.#stopping;
    const found: Forwarded[] = [];
    let why = 'this machine has no home router';
    for (const gateway of await nat.gateways()) {
      for (const port of ports) {
        try {
          const { outsidePort } = await nat.mapPort(gateway, port, mapLifeSeconds, signal);
          found.push({ gateway, port, outsidePort });
        } catch (error) {
          why = messageOf(error);
          // The others would wait for the same silence.
          break;
        }
      }
      if (found.length > 0) break;
    }
    if (signal.aborted) return;
    this.#askedAt = this.#monotonic();
    this.#nextAt = this.#askedAt + (found.length > 0 ? mapAgainMs : mapRetryMs);
    const before = this.#forwarded.map(({ outsidePort }) => outsidePort).join();
    this.#forwarded = found;
    const outside = found.map(({ outsidePort }) => outsidePort);
    if (outside.join() === before) return;
    if (found.length > 0) logger.info('the router forwards', { ports: outside.join() });
    else logger.debug('the router forwards nothing', { reason: why });
    this.#onChange(outside);
  }

  /** Ends the forwarding, in bounded time. Never throws. */
  async stop(): Promise<void> {
    const { nat = { mapPort } } = this.#components;
    this.#stopping.abort();
    this.#stopping = new AbortController();
    await this.#running;
    const signal = AbortSignal.timeout(mapStopMs);
    const ending = this.#forwarded.map(({ gateway, port }) => nat.mapPort(gateway, port, 0, signal));
    this.#forwarded = [];
    this.#nextAt = Number.NEGATIVE_INFINITY;
    await Promise.allSettled(ending);
  }
}
