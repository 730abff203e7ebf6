import assert from 'node:assert/strict';
import { join } from 'node:path';
import { test } from 'node:test';
import { silentLogger } from '../../../src/lib/log.ts';
import type { JobId } from '../../../src/lib/types.ts';
import { Deliveries } from '../../../src/node/provider/payment/deliveries.ts';
import { openKeptDeliveries } from '../../../src/node/provider/payment/kept-delivery.ts';
import type { PaymentNews } from '../../../src/node/provider/payment/payouts.ts';
import { temporaryHome } from '../../support/home.ts';

test('a payment whose end its follower and the sweep see at once is reported once', async (context) => {
  const journal = openKeptDeliveries(join(await temporaryHome(context), 'paid'), silentLogger);
  const jobId = 'ab'.repeat(32) as JobId;
  const signed = (bytes: number) => ({ body: new Uint8Array(bytes), sig: new Uint8Array(64) });
  await journal.write(jobId, { address: new Uint8Array(32), head: signed(202), ack: signed(86) });
  const news: PaymentNews[] = [];
  const bothAsk = Promise.withResolvers<void>();
  let asked = 0;
  const escrow = {
    job: async () => null,
    async jobOutcome() {
      if (++asked === 2) bothAsk.resolve();
      await bothAsk.promise;
      return { how: 'confirmed', paid: 7n, caller: null };
    },
  };
  const deliveries = new Deliveries({
    escrow: escrow as never,
    journal,
    steps: { remove: async () => undefined } as never,
    onNews: (each) => news.push(each),
    releaseStake: () => undefined,
    end: new AbortController().signal,
  });
  await deliveries.recall();
  await Promise.all([deliveries.submitAndFollow(jobId), deliveries.concludeOthers([])]);
  assert.equal(asked, 2);
  assert.deepEqual(news, [{ job: jobId, state: 'paid', lamports: 7n }]);
  assert.equal((await journal.read()).size, 0);
});
