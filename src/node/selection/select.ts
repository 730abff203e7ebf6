import { escrowRules } from '../../escrow/constants.ts';
import { equalBytes, toHex } from '../../lib/bytes.ts';
import type { ModelId, PeerIdString } from '../../lib/types.ts';
import { keepsPrompts } from '../../protocol/constants.ts';
import { modelIdHex } from '../../protocol/digests.ts';
import { dimensionsOf, promptRoom } from '../../protocol/embedding.ts';
import { fillsGaps } from '../../protocol/input/gap.ts';
import { quotedLamports } from '../../protocol/messages/quote.ts';
import { type CardModel, type Mode, modeName, type Pay } from '../../protocol/messages.ts';
import type { VerifiedCard } from '../cards/cards.ts';
import { modelsNamed } from '../discovery/query.ts';
import type { ChainRecord } from '../payment/payments.ts';
import type { KnownShare } from './asked-prompts.ts';
import { chainReliability } from './chain-reliability.ts';
import {
  assumedFirstTokenMs,
  keptWeight,
  loadWeight,
  priceWeight,
  reliabilityWeight,
  speedTermWeight,
} from './constants.ts';
import type { Reputation, Standing } from './reputation.ts';
import type { Speed } from './reputation-file.ts';

/** The parts of a question that decide which providers are eligible. */
export interface SelectionCriteria {
  /** Hex id, `name` or `name/quant` (section 4.0); undefined: any. */
  readonly model: string | undefined;
  readonly mode: Mode;
  /** Upper bound of the prompt's tokens. */
  readonly promptTokens: number;
  readonly maxTokens: number;
  /** Lamports. */
  readonly maxPrice: number;
  /** The models that can be re-executed, if the answer must be; null: any model. */
  readonly only: ReadonlySet<ModelId> | null;
  /** Providers that are passed over. @default none */
  readonly except?: ReadonlySet<PeerIdString> | undefined;
  /** Providers of this execution class come first: only they continue an answer bit for bit. @default none */
  readonly preferredClass?: Uint8Array | undefined;
  /** How much of the prompt a provider may have kept. @default nothing */
  readonly knownShare?: KnownShare | undefined;
  /** Whether texts are to be embedded (section 4.9), in the place of an answer. @default false */
  readonly embeds?: boolean | undefined;
  /** What the model must serve beyond plain text: names in its `can` (section 3). @default nothing */
  readonly needs?: readonly string[] | undefined;
}

/** The terms of a score, in points; 0 is the best value of each. */
export interface Terms {
  readonly price: number;
  readonly speed: number;
  readonly reliability: number;
  readonly load: number;
  readonly kept: number;
}

export interface Choice {
  readonly card: VerifiedCard;
  readonly model: CardModel;
  readonly modelId: ModelId;
  /** The most that the answer can cost, lamports. */
  readonly priceLamports: bigint;
  readonly standing: Standing;
  readonly terms: Terms;
  readonly score: number;
}

export type Exclusion = 'other-model' | 'not-held' | 'mode' | 'ability' | 'context' | 'too-dear' | 'pay' | 'standing';

export interface Selection {
  /** Best first. */
  readonly choices: readonly Choice[];
  readonly excluded: readonly ({ readonly peer: PeerIdString } & Excluded)[];
}

export interface SelectComponents {
  readonly reputation: Pick<Reputation, 'standing' | 'speed'>;
  /** Jobs that this node has with `peer` now. */
  readonly inFlight: (peer: PeerIdString) => number;
  /** Why no provider can be paid at `pay`, or null. @default no provider can be paid */
  readonly refusal?: ((pay: Pay) => string | null) | undefined;
  /** The chain's records of providers, by their keys in hex. @default none */
  readonly records?: ReadonlyMap<string, ChainRecord> | undefined;
}

