import assert from 'node:assert/strict';
import { test } from 'node:test';
import { setImmediate } from 'node:timers/promises';
import type { JobAccount } from '../../src/escrow/accounts.ts';
import { addressText } from '../../src/escrow/addresses.ts';
import type { Escrow, WalletKey } from '../../src/escrow/escrow.ts';
import { openPageEscrow, withoutSigning } from '../../src/gateway/page/page-escrow.ts';
import { Signatures } from '../../src/gateway/page/signatures.ts';
import { toHex } from '../../src/lib/bytes.ts';

const publicKey = new Uint8Array(32).fill(7);
const job = {
  address: new Uint8Array(32).fill(3),
  jobId: new Uint8Array(32).fill(1),
  provider: new Uint8Array(32).fill(2),
  amount: 10n,
  submitted: { releaseAt: 300_000, payout: 1n },
} as unknown as JobAccount;

test('an objection that is raised from several sides at once asks the person for one signature', async () => {
  const signatures = new Signatures();
  // Each needs the chain's time and a blockhash before it can ask.
  const open = async (wallet: WalletKey): Promise<Escrow> =>
    ({
      now: () => setImmediate(0),
      async rejectJob() {
        await setImmediate();
        await wallet.sign(new Uint8Array(64));
      },
    }) as unknown as Escrow;
  const escrow = await openPageEscrow(open, signatures, publicKey);
  const digest = new Uint8Array(32);
  const another = { ...job, address: new Uint8Array(32).fill(4), jobId: new Uint8Array(32).fill(5) };
  const rejecting = [job, job, another].map((each) => escrow.rejectJob(each, digest));
  await assert.rejects(
    withoutSigning(() => escrow.rejectJob(job, digest)),
    { code: 'E_LIMIT' },
  );
  for (let turn = 0; turn < 10; turn++) await setImmediate();
  const asked = signatures.pendingOf(addressText(publicKey));
  assert.deepEqual(
    asked.map(({ purpose }) => 'job' in purpose && purpose.job),
    [job, another].map(({ jobId }) => toHex(jobId)),
  );
  for (const { id } of asked) signatures.answer(id, null);
  for (const each of rejecting) await assert.rejects(each, { code: 'E_LIMIT' });
});
