import { sha256 } from '@noble/hashes/sha2.js';
import { equalBytes, fromHex, utf8 } from '../lib/bytes.ts';
import type { JobId } from '../lib/types.ts';
import { MalformedError } from '../protocol/codec.ts';
import { headInterval } from '../protocol/constants.ts';
import { inputDigestOf, jobIdHex, jobIdOf } from '../protocol/digests.ts';
import type { FrameOf } from '../protocol/frames.ts';
import {
  type Exec,
  type Head,
  type Input,
  type Kind,
  kinds,
  type Offer,
  type Quote,
  type Signed,
} from '../protocol/messages.ts';
import { decodeOpening } from '../protocol/validate.ts';
import { FaultError } from './fault.ts';
import { decodeHead, isEquivocation, isFinal } from './head.ts';
import type { Receipt } from './receipt.ts';
import { verifyBody } from './signing.ts';
import { prefixAfter } from './step.ts';

export { FaultError } from './fault.ts';

export interface ReceivedInit {
  readonly offer: Offer;
  readonly offerSigned: Signed;
  readonly quote: { readonly quote: Quote; readonly signed: Signed } | null;
  /** The map in the provider's card; null where it is not known. */
  readonly exec: Exec | null;
  /** Null keeps the prompt out of the receipt. */
  readonly input: Input | null;
}

/**
 * The receiver's record of one job, checked as it comes (sections 4 and 4.2). Throws FaultError for what a fault code
 * names, MalformedError for frames that break the protocol without one. Holds no more than a receipt can; tokens after
 * a
 * stop token are kept, so that the head over them proves the fault.
 */
export interface Received {
  readonly jobId: JobId;
  readonly promptTokens: readonly number[];
  readonly tokens: readonly number[];
  readonly n: number;
  readonly text: string;
  /** The newest head. */
  readonly head: Head | null;
  readonly final: Head | null;
  /** Two heads that contradict each other, as the provider signed them: evidence, also where no final head came. */
  readonly conflict: readonly [Signed, Signed] | null;
  readonly openingSigned: Signed | null;
  accept(frame: Pick<FrameOf<'accept'>, 'promptTokens' | 'inputDigest'>): void;
  addTokens(frame: Pick<FrameOf<'tokens'>, 'i' | 'tokens' | 'text'>): void;
  addHead(signed: Signed): Head;
  /** The cancel that was sent. */
  setCancel(signed: Signed): void;
  /** The opening and the secret it answers. The steps are checked by `assess`. */
  setOpening(signed: Signed, secret: Uint8Array): void;
  /** Everything so far. @throws Error before the final head */
  receipt(verdicts: readonly Signed[]): Receipt;
}

/** Bytes of text that one answer may have: a receipt of 8 MiB has to hold it. */
const maxTextBytes = 4 * 1024 * 1024;

export function createReceived(init: ReceivedInit): Received {
  return new JobReceived(init);
}

class JobReceived implements Received {
  readonly jobId: JobId;
  readonly #init: ReceivedInit;
  #accepted: { readonly promptTokens: readonly number[]; readonly inputDigest: Uint8Array } | null = null;
  readonly #tokens: number[] = [];
  /** After the last token. */
  #prefix: Uint8Array = new Uint8Array();
  #text = '';
  #textBytes = 0;
  readonly #textHash = sha256.create();
  #head: Head | null = null;
  #headSigned: Signed | null = null;
  #finalSigned: Signed | null = null;
  #conflict: readonly [Signed, Signed] | null = null;
  #cancel: Signed | null = null;
  #opening: { readonly signed: Signed; readonly secret: Uint8Array } | null = null;

  constructor(init: ReceivedInit) {
    this.#init = init;
    this.jobId = jobIdOf(init.offerSigned.body);
  }

  get promptTokens(): readonly number[] {
    return this.#accepted?.promptTokens ?? [];
  }

  get tokens(): readonly number[] {
    return this.#tokens;
  }

  get n(): number {
    return this.#tokens.length;
  }

  get text(): string {
    return this.#text;
  }

  get head(): Head | null {
    return this.#head;
  }

  get final(): Head | null {
    return this.#finalSigned === null ? null : this.#head;
  }

  get conflict(): readonly [Signed, Signed] | null {
    return this.#conflict;
  }

  get openingSigned(): Signed | null {
    return this.#opening?.signed ?? null;
  }

