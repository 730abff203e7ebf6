import { raceSignal } from '../../lib/abort.ts';
import { equalBytes, toHex } from '../../lib/bytes.ts';
import type { AbortOptions, ModelId, PeerIdString } from '../../lib/types.ts';
import type { Receipt } from '../../proofs/receipt.ts';
import { drawReferees } from '../../proofs/score/referees.ts';
import type { ScoreRequest } from '../../proofs/score/score-request.ts';
import { modelIdHex } from '../../protocol/digests.ts';
import { promptTokenBound } from '../../protocol/input/prompt-bound.ts';
import { modes } from '../../protocol/messages.ts';
import { decodeOffer } from '../../protocol/validate.ts';
import type { VerifiedCard } from '../cards/cards.ts';
import type { Discovery } from '../discovery/discovery.ts';
import type { ClientPayments } from '../payment/payments.ts';
import { chainOf } from '../selection/choose.ts';
import type { Reputation } from '../selection/reputation.ts';
import { type Choice, type SelectComponents, select } from '../selection/select.ts';
import { wantedCandidates } from './constants.ts';

export interface CandidatesComponents {
  readonly discovery: Pick<Discovery, 'live' | 'find'>;
  readonly reputation: Pick<Reputation, 'standing' | 'speed'>;
  /** Null: no referee is paid. */
  readonly payments: ClientPayments | null;
  /** The asker's own peers and payees, which cannot be its referees. */
  readonly own: () => Promise<Own>;
}

export interface CandidatesInit {
  /** How long a search for more providers may take, ms. */
  readonly searchMs: number;
}

export interface Own {
  readonly peers: readonly PeerIdString[];
  /** Raw keys. */
  readonly payees: readonly Uint8Array[];
}

/** What a score job costs and needs. */
export interface ScoreSize {
  /** Hex id, or for an estimate `name` or `name/quant`. */
  readonly model: string;
  /** Upper bound of the prompt's tokens. */
  readonly promptTokens: number;
  /** Tokens of the answer. */
  readonly tokens: number;
  /** The most that one score may cost, lamports. */
  readonly maxPrice: number;
}

/** What a score of this answer needs. */
export function scoreSizeOf(
  receipt: Receipt,
  { input, sampler }: ScoreRequest,
): Omit<ScoreSize, 'maxPrice' | 'model'> & { readonly model: ModelId } {
  return {
    model: modelIdHex(decodeOffer(receipt.offer.body).modelId),
    promptTokens: promptTokenBound({ ...input, continuation: [] }),
    tokens: sampler.maxTokens,
  };
}

/** Finds the providers that referees are drawn from. */
export class Candidates {
  readonly #components: CandidatesComponents;
  readonly #init: CandidatesInit;
  /** The search that is under way for each model. */
  readonly #searches: Map<string, Promise<void>>;
  readonly #end: AbortController;

  /** @param sharing the one whose searches it shares, and with which it stops. @default it has its own */
  constructor(components: CandidatesComponents, init: CandidatesInit, sharing?: Candidates) {
    this.#components = components;
    this.#init = init;
    this.#searches = sharing === undefined ? new Map() : sharing.#searches;
    this.#end = sharing === undefined ? new AbortController() : sharing.#end;
  }

  /** The same candidates, as far as `payments` can pay them. */
  paidBy(payments: ClientPayments | null): Candidates {
    return new Candidates({ ...this.#components, payments }, this.#init, this);
  }

  /**
   * Live providers that may be referees of an answer (section 4.7), with what each would cost at most. If they are
   * fewer than `least`, waits for a search for more; if they are not many, one goes on in the background.
   * @param provider of the answer; null if a router will choose it
   */
  async find(
    { model, promptTokens, tokens, maxPrice }: ScoreSize,
    provider: VerifiedCard | null,
    least: number,
    options: AbortOptions = {},
  ): Promise<readonly Choice[]> {
    const { discovery, reputation, payments } = this.#components;
    const own = await this.#components.own();
    const criteria = { model, mode: modes.score, promptTokens, maxTokens: tokens, maxPrice, only: null };
    const among = (cards: readonly VerifiedCard[], parts: Partial<SelectComponents>): readonly Choice[] => {
      const strangers = cards.filter((card) => isStranger(card, provider, own));
      return select({ reputation, inFlight: () => 0, ...parts }, strangers, criteria).choices;
    };
    const payable = payments === null ? {} : { refusal: () => null };
    const live = among(discovery.live(), payable).length;
    if (live < wantedCandidates) {
      const search = this.#search(model, (cards) => among(cards, payable).length >= wantedCandidates);
      if (live < least) await raceSignal(search, options.signal);
    }
    const cards = discovery.live();
    const found = among(cards, payable);
    const isCharged = found.some(({ card, priceLamports }) => card.card.pay !== null && priceLamports > 0n);
    return payments !== null && isCharged ? among(cards, await chainOf(payments, options)) : found;
  }

  /** Ends every search. */
  stop(): void {
    this.#end.abort(new Error('stopping'));
  }

  /** Never rejects: those that are live already may do. */
  #search(model: string, enough: (cards: readonly VerifiedCard[]) => boolean): Promise<void> {
    const running = this.#searches.get(model);
    if (running !== undefined) return running;
    const query = { model, role: 'provider' } as const;
    const options = { enough, timeoutMs: this.#init.searchMs, signal: this.#end.signal };
    const search = this.#components.discovery.find(query, options).then(
      () => undefined,
      () => undefined,
    );
    this.#searches.set(model, search);
    void search.then(() => this.#searches.delete(model));
    return search;
  }
}

/** Neither the provider nor the asker, by peer and by payee. */
function isStranger({ peer, card: { pay } }: VerifiedCard, provider: VerifiedCard | null, own: Own): boolean {
  if (peer === provider?.peer || own.peers.includes(peer)) return false;
  const payees = [...own.payees, ...(provider?.card.pay == null ? [] : [provider.card.pay.payee])];
  return pay === null || !payees.some((payee) => equalBytes(payee, pay.payee));
}

/** Candidates in the order in which they are drawn, one of each payee. */
export function drawnFrom(candidates: readonly Choice[], root: Uint8Array, secret: Uint8Array): readonly Choice[] {
  const byPeer = new Map(candidates.map((choice) => [toHex(choice.card.card.peer), choice]));
  const order = drawReferees(
    root,
    secret,
    candidates.map(({ card }) => card.card.peer),
  );
  const payees = new Set<string>();
  return order.flatMap((peer) => {
    const choice = byPeer.get(toHex(peer));
    if (choice === undefined) return [];
    const payee = choice.card.card.pay === null ? null : toHex(choice.card.card.pay.payee);
    if (payee !== null && payees.has(payee)) return [];
    if (payee !== null) payees.add(payee);
    return [choice];
  });
}
