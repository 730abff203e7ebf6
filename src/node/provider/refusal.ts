import { ownWordsOf, QvacError } from '../../errors.ts';
import { GrammarTooCostly } from '../../proofs/grammar/work.ts';
import type { Frame } from '../../protocol/frames.ts';

/**
 * The codes with which a provider refuses a request (section 4). The remaining code, `bad-frame`, is an E_BAD_PEER: the
 * peer answers it itself.
 */
export type RefusalCode = 'busy' | 'bad-offer' | 'bad-input' | 'no-model' | 'gone' | 'internal';

/** A refusal to serve a request; its code and message are sent to the client. */
export class OfferRefusal extends Error {
  readonly code: RefusalCode;
  /** The message for a log: without a quoted template error, which may contain the prompt. */
  readonly ownWords: string;

  constructor(code: RefusalCode, message: string, ownWords = message) {
    super(message);
    this.name = 'OfferRefusal';
    this.code = code;
    this.ownWords = ownWords;
  }
}

/** The refusal to send for `error`; null if the client broke the protocol or left. */
export function offerRefusalOf(error: unknown): OfferRefusal | null {
  if (error instanceof OfferRefusal) return error;
  if (error instanceof GrammarTooCostly) return new OfferRefusal('bad-input', error.message);
  if (!(error instanceof QvacError)) return new OfferRefusal('internal', 'this provider failed');
  switch (error.code) {
    case 'E_BAD_PEER':
    case 'E_TRUNCATED':
    case 'E_TIMEOUT':
    case 'E_INTERRUPTED':
      return null;
    case 'E_BUSY':
      return new OfferRefusal('busy', 'all slots are in use');
    case 'E_BAD_INPUT':
      return new OfferRefusal('bad-input', error.message, ownWordsOf(error));
    case 'E_CONTEXT':
      return new OfferRefusal('bad-offer', error.message, ownWordsOf(error));
    default:
      return new OfferRefusal('internal', 'this provider failed');
  }
}

/** The frame that carries `refusal`. */
export function frameOf(refusal: OfferRefusal): Frame {
  return refusal.code === 'busy' ? { t: 'busy' } : { t: 'error', code: refusal.code, message: refusal.message };
}
