import { QvacError } from '../../errors.ts';
import { shortPeer } from '../../lib/names.ts';
import type { PeerIdString } from '../../lib/types.ts';
import type { FrameOf } from '../../protocol/frames.ts';

/** The end of an answer that the next provider is asked for once more. */
export interface Shown {
  readonly tokens: readonly number[];
  readonly text: string;
}

/**
 * Compares the first tokens and the first text of a continuing job with those that were shown already (section 4.6), so
 * that nothing is shown twice.
 */
export class Redrawn {
  readonly #provider: PeerIdString;
  readonly #tokens: readonly number[];
  #text: string;
  #isOther = false;

  constructor(provider: PeerIdString, { tokens, text }: Shown) {
    this.#provider = provider;
    this.#tokens = tokens;
    this.#text = text;
  }

  /** Whether the job did not begin with what was shown. */
  get isOther(): boolean {
    return this.#isOther;
  }

  /**
   * @returns the frame's text without what was shown already
   * @throws QvacError E_FAILED if it is another one
   */
  take({ i, tokens, text }: Pick<FrameOf<'tokens'>, 'i' | 'tokens' | 'text'>): string {
    const known = this.#text.slice(0, text.length);
    const isSame = tokens.every((token, at) => token === (this.#tokens[i + at] ?? token)) && text.startsWith(known);
    this.#isOther ||= !isSame;
    if (this.#isOther)
      throw new QvacError('E_FAILED', `${shortPeer(this.#provider)} does not go on from the answer that was shown`);
    this.#text = this.#text.slice(known.length);
    return text.slice(known.length);
  }
}
