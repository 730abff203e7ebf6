import { type ErrorCode, QvacError } from '../../errors.ts';
import { shortPeer } from '../../lib/names.ts';
import type { PeerIdString } from '../../lib/types.ts';
import { type PeerErrorCode, peerErrorCode } from '../../protocol/constants.ts';
import type { FrameOf } from '../../protocol/frames.ts';

const codes: Readonly<Record<PeerErrorCode, readonly [code: ErrorCode, what: string, hint?: string]>> = {
  'bad-frame': ['E_FAILED', 'did not understand us'],
  'bad-offer': ['E_FAILED', 'refused the offer'],
  'bad-input': ['E_BAD_INPUT', 'refused the prompt'],
  'no-model': ['E_NO_MODEL', 'does not hold that model', 'see who offers what: qvac peers'],
  gone: ['E_FAILED', 'has nothing to open any more'],
  internal: ['E_FAILED', 'failed'],
  'not-served': ['E_NOT_SERVED', 'does not serve you', 'its owner can add you: qvac route --allow <your peer id>'],
  limit: ['E_LIMIT', 'has spent what it may'],
  'no-provider': ['E_NO_PROVIDER', 'found no provider', 'see who is there: qvac peers'],
  'too-dear': ['E_TOO_DEAR', 'found no provider at that price', 'raise --max-price'],
  timeout: ['E_TIMEOUT', 'got no whole answer in time', 'raise --timeout'],
  stopped: ['E_INTERRUPTED', 'stopped as asked'],
  failed: ['E_FAILED', 'has no whole answer', 'ask again'],
};

/**
 * What an `error` or `busy` frame of `peer` means here. Its words are a stranger's: shortened and without control
 * characters.
 */
export function remoteError(frame: FrameOf<'error' | 'busy'>, peer: PeerIdString): QvacError {
  const who = shortPeer(peer);
  if (frame.t === 'busy')
    return new QvacError('E_BUSY', `${who} is busy`, { hint: 'try again, or another provider', details: { peer } });
  const remote = peerErrorCode(frame.code);
  const [code, what, hint] = codes[remote];
  const words = frame.message
    .replaceAll(/\p{C}+/gu, ' ')
    .trim()
    .slice(0, 200);
  return new QvacError(code, `${who} ${what}${words === '' ? '' : `: ${words}`}`, {
    hint,
    details: { peer, remote },
    quoted: words,
  });
}
