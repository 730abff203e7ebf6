import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type ErrorCode, QvacError } from '../../../src/errors.ts';
import type { EscrowWallet, LockOrder } from '../../../src/node/payment/payments.ts';
import type { SpendingAllowance } from '../../../src/node/payment/spending-limits.ts';
import { PaidOffer } from '../../../src/node/router/payment/paid-offer.ts';
import type { Quote } from '../../../src/protocol/messages.ts';

/** What stays reserved of a person's limit where the lock fails with `code`. */
async function reservedAfter(code: ErrorCode): Promise<readonly bigint[]> {
  const reserved = new Map<string, bigint>();
  const paying: Partial<EscrowWallet> = {
    plan: async () => ({ chain: 'solana:x', program: new Uint8Array(32), payer: new Uint8Array(32), amount: 100 }),
    lock: () => Promise.reject(new QvacError(code, 'no')),
  };
  const purse: SpendingAllowance = {
    paying: paying as EscrowWallet,
    records: new Map(),
    left: 1_000n,
    reserve: async (job, lamports) => reserved.set(job, lamports) !== undefined,
    settle: (job, spent) => void (spent === 0n ? reserved.delete(job) : reserved.set(job, spent)),
  };
  const { lock } = await new PaidOffer(purse, {} as Quote).plan({ maxTokens: 1, maxPrice: 100 }, {});
  await assert.rejects(async () => lock?.({ jobId: 'ab'.repeat(32) } as unknown as LockOrder));
  return [...reserved.values()];
}

test('of a limit nothing is spent where nothing can have been locked, and all where it may have been', async () => {
  assert.deepEqual(await reservedAfter('E_ESCROW'), []);
  assert.deepEqual(await reservedAfter('E_FUNDS'), []);
  assert.deepEqual(await reservedAfter('E_CHAIN'), [100n]);
});