/** Ranks the eligible providers of `cards`, best first, and says why the others are excluded. Pure: does no I/O. */
export function select(
  components: SelectComponents,
  cards: readonly VerifiedCard[],
  criteria: SelectionCriteria,
): Selection {
  const selection = selectWith(components, cards, criteria);
  if (selection.choices.length > 0) return selection;
  // A provider that only rests after broken jobs is better than none.
  const { reputation } = components;
  const standing = (peer: PeerIdString): Standing => {
    const known = reputation.standing(peer);
    return known.isResting ? { ...known, usable: true } : known;
  };
  const speed: Reputation['speed'] = (peer, model) => reputation.speed(peer, model);
  return selectWith({ ...components, reputation: { standing, speed } }, cards, criteria);
}

function selectWith(
  components: SelectComponents,
  cards: readonly VerifiedCard[],
  criteria: SelectionCriteria,
): Selection {
  const eligible: Eligible[] = [];
  const excluded: Selection['excluded'][number][] = [];
  for (const card of cards) {
    if (card.card.role !== 'provider' || criteria.except?.has(card.peer) === true) continue;
    const examined = examine(components, card, criteria);
    if ('why' in examined) excluded.push({ peer: card.peer, ...examined });
    else eligible.push(examined);
  }
  return { choices: rank(eligible, components, criteria), excluded };
}

interface Eligible extends Omit<Choice, 'terms' | 'score'> {
  readonly record: ChainRecord | null;
  readonly speed: Speed | null;
}

interface Excluded {
  readonly why: Exclusion;
  readonly detail: string;
  /** The lowest price, if it is above the limit; lamports. */
  readonly priceLamports?: bigint | undefined;
}

function examine(
  { reputation, refusal = () => 'charges for answers, and this node does not pay', records }: SelectComponents,
  card: VerifiedCard,
  criteria: SelectionCriteria,
): Eligible | Excluded {
  const named = modelsNamed(card.card, criteria.model);
  if (named.length === 0) return { why: 'other-model', detail: `does not offer ${criteria.model ?? 'a model'}` };
  const held = named.filter((model) => criteria.only === null || criteria.only.has(modelIdHex(model.id)));
  if (held.length === 0) return { why: 'not-held', detail: 'offers a file that cannot be re-executed here' };
  const { embeds = false } = criteria;
  const apt = held.filter((model) => (dimensionsOf(model) !== null) === embeds);
  if (apt.length === 0)
    return {
      why: 'ability',
      detail: embeds ? 'it answers, and does not embed texts' : 'it embeds texts, and answers nothing',
    };
  const mode = modeName(criteria.mode);
  const serving = apt.filter((model) => model.modes.includes(mode));
  if (serving.length === 0) return { why: 'mode', detail: `does not serve mode ${mode}` };
  const { needs = [] } = criteria;
  const able = serving.filter(({ can }) => needs.every((need) => can.includes(need)));
  if (able.length === 0) return { why: 'ability', detail: lackOf(needs, serving) };
  const roomy = able.filter((model) => promptRoom(model, criteria.maxTokens) > 0);
  if (roomy.length === 0) {
    const context = Math.max(...able.map((model) => model.context));
    const detail = `its context of ${context} tokens has no room for an answer of ${criteria.maxTokens}`;
    return { why: 'context', detail };
  }
  const standing = reputation.standing(card.peer);
  if (!standing.usable) return { why: 'standing', detail: standing.reason ?? 'not usable' };

  const priced = roomy
    .map((model) => ({ model, priceLamports: highestPrice(model, criteria) }))
    .toSorted((a, b) => Number(a.priceLamports - b.priceLamports));
  const cheapest = priced[0];
  if (cheapest === undefined || cheapest.priceLamports > BigInt(criteria.maxPrice))
    return {
      why: 'too-dear',
      detail: `up to ${String(cheapest?.priceLamports)} lamports`,
      priceLamports: cheapest?.priceLamports,
    };
  const unpayable = card.card.pay === null || cheapest.priceLamports === 0n ? null : refusal(card.card.pay);
  if (unpayable !== null) return { why: 'pay', detail: unpayable };
  const record = records?.get(toHex(card.card.peer)) ?? null;
  const shortfall =
    card.card.pay === null || cheapest.priceLamports === 0n || records === undefined
      ? null
      : stakeShortfall(record, cheapest.priceLamports);
  if (shortfall !== null) return { why: 'pay', detail: shortfall };
  const modelId = modelIdHex(cheapest.model.id);
  return { card, ...cheapest, modelId, standing, record, speed: reputation.speed(card.peer, modelId) };
}

