import assert from 'node:assert/strict';
import { readdir } from 'node:fs/promises';
import { type TestContext, test } from 'node:test';
import type { JobAccount } from '../../../src/escrow/accounts.ts';
import { RefusedError } from '../../../src/escrow/refusal.ts';
import { decodeHead, encodeHead } from '../../../src/proofs/head.ts';
import { startAsker } from '../../support/asking.ts';
import { createGate } from '../../support/gate.ts';
import { startPaidProvider } from '../../support/paid.ts';
import { clientPayments, type PaidClient, type PaidProvider, startChain } from '../../support/payments.ts';
import { withTamperedAnswers } from '../../support/router.ts';

// The client stops an answer before its first token, and the provider withholds its final head: the client first sees
// the answer when the provider submits it.

/** How the payment ends if the provider submits its head with a prompt of this length. */
async function stopped(
  context: TestContext,
  promptCountOf: (accepted: number, job: Pick<JobAccount, 'promptTokens'>) => number,
): Promise<{ readonly paid: PaidProvider; readonly client: PaidClient; readonly refusals: readonly unknown[] }> {
  const chain = await startChain(context);
  const refusals: unknown[] = [];
  const { provider, paid } = await startPaidProvider(context, chain, {
    script: { beforeStep: createGate(0).beforeStep },
    wrapPeer: (peer) => withTamperedAnswers(peer, (frame) => (frame.t === 'head' ? [] : [frame])),
    wrap: (escrow) => ({
      ...escrow,
      async submitJob(job, { head, ack }, options) {
        const sent = decodeHead(head);
        const account = (await escrow.job(job.address)) ?? assert.fail('the job has ended');
        const promptCount = promptCountOf(sent.promptCount, account);
        try {
          return await escrow.submitJob(job, { head: encodeHead({ ...sent, promptCount }), ack }, options);
        } catch (error) {
          refusals.push(error);
          throw error;
        }
      },
    }),
  });
  const client = await clientPayments(context, chain);
  const asker = await startAsker(context, { providers: [provider], payments: client.payments });
  const stop = new AbortController();
  await assert.rejects(
    asker.ask({ maxPrice: 1_000_000_000 }, { signal: stop.signal, onAccepted: () => stop.abort() }),
    { code: 'E_INTERRUPTED' },
  );
  return { paid, client, refusals };
}

test('the accepted prompt is paid for', async (context) => {
  const { paid } = await stopped(context, (accepted) => accepted);
  assert.ok((await paid.news.until('paid')).news.lamports > 0n);
});

test('a prompt longer than the accepted one is not paid for', async (context) => {
  const { paid, client } = await stopped(context, (_accepted, { promptTokens }) => promptTokens);
  await paid.news.until('rejected');
  await client.payments.stop();
  assert.deepEqual(await readdir(client.dir), []);
});

test('a prompt longer than the quoted one is not even submitted', async (context) => {
  const { paid, refusals } = await stopped(context, (_accepted, { promptTokens }) => promptTokens + 1);
  const [job] = await paid.escrow.jobs({ provider: paid.escrow.wallet });
  assert.deepEqual([job?.submitted, paid.news.all], [null, []]);
  assert.ok(refusals.length > 0);
  for (const refusal of refusals) assert.ok(refusal instanceof RefusedError && refusal.refusal === 'PromptTooLong');
});
