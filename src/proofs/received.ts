import { equalBytes, fromHex, utf8 } from '../lib/bytes.ts';
import type { JobId } from '../lib/types.ts';
import { MalformedError } from '../protocol/codec.ts';
import { headIntervalTokens } from '../protocol/constants.ts';
import { inputDigestOf, jobIdHex, jobIdOf, sha256 } from '../protocol/digests.ts';
import type { FrameOf } from '../protocol/frames.ts';
import {
  type Exec,
  type GrammarRules,
  type Head,
  type Input,
  type Kind,
  kinds,
  modes,
  type Offer,
  type Quote,
  type Signed,
} from '../protocol/messages.ts';
import { decodeOpening, decodeScoreOpening } from '../protocol/validate.ts';
import { isSameList } from './checks/same-list.ts';
import { badVectors, ReceivedVectors } from './embedding/received-vectors.ts';
import type { Vectors } from './embedding/vectors.ts';
import { FaultError } from './fault.ts';
import { decodeHead, isEquivocation, isFinal } from './head.ts';
import type { Receipt } from './receipt.ts';
import { prefixAfter } from './sampling/step.ts';
import { verifyBody } from './signing.ts';

export { FaultError } from './fault.ts';

export interface ReceivedInit {
  readonly offer: Offer;
  readonly offerSigned: Signed;
  readonly quote: { readonly quote: Quote; readonly signed: Signed } | null;
  /** The map in the provider's card; null if it is not known. */
  readonly exec: Exec | null;
  /** Null keeps the prompt out of the receipt. */
  readonly input: Input | null;
  /** The input's continuation: tokens of the answer before this job, or to be scored. @default [] */
  readonly continuation?: readonly number[];
  /** Settings beyond the sampler. @default empty */
  readonly extra?: Uint8Array;
  /** Numbers of each vector; null: the job answers. @default null */
  readonly dimensions?: number | null;
  /** @default null */
  readonly grammar?: GrammarRules | null;
  /** The job that this one continues. @default null */
  readonly previous?: JobId | null;
}

/**
 * The receiver's record of one job, checked as it comes (sections 4 and 4.2). Throws FaultError for what a fault code
 * names, MalformedError for frames that break the protocol without one. Holds no more than a receipt can; tokens after
 * a stop token are kept, so that the head over them proves the fault.
 */
export interface Received {
  readonly jobId: JobId;
  readonly promptTokens: readonly number[];
  readonly tokens: readonly number[];
  /** Tokens, or vectors. */
  readonly n: number;
  readonly text: string;
  /** Of an embedding job (section 4.9); null of any other. */
  readonly vectors: Vectors | null;
  /** The end of the rendering, which is not checked (section 4). */
  readonly tail: string;
  /** What had arrived before the newest `tokens` frame that held a token. */
  readonly beforeNewest: { readonly n: number; readonly text: string };
  /** The newest head. */
  readonly head: Head | null;
  readonly final: Head | null;
  /** Two heads that contradict each other, as the provider signed them: evidence, also without a final head. */
  readonly conflict: readonly [Signed, Signed] | null;
  readonly openingSigned: Signed | null;
  accept(frame: Pick<FrameOf<'accept'>, 'promptTokens' | 'inputDigest' | 'tail'>): void;
  addTokens(frame: Pick<FrameOf<'tokens'>, 'i' | 'tokens' | 'text'>): void;
  addVectors(frame: Pick<FrameOf<'vectors'>, 'i' | 'counts' | 'values'>): void;
  addHead(signed: Signed): Head;
  /** The acknowledgement that was sent last. */
  setAck(signed: Signed): void;
  /** The opening and the secret it answers. The steps are checked by `assess`. */
  setOpening(signed: Signed, secret: Uint8Array): void;
  /**
   * Everything so far; without a final head, what the newest one covers (section 4.6).
   * @throws Error before the first head
   */
  receipt(verdicts: readonly Signed[]): Receipt;
}

/** Bytes of text that one answer may have: a receipt of 8 MiB has to hold it. */
const maxTextBytes = 4 * 1024 * 1024;

export function createReceived(init: ReceivedInit): Received {
  return new JobReceived(init);
}

interface Accepted {
  readonly promptTokens: readonly number[];
  readonly inputDigest: Uint8Array;
  readonly tail: string;
}

/** A head with what it covers. */
interface CoveringHead {
  readonly head: Head;
  readonly signed: Signed;
  /** UTF-16 units of the text. */
  readonly textLength: number;
}