/** What a provider does not serve of what the question needs. */
function lackOf(needs: readonly string[], models: readonly CardModel[]): string {
  const lacking = needs.filter((need) => !models.some(({ can }) => can.includes(need)));
  if (lacking.includes('tools')) return 'its model takes no tools';
  return lacking.includes(fillsGaps) ? 'its model fills no gaps' : 'it serves no grammars';
}

/** Why the provider's stake does not cover `price`, or null. */
function stakeShortfall(record: ChainRecord | null, price: bigint): string | null {
  if (record === null) return 'is not registered with the escrow that its card names';
  return record.freeStake >= escrowRules.slashMultiple * price ? null : 'its stake does not cover this job';
}

function highestPrice(model: CardModel, criteria: SelectionCriteria): bigint {
  // A prompt that does not fit beside the answer is refused, so it never costs more than what fits.
  const { mode, maxTokens } = criteria;
  const promptTokens = Math.min(criteria.promptTokens, promptRoom(model, maxTokens));
  const { priceJob, priceIn, priceOut } = model;
  return quotedLamports({ mode, promptTokens, maxTokens, priceJob, priceIn, priceOut });
}

function rank(eligible: readonly Eligible[], components: SelectComponents, criteria: SelectionCriteria): Choice[] {
  const lowestPrice = eligible.reduce(
    (low, { priceLamports: price }) => (price < low ? price : low),
    eligible[0]?.priceLamports ?? 0n,
  );
  const fastest = Math.max(0, ...eligible.map(({ speed }) => speed?.tokensPerSecond ?? 0));
  const times = new Map(eligible.map((each) => [each, expectedMs(each, criteria.maxTokens, fastest)]));
  const shortest = Math.min(...times.values());
  const shares = new Map(eligible.map((each) => [each, keptShare(each, criteria)]));
  const largestShare = Math.max(...shares.values());
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
          kept: keptWeight * ((shares.get(each) ?? 0) - largestShare),
        };
        const { speed: _speed, record: _record, ...choice } = each;
        const score = terms.price + terms.speed + terms.reliability + terms.load + terms.kept;
        return { ...choice, terms, score };
      })
      // Equal scores are ordered by peer id, so that the result is deterministic.
      .toSorted(
        (a, b) =>
          Number(isPreferred(b, criteria)) - Number(isPreferred(a, criteria)) ||
          b.score - a.score ||
          (a.card.peer < b.card.peer ? -1 : 1),
      )
  );
}

function isPreferred({ card: { card } }: Choice, { preferredClass }: SelectionCriteria): boolean {
  return preferredClass !== undefined && card.execClass !== null && equalBytes(card.execClass, preferredClass);
}

/**
 * Expected time to the complete answer: as measured here, else as the card claims. A claim counts for at most twice the
 * fastest measured speed.
 */
function expectedMs({ speed, card }: Eligible, maxTokens: number, fastest: number): number {
  const claimed = Math.min(card.card.compute.tokensPerSecond, fastest > 0 ? 2 * fastest : Infinity);
  const perSecond = Math.max(0.01, speed?.tokensPerSecond ?? claimed);
  return (speed?.firstTokenMs ?? assumedFirstTokenMs) + (maxTokens * 1_000) / perSecond;
}

/** How much of the prompt the provider says that it keeps, and was asked before. */
function keptShare({ card, model, modelId }: Eligible, { knownShare }: SelectionCriteria): number {
  return model.can.includes(keepsPrompts) ? (knownShare?.(card.peer, modelId) ?? 0) : 0;
}
