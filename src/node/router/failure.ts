import { ownWordsOf, QvacError } from '../../errors.ts';
import type { PeerErrorCode } from '../../protocol/codes.ts';
import { RemoteError } from '../job/remote-error.ts';

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

/** A refusal is not a broken answer: the asked providers do not take this question. */
const refusals: ReadonlyMap<string, PeerErrorCode> = new Map([
  ['bad-offer', 'no-provider'],
  ['bad-input', 'bad-input'],
]);

/** The failure to report once the last provider has failed with `error`. */
export function lastFailure(error: Error): RouteFailure {
  if (error instanceof RouteFailure) return error;
  if (!(error instanceof QvacError)) return new RouteFailure('failed', error.message);
  const code =
    error.code === 'E_BUSY' ? 'busy' : (refusals.get(error instanceof RemoteError ? error.remote : '') ?? 'failed');
  return new RouteFailure(code, error.message, ownWordsOf(error));
}
