import { dateTime, sol } from './format.ts';

/** How the payment of an answer stands. Amounts are lamports. */
export interface PaymentFacts {
  readonly state: 'confirmed' | 'rejected' | 'slashed' | 'declined' | 'refunded' | 'claimed' | 'open' | 'submitted' | 'gone';
  readonly locked: bigint;
  readonly paid: bigint;
  readonly refunded: bigint;
  readonly burnt: bigint;
  readonly compensation: bigint;
  /** When the money goes on by itself, unix ms. */
  readonly dueAt: number | null;
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
