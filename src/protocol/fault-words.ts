import type { FaultCode } from './codes.ts';

/** A fault (protocol section 5) in plain words: what the check showed, and what it did not. */
export interface FaultWords {
  readonly shown: string;
  readonly notShown: string;
}

const whichModel =
  'which model was run instead, or why; a broken machine looks the same. ' +
  'Recompute it a second time before anyone is penalised';

export const faultWords: Readonly<Record<FaultCode, FaultWords>> = {
  equivocation: {
    shown: 'the provider signed two states of this answer that contradict each other; anyone can check that',
    notShown: 'which of the two it worked with, and whether the answer comes from the model',
  },
  'bad-opening': {
    shown:
      'the provider opened other steps than the challenge chose, or steps that do not lead to the root it signed; ' +
      'anyone can check that',
    notShown: 'whether the answer comes from the model',
  },
  'sampler-mismatch': {
    shown: 'a token is not the one that your seed draws from what the provider committed; anyone can check that',
    notShown: 'which model was run, if any',
  },
  'prefix-break': {
    shown: 'a committed step does not continue the tokens that the provider signed; anyone can check that',
    notShown: 'whether the answer comes from the model',
  },
  'mask-break': {
    shown: 'a token or candidate is outside the grammar that the offer names; anyone can check that',
    notShown: 'which model was run, if any',
  },
  'bad-proof': {
    shown: 'a proof that your seed drew the opened tokens does not hold; anyone can check that',
    notShown: 'which model was run, if any',
  },
  'bad-length': {
    shown: 'the answer goes on past a stop token or its limit, or ends early without cause; anyone can check that',
    notShown: 'whether what it says comes from the model',
  },
  silence: {
    shown: 'the provider did not open the challenged steps in time',
    notShown: 'that it lied: a broken connection looks the same',
  },
  'bad-signature': {
    shown: 'a message is unsigned or signed by another key, so no peer answers for it',
    notShown: 'anything against the provider: this proves nothing to others',
  },
  'bad-receipt': {
    shown: 'parts that do not belong together: what was received is not what was signed',
    notShown: 'who did it: anyone who held these parts could have changed them',
  },
  'bad-vectors': {
    shown: 'the vectors are fewer or more than the texts, of another length than the offer names, or hold no numbers',
    notShown: 'that it was on purpose; a broken machine looks the same',
  },
  'root-mismatch': {
    shown: 'the vectors that were sent are not those under the root that the provider signed',
    notShown: 'which of the two the model gives',
  },
  'prompt-mismatch': {
    shown: 'the tokens that were run are not those of your prompt, or the prompt had to be refused',
    notShown: 'what the answer would have been to your own prompt',
  },
  'text-mismatch': {
    shown: 'the text is not what the tokens spell',
    notShown: 'that the tokens are wrong: the model may have produced them',
  },
  'exact-mismatch': {
    shown: 'recomputing on the same kind of machine, which gives the same bits, gave other numbers or another token',
    notShown: whichModel,
  },
  'distribution-far': {
    shown:
      'the distributions that the provider committed are farther from the recomputed ones ' +
      'than any honest difference measured',
    notShown: whichModel,
  },
  'draws-far': {
    shown:
      'the tokens are not those that your seed draws from the recomputed distributions, ' +
      'more often than any honest difference measured',
    notShown: whichModel,
  },
  'vectors-far': {
    shown: 'the vectors point farther from the recomputed ones than any honest difference measured',
    notShown: whichModel,
  },
  'referee-far': {
    shown: 'a referee contradicts two others on the same answer',
    notShown: 'which of them is right; an honest referee on a broken machine looks the same',
  },
};
