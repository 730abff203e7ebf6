import type { Escrow } from '../../../escrow/escrow.ts';
import { anySignal } from '../../../lib/abort.ts';
import type { Clock } from '../../../lib/clock.ts';
import type { AbortOptions } from '../../../lib/types.ts';

export interface ChainTimeComponents {
  readonly escrow: Pick<Escrow, 'now'>;
  readonly clock: Clock;
}

/** The chain's time, in unix ms: asked once, and measured by this machine's clock from then on. */
export class ChainTime {
  readonly #components: ChainTimeComponents;
  readonly #end: AbortSignal;
  /** What it is ahead of this machine's, ms; null before it was asked. */
  #aheadMs: number | null = null;

  /** @param end ends all waiting for the chain */
  constructor(components: ChainTimeComponents, end: AbortSignal) {
    this.#components = components;
    this.#end = end;
  }

  /** @param isExact asks the chain in any case. @throws QvacError E_CHAIN; the signal's reason */
  async now({ signal }: AbortOptions, isExact = false): Promise<number> {
    const { escrow, clock } = this.#components;
    const limit = anySignal(signal, this.#end);
    if (isExact || this.#aheadMs === null) this.#aheadMs = (await escrow.now({ signal: limit })) - clock.now();
    return clock.now() + this.#aheadMs;
  }
}
