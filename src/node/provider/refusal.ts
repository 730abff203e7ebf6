import { QvacError } from '../../errors.ts';
import type { Frame } from '../../protocol/frames.ts';

/** The codes with which a provider answers instead of serving (section 4). `bad-frame` is an E_BAD_PEER that the peer answers itself. */
export type RefusalCode = 'busy' | 'bad-offer' | 'bad-input' | 'no-model' | 'gone' | 'internal';

/** Why a request is not served; what the other side is told. Never holds a prompt or an answer. */
export class Refusal extends Error {
  readonly code: RefusalCode;

  constructor(code: RefusalCode, message: string) {
    super(message);
    this.name = 'Refusal';
    this.code = code;
  }
}

/** What the other side is told of `error`, or null where it broke the protocol or is gone. */
export function refusalOf(error: unknown): Refusal | null {
  if (error instanceof Refusal) return error;
  if (!(error instanceof QvacError)) return new Refusal('internal', 'this provider failed');
  switch (error.code) {
    case 'E_BAD_PEER':
    case 'E_TRUNCATED':
    case 'E_TIMEOUT':
    case 'E_INTERRUPTED':
      return null;
    case 'E_BUSY':
      return new Refusal('busy', 'all slots are in use');
    case 'E_BAD_INPUT':
      return new Refusal('bad-input', error.message);
    case 'E_CONTEXT':
      return new Refusal('bad-offer', error.message);
    default:
      return new Refusal('internal', 'this provider failed');
  }
}

/** The frame that tells it. */
export function frameOf(refusal: Refusal): Frame {
  return refusal.code === 'busy' ? { t: 'busy' } : { t: 'error', code: refusal.code, message: refusal.message };
}
