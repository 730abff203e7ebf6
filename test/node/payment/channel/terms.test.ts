import assert from 'node:assert/strict';
import { readdir } from 'node:fs/promises';
import { type TestContext, test } from 'node:test';
import { escrowRules } from '../../../../src/escrow/constants.ts';
import { verifyBody } from '../../../../src/proofs/signing.ts';
import { kinds } from '../../../../src/protocol/messages.ts';
import { decodeChannelTerms } from '../../../../src/protocol/validate.ts';
import { startProvider } from '../../../support/market.ts';
import { type PaidProviderInit, startPaidProvider } from '../../../support/paid.ts';
import { providerPayments, SOL, startChain } from '../../../support/payments.ts';
import { startPeer } from '../../../support/peers.ts';
import { openRawChannel, proposeTerms } from '../../../support/raw-channel.ts';
import { openRawPaidJob } from '../../../support/raw-paid-job.ts';

async function start(context: TestContext, init: PaidProviderInit = {}) {
  const chain = await startChain(context);
  const started = await startPaidProvider(context, chain, init);
  const [buyer, peer] = [await chain.wallet(), await startPeer(context, { role: 'client' })];
  const nowS = async (): Promise<number> => Math.floor((await buyer.now()) / 1_000);
  const propose = async (change: { deposit?: number; window?: number; lifeS?: number } = {}, as = peer) => {
    const { lifeS = 3_600, deposit = 20_000_000, window = 2_000_000 } = change;
    return proposeTerms(started.provider, as, {
      payer: buyer.wallet,
      deposit,
      window,
      expiresAt: (await nowS()) + lifeS,
    });
  };
  return { chain, ...started, buyer, peer, propose, nowS };
}

test('the terms name the chain, the program, both wallets and both nodes, and open once', async (context) => {
  const { provider, escrow, buyer, peer, propose, nowS } = await start(context);
  const signed = await propose();
  assert.ok(verifyBody(provider.peer.key.publicKey, kinds.channel, null, signed));
  const { nonce, expiresAt, validUntil, ...terms } = decodeChannelTerms(signed.body);
  assert.deepEqual(terms, {
    version: 1,
    chain: escrow.genesis,
    program: escrow.program,
    payer: buyer.wallet,
    authority: escrow.wallet,
    provider: provider.peer.key.publicKey,
    client: peer.key.publicKey,
    depositLamports: 20_000_000n,
    windowLamports: 2_000_000n,
  });
  assert.equal(nonce.length, 16);
  const now = BigInt(await nowS());
  assert.ok(validUntil > now && validUntil <= now + 120n, `valid for ${validUntil - now} s`);
  assert.ok(expiresAt > now + 3_590n && expiresAt <= now + 3_601n);
  await buyer.openChannel(signed);
  await assert.rejects(buyer.openChannel(signed), { code: 'E_ESCROW' });
});

test('a proposal beyond the provider’s limits is refused', async (context) => {
  const { propose } = await start(context);
  await assert.rejects(
    propose({ window: 30_000_000 }),
    /bad-offer: a window is 1 lamport at least and the deposit at most/,
  );
  await assert.rejects(propose({ window: 0 }), /bad-offer: a window is 1 lamport at least/);
  // 2,048 tokens at 2,000,000 lamports for 1,000, for the one slot and one answer more.
  await assert.rejects(propose({ window: 8_192_001 }), /bad-offer: a window is 8192000 lamports at most here/);
  await assert.rejects(propose({ lifeS: 60 }), /bad-offer: a channel lives 600 to 86400 s here/);
  await assert.rejects(propose({ lifeS: 200_000 }), /bad-offer: a channel lives 600 to 86400 s here/);
  await propose({ window: 8_192_000 });
});

test('a provider without payment signs no terms', async (context) => {
  const peer = await startPeer(context, { role: 'client' });
  const proposal = { payer: new Uint8Array(32), deposit: 1_000, window: 100, expiresAt: 2_000_000_000 };
  for (const payments of [undefined, async () => nothingPaid]) {
    const provider = await startProvider(context, { payments });
    await assert.rejects(
      proposeTerms(provider, peer, proposal),
      /bad-offer: this provider takes no payment from channels/,
    );
  }
});

