import { escrowRules } from '../../escrow/escrow.ts';
import { toHex } from '../../lib/bytes.ts';
import type { ModelId, PeerIdString } from '../../lib/types.ts';
import { modelIdHex } from '../../protocol/digests.ts';
import type { CardModel, Mode, Pay } from '../../protocol/messages.ts';
import { priceLamports } from '../../protocol/price.ts';
import type { VerifiedCard } from '../cards/cards.ts';
import { modelsNamed } from '../discovery/query.ts';
import { chainReliability } from '../payment/chain-record.ts';
import type { ChainRecord } from '../payment/payments.ts';
import { assumedFirstTokenMs, loadWeight, priceWeight, reliabilityWeight, speedTermWeight } from './constants.ts';
import type { Reputation, Standing } from './reputation.ts';
import type { Speed } from './reputation-file.ts';

/** What a person asks for, as far as it decides who may answer. */
export interface SelectionCriteria {
  /** Hex id, `name` or `name/quant` (section 4.0); undefined: any. */
  readonly model: string | undefined;
  readonly mode: Mode;
  /** Most prompt tokens there can be. */
  readonly promptTokens: number;
  readonly maxTokens: number;
  /** lamports */
  readonly maxPrice: number;
  /** Models that can be re-executed here, if only those will do; null: any. */
  readonly only: ReadonlySet<ModelId> | null;
}

/** Why a choice fell as it did: points, 0 at best, and what each term is worth. */
export interface Terms {
  readonly price: number;
  readonly speed: number;
  readonly reliability: number;
  readonly load: number;
}

export interface Choice {
  readonly card: VerifiedCard;
  readonly model: CardModel;
  readonly modelId: ModelId;
  /** The most that the job can cost, lamports. */
  readonly priceLamports: bigint;
  readonly standing: Standing;
  readonly terms: Terms;
  readonly score: number;
}

export type Exclusion = 'other-model' | 'not-held' | 'mode' | 'context' | 'too-dear' | 'pay' | 'standing';

export interface Selection {
  /** Best first. */
  readonly choices: readonly Choice[];
  readonly excluded: readonly ({ readonly peer: PeerIdString } & Refusal)[];
}

export interface SelectComponents {
  readonly reputation: Pick<Reputation, 'standing' | 'speed'>;
  /** Jobs that this router has with `peer` now. */
  readonly inFlight: (peer: PeerIdString) => number;
  /** Why nobody can be paid there, or null. @default nobody can be paid anywhere */
  readonly refusal?: ((pay: Pay) => string | null) | undefined;
  /** What the chain says of the providers, by their keys in hex. @default nothing */
  readonly records?: ReadonlyMap<string, ChainRecord> | undefined;
}

/** Whoever of `cards` may answer, best first, and why the others may not. Pure: asks nobody. */
export function select(
  components: SelectComponents,
  cards: readonly VerifiedCard[],
  wish: SelectionCriteria,
): Selection {
  const eligible: Eligible[] = [];
  const excluded: Selection['excluded'][number][] = [];
  for (const card of cards) {
    if (card.card.role !== 'provider') continue;
    const examined = examine(components, card, wish);
    if ('why' in examined) excluded.push({ peer: card.peer, ...examined });
    else eligible.push(examined);
  }
  return { choices: rank(eligible, components, wish), excluded };
}

interface Eligible extends Omit<Choice, 'terms' | 'score'> {
  readonly record: ChainRecord | null;
  readonly speed: Speed | null;
}

type Refusal = {
  readonly why: Exclusion;
  readonly detail: string /** Where it is too dear. */;
  readonly priceLamports?: bigint | undefined;
};

