import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import { QvacError } from '../../../src/errors.ts';
import { escrowRules } from '../../../src/escrow/constants.ts';
import type { ChallengeCost } from '../../../src/node/payment/chain-challenge.ts';
import { startChannelAsker } from '../../support/channel-asker.ts';
import { lying, otherSeed } from '../../support/cheats/transcripts.ts';
import { type PayingEscrow, startPaidProvider } from '../../support/paid.ts';
import { startChain } from '../../support/payments.ts';
import { createScriptedEngine } from '../../support/scripted-engine.ts';

const maxPrice = 10_000_000;
const windowS = escrowRules.challengeWindowMs / 1_000;
const bonds = 3n * escrowRules.bondLamports;

interface StartInit {
  /** To the bond. @default true */
  readonly agrees?: boolean;
  /** What the client sees instead of its escrow. */
  readonly wrapClient?: (escrow: PayingEscrow) => PayingEscrow;
}

/** A provider that opens nothing when its client asks; on the chain it does unless `isSilent`. */
async function start(
  context: TestContext,
  pay: 'job' | 'channel',
  isSilent: boolean,
  { agrees = true, wrapClient = (escrow) => escrow }: StartInit = {},
) {
  const chain = await startChain(context);
  const refuse = (): never => {
    throw new Error('it opens nothing');
  };
  const unreachable = async (): Promise<never> => {
    throw new QvacError('E_CHAIN', 'the chain does not answer');
  };
  const wrap = (escrow: PayingEscrow): PayingEscrow =>
    isSilent ? { ...escrow, answerChallenge: unreachable } : escrow;
  const { provider, paid } = await startPaidProvider(context, chain, {
    createTranscript: lying(() => ({ open: refuse })),
    wrap,
  });
  const asked: ChallengeCost[] = [];
  const asker = await startChannelAsker(context, chain, {
    providers: [provider],
    engines: [createScriptedEngine()],
    policy: { pay },
    escrow: wrapClient(await chain.wallet()),
    async mayChallenge(cost) {
      asked.push(cost);
      return agrees;
    },
  });
  return { chain, paid, asker, asked };
}

test('a provider that opens nothing is challenged on the chain, and slashed if it stays silent', async (context) => {
  const { chain, paid, asker, asked } = await start(context, 'job', true);
  const { verification, payment, costLamports } = await asker.ask({ maxPrice });
  assert.deepEqual(verification.faults, ['silence']);
  assert.equal(payment?.state, 'challenged');
  assert.deepEqual(asked, [{ bond: bonds, fee: 5_000n, rent: 0n }]);
  const wallet = await asker.client.payments.open();
  const [early] = await wallet.resume();
  assert.equal(early?.settlement.state, 'challenged');
  const before = await asker.client.escrow.balance();
  await chain.warp(windowS + 1);
  const [left] = await wallet.resume();
  assert.deepEqual([left?.settlement.state, left?.settlement.compensation], ['slashed', costLamports]);
  // Everything is back, and the bonds, too.
  assert.ok((await asker.client.escrow.balance()) > before + costLamports + bonds);
  assert.equal((await paid.escrow.provider(paid.escrow.wallet))?.jobsSlashed, 1);
  assert.deepEqual(await wallet.resume(), []);
});

test('a provider that opens on the chain what it was challenged for is paid, and has the bonds', async (context) => {
  const { paid, asker } = await start(context, 'job', false);
  const { payment, costLamports } = await asker.ask({ maxPrice });
  const wallet = await asker.client.payments.open();
  let state = payment?.state;
  while (state === 'challenged') state = (await wallet.resume())[0]?.settlement.state;
  assert.equal(state, 'confirmed');
  const account = await paid.escrow.provider(paid.escrow.wallet);
  assert.deepEqual([account?.earned, account?.jobsSlashed], [costLamports, 0]);
});

test('without consent to the bond the answer is rejected', async (context) => {
  const { asker, asked } = await start(context, 'job', true, { agrees: false });
  const { payment } = await asker.ask({ maxPrice });
  assert.deepEqual([payment?.state, asked.length], ['rejected', 1]);
});

