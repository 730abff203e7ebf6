import { messageOf } from '../../../errors.ts';
import { type Monotonic, monotonicMs } from '../../../lib/clock.ts';
import type { Logger } from '../../../lib/log.ts';
import { mapAgainMs, mapHurryMs, mapLifeSeconds, mapRetryMs, mapStopMs } from './constants.ts';
import { gateways } from './gateways.ts';
import { natPmp } from './nat-pmp.ts';
import type { PortForwarder } from './port-forwarder.ts';
import { createUpnp } from './upnp.ts';

export interface PortMapperComponents {
  readonly logger: Logger;
  /** Where the home router may be. @default as this machine's routes say */
  readonly gateways?: typeof gateways | undefined;
  /** Tried one after another. @default NAT-PMP, UPnP */
  readonly forwarders?: readonly PortForwarder[] | undefined;
  /** @default performance.now */
  readonly monotonic?: Monotonic | undefined;
}

interface Forwarded {
  readonly by: PortForwarder;
  readonly gateway: string;
  readonly port: number;
  readonly outsidePort: number;
}

/** Keeps ports of this machine forwarded by the home router, if that does so on request. */
export class PortMapper {
  readonly #components: PortMapperComponents;
  readonly #onChange: (outsidePorts: readonly number[]) => void;
  readonly #forwarders: readonly PortForwarder[];
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
    this.#forwarders = components.forwarders ?? [natPmp, createUpnp()];
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
    const { logger } = this.#components;
    const { signal } = this.#stopping;
    const { found, why } = await this.#find(ports, signal);
    if (signal.aborted) return;
    this.#askedAt = this.#monotonic();
    this.#nextAt = this.#askedAt + (found.length > 0 ? mapAgainMs : mapRetryMs);
    const before = this.#forwarded.map(({ outsidePort }) => outsidePort).join();
    this.#forwarded = found;
    const outside = found.map(({ outsidePort }) => outsidePort);
    if (outside.join() === before) return;
    if (found.length > 0) logger.info('the router forwards', { ports: outside.join(), by: found[0]?.by.name });
    else logger.debug('the router forwards nothing', { reason: why });
    this.#onChange(outside);
  }

  /** The ports that the first router forwards which forwards any, or why none does. */
  async #find(
    ports: readonly number[],
    signal: AbortSignal,
  ): Promise<{ readonly found: readonly Forwarded[]; readonly why: string }> {
    const whys: string[] = [];
    // What worked before is asked first.
    const before = this.#forwarded[0]?.by;
    const forwarders = this.#forwarders.toSorted((a, b) => Number(b === before) - Number(a === before));
    const { gateways: routers = gateways } = this.#components;
    for (const gateway of await routers()) {
      for (const by of forwarders) {
        const found: Forwarded[] = [];
        try {
          for (const port of ports) {
            const { outsidePort } = await by.forward(gateway, port, mapLifeSeconds, signal);
            found.push({ by, gateway, port, outsidePort });
          }
        } catch (error) {
          // Further ports would wait for the same silence.
          whys.push(`${by.name}: ${messageOf(error)}`);
        }
        if (found.length > 0) return { found, why: '' };
      }
    }
    return { found: [], why: whys.join('; ') || 'this machine has no home router' };
  }

  /** Ends the forwarding, in bounded time. Never throws. */
  async stop(): Promise<void> {
    this.#stopping.abort();
    this.#stopping = new AbortController();
    await this.#running;
    const signal = AbortSignal.timeout(mapStopMs);
    const ending = this.#forwarded.map(({ by, gateway, ...ports }) => by.end(gateway, ports, signal));
    this.#forwarded = [];
    this.#nextAt = Number.NEGATIVE_INFINITY;
    await Promise.allSettled(ending);
  }
}
