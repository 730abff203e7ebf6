import { fromHex } from '../lib/bytes.ts';
import type { JobId } from '../lib/types.ts';
import { textDigestOf } from '../protocol/digests.ts';
import type { Finish, Head, Offer, OpenedStep, Opening } from '../protocol/messages.ts';
import { challengePositions } from './challenge.ts';
import type { TopLogits } from './logits.ts';
import { drawsOf, pickToken, quantise, type Selection, selectCandidates } from './sampler.ts';
import { candDigest, exactDigest, leafOf, noZk, prefixAfter, prefixesAt, saltsOf } from './step.ts';
import { MerkleTree } from './tree.ts';

export interface TranscriptInit {
  readonly jobId: JobId;
  readonly offer: Offer;
  readonly inputDigest: Uint8Array;
  readonly promptCount: number;
  readonly execClass: Uint8Array;
  /** 32 random bytes, never used for another job; the salts come from it. */
  readonly jobSecret: Uint8Array;
}

export interface DrawnToken {
  readonly token: number;
  /** 0 after a stop token, 1 at `maxTokens`, null where the answer goes on. */
  readonly finish: 0 | 1 | null;
}

/**
 * The provider's record of one job: draws the tokens and commits to every step (section 4.1). Keeps about 250 bytes a
 * step at `topK` 20.
 */
export interface Transcript {
  readonly n: number;
  readonly tokens: readonly number[];
  /** Draws the next token from the logits after the last one. @throws RangeError for a NaN */
  next(top: TopLogits): DrawnToken;
  /**
   * Commits to what was drawn. `head` and `open` do it where it was not done: called while the next logits are
   * computed,
   * it costs no time.
   */
  commit(): void;
  /** The head over all steps so far. `text` is all text sent so far. */
  head(covered: { readonly text: string; readonly finish: Finish }): Head;
  /**
   * The opening of the steps that `secret` challenges (section 4.3). That the offer committed to it is not checked
   * here.
   */
  open(secret: Uint8Array): Opening;
}

export function createTranscript(init: TranscriptInit): Transcript {
  return new JobTranscript(init);
}

class JobTranscript implements Transcript {
  readonly #init: TranscriptInit;
  readonly #jobId: Uint8Array;
  readonly #draw: (i: number) => bigint;
  readonly #salt: (i: number) => Uint8Array;
  readonly #stops: ReadonlySet<number>;
  readonly #tokens: number[] = [];
  readonly #selections: SelectionList;
  readonly #tree = new MerkleTree();
  /** After the last step that was committed to. */
  #prefix: Uint8Array;

  constructor(init: TranscriptInit) {
    const { topK, vocab, stops } = init.offer.sampler;
    this.#init = init;
    this.#jobId = fromHex(init.jobId);
    this.#draw = drawsOf(init.offer.seed);
    this.#salt = saltsOf(init.jobSecret);
    this.#stops = new Set(stops);
    this.#selections = new SelectionList(Math.min(topK, vocab));
    this.#prefix = init.inputDigest;
  }

  get n(): number {
    return this.#tokens.length;
  }

  get tokens(): readonly number[] {
    return this.#tokens;
  }

  next(top: TopLogits): DrawnToken {
    const { sampler } = this.#init.offer;
    const selection = selectCandidates(top, sampler.topK, sampler.vocab);
    const token = pickToken(selection.candidates, sampler, this.#draw(this.n));
    this.#selections.push(selection);
    this.#tokens.push(token);
    if (this.#stops.has(token)) return { token, finish: 0 };
    return { token, finish: this.n >= sampler.maxTokens ? 1 : null };
  }

  commit(): void {
    const jobId = this.#jobId;
    for (let i = this.#tree.size; i < this.n; i++) {
      const token = this.#tokens[i] ?? 0;
      const { candidates, logits } = this.#selections.at(i);
      const cand = candDigest(jobId, i, this.#salt(i), candidates);
      this.#tree.append(
        leafOf({ jobId, i, token, prefix: this.#prefix, cand, exact: exactDigest(candidates, logits), zk: noZk }),
      );
      this.#prefix = prefixAfter(this.#prefix, token);
    }
  }

  head({ text, finish }: { readonly text: string; readonly finish: Finish }): Head {
    this.commit();
    const { inputDigest, execClass, promptCount } = this.#init;
    const textDigest = textDigestOf(text);
    return {
      version: 1,
      jobId: this.#jobId,
      n: this.n,
      root: this.#tree.root(),
      prefix: this.#prefix,
      textDigest,
      inputDigest,
      execClass,
      promptCount,
      finish,
    };
  }

  open(secret: Uint8Array): Opening {
    this.commit();
    const { inputDigest, offer } = this.#init;
    const root = this.#tree.root();
    const positions = challengePositions(root, secret, this.n, offer.challenge.count);
    const prefixes = prefixesAt(inputDigest, this.#tokens, positions);
    return {
      v: 1,
      jobId: this.#jobId,
      root,
      steps: positions.map((i) => this.#openStep(i, prefixes.get(i) ?? inputDigest)),
    };
  }

  #openStep(i: number, prefix: Uint8Array): OpenedStep {
    const { candidates, logits } = this.#selections.at(i);
    return {
      i,
      token: this.#tokens[i] ?? 0,
      prefix,
      salt: this.#salt(i),
      candidates,
      exact: exactDigest(candidates, logits),
      zk: noZk,
      path: this.#tree.path(i),
    };
  }
}

/** Candidates of every step in two pieces of memory. `q` comes from the logit again. */
class SelectionList {
  readonly #width: number;
  #ids: Uint32Array;
  #logits: Float32Array;
  #length = 0;

  constructor(width: number) {
    this.#width = width;
    this.#ids = new Uint32Array(8 * width);
    this.#logits = new Float32Array(8 * width);
  }

  push({ candidates, logits }: Selection): void {
    const at = this.#length * this.#width;
    if (at === this.#ids.length) this.#grow();
    for (const [index, [id]] of candidates.entries()) this.#ids[at + index] = id;
    this.#logits.set(logits, at);
    this.#length++;
  }

  at(index: number): Selection {
    const [start, end] = [index * this.#width, (index + 1) * this.#width];
    const logits = this.#logits.slice(start, end);
    const ids = this.#ids.subarray(start, end);
    return { candidates: Array.from(ids, (id, at) => [id, quantise(logits[at] ?? 0)] as const), logits };
  }

  #grow(): void {
    const [ids, logits] = [new Uint32Array(2 * this.#ids.length), new Float32Array(2 * this.#logits.length)];
    ids.set(this.#ids);
    logits.set(this.#logits);
    [this.#ids, this.#logits] = [ids, logits];
  }
}
