import type { PeerIdString } from '../../lib/types.ts';
import type { VerifiedCard } from '../cards.ts';
import type { Discovery } from '../discovery.ts';
import { probeTimeoutMs } from './constants.ts';

/** Asks providers for their cards of this moment; questions that come together share one answer. */
export class Probes {
  readonly #discovery: Pick<Discovery, 'refresh'>;
  readonly #running = new Map<PeerIdString, Promise<VerifiedCard>>();

  constructor(discovery: Pick<Discovery, 'refresh'>) {
    this.#discovery = discovery;
  }

  /** @throws QvacError where it cannot be had in time, or is refused */
  card(peer: PeerIdString): Promise<VerifiedCard> {
    const running = this.#running.get(peer) ?? this.#ask(peer);
    this.#running.set(peer, running);
    return running;
  }

  async #ask(peer: PeerIdString): Promise<VerifiedCard> {
    try {
      return await this.#discovery.refresh(peer, { signal: AbortSignal.timeout(probeTimeoutMs) });
    } finally {
      this.#running.delete(peer);
    }
  }
}
