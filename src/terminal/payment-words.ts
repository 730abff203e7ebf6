import { dateTime, sol } from './format.ts';

/** How the payment of an answer stands. Amounts are lamports. */
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
    | 'gone';
  readonly locked: bigint;
  readonly paid: bigint;
  readonly refunded: bigint;
  readonly burnt: bigint;
  readonly compensation: bigint;
  /** When the money goes on by itself, unix ms. */
  readonly dueAt: number | null;
}

/** Whether an answer's checks failed, and whether that was known in time. */
export interface Checked {
  readonly failed: boolean;
  /** The money went to the provider because the checks came too late to hold it back. */
  readonly tooLate: boolean;
}

/** Where the money of an answer goes that did not pass its checks in time; null where there is nothing to explain. */
export function moneySentence(
  { state, locked, paid, refunded, burnt, compensation }: PaymentFacts,
  { failed, tooLate }: Checked,
): string | null {
  if (failed && tooLate)
    return 'the answer failed its checks, but too late to hold the money back: the provider is paid';
  if (tooLate)
    return `the check would have lasted longer than the money can be held back: ${sol(paid)} went to the provider for an answer that was not re-executed`;
  if (!failed) return null;
  switch (state) {
    case 'rejected':
      return `nobody gets this money: ${sol(burnt)} is burnt, ${sol(refunded)} came back to you`;
    case 'slashed':
      return `the chain saw the fraud: your ${sol(refunded)} came back, and ${sol(compensation)} of the provider’s stake with it`;
    case 'declined':
    case 'refunded':
      return `nobody gets this money: ${sol(refunded)} came back to you`;
    case 'open':
    case 'submitted':
      return `nobody gets this money: of ${sol(locked)} that is locked, what the answer did not cost comes back (qvac jobs ls)`;
    default:
      return null;
  }
}

/** What was paid and what came back: `paid 0.00008 SOL, 0.00002 SOL back`. */
export function paymentWords({ state, locked, paid, refunded, burnt, compensation, dueAt }: PaymentFacts): string {
  const back = refunded === 0n ? '' : `, ${sol(refunded)} back`;
  const when = dueAt === null ? '' : ` from ${dateTime(dueAt)}`;
  switch (state) {
    case 'confirmed':
    case 'claimed':
      return `paid ${sol(paid)}${back}`;
    case 'rejected':
      return `rejected: ${sol(burnt)} to nobody${back}`;
    case 'slashed':
      return `${sol(refunded)} back and ${sol(compensation)} of the provider's stake`;
    case 'declined':
    case 'refunded':
      return `${sol(refunded)} back`;
    case 'submitted':
      return `${sol(locked)} locked, paid out${when === '' ? ' later' : when}`;
    case 'open':
      return `${sol(locked)} locked, refundable${when === '' ? ' later' : when}`;
    case 'gone':
      return `${sol(locked)} settled`;
  }
}
