import assert from 'node:assert/strict';
import { cp } from 'node:fs/promises';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { setTimeout } from 'node:timers/promises';
import { addressText } from '../../src/escrow/addresses.ts';
import { signingKeyFromSeed } from '../../src/proofs/signing.ts';
import type { Purpose } from '../../src/web/purpose.ts';
import { objection } from '../../src/web/transaction-checks.ts';
import { leftOver } from '../support/channel-asker.ts';
import { otherSeed } from '../support/cheats/transcripts.ts';
import { fetchReceipt } from '../support/gateway.ts';
import { temporaryHome } from '../support/home.ts';
import { type PaidMarket, type PaidMarketInit, startPaidMarket } from '../support/paid-page.ts';
import { SOL } from '../support/payments.ts';
import { createScriptedEngine } from '../support/scripted-engine.ts';

// Channels of a browser wallet, whose page is a loop that signs what the page's own checks let pass.

interface Waiting {
  readonly id: string;
  readonly purpose: Purpose;
  readonly transaction: string;
}

interface Channel {
  readonly channel: string;
  readonly state: string;
  readonly isObjectionDue: boolean;
}

interface Overview {
  readonly now: number;
  readonly channels: readonly Channel[];
  readonly ended: readonly { readonly state: string; readonly compensation: string; readonly answers: number }[];
}

async function start(context: TestContext, init: PaidMarketInit = {}) {
  const market = await startPaidMarket(context, {}, { here: [createScriptedEngine()], ...init });
  const signed: string[] = [];
  const end = new AbortController();
  const signing = signAll(market, signed, end.signal);
  context.after(async () => {
    end.abort();
    await signing;
  });
  const overview = async (): Promise<Overview> =>
    (await (await market.fetchAsPage(`/qvac/wallets/${market.address}`)).json()) as Overview;
  const ask = async (): Promise<string> => {
    const qvac = { wallet: market.address, pay: 'channel', max_price: 1_000_000, max_deposit: 10_000_000 };
    const body = JSON.stringify({ messages: [{ role: 'user', content: 'worth it?' }], max_tokens: 40, qvac });
    const answer = await market.fetchAsPage('/v1/chat/completions', { method: 'POST', body });
    assert.equal(answer.status, 200);
    const receipt = await fetchReceipt(market.url, answer.headers.get('x-qvac-receipt'));
    return receipt.headers.get('x-qvac-verified') ?? '';
  };
  const close = async ({ channel }: Channel): Promise<number> => {
    const path = `/qvac/wallets/${market.address}/channels/${channel}`;
    return (await market.fetchAsPage(path, { method: 'POST', body: '{"action":"close"}' })).status;
  };
  return { ...market, signed, overview, ask, close };
}

/** Signs what waits, unless the page would object. */
async function signAll(market: PaidMarket, signed: string[], signal: AbortSignal): Promise<void> {
  const { fetchAsPage, address, escrow, seed } = market;
  const key = signingKeyFromSeed(seed);
  const program = addressText(escrow.program);
  while (!signal.aborted) {
    const response = await fetchAsPage(`/qvac/wallets/${address}/requests`).catch(() => null);
    const { requests } = ((await response?.json()) ?? { requests: [] }) as { readonly requests: readonly Waiting[] };
    for (const { id, purpose, transaction } of requests) {
      const bytes = Uint8Array.from(Buffer.from(transaction, 'base64'));
      const about = { chain: escrow.chain, now: await escrow.now(), limit: 0n, depositLimit: 10_000_000n };
      const found = objection(bytes, purpose, {
        wallet: address,
        program,
        ...about,
        depositedIn: () => null,
        hasOpenChannel: () => false,
      });
      assert.equal(found, null, purpose.kind);
      bytes.set(key.sign(bytes.subarray(65)), 1);
      const body = JSON.stringify({ signed: Buffer.from(bytes).toString('base64') });
      const { status } = await fetchAsPage(`/qvac/signatures/${id}`, { method: 'POST', body });
      if (status === 200) signed.push(purpose.kind);
    }
    await setTimeout(20);
  }
}

async function until<Found>(find: () => Promise<Found | null | undefined>): Promise<Found> {
  const limit = AbortSignal.timeout(60_000);
  for (;;) {
    const found = await find();
    if (found != null) return found;
    limit.throwIfAborted();
    await setTimeout(50);
  }
}

test('a fault that the chain can check slashes the provider of a channel, and the rent of the evidence comes back', async (context) => {
  const { escrow, paid, chain, signed, overview, ask, close } = await start(context, {
    provider: { createTranscript: otherSeed },
  });
  assert.equal(await ask(), 'failed');
  await chain.warp(121);
  const failed = await until(async () => (await overview()).channels.find(({ isObjectionDue }) => isObjectionDue));
  assert.equal(await close(failed), 200);
  assert.deepEqual(signed, ['channel_open', 'evidence_create', 'channel_slash', 'evidence_close']);
  const { channels, ended } = await overview();
  assert.deepEqual([channels, ended.length, ended[0]?.state], [[], 1, 'slashed']);
  const compensation = BigInt(ended[0]?.compensation ?? 0);
  assert.ok(compensation > 0n);
  assert.equal((await paid.escrow.provider(paid.escrow.wallet))?.jobsSlashed, 1);
  // The fees of four transactions, two of which verify a node's signature.
  assert.equal(await escrow.balance(), 5n * SOL + compensation - 30_000n);
});

test('the next run of a gateway that was killed closes a wallet’s channel without a signature', async (context) => {
  const market = await start(context);
  const { escrow, paid, chain, address, signed, ask, channelDir, openWallets } = market;
  assert.equal(await ask(), 'exact');
  const copy = await temporaryHome(context);
  const left = await leftOver(context, join(channelDir, address));
  await cp(left, join(copy, address), { recursive: true });
  const next = openWallets(copy);
  context.after(() => next.stop());
  await chain.warp(121);
  await next.start();
  await paid.channelNews.until('closed');
  const [ended] = await until(async () => {
    const view = await next.overviewOf(address);
    return view.ended.length > 0 ? view.ended : null;
  });
  assert.deepEqual([ended?.state, ended?.answers, signed], ['closed', 1, ['channel_open']]);
  const { earned } = (await paid.escrow.provider(paid.escrow.wallet)) ?? assert.fail('it is not registered');
  assert.equal(await escrow.balance(), 5n * SOL - earned - 10_000n);
});
