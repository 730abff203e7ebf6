import { QvacError } from '../../errors.ts';
import type { AbortOptions, PeerIdString } from '../../lib/types.ts';
import type { VerifiedCard } from '../cards/cards.ts';
import type { Discovery } from '../discovery/discovery.ts';
import { noProvider } from '../discovery/query.ts';
import type { ClientPayments, RecordsOptions } from '../payment/payments.ts';
import type { Reputation } from './reputation.ts';
import { type Choice, type SelectComponents, type Selection, type SelectionCriteria, select } from './select.ts';

/** Time after which a search that still goes on has failed, in ms: half of all nodes may have just died. */
const findTimeoutMs = 10_000;

export interface ChooseComponents {
  readonly discovery: Pick<Discovery, 'live' | 'find' | 'get'>;
  readonly reputation: Pick<Reputation, 'standing' | 'speed'>;
  /** Null: no provider is paid. */
  readonly payments: ClientPayments | null;
  /** Name of the network, for error messages. */
  readonly network: string;
  /** Jobs that this client has with `peer` now. @default none */
  readonly inFlight?: ((peer: PeerIdString) => number) | undefined;
  /** Receives the result of each selection. */
  readonly onSelection?: ((selection: Selection) => void) | undefined;
}

/**
 * Ranks the eligible providers, best first. A named provider is eligible whatever its reputation.
 * @param provider peer id or multiaddr; null: any
 * @throws QvacError E_NO_PROVIDER, E_NO_MODEL, E_TOO_DEAR, E_LIMIT, E_NETWORK with the reason in one line
 */
export async function chooseProviders(
  components: ChooseComponents,
  criteria: SelectionCriteria,
  provider: string | null,
  options: AbortOptions = {},
): Promise<readonly Choice[]> {
  const { discovery, reputation, payments, network, inFlight = () => 0 } = components;
  /** Opens the chain only if a provider that would be eligible charges for the answer. */
  const selectFrom = async (parts: SelectComponents, cards: readonly VerifiedCard[]): Promise<Selection> => {
    const payable = select({ ...parts, refusal: payments === null ? undefined : () => null }, cards, criteria);
    const charged =
      payments !== null &&
      payable.choices.some(({ card, priceLamports }) => card.card.pay !== null && priceLamports > 0n);
    const byChain = async (mayBeOld: boolean): Promise<Selection> =>
      payments === null
        ? payable
        : select({ ...parts, ...(await chainOf(payments, { ...options, mayBeOld })) }, cards, criteria);
    let selection = charged ? await byChain(true) : payable;
    // It may have registered, or raised its stake, since the records were read.
    if (charged && selection.excluded.some(({ why }) => why === 'pay')) selection = await byChain(false);
    components.onSelection?.(selection);
    return selection;
  };
  if (provider !== null) {
    const named = await discovery.get(provider, options);
    const trusting = {
      speed: () => null,
      standing: () => ({ ...reputation.standing(named.peer), usable: true, reason: null }),
    };
    const selection = await selectFrom({ reputation: trusting, inFlight }, [named]);
    if (selection.choices.length === 0) throw noChoice(selection, criteria, network);
    return selection.choices;
  }
  const parts: SelectComponents = { reputation, inFlight };
  const refusal = payments === null ? undefined : () => null;
  const known = await selectFrom(parts, discovery.live());
  if (known.choices.length > 0) return known.choices;
  const enough = (cards: readonly VerifiedCard[]): boolean =>
    select({ ...parts, refusal }, cards, criteria).choices.length > 0;
  const found = await selectFrom(
    parts,
    await discovery.find({ model: criteria.model, role: 'provider' }, { ...options, enough, timeoutMs: findTimeoutMs }),
  );
  if (found.choices.length === 0) throw noChoice(found, criteria, network);
  return found.choices;
}

/** What the chain says about payment; if it cannot be opened, its error is the refusal of every paid provider. */
export async function chainOf(
  payments: ClientPayments,
  options: RecordsOptions,
): Promise<Pick<SelectComponents, 'refusal' | 'records'>> {
  try {
    const wallet = await payments.open(options);
    return { refusal: (pay) => wallet.refusal(pay), records: await wallet.records(options) };
  } catch (error) {
    options.signal?.throwIfAborted();
    if (!(error instanceof QvacError)) throw error;
    return { refusal: () => error.message };
  }
}

/** Why no provider can be asked, from the exclusions of all of them. */
function noChoice({ excluded }: Selection, { model, maxPrice }: SelectionCriteria, network: string): QvacError {
  const what = model ?? 'a model';
  const first = (why: (typeof excluded)[number]['why']): string | undefined =>
    excluded.find((each) => each.why === why)?.detail;
  const offers = excluded.length === 1 ? 'the only offer' : 'every offer';
  const unused = excluded.length === 1 ? `the only offer of ${what} is not used` : `no offer of ${what} is used`;
  const unpayable =
    excluded.length === 1 ? `the only offer of ${what} cannot be paid` : `no offer of ${what} can be paid`;
  const prices = excluded.flatMap(({ priceLamports = null }) => (priceLamports === null ? [] : [priceLamports]));
  const lowest = prices.toSorted((a, b) => (a < b ? -1 : 1))[0];
  if (lowest !== undefined)
    return new QvacError(
      'E_TOO_DEAR',
      `${offers} of ${what} may cost more than ${maxPrice} lamports: up to ${lowest} lamports`,
      { hint: `allow it with --max-price ${lowest}, or with --yes`, details: { priceLamports: lowest.toString() } },
    );
  if (first('pay') !== undefined)
    return new QvacError('E_LIMIT', `${unpayable}: ${first('pay')}`, {
      hint: 'list free providers: qvac peers; or name another chain: --rpc',
    });
  const standing = first('standing');
  if (standing !== undefined)
    return new QvacError('E_NO_PROVIDER', `${unused}: ${standing}`, {
      hint: 'list the providers: qvac peers; ask one regardless: --provider <peer>',
    });
  const short = first('context');
  if (short !== undefined)
    return new QvacError('E_NO_PROVIDER', `${unused}: ${short}`, {
      hint: 'lower --max-tokens, or list other providers: qvac peers',
    });
  const ability = first('ability');
  if (ability !== undefined)
    return new QvacError('E_NO_PROVIDER', `${unused}: ${ability}`, {
      hint: 'choose another model: qvac peers lists what each can',
    });
  const mode = first('mode');
  if (mode !== undefined)
    return new QvacError('E_NO_PROVIDER', `${unused}: ${mode}`, {
      hint: 'change --verify, or list other providers: qvac peers',
    });
  if (excluded.length === 1 && model !== undefined)
    return new QvacError('E_NO_MODEL', `this provider does not offer ${model}`, {
      hint: 'list the offers: qvac peers',
    });
  return noProvider({ model, role: 'provider' }, network);
}
