import assert from 'node:assert/strict';
import { test } from 'node:test';
import { QvacError } from '../../src/errors.ts';
import { addressText } from '../../src/escrow/addresses.ts';
import { startAsker } from '../support/asking.ts';
import { runInProcess } from '../support/cli.ts';
import { createGate } from '../support/gate.ts';
import { temporaryHome } from '../support/home.ts';
import { startProvider } from '../support/market.ts';
import { clientPayments, providerPayments, startChain } from '../support/payments.ts';

test('qvac jobs refund gives anybody’s money back, by the address of the account, once its time is over', { timeout: 120_000 }, async (context) => {
  const chain = await startChain(context);
  const gate = createGate(3);
  const provider = await startProvider(context, {
    offering: { priceIn: 100_000, priceOut: 2_000_000 },
    script: { beforeStep: gate.beforeStep },
    async payments(peer) {
      const escrow = await chain.wallet();
      const declineJob = async (): Promise<never> => {
        throw new QvacError('E_CHAIN', 'the chain does not answer');
      };
      return (await providerPayments(context, chain, peer, { escrow: { ...escrow, declineJob } })).payments;
    },
  });
  const client = await clientPayments(context, chain, { stopMs: 0 });
  const asker = await startAsker(context, { providers: [provider], payments: client.payments });
  const asking = asker.ask({ maxPrice: 10_000_000 });
  asking.catch(() => undefined);
  await gate.reached;
  await Promise.all([provider.provider.stop(), assert.rejects(asking)]);
  await client.payments.stop();
  const [job] = await client.escrow.jobs({ client: client.escrow.wallet });
  const address = addressText(job?.address ?? assert.fail('nothing was locked'));
  const before = await client.escrow.balance();

  // Another person, with another wallet.
  const home = await temporaryHome(context);
  const run = (...args: readonly string[]) => runInProcess(['jobs', ...args, '--home', home, '--rpc', chain.rpcUrl]);
  const shown = await run('show', address, '--json');
  assert.equal((JSON.parse(shown.stdout) as { readonly state: string }).state, 'open', shown.stderr);
  const early = await run('refund', address);
  assert.equal(early.code, 5, early.stderr);
  await chain.warp(600);
  const refunded = await run('refund', address, '--json');
  assert.equal(refunded.code, 0, refunded.stderr);
  assert.equal((JSON.parse(refunded.stdout) as { readonly outcome: { readonly how: string } }).outcome.how, 'refunded');
  assert.ok((await client.escrow.balance()) >= before + (job?.amount ?? 0n));
  assert.equal((await run('refund', address)).code, 2);
});
