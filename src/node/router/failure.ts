import { ownWordsOf, QvacError } from '../../errors.ts';
import type { PeerErrorCode } from '../../protocol/constants.ts';
import { isBadOffer } from '../job/remote-error.ts';

/** What the person's client is told where there is no answer (section 4). `busy` is a frame of its own. */
export class RouteFailure extends Error {
  readonly code: PeerErrorCode | 'busy';
  /** The message for a log: without what a provider said, which may hold a prompt. */
  readonly ownWords: string;

  constructor(code: PeerErrorCode | 'busy', message: string, ownWords = message) {
    super(message);
    this.name = 'RouteFailure';
    this.code = code;
    this.ownWords = ownWords;
  }
}

/** What is left to say once the last provider failed with `error`. */
export function lastFailure(error: Error): RouteFailure {
  if (error instanceof RouteFailure) return error;
  if (!(error instanceof QvacError)) return new RouteFailure('failed', error.message);
  // Nobody broke off: whoever was asked does not take this question.
  const refused = isBadOffer(error);
  return new RouteFailure(
    error.code === 'E_BUSY' ? 'busy' : refused ? 'no-provider' : 'failed',
    error.message,
    ownWordsOf(error),
  );
}
