import { dateTime, sol } from './format.ts';

/** The state of the payment of an answer. Amounts are lamports. */
export interface PaymentFacts {
  readonly state:
    | 'confirmed'
    | 'rejected'
    | 'slashed'
    | 'declined'
    | 'refunded'
    | 'claimed'
    | 'open'
    | 'submitted'
    | 'gone'
    | 'challenged'
    | 'released'
    | 'withheld';
  readonly locked: bigint;
  readonly paid: bigint;
  readonly refunded: bigint;
  readonly burnt: bigint;
  readonly compensation: bigint;
  /** When the next transfer falls due, unix ms. */
  readonly dueAt: number | null;
  /** The channel that paid; null: an account of its own did. @default null */
  readonly channel?: { readonly left: bigint; readonly underWay: bigint } | null | undefined;
}

/** The outcome of an answer's checks, as far as payment goes. */
export interface Checked {
  readonly failed: boolean;
  /** The provider was paid because the checks ended after the deadline for a rejection. */
  readonly tooLate: boolean;
}

/** Explains the payment of an answer that did not pass its checks in time; null if no explanation is needed. */
export function moneySentence(
  { state, locked, paid, refunded, burnt, compensation }: PaymentFacts,
  { failed, tooLate }: Checked,
): string | null {
  if (failed && tooLate) return 'the answer failed its checks after the deadline for a rejection: the provider is paid';
  if (tooLate)
    return [
      'the check did not end before the deadline for a rejection:',
      `the provider was paid ${sol(paid)} for an answer that was not re-executed`,
    ].join(' ');
  if (!failed) return null;
  switch (state) {
    case 'rejected':
      return `the provider is not paid: ${sol(burnt)} burnt, ${sol(refunded)} refunded to you`;
    case 'challenged':
      return [
        'the provider did not open its answer, and is challenged on the chain:',
        'it is paid if it opens there, else you get the money back and as much of its stake (qvac jobs settle)',
      ].join(' ');
    case 'withheld':
      return `the provider is not paid: ${sol(burnt)} stay in the channel and are burnt when it closes`;
    case 'slashed':
      return `fraud proved on the chain: ${sol(refunded)} refunded, plus ${sol(compensation)} of the provider’s stake`;
    case 'declined':
    case 'refunded':
      return `the provider is not paid: ${sol(refunded)} refunded to you`;
    case 'open':
    case 'submitted':
      return `the provider is not paid: ${sol(locked)} locked, what exceeds the price is refunded (qvac jobs ls)`;
    default:
      return null;
  }
}

/** The payment in a few words: `paid 0.00008 SOL, 0.00002 SOL refunded`. */
export function paymentWords({
  state,
  locked,
  paid,
  refunded,
  burnt,
  compensation,
  dueAt,
  channel = null,
}: PaymentFacts): string {
  const rest = refunded === 0n ? '' : `, ${sol(refunded)} refunded`;
  const when = dueAt === null ? '' : ` from ${dateTime(dueAt)}`;
  const underWay = channel === null || channel.underWay === 0n ? '' : `, ${sol(channel.underWay)} under way`;
  const inChannel = channel === null ? '' : ` (${sol(channel.left)} left${underWay})`;
  switch (state) {
    case 'confirmed':
    case 'claimed':
      return `paid ${sol(paid)}${rest}`;
    case 'rejected':
      return `rejected: ${sol(burnt)} burnt${rest}`;
    case 'slashed':
      return `${sol(refunded)} refunded, plus ${sol(compensation)} of the provider's stake`;
    case 'declined':
    case 'refunded':
      return `${sol(refunded)} refunded`;
    case 'submitted':
      return `${sol(locked)} locked, paid out${when === '' ? ' later' : when}`;
    case 'open':
      return `${sol(locked)} locked, refundable${when === '' ? ' later' : when}`;
    case 'gone':
      return `${sol(locked)} settled`;
    case 'challenged':
      return `challenged on the chain, due${when === '' ? ' later' : when.replace(' from', '')}`;
    case 'released':
      return `paid ${sol(paid)} by channel${inChannel}`;
    case 'withheld':
      return `${sol(burnt)} withheld in the channel${inChannel}`;
  }
}
