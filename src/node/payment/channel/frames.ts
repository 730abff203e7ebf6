import { messageOf, QvacError } from '../../../errors.ts';
import { anySignal } from '../../../lib/abort.ts';
import { equalBytes } from '../../../lib/bytes.ts';
import { seconds, shortPeer } from '../../../lib/names.ts';
import type { AbortOptions, PeerIdString } from '../../../lib/types.ts';
import { peerIdOf, verifyBody } from '../../../proofs/signing.ts';
import { MalformedError } from '../../../protocol/codec.ts';
import { channelProtocol, maxTermsLifeS } from '../../../protocol/constants.ts';
import type { ChannelTerms } from '../../../protocol/layouts/channel-terms.ts';
import { kinds, type Signed } from '../../../protocol/messages.ts';
import { decodeChannelTerms } from '../../../protocol/validate.ts';
import { remoteError } from '../../job/remote-error.ts';
import type { Peer } from '../../peer/peer.ts';
import type { FrameStream } from '../../streams/streams.ts';
import { channelFrameMs } from './constants.ts';

/** What terms must say. Keys are 32 bytes, `expiresAt` in unix seconds. */
export type WantedTerms = Omit<ChannelTerms, 'version' | 'validUntil' | 'nonce'>;

/**
 * Has the provider sign the terms of a channel (section 9).
 * @param now unix ms of the chain
 * @throws QvacError E_BUSY, E_FAILED that the provider sent; E_BAD_PEER for other terms than those wanted; E_TIMEOUT,
 * E_NETWORK, E_TRUNCATED
 */
export async function proposeChannel(
  peer: Peer,
  target: PeerIdString,
  wanted: WantedTerms,
  now: number,
  options: AbortOptions = {},
): Promise<Signed> {
  return exchange(peer, target, options, async (stream, signal) => {
    const { payer, depositLamports, windowLamports, expiresAt } = wanted;
    const [deposit, window] = [Number(depositLamports), Number(windowLamports)];
    await stream.write({ t: 'propose', payer, deposit, window, expiresAt: Number(expiresAt) }, { signal });
    const frame = await stream.read(['terms', 'busy', 'error'], { signal });
    if (frame === null) throw new QvacError('E_TRUNCATED', `${shortPeer(target)} closed the stream without terms`);
    if (frame.t !== 'terms') throw remoteError(frame, target);
    const signed = { body: frame.body, sig: frame.sig };
    checkTerms(signed, wanted, now);
    return signed;
  });
}

/**
 * Hands the provider totals outside the stream of a job: they release answers whose streams are gone, or close the
 * channel.
 * @throws QvacError E_FAILED if the provider does not take them; E_TIMEOUT, E_NETWORK, E_TRUNCATED
 */
export async function sendTotals(
  peer: Peer,
  target: PeerIdString,
  ack: Signed,
  options: AbortOptions = {},
): Promise<void> {
  await exchange(peer, target, options, async (stream, signal) => {
    await stream.write({ t: 'ack', ...ack }, { signal });
    const frame = await stream.read(['busy', 'error'], { signal });
    if (frame !== null) throw remoteError(frame, target);
  });
}

async function exchange<Result>(
  peer: Peer,
  target: PeerIdString,
  options: AbortOptions,
  run: (stream: FrameStream, signal: AbortSignal) => Promise<Result>,
): Promise<Result> {
  const late = AbortSignal.timeout(channelFrameMs);
  const signal = anySignal(late, options.signal);
  try {
    const stream = await peer.open(target, channelProtocol, { signal, eager: true });
    try {
      return await run(stream, signal);
    } finally {
      await stream.close();
    }
  } catch (error) {
    options.signal?.throwIfAborted();
    if (!late.aborted) throw error;
    const message = `${shortPeer(target)} did not answer about the channel within ${seconds(channelFrameMs)}`;
    throw new QvacError('E_TIMEOUT', message, { cause: error });
  }
}

/** @throws QvacError E_BAD_PEER */
function checkTerms(signed: Signed, wanted: WantedTerms, now: number): void {
  const bad = (why: string): QvacError =>
    new QvacError('E_BAD_PEER', `the channel terms of ${shortPeer(peerIdOf(wanted.provider))} were refused: ${why}`);
  if (!verifyBody(wanted.provider, kinds.channel, null, signed)) throw bad('their signature is not the provider’s');
  const terms = decoded(signed, bad);
  for (const field of ['chain', 'program', 'payer', 'authority', 'provider', 'client'] as const)
    if (!equalBytes(terms[field], wanted[field])) throw bad(`they name another ${field}`);
  for (const field of ['depositLamports', 'windowLamports', 'expiresAt'] as const)
    if (terms[field] !== wanted[field]) throw bad(`their ${field} is ${terms[field]} instead of ${wanted[field]}`);
  const lifeMs = Number(terms.validUntil) * 1_000 - now;
  if (lifeMs <= 0) throw bad('they have expired');
  // Until then the channel cannot be closed.
  if (lifeMs > maxTermsLifeS * 1_000) throw bad(`they are valid for more than ${maxTermsLifeS} s`);
}

function decoded({ body }: Signed, bad: (why: string) => QvacError): ChannelTerms {
  try {
    return decodeChannelTerms(body);
  } catch (error) {
    if (error instanceof MalformedError) throw bad(messageOf(error));
    throw error;
  }
}