class JobReceived implements Received {
  readonly jobId: JobId;
  readonly #init: ReceivedInit;
  readonly #isScore: boolean;
  readonly #vectors: ReceivedVectors | null;
  #accepted: Accepted | null = null;
  readonly #tokens: number[] = [];
  /** After the last token. */
  #prefix: Uint8Array = new Uint8Array();
  #text = '';
  #textBytes = 0;
  /** Tokens, and UTF-16 units of text, before the newest frame that held a token. */
  #beforeNewest = { n: 0, textLength: 0 };
  readonly #textHash = sha256.create();
  #newest: CoveringHead | null = null;
  #conflict: readonly [Signed, Signed] | null = null;
  #ack: Signed | null = null;
  #opening: { readonly signed: Signed; readonly secret: Uint8Array } | null = null;

  constructor(init: ReceivedInit) {
    this.#init = init;
    this.#isScore = init.offer.mode === modes.score;
    this.jobId = jobIdOf(init.offerSigned.body);
    const { dimensions = null, offer } = init;
    const { modelId, sampler } = offer;
    this.#vectors =
      dimensions === null
        ? null
        : new ReceivedVectors({ jobId: fromHex(this.jobId), modelId, dimensions, texts: sampler.maxTokens });
  }

  get promptTokens(): readonly number[] {
    return this.#accepted?.promptTokens ?? [];
  }

  get tokens(): readonly number[] {
    return this.#tokens;
  }

  get n(): number {
    return this.#vectors?.n ?? this.#tokens.length;
  }

  get vectors(): Vectors | null {
    return this.#vectors?.vectors() ?? null;
  }

  get text(): string {
    return this.#text;
  }

  get tail(): string {
    return this.#accepted?.tail ?? '';
  }

