import { maxEmbeddedTexts } from '../../protocol/constants.ts';
import { dimensionsOf, promptRoom } from '../../protocol/embedding.ts';
import type { Card } from '../../protocol/messages.ts';
import { amountLamports } from '../../protocol/price.ts';
import { type FrameStream, readWithin } from '../streams/streams.ts';
import { spareJobs } from './payment/channel/constants.ts';
import type { Proposal, ProviderChannels } from './payment/payouts.ts';
import { OfferRefusal } from './refusal.ts';

export interface ChannelHandlerComponents {
  /** Returns this provider's current card. */
  readonly card: () => Card;
  /** Null: the provider takes no payment from channels. */
  readonly channels: ProviderChannels | null;
}

/**
 * The provider's side of `/qvac/channel/1.0.0` (section 9): terms for a proposal, or totals that come outside a job. An
 * acknowledgement that was taken is answered by the end of the stream.
 * @throws OfferRefusal
 */
export async function handleChannel(
  { card, channels }: ChannelHandlerComponents,
  stream: FrameStream,
  firstFrameMs: number,
): Promise<void> {
  const frame = await readWithin(stream, ['propose', 'ack'], firstFrameMs);
  if (frame === null) return;
  if (channels === null) throw new OfferRefusal('bad-offer', 'this provider takes no payment from channels');
  const { publicKey } = stream.remote;
  if (frame.t === 'ack') return channels.acknowledge({ body: frame.body, sig: frame.sig }, publicKey);
  checkAmounts(frame, card());
  await stream.write({ t: 'terms', ...(await channels.propose(frame, publicKey)) });
}

/** A window is what a client can leave unpaid: it holds what can be under way at once, and not more. */
function checkAmounts({ deposit, window }: Proposal, { models }: Card): void {
  if (window < 1 || window > deposit)
    throw new OfferRefusal('bad-offer', `a window is 1 lamport at least and the deposit at most, not ${window}`);
  const most = models.map(({ can, context, slots, ...price }) => {
    const prices = {
      priceJobLamports: BigInt(price.priceJob),
      priceInLamports: BigInt(price.priceIn),
      priceOutLamports: BigInt(price.priceOut),
    };
    const promptTokens = promptRoom({ can, context }, dimensionsOf({ can }) === null ? 0 : maxEmbeddedTexts);
    const inputs = amountLamports({ promptTokens, maxTokens: 0, isScore: false }, prices);
    const outputs = amountLamports({ promptTokens: 0, maxTokens: context, isScore: false }, prices);
    return BigInt(slots + spareJobs) * (inputs > outputs ? inputs : outputs);
  });
  const largest = most.reduce((one, other) => (one > other ? one : other), 0n);
  if (BigInt(window) > largest)
    throw new OfferRefusal('bad-offer', `a window is ${largest} lamports at most here, not ${window}`);
}
