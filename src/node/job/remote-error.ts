import { type ErrorCode, QvacError, type QvacErrorInit } from '../../errors.ts';
import { shortPeer } from '../../lib/names.ts';
import type { PeerIdString } from '../../lib/types.ts';
import { type PeerErrorCode, peerErrorCode } from '../../protocol/codes.ts';
import type { FrameOf } from '../../protocol/frames.ts';

const codes: Readonly<Record<PeerErrorCode, readonly [code: ErrorCode, what: string, hint?: string]>> = {
  'bad-frame': ['E_FAILED', 'did not understand the request'],
  'bad-offer': ['E_FAILED', 'refused the offer'],
  'bad-input': ['E_BAD_INPUT', 'refused the prompt'],
  'no-model': ['E_NO_MODEL', 'does not hold that model', 'list the offers: qvac peers'],
  gone: ['E_FAILED', 'no longer keeps that job'],
  internal: ['E_FAILED', 'failed'],
  'not-served': ['E_NOT_SERVED', 'does not serve you', 'its owner can add you: qvac route --allow <your peer id>'],
  limit: ['E_LIMIT', 'has reached its spending limit'],
  'no-provider': ['E_NO_PROVIDER', 'found no provider', 'list the providers: qvac peers'],
  'too-dear': ['E_TOO_DEAR', 'found no provider at that price', 'raise --max-price'],
  timeout: ['E_TIMEOUT', 'got no complete answer in time', 'raise --timeout'],
  stopped: ['E_INTERRUPTED', 'stopped as asked'],
  failed: ['E_FAILED', 'has no complete answer', 'ask again'],
};

/** A refusal or failure that a peer sent. */
export class RemoteError extends QvacError {
  readonly remote: PeerErrorCode;

  constructor(code: ErrorCode, message: string, peer: PeerIdString, remote: PeerErrorCode, init: QvacErrorInit = {}) {
    super(code, message, { ...init, details: { peer, remote, ...init.details } });
    this.name = 'RemoteError';
    this.remote = remote;
  }
}

/** True if a peer refused the offer, possibly because it was made from an outdated card. */
export function isBadOffer(error: unknown): error is RemoteError {
  return error instanceof RemoteError && error.remote === 'bad-offer';
}

/** True if a peer refused the input. */
export function isBadInput(error: unknown): error is RemoteError {
  return error instanceof RemoteError && error.remote === 'bad-input';
}

/**
 * Translates an `error` or `busy` frame of `peer`. Its message is untrusted: it is shortened, and control characters
 * are removed.
 */
export function remoteError(frame: FrameOf<'error' | 'busy'>, peer: PeerIdString): QvacError {
  const name = shortPeer(peer);
  if (frame.t === 'busy')
    return new QvacError('E_BUSY', `${name} is busy`, { hint: 'try again, or another provider', details: { peer } });
  const remote = peerErrorCode(frame.code);
  const [code, what, hint] = codes[remote];
  const quoted = frame.message
    .replaceAll(/\p{C}+/gu, ' ')
    .trim()
    .slice(0, 200);
  const message = `${name} ${what}${quoted === '' ? '' : `: ${quoted}`}`;
  return new RemoteError(code, message, peer, remote, { hint, quoted });
}