  get beforeNewest(): Received['beforeNewest'] {
    const { n, textLength } = this.#beforeNewest;
    return { n, text: this.#text.slice(0, textLength) };
  }

  get head(): Head | null {
    return this.#newest?.head ?? null;
  }

  get final(): Head | null {
    return this.#newest !== null && isFinal(this.#newest.head) ? this.#newest.head : null;
  }

  get conflict(): readonly [Signed, Signed] | null {
    return this.#conflict;
  }

  get openingSigned(): Signed | null {
    return this.#opening?.signed ?? null;
  }

  accept({ promptTokens, inputDigest, tail }: Accepted): void {
    if (this.#accepted !== null) throw new MalformedError('a second accept');
    const { offer, continuation = [] } = this.#init;
    if (!equalBytes(inputDigest, inputDigestOf(offer.modelId, promptTokens)))
      throw new FaultError('bad-receipt', 'the input digest is not that of the prompt tokens');
    if (offer.quote !== null && promptTokens.length > offer.terms.promptTokens)
      throw new FaultError(
        'bad-receipt',
        `${promptTokens.length} prompt tokens, ${offer.terms.promptTokens} were quoted`,
      );
    const ending = promptTokens.slice(Math.max(0, promptTokens.length - offer.start));
    if (!this.#isScore && offer.start > 0 && !isSameList(ending, continuation))
      throw new FaultError('bad-receipt', 'the prompt does not end with the continuation');
    this.#accepted = { promptTokens, inputDigest, tail };
    this.#prefix = inputDigest;
    if (this.#isScore) this.#add(continuation);
  }

  addTokens({ i, tokens, text }: Pick<FrameOf<'tokens'>, 'i' | 'tokens' | 'text'>): void {
    if (this.#accepted === null) throw new MalformedError('tokens before the accept');
    // A referee sends the text of the tokens that it scores, and none of its own.
    if (this.#vectors !== null || (this.#isScore && tokens.length > 0))
      throw new MalformedError('tokens of a job that writes none');
    if (this.final !== null) throw new MalformedError('tokens after the final head');
    const from = this.#isScore ? 0 : this.n;
    if (i !== from) throw new MalformedError(`tokens from ${i}, expected from ${from}`);
    const { maxTokens } = this.#init.offer.sampler;
    // One head more than asked for is enough to prove it.
    if (this.n + tokens.length > maxTokens + headIntervalTokens)
      throw new FaultError('bad-length', `more than ${maxTokens} tokens`);
    const bytes = utf8(text);
    this.#textBytes += bytes.length;
    if (this.#textBytes > maxTextBytes) throw new MalformedError(`more than ${maxTextBytes} bytes of text`);
    if (tokens.length > 0) this.#beforeNewest = { n: this.n, textLength: this.#text.length };
    this.#add(tokens);
    this.#text += text;
    this.#textHash.update(bytes);
  }

  addVectors(frame: Pick<FrameOf<'vectors'>, 'i' | 'counts' | 'values'>): void {
    if (this.#accepted === null) throw new MalformedError('vectors before the accept');
    if (this.#vectors === null) throw new MalformedError('vectors of a job that embeds nothing');
    if (this.final !== null) throw new MalformedError('vectors after the final head');
    this.#vectors.add(frame, this.#accepted.promptTokens);
  }

  addHead(signed: Signed): Head {
    if (this.#accepted === null) throw new MalformedError('a head before the accept');
    const head = decodeHead(signed.body);
    this.#checkSigned('head', kinds.head, signed, head.jobId);
    if (this.#newest !== null && isEquivocation(this.#newest.head, head)) {
      this.#conflict ??= [this.#newest.signed, signed];
      throw new FaultError('equivocation', 'two heads that cannot both be honest');
    }
    if (this.final !== null) throw new MalformedError('a second final head');
    this.#checkCovered(head, this.#accepted);
    this.#newest = { head, signed, textLength: this.#text.length };
    return head;
  }

  setAck(signed: Signed): void {
    this.#ack = signed;
  }

  setOpening(signed: Signed, secret: Uint8Array): void {
    const { jobId } = this.#isScore ? decodeScoreOpening(signed.body) : decodeOpening(signed.body);
    this.#checkSigned('opening', this.#isScore ? kinds.score : kinds.opening, signed, jobId);
    this.#opening = { signed, secret };
  }

  receipt(verdicts: readonly Signed[]): Receipt {
    if (this.#newest === null) throw new Error('a receipt needs a head');
    const { offerSigned, quote, exec, input, extra, grammar, previous } = this.#init;
    const { head, textLength } = this.#newest;
    return {
      input,
      extra: extra ?? new Uint8Array(),
      grammar: grammar ?? null,
      offer: offerSigned,
      quote: quote?.signed ?? null,
      exec,
      promptTokens: this.promptTokens,
      tokens: this.#tokens.slice(0, head.n),
      text: this.#text.slice(0, textLength),
      ...(this.#vectors === null ? {} : { vectors: this.#vectors.vectors() }),
      ack: this.#ack,
      heads: this.#heads(this.#newest.signed),
      secret: this.#opening?.secret ?? null,
      opening: this.#opening?.signed ?? null,
      verdicts,
      previous: previous ?? null,
      settlement: null,
    };
  }

  /** The newest head and one that conflicts with it; final ones first, then the newer ones (section 4.5). */
  #heads(newest: Signed): readonly Signed[] {
    const rank = ({ body }: Signed): number => {
      const head = decodeHead(body);
      return isFinal(head) ? Infinity : head.n;
    };
    const conflicting = this.#conflict?.[1];
    return conflicting !== undefined && rank(conflicting) > rank(newest)
      ? [conflicting, newest]
      : [newest, ...(conflicting === undefined ? [] : [conflicting])];
  }

  #add(tokens: readonly number[]): void {
    for (const token of tokens) {
      this.#tokens.push(token);
      this.#prefix = prefixAfter(this.#prefix, token);
    }
  }

  #checkSigned(what: string, kind: Kind, signed: Signed, jobId: Uint8Array): void {
    if (!verifyBody(this.#init.offer.provider, kind, jobIdHex(jobId), signed))
      throw new FaultError('bad-signature', `the ${what} is not signed by the provider`);
    if (!equalBytes(jobId, fromHex(this.jobId))) throw new FaultError('bad-receipt', `the ${what} is of another job`);
  }

  /** Section 4.2: what the client checks in every head. */
  #checkCovered(head: Head, accepted: Accepted): void {
    const wrong = (what: string): FaultError => new FaultError('bad-receipt', `the head's ${what}`);
    if (head.n !== this.n) throw wrong(`n is ${head.n}, ${this.n} came`);
    if (!equalBytes(head.prefix, this.#prefix)) throw wrong('prefix is not that of the tokens that came');
    if (!equalBytes(head.textDigest, this.#textHash.clone().digest()))
      throw wrong('text digest is not that of the text that came');
    if (!equalBytes(head.inputDigest, accepted.inputDigest) || head.promptCount !== accepted.promptTokens.length)
      throw wrong('prompt is not the accepted one');
    if (this.#vectors !== null) this.#checkVectors(this.#vectors, head, accepted);
    if (!equalBytes(head.execClass, this.#init.offer.execClass)) throw wrong('execution class is not the offered one');
  }

  #checkVectors(vectors: ReceivedVectors, head: Head, { promptTokens }: Accepted): void {
    if (!equalBytes(vectors.root(), head.root))
      throw new FaultError('root-mismatch', 'the vectors that came are not those under the signed root');
    if (head.n === this.#init.offer.sampler.maxTokens && !vectors.covers(promptTokens))
      throw badVectors('the texts of the vectors are not the prompt tokens');
  }
}
