import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import { setTimeout } from 'node:timers/promises';
import { escrowRules } from '../../../../src/escrow/constants.ts';
import { channelProtocol } from '../../../../src/protocol/constants.ts';
import { type ChannelAskerInit, leftOver, startChannelAsker, withOpen } from '../../../support/channel-asker.ts';
import { disguised } from '../../../support/cheats/engines.ts';
import { testSampler } from '../../../support/market.ts';
import { type PaidProviderInit, startPaidProvider } from '../../../support/paid.ts';
import { startChain } from '../../../support/payments.ts';
import { createScriptedEngine } from '../../../support/scripted-engine.ts';

const maxPrice = 10_000_000;
const sampler = { ...testSampler, maxTokens: 10 };

async function start(context: TestContext, init: PaidProviderInit = {}, asking: Partial<ChannelAskerInit> = {}) {
  const chain = await startChain(context);
  const { provider, paid } = await startPaidProvider(context, chain, init);
  const asker = await startChannelAsker(context, chain, {
    providers: [provider],
    engines: [createScriptedEngine()],
    ...asking,
  });
  return { chain, provider, paid, asker };
}

test('a failed answer is never released: the chain closes the channel, and what was committed for it is burnt', async (context) => {
  const { chain, paid, asker } = await start(context, {
    engine: disguised(createScriptedEngine({ damage: 1.5 }), createScriptedEngine()),
  });
  const answer = await asker.ask({ maxPrice });
  assert.equal(answer.verification.result, 'fail');
  const { payment } = answer;
  assert.deepEqual([payment?.state, payment?.paid, payment?.burnt], ['withheld', 0n, answer.costLamports]);
  const channels = await asker.channels();
  const [listed] = await channels.list();
  assert.deepEqual(listed?.channel.totals, { committedLamports: answer.costLamports, releasedLamports: 0n });
  // Nothing more is paid from it.
  const own = await channels.list();
  assert.deepEqual([own.length, own[0]?.channel.hasFailed, own[0]?.channel.isUsable(0)], [1, true, false]);
  const id = listed?.channel.id ?? assert.fail('no channel');
  assert.equal((await channels.close(id)).state, 'closing');
  await chain.warp(121);
  const requested = await channels.close(id);
  assert.equal(requested.state, 'requested');
  // The provider shows the chain what was committed.
  await paid.channelNews.until('opened');
  await chain.warp(escrowRules.closeWindowMs / 1_000 + 1);
  const ended = await channels.close(id).catch(() => null);
  const { news } = await asker.news.until('finished');
  assert.ok(ended === null || ended.state === 'finished' || ended.state === 'requested');
  assert.equal(news.outcome?.paid, 0n);
  const burnt = news.outcome?.burnt ?? 0n;
  assert.ok(burnt === 0n || burnt === answer.costLamports);
  assert.equal((news.outcome?.refunded ?? 0n) + burnt, news.depositLamports);
});

test('an answer that breaks off is paid as far as it was acknowledged, and holds up no further one', async (context) => {
  let cut = async (): Promise<void> => undefined;
  const sent: string[] = [];
  const { provider, asker } = await start(
    context,
    { script: { beforeStep: async (i) => (i === 40 ? cut() : undefined) } },
    {
      wrapPeer: (peer) =>
        withOpen(peer, (target, protocol, options) => {
          sent.push(protocol);
          return peer.open(target, protocol, options);
        }),
    },
  );
  cut = () => provider.peer.disconnect(asker.peer.id);
  await assert.rejects(asker.ask({ maxPrice, sampler: { ...sampler, maxTokens: 60 } }), { code: 'E_TRUNCATED' });
  // The terms, and the totals, which the stream of the answer could no longer take.
  while (sent.filter((protocol) => protocol === channelProtocol).length < 2) await setTimeout(10);
  const [listed] = await (await asker.channels()).list();
  const totals = listed?.channel.totals;
  assert.ok((totals?.committedLamports ?? 0n) > 0n);
  assert.equal(totals?.releasedLamports, totals?.committedLamports);
  const answer = await asker.ask({ maxPrice, sampler });
  assert.equal(answer.payment?.state, 'released');
});

test('a provider that is gone: the chain closes the channel after both sides’ time', async (context) => {
  const { chain, provider, asker } = await start(context);
  const { costLamports } = await asker.ask({ maxPrice, sampler });
  const channels = await asker.channels();
  const [listed] = await channels.list();
  const { id } = listed?.channel ?? assert.fail('no channel');
  await provider.provider.stop();
  await provider.peer.stop();
  assert.equal((await channels.close(id)).state, 'closing');
  // Ten minutes later it is not waited for any longer.
  await chain.warp(601);
  assert.equal((await channels.close(id)).state, 'requested');
  await chain.warp(escrowRules.closeWindowMs / 1_000 + 1);
  const ended = await channels.close(id);
  // It brought to the chain what was released before it stopped.
  assert.deepEqual([ended.state, ended.outcome?.paid], ['finished', costLamports]);
  assert.equal(ended.outcome?.refunded, ended.depositLamports - costLamports);
});

test('a session that was killed is found and closed by the next process of the home', async (context) => {
  const { chain, provider, asker } = await start(context);
  const { costLamports } = await asker.ask({ maxPrice, sampler });
  const channelDir = await leftOver(context, asker.channelDir);
  const later = await startChannelAsker(context, chain, {
    providers: [provider],
    node: asker.peer,
    escrow: asker.client.escrow,
    channelDir,
  });
  await chain.warp(121);
  await later.client.payments.start();
  const news = await Promise.race([later.news.until('closing'), later.news.until('closed')]);
  let { outcome } = news.news;
  while (outcome === null) {
    const [left] = await (await later.channels()).resume();
    outcome = left?.outcome ?? null;
  }
  assert.equal(outcome.paid, costLamports);
});

test('a channel in the hands of another process is not used, and one that a person opened is gone on with', async (context) => {
  const { chain, provider, asker } = await start(context, {}, { policy: { keeps: true } });
  const first = await asker.ask({ maxPrice, sampler });
  const other = await startChannelAsker(context, chain, {
    providers: [provider],
    node: asker.peer,
    escrow: asker.client.escrow,
    channelDir: asker.channelDir,
    policy: { pay: 'auto' },
  });
  const meanwhile = await other.ask({ maxPrice, sampler });
  assert.equal(meanwhile.payment?.state, 'confirmed');
  await asker.client.payments.stop();
  const second = await other.ask({ maxPrice, sampler });
  assert.equal(second.payment?.channel?.id, first.payment?.channel?.id);
  const [listed] = await (await other.channels()).list();
  assert.equal(listed?.channel.totals.releasedLamports, first.costLamports + second.costLamports);
});
