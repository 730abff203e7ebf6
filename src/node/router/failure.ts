import { ownWordsOf, QvacError } from '../../errors.ts';
import type { PeerErrorCode } from '../../protocol/constants.ts';
import { isBadOffer } from '../job/remote-error.ts';

/** Why a question has no answer, as sent to the client (section 4). `busy` is a frame of its own. */
export class RouteFailure extends Error {
  readonly code: PeerErrorCode | 'busy';
  /** The message for a log: without quoted words of a provider, which may contain the prompt. */
  readonly ownWords: string;

  constructor(code: PeerErrorCode | 'busy', message: string, ownWords = message) {
    super(message);
    this.name = 'RouteFailure';
    this.code = code;
    this.ownWords = ownWords;
  }
}

/** The failure to report once the last provider has failed with `error`. */
export function lastFailure(error: Error): RouteFailure {
  if (error instanceof RouteFailure) return error;
  if (!(error instanceof QvacError)) return new RouteFailure('failed', error.message);
  // A refused offer is not a broken answer: the asked providers do not take this question.
  const refused = isBadOffer(error);
  return new RouteFailure(
    error.code === 'E_BUSY' ? 'busy' : refused ? 'no-provider' : 'failed',
    error.message,
    ownWordsOf(error),
  );
}
