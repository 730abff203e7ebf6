import { ownWordsOf, QvacError } from '../../errors.ts';
import type { Frame } from '../../protocol/frames.ts';

/**
 * The codes with which a provider answers instead of serving (section 4). `bad-frame` is an E_BAD_PEER that the peer
 * answers itself.
 */
export type RefusalCode = 'busy' | 'bad-offer' | 'bad-input' | 'no-model' | 'gone' | 'internal';

/** Why a request is not served; what the other side is told. */
export class OfferRefusal extends Error {
  readonly code: RefusalCode;
  /** The message for a log: without what a model's template said, which may hold a prompt. */
  readonly ownWords: string;

  constructor(code: RefusalCode, message: string, ownWords = message) {
    super(message);
    this.name = 'Refusal';
    this.code = code;
    this.ownWords = ownWords;
  }
}

/** What the other side is told of `error`, or null where it broke the protocol or is gone. */
export function offerRefusalOf(error: unknown): OfferRefusal | null {
  if (error instanceof OfferRefusal) return error;
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

/** The frame that tells it. */
export function frameOf(refusal: OfferRefusal): Frame {
  return refusal.code === 'busy' ? { t: 'busy' } : { t: 'error', code: refusal.code, message: refusal.message };
}
