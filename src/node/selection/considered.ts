import type { PeerIdString } from '../../lib/types.ts';
import type { Exclusion, Selection, Terms } from './select.ts';

/** Why one provider was preferred, or could not be asked: what explains a choice. */
export type Considered =
  | { readonly peer: PeerIdString; readonly score: number; readonly terms: Terms }
  | { readonly peer: PeerIdString; readonly why: Exclusion; readonly detail: string };

/** Providers that the account of a choice names. */
const maxConsidered = 20;

/** How a choice fell, the best first, at most 20 of them. */
export function consideredOf({ choices, excluded }: Selection): readonly Considered[] {
  const ranked = choices.map(({ card, score, terms }) => ({ peer: card.peer, score, terms }));
  return [...ranked, ...excluded.map(({ peer, why, detail }) => ({ peer, why, detail }))].slice(0, maxConsidered);
}