test('in a channel silence costs the window: what was not released is back, and the rent of the evidence', async (context) => {
  const { chain, paid, asker, asked } = await start(context, 'channel', true);
  const before = await asker.client.escrow.balance();
  const { payment } = await asker.ask({ maxPrice });
  assert.equal(payment?.state, 'challenged');
  assert.deepEqual([asked[0]?.bond, (asked[0]?.rent ?? 0n) > 0n], [bonds, true]);
  const channels = await asker.channels();
  await chain.warp(windowS + 1);
  await channels.resume();
  const { news } = await asker.news.until('slashed');
  assert.equal(news.outcome?.refunded, news.depositLamports);
  assert.equal(news.outcome?.compensation, payment?.locked);
  assert.equal((await paid.escrow.provider(paid.escrow.wallet))?.jobsSlashed, 1);
  // The compensation, without a few fees: nothing else is gone.
  const gained = (await asker.client.escrow.balance()) - before;
  const compensation = news.outcome?.compensation ?? 0n;
  assert.ok(gained < compensation && gained > compensation - 100_000n, `${gained} of ${compensation}`);
  assert.deepEqual(await asker.client.escrow.evidences({ rentPayer: asker.client.escrow.wallet }), []);
});

for (const pay of ['job', 'channel'] as const)
  test(`a sweep that challenges the same answer at the same moment does not end the challenge: by ${pay}`, async (context) => {
    const sweep = { run: async (): Promise<unknown> => undefined };
    /** Before the first call of `run`, the sweep does all that is due. */
    const after = <Args extends readonly unknown[], Result>(run: (...args: Args) => Promise<Result>) => {
      let isFirst = true;
      return async (...args: Args): Promise<Result> => {
        if (isFirst) {
          isFirst = false;
          await sweep.run();
        }
        return run(...args);
      };
    };
    const { chain, asker } = await start(context, pay, true, {
      wrapClient: (escrow) =>
        pay === 'job'
          ? { ...escrow, challenge: after(escrow.challenge) }
          : { ...escrow, createEvidence: after(escrow.createEvidence) },
    });
    const wallet = await asker.client.payments.open();
    sweep.run = async () => [await wallet.resume(), await wallet.channels?.resume()];
    const { payment, costLamports } = await asker.ask({ maxPrice });
    assert.equal(payment?.state, 'challenged');
    await chain.warp(windowS + 1);
    if (pay === 'job') {
      const [left] = await wallet.resume();
      assert.deepEqual([left?.settlement.state, left?.settlement.compensation], ['slashed', costLamports]);
    } else {
      const [news] = (await wallet.channels?.resume()) ?? [];
      assert.deepEqual([news?.state, news?.outcome?.compensation], ['slashed', payment?.locked]);
    }
  });

test('in a channel, too, an answer that is opened on the chain is paid', async (context) => {
  const { paid, asker } = await start(context, 'channel', false);
  const { payment, costLamports } = await asker.ask({ maxPrice });
  assert.equal(payment?.state, 'challenged');
  const channels = await asker.channels();
  const totals = async () => (await channels.list())[0]?.channel.totals;
  while ((await totals())?.releasedLamports === 0n) await channels.resume();
  assert.deepEqual(await totals(), { committedLamports: costLamports, releasedLamports: costLamports });
  assert.equal((await paid.escrow.provider(paid.escrow.wallet))?.jobsSlashed, 0);
});

test('a token that was not drawn slashes the provider of a channel', async (context) => {
  const chain = await startChain(context);
  const { provider, paid } = await startPaidProvider(context, chain, { createTranscript: otherSeed });
  const asker = await startChannelAsker(context, chain, { providers: [provider], engines: [createScriptedEngine()] });
  const { verification, payment } = await asker.ask({ maxPrice });
  assert.deepEqual([verification.faults, payment?.state], [['sampler-mismatch'], 'withheld']);
  await chain.warp(121);
  const news = await (await asker.channels()).resume();
  assert.equal(news[0]?.state, 'slashed');
  assert.equal(news[0]?.outcome?.refunded, news[0]?.depositLamports);
  assert.equal(news[0]?.outcome?.compensation, payment?.locked);
  assert.equal((await paid.escrow.provider(paid.escrow.wallet))?.jobsSlashed, 1);
  assert.deepEqual(await asker.client.escrow.evidences({ rentPayer: asker.client.escrow.wallet }), []);
});
