import assert from 'node:assert/strict';
import { readdir } from 'node:fs/promises';
import { type TestContext, test } from 'node:test';
import type { Peer } from '../../../src/node/peer/peer.ts';
import { decodeHead, encodeHead } from '../../../src/proofs/head.ts';
import { signBody } from '../../../src/proofs/signing.ts';
import { jobIdHex, sha256 } from '../../../src/protocol/digests.ts';
import { kinds } from '../../../src/protocol/messages.ts';
import { startAsker } from '../../support/asking.ts';
import { disguised } from '../../support/cheats/engines.ts';
import { lying, otherSeed } from '../../support/cheats/transcripts.ts';
import { type PaidProviderInit, startPaidProvider } from '../../support/paid.ts';
import { clientPayments, startChain } from '../../support/payments.ts';
import { withTamperedAnswers } from '../../support/router.ts';
import { createScriptedEngine } from '../../support/scripted-engine.ts';

const maxPrice = 10_000_000;

/** A market with a client that has the true model, and a provider built from `init`. */
async function start(context: TestContext, init: PaidProviderInit) {
  const chain = await startChain(context);
  const { provider, paid } = await startPaidProvider(context, chain, init);
  const client = await clientPayments(context, chain);
  const asker = await startAsker(context, {
    providers: [provider],
    engines: [createScriptedEngine()],
    payments: client.payments,
  });
  return { asker, client, paid };
}

test('a provider that ran a cheaper model is rejected: its payment is burnt', async (context) => {
  const { asker, client, paid } = await start(context, {
    engine: disguised(createScriptedEngine({ damage: 1.5 }), createScriptedEngine()),
  });
  const before = await paid.escrow.balance();
  const { verification, payment } = await asker.ask({ maxPrice });
  assert.equal(verification.result, 'fail');
  assert.ok(payment !== null);
  assert.deepEqual([payment.state, payment.paid, payment.compensation], ['rejected', 0n, 0n]);
  assert.ok(payment.burnt > 0n && payment.burnt + payment.refunded === payment.locked);
  await paid.news.until('rejected');
  assert.ok((await paid.escrow.balance()) < before);
  const account = await paid.escrow.provider(paid.escrow.wallet);
  assert.deepEqual([account?.jobsRejected, account?.jobsCompleted, account?.lockedStake], [1, 0n, 0n]);
  assert.deepEqual(await readdir(client.dir), []);
});

test('a provider that draws with its own seed is slashed with the opened step', async (context) => {
  const { asker, client, paid } = await start(context, { createTranscript: otherSeed });
  const before = await client.escrow.balance();
  const { verification, payment } = await asker.ask({ maxPrice });
  assert.deepEqual(verification.faults, ['sampler-mismatch']);
  assert.ok(payment !== null);
  // All that was locked comes back, and what the answer would have cost besides.
  assert.deepEqual([payment.state, payment.refunded, payment.paid], ['slashed', payment.locked, 0n]);
  assert.ok(payment.compensation > 0n && payment.compensation <= payment.locked);
  assert.equal(await client.escrow.balance(), before + payment.compensation - 10_000n);
  await paid.news.until('slashed');
  assert.equal((await paid.escrow.provider(paid.escrow.wallet))?.jobsSlashed, 1);
});

test('a provider that submits another answer than it sent is slashed with its signed head', async (context) => {
  const { asker, paid } = await start(context, {
    wrap: (escrow) => ({
      ...escrow,
      submitJob(job, { head, ack }, options) {
        const sent = decodeHead(head);
        return escrow.submitJob(job, { head: encodeHead({ ...sent, root: sha256(sent.root) }), ack }, options);
      },
    }),
  });
  const { verification, payment, costLamports } = await asker.ask({ maxPrice });
  assert.equal(verification.result, 'pass');
  assert.deepEqual([payment?.state, payment?.compensation], ['slashed', costLamports]);
  await paid.news.until('slashed');
});

test('an inconclusive answer is never rejected', async (context) => {
  const { asker } = await start(context, {});
  const { verification, payment } = await asker.ask({ maxPrice, verify: 'none' });
  assert.deepEqual([verification.result, payment?.state], ['inconclusive', 'confirmed']);
});

test('a provider that signs two final heads is slashed with both', async (context) => {
  const twice = (peer: Peer): Peer =>
    withTamperedAnswers(peer, (frame) => {
      if (frame.t !== 'head') return [frame];
      const head = decodeHead(frame.body);
      if (head.finish === 255) return [frame];
      const other = signBody(
        peer.key,
        kinds.head,
        jobIdHex(head.jobId),
        encodeHead({ ...head, root: sha256(head.root) }),
      );
      return [frame, { t: 'head', ...other }];
    });
  const { asker, paid } = await start(context, { wrapPeer: twice });
  const { verification, payment, costLamports } = await asker.ask({ maxPrice });
  assert.deepEqual(verification.faults, ['equivocation']);
  assert.deepEqual([payment?.state, payment?.compensation], ['slashed', costLamports]);
  await paid.news.until('slashed');
});

test('a silent provider is challenged again on a new stream before it is rejected', async (context) => {
  const silentTimes = (times: number): PaidProviderInit => {
    let asked = 0;
    return {
      createTranscript: lying((honest) => ({
        open(secret) {
          if (++asked <= times) throw new Error('nothing to show');
          return honest.open(secret);
        },
      })),
    };
  };
  const outage = await start(context, silentTimes(1));
  const { verification, payment } = await outage.asker.ask({ maxPrice });
  assert.deepEqual([verification.result, payment?.state], ['pass', 'confirmed']);
  const silent = await start(context, silentTimes(9));
  const unopened = await silent.asker.ask({ maxPrice });
  assert.deepEqual(
    [unopened.verification.faults, unopened.payment?.state, unopened.payment?.paid],
    [['silence'], 'rejected', 0n],
  );
});
