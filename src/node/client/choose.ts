import { QvacError } from '../../errors.ts';
import type { AbortOptions } from '../../lib/types.ts';
import type { VerifiedCard } from '../cards.ts';
import type { Discovery } from '../discovery.ts';
import { noProvider } from '../query.ts';
import type { Reputation } from './reputation.ts';
import { select } from './select.ts';
import type { Choice, Selection, Wish } from './select.ts';

export interface ChooseComponents {
  readonly discovery: Pick<Discovery, 'live' | 'find' | 'get'>;
  readonly reputation: Pick<Reputation, 'standing' | 'speed'>;
  /** Name of the network, for people. */
  readonly network: string;
}

/**
 * The providers that may answer, best first. A named one is taken whatever was heard of it.
 * @param provider peer id or multiaddr; null: whoever is there
 * @throws QvacError E_NO_PROVIDER, E_NO_MODEL, E_TOO_DEAR, E_NETWORK with the reason in one line
 */
export async function chooseProviders(components: ChooseComponents, wish: Wish, provider: string | null, options: AbortOptions = {}): Promise<readonly Choice[]> {
  const { discovery, reputation, network } = components;
  const nobodyBusy = (): number => 0;
  if (provider !== null) {
    const named = await discovery.get(provider, options);
    const trusting = { speed: () => null, standing: () => ({ ...reputation.standing(named.peer), usable: true, reason: null }) };
    const selection = select({ reputation: trusting, inFlight: nobodyBusy }, [named], wish);
    if (selection.choices.length === 0) throw noChoice(selection, wish, network);
    return selection.choices;
  }
  const among = (cards: readonly VerifiedCard[]): Selection => select({ reputation, inFlight: nobodyBusy }, cards, wish);
  const known = among(discovery.live());
  if (known.choices.length > 0) return known.choices;
  const found = among(await discovery.find({ model: wish.model, role: 'provider' }, { ...options, enough: (cards) => among(cards).choices.length > 0 }));
  if (found.choices.length === 0) throw noChoice(found, wish, network);
  return found.choices;
}

/** Why nobody can be asked, from why each one cannot. */
function noChoice({ excluded }: Selection, { model, maxPrice }: Wish, network: string): QvacError {
  const what = model ?? 'a model';
  const first = (why: (typeof excluded)[number]['why']): string | undefined => excluded.find((each) => each.why === why)?.detail;
  const only = excluded.length === 1 ? 'the only offer' : 'every offer';
  if (first('too-dear') !== undefined) return new QvacError('E_TOO_DEAR', `${only} of ${what} may cost more than ${maxPrice} lamports: ${first('too-dear')}`, { hint: 'raise --max-price' });
  if (first('pay') !== undefined) return new QvacError('E_LIMIT', `${only} of ${what} wants to be paid, and this version cannot`, { hint: 'qvac peers shows who is free' });
  const reason = first('standing') ?? first('context') ?? first('mode');
  if (reason !== undefined) return new QvacError('E_NO_PROVIDER', `${only} of ${what} is not used: ${reason}`, { hint: 'qvac peers; --provider takes one all the same' });
  if (excluded.length === 1 && model !== undefined) return new QvacError('E_NO_MODEL', `${model} is not offered there`, { hint: 'qvac peers shows who offers what' });
  return noProvider({ model, role: 'provider' }, network);
}
