import { QvacError } from '../../errors.ts';
import { seconds, shortPeer } from '../../lib/names.ts';
import type { PeerIdString } from '../../lib/types.ts';
import type { VerifiedCard } from '../cards/cards.ts';
import type { Discovery } from '../discovery/discovery.ts';
import type { Reputation } from '../selection/reputation.ts';
import { probeTimeoutMs } from './constants.ts';

export interface ProbesComponents {
  readonly discovery: Pick<Discovery, 'refresh'>;
  readonly reputation: Pick<Reputation, 'record'>;
}

/** Fetches the current cards of providers. Concurrent questions share one request per provider. */
export class Probes {
  readonly #components: ProbesComponents;
  readonly #timeoutMs: number;
  readonly #running = new Map<PeerIdString, Promise<VerifiedCard>>();

  /** @param init `probeTimeoutMs`: how long a card may take, ms */
  constructor(components: ProbesComponents, init: { readonly probeTimeoutMs?: number | undefined }) {
    this.#components = components;
    this.#timeoutMs = init.probeTimeoutMs ?? probeTimeoutMs;
  }

  /** @throws Error if the card is invalid or does not arrive in time; recorded once in the reputation as `aborted` */
  card(peer: PeerIdString): Promise<VerifiedCard> {
    const running = this.#running.get(peer) ?? this.#ask(peer);
    this.#running.set(peer, running);
    return running;
  }

  async #ask(peer: PeerIdString): Promise<VerifiedCard> {
    const { discovery, reputation } = this.#components;
    const signal = AbortSignal.timeout(this.#timeoutMs);
    try {
      return await discovery.refresh(peer, { signal });
    } catch (error) {
      reputation.record(peer, { kind: 'aborted' });
      throw signal.aborted
        ? new QvacError('E_TIMEOUT', `${shortPeer(peer)} sent no card within ${seconds(this.#timeoutMs)}`, {
            cause: error,
          })
        : error;
    } finally {
      this.#running.delete(peer);
    }
  }
}
