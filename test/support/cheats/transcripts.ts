import { concat, fromHex } from '../../../src/lib/bytes.ts';
import type { GrammarMatcher } from '../../../src/proofs/grammar/grammar-matcher.ts';
import type { TopLogits } from '../../../src/proofs/logits.ts';
import { encodeKeptHeader, encodeKeptStep } from '../../../src/proofs/record/kept-steps.ts';
import { drawAt, pickToken, type Selection, selectCandidates } from '../../../src/proofs/sampling/sampler.ts';
import {
  candDigest,
  exactDigest,
  leafOf,
  noZk,
  prefixAfter,
  prefixesAt,
  saltsOf,
} from '../../../src/proofs/sampling/step.ts';
import { totalVariation } from '../../../src/proofs/statistics/divergence.ts';
import { AnswerText } from '../../../src/proofs/text/answer-text.ts';
import {
  createTranscript,
  type DrawnToken,
  type Transcript,
  type TranscriptInit,
} from '../../../src/proofs/transcript.ts';
import { challengePositions } from '../../../src/proofs/tree/challenge.ts';
import { MerkleTree } from '../../../src/proofs/tree/tree.ts';
import { textDigestOf } from '../../../src/protocol/digests.ts';
import { type Finish, finish, type Head, type Opening } from '../../../src/protocol/messages.ts';
import type { BothLogits } from './engines.ts';

/** Makes a cheat's transcript of a job. */
export type TranscriptMaker = (init: TranscriptInit) => Transcript;

/** An honest transcript with some members replaced. */
export function lying(change: (honest: Transcript, init: TranscriptInit) => Partial<Transcript>): TranscriptMaker {
  return (init) => {
    const honest = createTranscript(init);
    return lyingOver(honest, change(honest, init));
  };
}

function lyingOver(honest: Transcript, changed: Partial<Transcript>): Transcript {
  return {
    get n() {
      return honest.n;
    },
    get tokens() {
      return honest.tokens;
    },
    get finish() {
      return honest.finish;
    },
    get candidateCount() {
      return honest.candidateCount;
    },
    next: changed.next ?? ((top) => honest.next(top)),
    commit: () => honest.commit(),
    end: (reason) => honest.end(reason),
    head: changed.head ?? ((reason) => honest.head(reason)),
    open: changed.open ?? ((secret) => honest.open(secret)),
    witnesses: (secret) => honest.witnesses(secret),
    keptSteps: (from) => honest.keptSteps(from),
  };
}

/** Masks the logits itself, by another matcher than the engine's; by none, it draws from all tokens. */
export function masking(honest: Transcript, matcher: GrammarMatcher | null): Transcript {
  const draw = (top: TopLogits): DrawnToken => {
    const isAllowed = (id: number): boolean => matcher === null || matcher.allows(id);
    const places = [...top.ids.keys()].filter((at) => isAllowed(top.ids[at] ?? 0));
    const drawn = honest.next({
      ids: Uint32Array.from(places, (at) => top.ids[at] ?? 0),
      logits: Float32Array.from(places, (at) => top.logits[at] ?? 0),
    });
    matcher?.accept(drawn.token);
    return drawn;
  };
  return lyingOver(honest, { next: draw });
}

/** Sends `tokens` of its own, each the only candidate of its step. */
export function oneCandidate(init: TranscriptInit, tokens: readonly number[]): Transcript {
  const onlyOne = { ...init.offer, sampler: { ...init.offer.sampler, topK: 1 } };
  const honest = createTranscript({ ...init, offer: onlyOne, matcher: null });
  const next = (): DrawnToken => {
    const token = tokens[honest.n] ?? 0;
    return honest.next({ ids: Uint32Array.of(token), logits: Float32Array.of(20) });
  };
  return lyingOver(honest, { next });
}

/** Draws with its own seed instead of the client's. */
export const otherSeed: TranscriptMaker = (init) =>
  createTranscript({ ...init, offer: { ...init.offer, seed: new Uint8Array(32).fill(9) } });

/** Continues after a stop token. */
export const pastTheStop: TranscriptMaker = (init) =>
  createTranscript({ ...init, offer: { ...init.offer, sampler: { ...init.offer.sampler, stops: [] } } });

/** Ends after `n` tokens as if the client had asked for no more. */
export function cutAt(n: number): TranscriptMaker {
  return (init) =>
    createTranscript({ ...init, offer: { ...init.offer, sampler: { ...init.offer.sampler, maxTokens: n } } });
}

/** Lies in heads. */
export function withHeads(change: (head: Head) => Head): TranscriptMaker {
  return lying((honest) => ({ head: (reason) => change(honest.head(reason)) }));
}

/** Lies in the opening. */
export function withOpening(change: (opening: Opening, honest: Transcript) => Opening): TranscriptMaker {
  return lying((honest) => ({ open: (secret) => change(honest.open(secret), honest) }));
}

/**
 * The prefill attack: the cheaper model chooses the tokens, the true model's distributions are committed to. Needs
 * logits of `sideBySide`.
 */
export const prefillAttack: TranscriptMaker = (init) =>
  new ForcedTranscript(init, (_truth, top, i) => drawFrom(init, (top as BothLogits).cheap, i));

/**
 * The adaptive attack: true distributions, each moved just enough that the client's draw picks the cheaper model's
 * token. Needs logits of `sideBySide`.
 */
export const nudging: TranscriptMaker = lying((honest, init) => ({
  next(top) {
    const wanted = drawFrom(init, (top as BothLogits).cheap, honest.n);
    return honest.next(nudged(init, top, honest.n, wanted));
  },
}));