function examine(
  { reputation, refusal = () => 'wants to be paid', records }: SelectComponents,
  card: VerifiedCard,
  wish: SelectionCriteria,
): Eligible | Refusal {
  const named = modelsNamed(card.card, wish.model);
  if (named.length === 0) return { why: 'other-model', detail: `does not offer ${wish.model ?? 'a model'}` };
  const held = named.filter((model) => wish.only === null || wish.only.has(modelIdHex(model.id)));
  if (held.length === 0) return { why: 'not-held', detail: 'a file that is not here to check against' };
  const serving = held.filter((model) => model.modes.includes(wish.mode));
  if (serving.length === 0) return { why: 'mode', detail: `does not serve mode ${wish.mode}` };
  const roomy = serving.filter((model) => model.context > wish.maxTokens);
  if (roomy.length === 0)
    return {
      why: 'context',
      detail: `its context of ${Math.max(...serving.map(({ context }) => context))} tokens has no room for an answer of ${wish.maxTokens}`,
    };
  const standing = reputation.standing(card.peer);
  if (!standing.usable) return { why: 'standing', detail: standing.reason ?? 'not usable' };

  const priced = roomy
    .map((model) => ({ model, priceLamports: highestPrice(model, wish) }))
    .toSorted((a, b) => Number(a.priceLamports - b.priceLamports));
  const cheapest = priced[0];
  if (cheapest === undefined || cheapest.priceLamports > BigInt(wish.maxPrice))
    return {
      why: 'too-dear',
      detail: `up to ${String(cheapest?.priceLamports)} lamports`,
      priceLamports: cheapest?.priceLamports,
    };
  const unpayable = card.card.pay === null || cheapest.priceLamports === 0n ? null : refusal(card.card.pay);
  if (unpayable !== null) return { why: 'pay', detail: unpayable };
  const record = records?.get(toHex(card.card.peer)) ?? null;
  const weak =
    card.card.pay === null || cheapest.priceLamports === 0n || records === undefined
      ? null
      : weakness(record, cheapest.priceLamports);
  if (weak !== null) return { why: 'pay', detail: weak };
  const modelId = modelIdHex(cheapest.model.id);
  return { card, ...cheapest, modelId, standing, record, speed: reputation.speed(card.peer, modelId) };
}

/** Why its stake does not allow it to be paid so much, or null. */
function weakness(record: ChainRecord | null, price: bigint): string | null {
  if (record === null) return 'is not registered where it wants to be paid';
  return record.active && record.freeStake >= escrowRules.slashMultiple * price
    ? null
    : 'its stake does not cover this job';
}

function highestPrice(model: CardModel, wish: SelectionCriteria): bigint {
  // A prompt that does not fit beside the answer is refused, so it never costs more than what fits.
  const promptCount = Math.min(wish.promptTokens, model.context - wish.maxTokens);
  return priceLamports({ promptCount, n: wish.maxTokens, priceIn: model.priceIn, priceOut: model.priceOut });
}

function rank(eligible: readonly Eligible[], components: SelectComponents, wish: SelectionCriteria): Choice[] {
  const lowestPrice = eligible.reduce(
    (low, { priceLamports: price }) => (price < low ? price : low),
    eligible[0]?.priceLamports ?? 0n,
  );
  const fastest = Math.max(0, ...eligible.map(({ speed }) => speed?.tokensPerSecond ?? 0));
  const times = new Map(eligible.map((each) => [each, expectedMs(each, wish.maxTokens, fastest)]));
  const shortest = Math.min(...times.values());
  return (
    eligible
      .map((each) => {
        const terms: Terms = {
          price: -priceWeight * Math.log2((1 + Number(each.priceLamports)) / (1 + Number(lowestPrice))),
          speed: -speedTermWeight * Math.log2((times.get(each) ?? shortest) / shortest),
          reliability:
            reliabilityWeight *
            Math.log2(each.standing.reliability * (each.record === null ? 1 : chainReliability(each.record))),
          load: -loadWeight * Math.min(4, components.inFlight(each.card.peer) / Math.max(1, each.model.slots)),
        };
        const { speed: _speed, record: _record, ...choice } = each;
        return { ...choice, terms, score: terms.price + terms.speed + terms.reliability + terms.load };
      })
      // Equal scores fall by peer id, so that the same knowledge gives the same choice.
      .toSorted((a, b) => b.score - a.score || (a.card.peer < b.card.peer ? -1 : 1))
  );
}

/**
 * Time to a whole answer: as measured here, else as the card claims. A claim beats what was measured by no more than
 * twice.
 */
function expectedMs({ speed, card }: Eligible, maxTokens: number, fastest: number): number {
  const claimed = Math.min(card.card.compute.tokensPerSecond, fastest > 0 ? 2 * fastest : Infinity);
  const perSecond = Math.max(0.01, speed?.tokensPerSecond ?? claimed);
  return (speed?.firstTokenMs ?? assumedFirstTokenMs) + (maxTokens * 1_000) / perSecond;
}
