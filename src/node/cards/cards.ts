import { QvacError } from '../../errors.ts';
import { anySignal } from '../../lib/abort.ts';
import { equalBytes } from '../../lib/bytes.ts';
import type { Clock } from '../../lib/clock.ts';
import { seconds, shortPeer } from '../../lib/names.ts';
import type { AbortOptions, PeerIdString } from '../../lib/types.ts';
import { publicKeyOf, verifyBody } from '../../proofs/signing.ts';
import { MalformedError } from '../../protocol/codec.ts';
import { cardProtocol } from '../../protocol/constants.ts';
import { type Card, kinds, type Signed } from '../../protocol/messages.ts';
import { decodeCard } from '../../protocol/validate.ts';
import type { Peer } from '../peer/peer.ts';

/** A card whose signature, peer, network, class and date are verified. Its texts are the peer's own, unchecked. */
export interface VerifiedCard {
  readonly peer: PeerIdString;
  readonly card: Card;
  /** The signed bytes. */
  readonly body: Uint8Array;
  readonly sig: Uint8Array;
}

export interface CardChecks {
  /** The peer that must have signed it. */
  readonly peer: PeerIdString;
  /** The network that it must be for (protocol section 7). */
  readonly network: string;
  /** Unix ms. An expired card is refused. */
  readonly now: number;
  /** The newest card of this peer so far: an older one, or another one with the same number, is refused. */
  readonly newest?: VerifiedCard | null | undefined;
}

/** Bounds that no useful card exceeds. */
const most = { models: 64, modes: 8, addrs: 32, textLength: 256 } as const;

/**
 * The card in `signed`, after every check of protocol section 3.
 * @throws QvacError E_BAD_PEER with the reason
 */
export function verifyCard(signed: Signed, checks: CardChecks): VerifiedCard {
  const { peer, network, now, newest } = checks;
  const bad = (why: string, cause?: unknown): QvacError =>
    new QvacError('E_BAD_PEER', `the card of ${shortPeer(peer)} is refused: ${why}`, { cause });
  const publicKey = publicKeyOf(peer);
  if (!verifyBody(publicKey, kinds.card, null, signed)) throw bad('its signature is not by this peer');
  const card = decode(signed.body, bad);
  if (!equalBytes(card.peer, publicKey)) throw bad('it is the card of another peer');
  if (card.network !== network) throw bad(`it is for another network than "${network}"`);
  if (card.expiresAt <= now)
    throw bad(`it has expired ${seconds(now - card.expiresAt)} ago by this machine’s clock; check both clocks`);
  if (!isModest(card)) throw bad('it is too large');
  if (newest !== null && newest !== undefined && newest.peer === peer) {
    const twins = 'two machines may use its key';
    if (card.seq < newest.card.seq) throw bad(`a newer one was seen before; ${twins}`);
    if (card.seq === newest.card.seq && !equalBytes(signed.body, newest.body))
      throw bad(`another one with the same number was seen before; ${twins}`);
  }
  return { peer, card, body: signed.body, sig: signed.sig };
}

function decode(body: Uint8Array, bad: (why: string, cause?: unknown) => QvacError): Card {
  try {
    return decodeCard(body);
  } catch (error) {
    if (error instanceof MalformedError) throw bad(`it is malformed (${error.message})`, error);
    throw error;
  }
}

function isModest(card: Card): boolean {
  const texts = [
    card.compute.backend,
    card.compute.device,
    ...card.addrs,
    ...card.models.flatMap((model) => [model.name, model.arch, model.quant, ...model.modes]),
  ];
  return (
    card.models.length <= most.models &&
    card.addrs.length <= most.addrs &&
    card.models.every((model) => model.modes.length <= most.modes) &&
    texts.every((text) => text.length <= most.textLength)
  );
}

/**
 * Asks `target` (peer id or multiaddr) for its card.
 * @throws QvacError E_NETWORK, E_TRUNCATED or E_TIMEOUT if the peer does not send it, E_BAD_PEER if it is refused
 */
export async function fetchCard(
  components: { readonly peer: Peer; readonly clock: Clock },
  target: PeerIdString | string,
  options: AbortOptions & { readonly newest?: VerifiedCard | null | undefined } = {},
): Promise<VerifiedCard> {
  const { peer, clock } = components;
  const deadline = AbortSignal.timeout(fetchTimeoutMs);
  const signal = anySignal(deadline, options.signal);
  try {
    const stream = await peer.open(target, cardProtocol, { signal, eager: true });
    try {
      const frame = await stream.read(['card', 'busy', 'error'], { signal });
      if (frame === null)
        throw new QvacError(
          'E_TRUNCATED',
          `${shortPeer(stream.remote.peer)} closed the stream without sending its card`,
        );
      if (frame.t !== 'card')
        throw new QvacError(
          'E_NETWORK',
          `${shortPeer(stream.remote.peer)} does not send its card (${frame.t === 'busy' ? 'busy' : frame.code})`,
        );
      return verifyCard(frame, {
        peer: stream.remote.peer,
        network: peer.network,
        now: clock.now(),
        newest: options.newest,
      });
    } finally {
      await stream.close();
    }
  } catch (error) {
    if (options.signal?.aborted === true) throw options.signal.reason;
    if (deadline.aborted)
      throw new QvacError('E_TIMEOUT', `${target} does not send its card in time`, { cause: error });
    throw error;
  }
}

/** How long fetching a card may take, dial included, in ms. */
const fetchTimeoutMs = 6_000;