/**
 * The same within a budget: if the cheaper model's token would take more than `budget` of total variation, 0 … 1, the
 * true one is sent instead.
 */
export function nudgingWithin(budget: number): TranscriptMaker {
  return lying((honest, init) => ({
    next(top) {
      const wanted = drawFrom(init, (top as BothLogits).cheap, honest.n);
      const moved = nudged(init, top, honest.n, wanted);
      const [before, after] = [top, moved].map((each) => selectCandidates(each, honest.candidateCount).candidates);
      const isWithin = before !== undefined && after !== undefined && totalVariation(before, after) <= budget;
      return honest.next(isWithin && drawFrom(init, moved, honest.n) === wanted ? moved : top);
    },
  }));
}

function drawFrom({ offer: { sampler, seed } }: TranscriptInit, top: TopLogits, i: number): number {
  return pickToken(selectCandidates(top, Math.min(sampler.topK, sampler.vocab)).candidates, sampler, drawAt(seed, i));
}

/**
 * `top` with the logit of `wanted` raised just enough that the draw of step `i` picks it; raised in full if no amount
 * does.
 */
function nudged(init: TranscriptInit, top: TopLogits, i: number, wanted: number): TopLogits {
  const raised = (by: number): TopLogits => ({
    ids: top.ids,
    logits: top.logits.map((logit, at) => (top.ids[at] === wanted ? logit + by : logit)),
  });
  if (drawFrom(init, top, i) === wanted) return top;
  // Raising it alone may overshoot the draw: then its rivals' order must change, which no honest model does either.
  for (let by = 1 / 64; by < 16; by *= 1.15) if (drawFrom(init, raised(by), i) === wanted) return raised(by);
  return raised(16);
}

/** Commits to true distributions, but the tokens come from elsewhere. */
class ForcedTranscript implements Transcript {
  readonly tokens: number[] = [];
  readonly #init: TranscriptInit;
  readonly #jobId: Uint8Array;
  readonly #choose: (truth: Selection, top: TopLogits, i: number) => number;
  readonly #salt: (i: number) => Uint8Array;
  readonly #tree = new MerkleTree();
  readonly #selections: Selection[] = [];
  readonly #text: AnswerText;
  #allText = '';
  #finish: Finish | null = null;
  #prefix: Uint8Array;

  constructor(init: TranscriptInit, choose: (truth: Selection, top: TopLogits, i: number) => number) {
    this.#init = init;
    this.#jobId = fromHex(init.jobId);
    this.#choose = choose;
    this.#salt = saltsOf(init.jobSecret);
    this.#prefix = init.inputDigest;
    this.#text = new AnswerText(init.bytesOf);
  }

  get finish(): Finish | null {
    return this.#finish;
  }

  get candidateCount(): number {
    const { topK, vocab } = this.#init.offer.sampler;
    return Math.min(topK, vocab);
  }

  get n(): number {
    return this.tokens.length;
  }

  next(top: TopLogits): DrawnToken {
    const { sampler } = this.#init.offer;
    const i = this.n;
    const selection = selectCandidates(top, this.candidateCount);
    const token = this.#choose(selection, top, i);
    const { candidates, logits } = selection;
    const cand = candDigest(this.#jobId, i, this.#salt(i), candidates);
    this.#tree.append(
      leafOf({
        jobId: this.#jobId,
        i,
        token,
        prefix: this.#prefix,
        cand,
        exact: exactDigest(candidates, logits),
        zk: noZk,
      }),
    );
    this.#selections.push(selection);
    this.tokens.push(token);
    this.#prefix = prefixAfter(this.#prefix, token);
    if (sampler.stops.includes(token)) this.#finish = finish.stopToken;
    else if (this.n >= sampler.maxTokens) this.#finish = finish.length;
    const text = this.#text.push(token);
    this.#allText += text;
    return { token, text, finish: this.#finish };
  }

  commit(): void {
    // Already called with every token.
  }

  end(reason: Finish): string {
    const text = this.#text.end(reason);
    this.#allText += text;
    return text;
  }

  witnesses(): never {
    throw new Error('not in mode zk');
  }

  keptSteps(from: number): Uint8Array {
    const { jobId, inputDigest, jobSecret } = this.#init;
    const steps = this.#selections
      .slice(from)
      .map((selection, at) => encodeKeptStep({ token: this.tokens[from + at] ?? 0, selection }));
    return concat(...(from === 0 ? [encodeKeptHeader({ jobId, inputDigest, jobSecret, isZk: false })] : []), ...steps);
  }

  head(reason: Finish): Head {
    const { inputDigest, execClass, promptCount } = this.#init;
    return {
      version: 1,
      jobId: this.#jobId,
      n: this.n,
      root: this.#tree.root(),
      prefix: this.#prefix,
      textDigest: textDigestOf(this.#allText),
      inputDigest,
      execClass,
      promptCount,
      finish: reason,
    };
  }

  open(secret: Uint8Array): Opening {
    const { inputDigest, offer } = this.#init;
    const root = this.#tree.root();
    const positions = challengePositions(root, secret, this.n, offer.challenge.count);
    const prefixes = prefixesAt(inputDigest, this.tokens, positions);
    const steps = positions.map((i) => {
      const { candidates, logits } = this.#selections[i] ?? { candidates: [], logits: new Float32Array() };
      return {
        i,
        token: this.tokens[i] ?? 0,
        prefix: prefixes.get(i) ?? inputDigest,
        salt: this.#salt(i),
        candidates,
        exact: exactDigest(candidates, logits),
        zk: noZk,
        path: this.#tree.path(i),
      };
    });
    return { v: 1, jobId: this.#jobId, root, steps };
  }
}
