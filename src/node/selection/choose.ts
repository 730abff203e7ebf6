import { QvacError } from '../../errors.ts';
import type { AbortOptions, PeerIdString } from '../../lib/types.ts';
import type { VerifiedCard } from '../cards/cards.ts';
import type { Discovery } from '../discovery/discovery.ts';
import { noProvider } from '../discovery/query.ts';
import type { ClientPayments } from '../payment/payments.ts';
import type { Reputation } from './reputation.ts';
import { type Choice, type SelectComponents, type Selection, type SelectionCriteria, select } from './select.ts';

export interface ChooseComponents {
  readonly discovery: Pick<Discovery, 'live' | 'find' | 'get'>;
  readonly reputation: Pick<Reputation, 'standing' | 'speed'>;
  /** Null: nobody is paid. */
  readonly payments: ClientPayments | null;
  /** Name of the network, for people. */
  readonly network: string;
  /** Jobs that this client has with `peer` now. @default none */
  readonly inFlight?: ((peer: PeerIdString) => number) | undefined;
  /** Hears how the choice fell. */
  readonly fell?: ((selection: Selection) => void) | undefined;
}

/**
 * The providers that may answer, best first. A named one is taken whatever was heard of it.
 * @param provider peer id or multiaddr; null: whoever is there
 * @throws QvacError E_NO_PROVIDER, E_NO_MODEL, E_TOO_DEAR, E_NETWORK with the reason in one line
 */
export async function chooseProviders(
  components: ChooseComponents,
  wish: SelectionCriteria,
  provider: string | null,
  options: AbortOptions = {},
): Promise<readonly Choice[]> {
  const { discovery, reputation, payments, network, inFlight = () => 0 } = components;
  /** The chain is opened only where somebody who could be chosen wants to be paid. */
  const chosen = async (parts: SelectComponents, cards: readonly VerifiedCard[]): Promise<Selection> => {
    const hopeful = select({ ...parts, refusal: payments === null ? undefined : () => null }, cards, wish);
    const paid =
      payments !== null &&
      hopeful.choices.some(({ card, priceLamports }) => card.card.pay !== null && priceLamports > 0n);
    const selection = paid ? select({ ...parts, ...(await chainOf(payments, options)) }, cards, wish) : hopeful;
    components.fell?.(selection);
    return selection;
  };
  if (provider !== null) {
    const named = await discovery.get(provider, options);
    const trusting = {
      speed: () => null,
      standing: () => ({ ...reputation.standing(named.peer), usable: true, reason: null }),
    };
    const selection = await chosen({ reputation: trusting, inFlight }, [named]);
    if (selection.choices.length === 0) throw noChoice(selection, wish, network);
    return selection.choices;
  }
  const parts: SelectComponents = { reputation, inFlight };
  const refusal = payments === null ? undefined : () => null;
  const known = await chosen(parts, discovery.live());
  if (known.choices.length > 0) return known.choices;
  const enough = (cards: readonly VerifiedCard[]): boolean =>
    select({ ...parts, refusal }, cards, wish).choices.length > 0;
  const found = await chosen(
    parts,
    await discovery.find({ model: wish.model, role: 'provider' }, { ...options, enough }),
  );
  if (found.choices.length === 0) throw noChoice(found, wish, network);
  return found.choices;
}

/** Where the chain cannot be opened nobody can be paid, and that is the reason. */
async function chainOf(
  payments: ClientPayments,
  options: AbortOptions,
): Promise<Pick<SelectComponents, 'refusal' | 'records'>> {
  try {
    const paying = await payments.open(options);
    return { refusal: (pay) => paying.refusal(pay), records: await paying.records(options) };
  } catch (error) {
    options.signal?.throwIfAborted();
    if (!(error instanceof QvacError)) throw error;
    return { refusal: () => error.message };
  }
}

/** Why nobody can be asked, from why each one cannot. */
function noChoice({ excluded }: Selection, { model, maxPrice }: SelectionCriteria, network: string): QvacError {
  const what = model ?? 'a model';
  const first = (why: (typeof excluded)[number]['why']): string | undefined =>
    excluded.find((each) => each.why === why)?.detail;
  const only = excluded.length === 1 ? 'the only offer' : 'every offer';
  const unused = `${excluded.length === 1 ? `${only} of ${what} is not` : `no offer of ${what} is`} used`;
  const prices = excluded.flatMap(({ priceLamports = null }) => (priceLamports === null ? [] : [priceLamports]));
  const lowest = prices.toSorted((a, b) => (a < b ? -1 : 1))[0];
  if (lowest !== undefined)
    return new QvacError(
      'E_TOO_DEAR',
      `${only} of ${what} may cost more than ${maxPrice} lamports: up to ${lowest} lamports`,
      { hint: `allow it with --max-price ${lowest}, or with --yes`, details: { priceLamports: lowest.toString() } },
    );
  if (first('pay') !== undefined)
    return new QvacError('E_LIMIT', `${only} of ${what} wants to be paid, and cannot be: ${first('pay')}`, {
      hint: 'qvac peers shows who is free; --rpc names another chain',
    });
  const standing = first('standing');
  if (standing !== undefined)
    return new QvacError('E_NO_PROVIDER', `${unused}: ${standing}`, {
      hint: 'qvac peers; --provider takes one all the same',
    });
  const short = first('context');
  if (short !== undefined)
    return new QvacError('E_NO_PROVIDER', `${unused}: ${short}`, {
      hint: 'a smaller --max-tokens; qvac peers shows who else is there',
    });
  const mode = first('mode');
  if (mode !== undefined)
    return new QvacError('E_NO_PROVIDER', `${unused}: ${mode}`, {
      hint: 'another --verify; qvac peers shows who else is there',
    });
  if (excluded.length === 1 && model !== undefined)
    return new QvacError('E_NO_MODEL', `${model} is not offered there`, { hint: 'qvac peers shows who offers what' });
  return noProvider({ model, role: 'provider' }, network);
}