const nothingPaid = {
  pay: { chain: 'solana:EtWTRABZaYq6iMfeYKouRu166VU2xqa1', program: new Uint8Array(32), payee: new Uint8Array(32) },
  secure: async () => assert.fail('nothing is paid'),
  decline: () => undefined,
  start: async () => undefined,
  stop: async () => undefined,
};

test('a thousand channels offered to one provider reserve a quarter of its stake, and others are served', async (context) => {
  const { provider, paid, escrow, buyer } = await start(context);
  const expiresAt = Math.floor((await buyer.now()) / 1_000) + 3_600;
  const refused: string[] = [];
  let signed = 0;
  for (let each = 0; each < 1_000; each++) {
    const client = Uint8Array.from({ length: 32 }, (_, at) => (at < 2 ? (each >> (8 * at)) & 255 : 7));
    await paid.payments.channels
      ?.propose({ payer: buyer.wallet, deposit: 100_000_000, window: 40_000_000, expiresAt }, client)
      .then(
        () => signed++,
        (error: Error) => refused.push(error.message),
      );
  }
  // A stake of 10 SOL, of which each window would lock 0.4.
  assert.deepEqual([signed, refused.length], [6, 994]);
  assert.match(refused[0] ?? '', /the stake does not cover another channel/);
  const account = await paid.escrow.provider(paid.escrow.wallet);
  assert.equal(account?.freeStake, 10n * SOL);
  // A note for each set of terms that was signed is all that they cost.
  assert.equal((await readdir(paid.channelDir)).length, 6);
  const job = await openRawPaidJob(context, { provider, authority: escrow.wallet, buyer }, { maxTokens: 20 });
  await job.receive();
  assert.equal((await paid.news.until('submitted')).news.lamports, job.price(20, 20));
});

test('one client’s node has one set of terms open at a time, and four channels', async (context) => {
  const { provider, buyer, peer, propose } = await start(context);
  const first = await propose();
  await assert.rejects(propose(), /busy/);
  await buyer.openChannel(first);
  // The provider sees that it is open, and another may be signed.
  const open = { provider, buyer };
  for (let each = 1; each < 4; each++) {
    await eventuallySigned(() => openRawChannel(context, open, { peer }));
  }
  await assert.rejects(
    eventuallySigned(() => propose()),
    /bad-offer: this node has 4 open channels here already/,
  );
});

/** Proposes again while earlier terms wait to be seen on the chain. */
async function eventuallySigned<Value>(propose: () => Promise<Value>): Promise<Value> {
  const limit = AbortSignal.timeout(60_000);
  for (;;) {
    try {
      return await propose();
    } catch (error) {
      if (!(error instanceof Error) || error.message !== 'busy') throw error;
      limit.throwIfAborted();
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
  }
}

test('terms that are never opened free their stake, and leave nothing behind', async (context) => {
  const { chain, paid, propose } = await start(context);
  const { channelDir: channels } = paid;
  await propose();
  assert.equal((await readdir(channels)).length, 1);
  await chain.warp(121);
  const limit = AbortSignal.timeout(60_000);
  while ((await readdir(channels)).length > 0) {
    limit.throwIfAborted();
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
  await propose();
});

test('signed terms count as stake beside jobs, over a restart, too', async (context) => {
  const { chain, provider, paid, escrow, buyer, propose } = await start(context);
  // Leaves 0.3 SOL: the terms' window locks 0.02 of it.
  await escrow.withdraw(10n * SOL - (3n * SOL) / 10n);
  const signed = await propose();
  await provider.provider.stop();
  const again = await providerPayments(context, chain, provider.peer, { dir: paid.dir, escrow });
  await again.payments.start();
  context.after(() => again.payments.stop());
  const expiresAt = Math.floor((await buyer.now()) / 1_000) + 3_600;
  const other = { payer: buyer.wallet, deposit: 100_000_000, window: 5_600_000, expiresAt };
  // A quarter of 0.3 SOL is 75,000,000: 20,000,000 of it are reserved.
  await assert.rejects(
    again.payments.channels?.propose(other, new Uint8Array(32).fill(1)) ?? assert.fail(),
    /stake does not cover/,
  );
  await again.payments.channels?.propose({ ...other, window: 5_400_000 }, new Uint8Array(32).fill(1));
  await buyer.openChannel(signed);
  const account = await escrow.provider(escrow.wallet);
  assert.equal(account?.lockedStake, escrowRules.slashMultiple * 2_000_000n);
});
