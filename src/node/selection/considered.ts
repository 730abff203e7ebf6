import type { PeerIdString } from '../../lib/types.ts';
import type { Exclusion, Selection, Terms } from './select.ts';

/** One provider in a selection: its score with each term, or why it could not be asked. */
export type Considered =
  | { readonly peer: PeerIdString; readonly score: number; readonly terms: Terms }
  | { readonly peer: PeerIdString; readonly why: Exclusion; readonly detail: string };

/** Most providers in the record of a selection. */
const maxConsidered = 20;

/** The providers of a selection, best first, then the excluded ones; at most 20. */
export function consideredOf({ choices, excluded }: Selection): readonly Considered[] {
  const ranked = choices.map(({ card, score, terms }) => ({ peer: card.peer, score, terms }));
  return [...ranked, ...excluded.map(({ peer, why, detail }) => ({ peer, why, detail }))].slice(0, maxConsidered);
}
