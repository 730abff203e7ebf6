import assert from 'node:assert/strict';
import { join } from 'node:path';
import { test } from 'node:test';
import { systemClock } from '../../../../src/lib/clock.ts';
import { silentLogger } from '../../../../src/lib/log.ts';
import { openSpendingLimits } from '../../../../src/node/payment/spending-limits.ts';
import { createSpendingAllowances } from '../../../../src/node/router/allowances.ts';
import { temporaryHome } from '../../../support/home.ts';
import { testSampler } from '../../../support/market.ts';
import { startPaidProvider } from '../../../support/paid.ts';
import { clientPayments, startChain } from '../../../support/payments.ts';
import { startPeer } from '../../../support/peers.ts';
import { askRouter, receiveAnswer, startRouter } from '../../../support/router.ts';
import { createScriptedEngine } from '../../../support/scripted-engine.ts';

const maxPrice = 10_000_000;
const sampler = { ...testSampler, maxTokens: 10, extra: new Uint8Array() };

test('a router pays from channels of its own, and counts their answers against its people’s limits', async (context) => {
  const chain = await startChain(context);
  const { provider } = await startPaidProvider(context, chain);
  const peer = await startPeer(context, { role: 'router' });
  const dir = join(await temporaryHome(context), 'channels');
  const wallet = await clientPayments(context, chain, {
    channels: {
      peer,
      reach: async () => undefined,
      clock: systemClock,
      dir,
      policy: { pay: 'auto', maxDepositLamports: 1_000_000_000n },
    },
  });
  const path = join(await temporaryHome(context), 'spent.json');
  const components = { clock: systemClock, logger: silentLogger };
  const limits = await openSpendingLimits(components, { path, limitOf: () => 100_000_000n });
  const allowances = createSpendingAllowances({ payments: wallet.payments, limits, logger: silentLogger });
  const router = await startRouter(context, {
    peer,
    providers: [provider],
    engines: [createScriptedEngine()],
    allowances,
  });
  const client = await startPeer(context, { role: 'client' });
  const states: (string | undefined)[] = [];
  let spent = 0n;
  for (let turn = 0; turn < 3; turn++) {
    const asked = await askRouter(context, router, { maxPrice, verify: 'full', sampler }, client);
    assert.equal((await receiveAnswer(asked)).verdict?.verdict.result, 'pass');
    const { jobId } = asked.job.received;
    const { payment } = await router.events.until('answered', 60_000, (event) => event.jobId === jobId);
    states.push(payment?.state);
    spent += (payment?.paid ?? 0n) + (payment?.fees ?? 0n);
  }
  assert.deepEqual(states, ['confirmed', 'released', 'released']);
  assert.equal(limits.left(client.id), 100_000_000n - spent);
});
