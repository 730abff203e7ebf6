import assert from 'node:assert/strict';
import { mkdtemp, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { type ErrorCode, QvacError } from '../../../src/errors.ts';
import { silentLogger } from '../../../src/lib/log.ts';
import { JobPayment } from '../../../src/node/payment/job-payment.ts';
import type { EscrowWallet, LockOrder } from '../../../src/node/payment/payments.ts';
import { openSpendingLimits } from '../../../src/node/payment/spending-limits.ts';
import { payFrom, type Quote } from '../../../src/protocol/messages.ts';

const components = { clock: { now: () => 0 }, logger: silentLogger };

/** The rest of a limit of 1,000 lamports after a hold of 100, with rent and fees, that failed with `code`. */
async function leftAfter(code: ErrorCode): Promise<bigint | null> {
  const wallet: Partial<EscrowWallet> = {
    plan: async () => ({
      payment: { pay: payFrom.jobAccount, account: new Uint8Array(32), amountLamports: 60n },
      reserveLamports: 100n,
    }),
    lock: () => Promise.reject(new QvacError(code, 'no')),
  };
  const limits = await openSpendingLimits(components, { path: null, limitOf: () => 1_000n });
  const payment = new JobPayment(
    { openWallet: async () => wallet as EscrowWallet, limit: { limits, person: 'friend' } },
    { maxTokens: 1, maxPrice: 100 },
  );
  const { lock } = await payment.plan({ pay: {} } as Quote, {});
  assert.ok(lock);
  await assert.rejects(lock({ jobId: 'ab'.repeat(32) } as unknown as LockOrder), { code });
  return limits.left('friend');
}

test('a failed hold leaves the limit untouched if nothing can be on hold, else it counts in full', async () => {
  assert.equal(await leftAfter('E_ESCROW'), 1_000n);
  assert.equal(await leftAfter('E_FUNDS'), 1_000n);
  assert.equal(await leftAfter('E_CHAIN'), 900n);
});

test('spending limits do not start over from a damaged file', async () => {
  const path = join(await mkdtemp(join(tmpdir(), 'qvac-limits-')), 'spent.json');
  const open = () => openSpendingLimits(components, { path, limitOf: () => 1_000n });
  const limits = await open();
  assert.equal(await limits.reserve('a', 'friend', 400n), true);
  assert.equal((await open()).left('friend'), 600n);
  for (const damage of ['{}', '[1]', '[{"id":"a","person":"friend","at":0,"lamports":400}]', 'null', '']) {
    await writeFile(path, damage);
    await assert.rejects(open(), { code: 'E_HOME' }, damage);
  }
});
