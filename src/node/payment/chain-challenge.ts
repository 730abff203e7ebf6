import { randomBytes } from 'node:crypto';
import type { Delivery } from '../../escrow/accounts.ts';
import { escrowRules } from '../../escrow/constants.ts';
import type { Escrow, Executed, Subject } from '../../escrow/escrow.ts';
import { RefusedError } from '../../escrow/refusal.ts';
import type { AbortOptions } from '../../lib/types.ts';
import type { Assessment } from '../../proofs/checks.ts';
import type { Receipt } from '../../proofs/receipt.ts';
import { challengePositions } from '../../proofs/tree/challenge.ts';

/** What a challenge costs, lamports. The bond comes back if the provider stays silent. */
export interface ChallengeCost {
  readonly bond: bigint;
  readonly fee: bigint;
  /** On hold until the account of the evidence is closed. */
  readonly rent: bigint;
}

/** Asks the person who pays whether a provider that opens nothing is challenged on the chain. */
export type ChallengeConsent = (cost: ChallengeCost, options: AbortOptions) => Promise<boolean>;

/** Fee of a transaction with one signature, lamports. */
const feeLamports = 5_000n;

/** For an answer of `n` tokens. @param rent of the evidence, for an answer in a channel */
export function challengeCost(n: number, rent = 0n): ChallengeCost {
  const positions = Math.min(n, escrowRules.maxPositions);
  // Evidence has a transaction of its own, with the signature of the head.
  const fee = rent === 0n ? feeLamports : 3n * feeLamports;
  return { bond: escrowRules.bondLamports * BigInt(positions), fee, rent };
}

/** Whether the provider refused to open the answer, in a mode that opens something. */
export function isSilent({ heads, opening }: Receipt, { faults }: Pick<Assessment, 'faults'>): boolean {
  return faults.includes('silence') && opening === null && heads.length > 0;
}

/** What a step of a challenge led to: it was made, waits for the provider, was answered, or its silence was proved. */
export type Pursuit =
  | { readonly kind: 'made'; readonly executed: Executed }
  | { readonly kind: 'open' }
  | { readonly kind: 'answered' }
  | { readonly kind: 'slashed'; readonly executed: Executed };

/**
 * Challenges an answer on the chain, or goes on with its challenge.
 * @throws QvacError E_ESCROW if it cannot be challenged, E_FUNDS, E_CHAIN
 */
export async function pursueChallenge(
  escrow: Escrow,
  subject: Subject,
  { challenge, root, tokenCount }: Delivery,
  options: AbortOptions,
): Promise<Pursuit> {
  if (challenge === null) {
    // Its first and last step, and one that nobody knew before.
    const positions = challengePositions(root, Uint8Array.from(randomBytes(32)), tokenCount, escrowRules.maxPositions);
    try {
      return { kind: 'made', executed: await escrow.challenge(subject, positions, options) };
    } catch (error) {
      // What else this home does about the same answer was faster.
      if (error instanceof RefusedError && error.refusal === 'AlreadyChallenged') return { kind: 'open' };
      throw error;
    }
  }
  if (challenge.open.length === 0) return { kind: 'answered' };
  if ((await escrow.now(options)) < challenge.dueAt) return { kind: 'open' };
  return { kind: 'slashed', executed: await escrow.slashSilence(subject, options) };
}
