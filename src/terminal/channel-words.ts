import type { ChannelNews } from '../node/payment/channel/channels.ts';
import { dateTime, plural, shortPeer, sol } from './format.ts';

/** One line about a change of a channel; null if it needs none. */
export function channelLine(facts: ChannelNews): string | null {
  const { channel, provider, state, depositLamports, releasedLamports, heldLamports, answers, at } = facts;
  const who = shortPeer(provider);
  const left = sol(depositLamports - releasedLamports - heldLamports);
  switch (state) {
    case 'opening':
      return `deposit ${sol(depositLamports)} with ${who}, back within 10 minutes of closing (5 h if it is gone)`;
    case 'opened':
    case 'unopened':
      return null;
    case 'topped-up':
      return `deposit with ${who} raised to ${sol(depositLamports)}`;
    case 'closing':
      return `closing the channel with ${who}: ${bill(facts)}, ${left} back within 10 minutes`;
    case 'requested': {
      const when = at === null ? 'in 5 h' : dateTime(at);
      const command = `qvac channels close ${channel.slice(0, 8)}`;
      return `the channel with ${who} ends without it: ${left} back from ${when} (${command})`;
    }
    case 'closed':
    case 'finished':
    case 'slashed':
      return `channel with ${who} ${state}: ${plural(answers, 'answer')}, ${settled(facts)}`;
    case 'gone':
      return `channel with ${who} has ended: ${bill(facts)}`;
  }
}

function bill({ answers, releasedLamports, fees }: ChannelNews): string {
  return `${plural(answers, 'answer')}, ${sol(releasedLamports)} paid, ${sol(fees)} fees`;
}

function settled({ outcome, fees }: ChannelNews): string {
  const { paid = 0n, refunded = 0n, burnt = 0n, compensation = 0n } = outcome ?? {};
  return [
    `${sol(paid)} paid`,
    `${sol(refunded)} back`,
    ...(burnt === 0n ? [] : [`${sol(burnt)} burnt`]),
    ...(compensation === 0n ? [] : [`${sol(compensation)} of the provider’s stake to you`]),
    `${sol(fees)} fees`,
  ].join(', ');
}