  accept({ promptTokens, inputDigest }: Pick<FrameOf<'accept'>, 'promptTokens' | 'inputDigest'>): void {
    if (this.#accepted !== null) throw new MalformedError('a second accept');
    const { offer, quote } = this.#init;
    if (!equalBytes(inputDigest, inputDigestOf(offer.modelId, promptTokens)))
      throw new FaultError('bad-receipt', 'the input digest is not that of the prompt tokens');
    if (quote !== null && promptTokens.length > quote.quote.promptTokens) {
      throw new FaultError(
        'bad-receipt',
        `${promptTokens.length} prompt tokens, ${quote.quote.promptTokens} were quoted`,
      );
    }
    this.#accepted = { promptTokens, inputDigest };
    this.#prefix = inputDigest;
  }

  addTokens({ i, tokens, text }: Pick<FrameOf<'tokens'>, 'i' | 'tokens' | 'text'>): void {
    if (this.#accepted === null) throw new MalformedError('tokens before the accept');
    if (this.#finalSigned !== null) throw new MalformedError('tokens after the final head');
    if (i !== this.n) throw new MalformedError(`tokens from ${i}, expected from ${this.n}`);
    const { maxTokens } = this.#init.offer.sampler;
    // One head more than asked for is enough to prove it.
    if (this.n + tokens.length > maxTokens + headInterval)
      throw new FaultError('bad-length', `more than ${maxTokens} tokens`);
    const bytes = utf8(text);
    this.#textBytes += bytes.length;
    if (this.#textBytes > maxTextBytes) throw new MalformedError(`more than ${maxTextBytes} bytes of text`);
    for (const token of tokens) {
      this.#tokens.push(token);
      this.#prefix = prefixAfter(this.#prefix, token);
    }
    this.#text += text;
    this.#textHash.update(bytes);
  }

  addHead(signed: Signed): Head {
    if (this.#accepted === null) throw new MalformedError('a head before the accept');
    const head = decodeHead(signed.body);
    this.#checkSigned(kinds.head, signed, head.jobId);
    if (this.#head !== null && this.#headSigned !== null && isEquivocation(this.#head, head)) {
      this.#conflict ??= [this.#headSigned, signed];
      throw new FaultError('equivocation', 'two heads that cannot both be honest');
    }
    if (this.#finalSigned !== null) throw new MalformedError('a second final head');
    this.#checkCovered(head, this.#accepted);
    this.#head = head;
    this.#headSigned = signed;
    if (isFinal(head)) this.#finalSigned = signed;
    return head;
  }

  setCancel(signed: Signed): void {
    this.#cancel = signed;
  }

  setOpening(signed: Signed, secret: Uint8Array): void {
    this.#checkSigned(kinds.opening, signed, decodeOpening(signed.body).jobId);
    this.#opening = { signed, secret };
  }

  receipt(verdicts: readonly Signed[]): Receipt {
    if (this.#finalSigned === null) throw new Error('a receipt needs a final head');
    const { offerSigned, quote, exec, input } = this.#init;
    return {
      input,
      offer: offerSigned,
      quote: quote?.signed ?? null,
      exec,
      promptTokens: this.promptTokens,
      tokens: [...this.#tokens],
      text: this.#text,
      cancel: this.#cancel,
      heads: [this.#finalSigned, ...(this.#conflict === null ? [] : [this.#conflict[1]])],
      secret: this.#opening?.secret ?? null,
      opening: this.#opening?.signed ?? null,
      verdicts,
      settlement: null,
    };
  }

  #checkSigned(kind: Kind, signed: Signed, jobId: Uint8Array): void {
    const name = kind === kinds.head ? 'head' : 'opening';
    if (!verifyBody(this.#init.offer.provider, kind, jobIdHex(jobId), signed))
      throw new FaultError('bad-signature', `the ${name} is not signed by the provider`);
    if (!equalBytes(jobId, fromHex(this.jobId))) throw new FaultError('bad-receipt', `the ${name} is of another job`);
  }

  /** Section 4.2: what the client checks in every head. */
  #checkCovered(
    head: Head,
    accepted: { readonly promptTokens: readonly number[]; readonly inputDigest: Uint8Array },
  ): void {
    const wrong = (what: string): FaultError => new FaultError('bad-receipt', `the head's ${what}`);
    if (head.n !== this.n) throw wrong(`n is ${head.n}, ${this.n} tokens came`);
    if (!equalBytes(head.prefix, this.#prefix)) throw wrong('prefix is not that of the tokens that came');
    if (!equalBytes(head.textDigest, this.#textHash.clone().digest()))
      throw wrong('text digest is not that of the text that came');
    if (!equalBytes(head.inputDigest, accepted.inputDigest) || head.promptCount !== accepted.promptTokens.length)
      throw wrong('prompt is not the accepted one');
    if (!equalBytes(head.execClass, this.#init.offer.execClass)) throw wrong('execution class is not the offered one');
  }
}
