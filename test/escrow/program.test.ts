import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { Connection, Keypair, PublicKey, SystemProgram, Transaction } from '@solana/web3.js';
import idl from '../../programs/escrow/artifacts/escrow.json' with { type: 'json' };
import { addressText, parseAddress } from '../../src/escrow/addresses.ts';
import {
  type Delivery,
  type Escrow,
  escrowRules,
  type JobAccount,
  type JobTerms,
  type Refusal,
  RefusedError,
} from '../../src/escrow/escrow.ts';
import { type Localnet, startLocalnet } from '../../src/escrow/localnet.ts';
import { refused as refusedAs } from '../../src/escrow/program/refusals.ts';
import { openEscrow } from '../../src/escrow/program.ts';
import { type SigningKey, signBody, signingKeyFromSeed } from '../../src/proofs/signing.ts';
import { jobIdHex } from '../../src/protocol/digests.ts';
import { kinds, type Signed } from '../../src/protocol/messages.ts';
import { encodeCancel } from '../../src/protocol/validate.ts';
import { openRpcLine } from '../support/rpc-line.ts';
import { leafOf, rootOf } from './tree.ts';
import { delivered, digest, headOf, SOL } from './world.ts';

const newKey = (): SigningKey => signingKeyFromSeed(randomBytes(32));
const isRefusal = (refusal: Refusal) => (error: unknown) =>
  error instanceof RefusedError && error.refusal === refusal && error.code === 'E_ESCROW';

let dir: string;
let chain: Localnet;
/** Of the machine, for a chain whose time the tests decide. */
let now = 1_800_000_000_000;

before(async () => {
  dir = await mkdtemp(join(tmpdir(), 'qvac-escrow-'));
  chain = await startLocalnet({ dir }, { clock: { now: () => now } });
});
after(async () => {
  await chain.stop();
  await rm(dir, { recursive: true, force: true });
});

const open = (
  wallet: SigningKey | null = newKey(),
  more: { readonly priorityFee?: number; readonly rpcUrl?: string; readonly timeoutMs?: number } = {},
) => openEscrow({ rpcUrl: chain.rpcUrl, wallet, pollMs: 20, ...more });

async function openFunded(
  lamports = 20n * SOL,
  more?: Parameters<typeof open>[1],
): Promise<Escrow & { readonly wallet: Uint8Array }> {
  const escrow = await open(newKey(), more);
  await escrow.airdrop(lamports);
  assert.ok(escrow.wallet !== null);
  return escrow as Escrow & { readonly wallet: Uint8Array };
}

interface Market {
  readonly seller: Escrow & { readonly wallet: Uint8Array };
  readonly buyer: Escrow & { readonly wallet: Uint8Array };
  readonly sellerNode: SigningKey;
  readonly buyerNode: SigningKey;
}

async function newMarket(more?: Parameters<typeof open>[1]): Promise<Market> {
  const [seller, buyer] = [await openFunded(), await openFunded(20n * SOL, more)];
  const [sellerNode, buyerNode] = [newKey(), newKey()];
  await seller.register({ node: sellerNode, stake: SOL });
  return { seller, buyer, sellerNode, buyerNode };
}

const termsIn = ({ sellerNode, buyerNode }: Market, changes: Partial<JobTerms> = {}): JobTerms => ({
  jobId: new Uint8Array(randomBytes(32)),
  peer: sellerNode.publicKey,
  clientPeer: buyerNode.publicKey,
  priceIn: 1_500n,
  priceOut: 4_001n,
  amount: 1_000_000n,
  seed: digest('seed'),
  sampler: { temperature: 70, minP: 0, topK: 20, vocab: 300 },
  maxTokens: 64,
  ...changes,
});
const { cancelN: _none, ...fields } = delivered;
const delivery: Delivery = { ...fields, cancel: null };

async function openJob(market: Market, changes: Partial<JobTerms> = {}): Promise<JobAccount> {
  const terms = termsIn(market, changes);
  await market.buyer.createJob({ authority: market.seller.wallet, terms });
  const job = await market.seller.job(market.seller.jobAddress(market.buyer.wallet, terms.jobId));
  assert.ok(job !== null);
  return job;
}

async function submittedJob(
  market: Market,
  what: Delivery = delivery,
  changes: Partial<JobTerms> = {},
): Promise<JobAccount> {
  const job = await openJob(market, changes);
  await market.seller.submitJob(job, what);
  const submitted = await market.buyer.job(job.address);
  assert.ok(submitted?.submitted);
  return submitted;
}

const headIn = (market: Market, job: JobAccount, changes: Parameters<typeof headOf>[1]): Signed =>
  signBody(
    market.sellerNode,
    kinds.head,
    jobIdHex(job.jobId),
    headOf({ terms: { jobId: job.jobId } } as Parameters<typeof headOf>[0], changes),
  );

describe('rules', () => {
  test('are those of the program', () => {
    const constant = (name: string) => Number(idl.constants.find((entry) => entry.name === name)?.value);
    assert.deepEqual(
      [
        escrowRules.minStakeLamports,
        escrowRules.jobTimeoutMs,
        escrowRules.confirmWindowMs,
        escrowRules.unstakeCooldownMs,
        escrowRules.slashMultiple,
      ].map(Number),
      [
        constant('MIN_STAKE'),
        constant('JOB_TIMEOUT') * 1_000,
        constant('CONFIRM_WINDOW') * 1_000,
        constant('UNSTAKE_COOLDOWN') * 1_000,
        constant('SLASH_MULTIPLE'),
      ],
    );
  });

  test('every refusal of the program has words of ours', () => {
    const other = refusedAs('Other').message;
    for (const { name } of idl.errors) {
      const { message } = refusedAs(name as Refusal);
      assert.ok(message !== other && /^[a-z]/.test(message) && !message.endsWith('.'), `${name}: ${message}`);
    }
  });
});

describe('a provider', () => {
  test('registers, is found, rotates, stakes, asks back and withdraws', async () => {
    const seller = await openFunded();
    const [node, next] = [newKey(), newKey()];
    assert.equal(await seller.provider(seller.wallet), null);
    await seller.register({ node, stake: SOL });
    const registered = await seller.provider(seller.wallet);
    assert.deepEqual(
      { ...registered, address: null },
      {
        address: null,
        authority: seller.wallet,
        peer: node.publicKey,
        stake: SOL,
        lockedStake: 0n,
        freeStake: SOL,
        active: true,
        jobsCreated: 0n,
        jobsCompleted: 0n,
        jobsRefunded: 0,
        jobsRejected: 0,
        jobsSlashed: 0,
        registeredAt: now,
        unstake: null,
      },
    );
    assert.deepEqual(
      (await seller.providersOfPeer(node.publicKey)).map(({ authority }) => authority),
      [seller.wallet],
    );
    assert.ok(
      (await seller.providers()).some(({ authority }) => addressText(authority) === addressText(seller.wallet)),
    );
    await seller.rotatePeer({ node: next });
    assert.deepEqual(await seller.providersOfPeer(node.publicKey), []);
    await seller.addStake(SOL);
    await seller.requestUnstake(2n * SOL);
    const leaving = await seller.provider(seller.wallet);
    assert.deepEqual([leaving?.unstake, leaving?.active], [{ amount: 2n * SOL, at: now + 3_600_000 }, false]);
    await assert.rejects(seller.withdraw(), isRefusal('CooldownActive'));
    now += 3_600_000;
    const before = await seller.balance();
    const { fee } = await seller.withdraw();
    assert.equal(await seller.balance(), before + 2n * SOL - fee);
  });
});

describe('a job', () => {
  test('is created, submitted, confirmed: what was agreed, what was delivered, who was paid', async () => {
    const market = await newMarket();
    const job = await openJob(market);
    assert.deepEqual(
      [job.client, job.provider, job.createdAt, job.refundAt, job.stakeAtRisk, job.number, job.submitted],
      [market.buyer.wallet, market.seller.wallet, now, now + 600_000, 10_000_000n, 0n, null],
    );
    assert.deepEqual(
      (await market.buyer.jobs({ client: market.buyer.wallet })).map(({ address }) => address),
      [job.address],
    );
    assert.deepEqual(
      (await market.seller.jobs({ provider: market.seller.wallet })).map(({ address }) => address),
      [job.address],
    );
    const waiting = market.buyer.waitForJob(job.address, (seen) => seen?.submitted != null, {
      signal: AbortSignal.timeout(60_000),
    });
    await market.seller.submitJob(job, delivery);
    const { submitted } = (await waiting) as JobAccount;
    assert.deepEqual(submitted, {
      at: now,
      claimAt: now + 300_000,
      root: delivered.root,
      textDigest: delivered.textDigest,
      promptCount: 23,
      tokenCount: 38,
      paidCount: 38,
      finish: 0,
      payout: 187n,
    });
    assert.equal(await market.buyer.outcome(job.address), null);
    const before = await market.seller.balance();
    const { signature } = await market.buyer.confirmJob(job);
    assert.equal(await market.seller.balance(), before + 187n);
    assert.equal(await market.buyer.job(job.address), null);
    assert.deepEqual(await market.seller.outcome(job.address), {
      how: 'confirmed',
      jobId: job.jobId,
      client: market.buyer.wallet,
      provider: market.seller.wallet,
      paid: 187n,
      refunded: 999_813n,
      burnt: 0n,
      compensation: 0n,
      reason: null,
      signature,
      at: Math.floor(now / 1000) * 1000,
    });
  });

  test('ends in each other way', async () => {
    const market = await newMarket();
    const { buyer, seller } = market;
    const how = async (job: JobAccount) => {
      const outcome = await buyer.outcome(job.address);
      return (
        outcome && [outcome.how, outcome.paid, outcome.refunded, outcome.burnt, outcome.compensation, outcome.reason]
      );
    };
    const declined = await openJob(market);
    await seller.declineJob(declined);
    assert.deepEqual(await how(declined), ['declined', 0n, 1_000_000n, 0n, 0n, null]);
    const rejected = await submittedJob(market);
    await buyer.rejectJob(rejected, digest('verdict'));
    assert.deepEqual(await how(rejected), ['rejected', 0n, 999_813n, 187n, 0n, null]);
    const [claimed, refunded] = [await submittedJob(market), await openJob(market)];
    now += 300_000;
    await (await openFunded()).claimJob(claimed);
    assert.deepEqual(await how(claimed), ['claimed', 187n, 999_813n, 0n, 0n, null]);
    now += 300_000;
    await (await openFunded()).refundJob(refunded);
    assert.deepEqual(await how(refunded), ['refunded', 0n, 1_000_000n, 0n, 0n, null]);
    const record = await buyer.provider(seller.wallet);
    assert.deepEqual(
      [record?.jobsCompleted, record?.jobsRefunded, record?.jobsRejected, record?.jobsCreated],
      [1n, 1, 1, 4n],
    );
  });

  test('is known to have ended, however often a stranger names its address after that', async () => {
    const market = await newMarket();
    const job = await submittedJob(market);
    await market.buyer.confirmJob(job);
    const connection = new Connection(chain.rpcUrl, 'confirmed');
    const stranger = Keypair.generate();
    await connection.requestAirdrop(stranger.publicKey, 1_000_000_000);
    for (let time = 0; time < 40; time++) {
      // In one slot equal transactions would be the same one.
      now += 400;
      const { blockhash, lastValidBlockHeight } = await connection.getLatestBlockhash();
      const named = new Transaction({ feePayer: stranger.publicKey, blockhash, lastValidBlockHeight }).add(
        SystemProgram.transfer({ fromPubkey: stranger.publicKey, toPubkey: new PublicKey(job.address), lamports: 0 }),
      );
      named.sign(stranger);
      await connection.sendRawTransaction(named.serialize());
    }
    assert.equal((await market.seller.outcome(job.address))?.how, 'confirmed');
  });

  test('is slashed for each reason', async () => {
    const market = await newMarket();
    const { buyer } = market;
    const reason = async (job: JobAccount) => {
      const outcome = await buyer.outcome(job.address);
      return outcome && [outcome.how, outcome.reason, outcome.refunded, outcome.compensation, outcome.burnt];
    };
    const equivocated = await submittedJob(market);
    await assert.rejects(buyer.slashHeadMismatch(equivocated, headIn(market, equivocated, {})), isRefusal('SameHead'));
    await buyer.slashEquivocation(equivocated, [
      headIn(market, equivocated, {}),
      headIn(market, equivocated, { n: 37 }),
    ]);
    assert.deepEqual(await reason(equivocated), ['slashed', 'equivocation', 1_000_000n, 1_000_000n, 9_000_000n]);
    const mismatched = await submittedJob(market);
    await buyer.slashHeadMismatch(mismatched, headIn(market, mismatched, { n: 37 }));
    assert.deepEqual((await reason(mismatched))?.[1], 'head-mismatch');
    const jobId = digest('a job with a fraud');
    const step = {
      token: 299,
      prefix: digest('prefix'),
      salt: new Uint8Array(16),
      candidates: [],
      exact: digest('exact'),
      zk: null,
    };
    const fraud = await submittedJob(
      market,
      { ...delivery, root: rootOf([leafOf(jobId, 0, step)]), tokenCount: 1 },
      { jobId },
    );
    await buyer.slashSampler(fraud, { ...step, i: 0, zk: new Uint8Array(32), path: [] });
    assert.deepEqual((await reason(fraud))?.[1], 'sampler');
  });

  test('that was cancelled pays what the client had and a grace', async () => {
    const market = await newMarket();
    const job = await openJob(market);
    const { sig } = signBody(
      market.buyerNode,
      kinds.cancel,
      jobIdHex(job.jobId),
      encodeCancel({ v: 1, jobId: job.jobId, n: 3 }),
    );
    await assert.rejects(
      market.seller.submitJob(job, { ...delivery, finish: 2, cancel: null }),
      isRefusal('CancelMismatch'),
    );
    await assert.rejects(
      market.seller.submitJob(job, { ...delivery, finish: 2, cancel: { n: 4, sig } }),
      isRefusal('Other'),
    );
    await market.seller.submitJob(job, { ...delivery, finish: 2, cancel: { n: 3, sig } });
    assert.equal((await market.buyer.job(job.address))?.submitted?.paidCount, 35);
  });
});

describe('what the chain refuses', () => {
  test('is said in our words', async () => {
    const market = await newMarket();
    const { buyer, seller } = market;
    const job = await openJob(market);
    await assert.rejects(buyer.refundJob(job), isRefusal('TimeoutNotReached'));
    await assert.rejects(buyer.confirmJob(job), isRefusal('InvalidStatus'));
    await assert.rejects(buyer.declineJob(job), isRefusal('Unauthorized'));
    // In the same slot it would be the same transaction.
    now += 1_000;
    await assert.rejects(buyer.createJob({ authority: seller.wallet, terms: job }), isRefusal('AccountExists'));
    await assert.rejects(
      buyer.createJob({ authority: seller.wallet, terms: termsIn(market, { peer: newKey().publicKey }) }),
      isRefusal('PeerMismatch'),
    );
    await assert.rejects(buyer.createJob({ authority: buyer.wallet, terms: termsIn(market) }), isRefusal('NoAccount'));
    await assert.rejects(
      buyer.createJob({ authority: seller.wallet, terms: termsIn(market, { amount: SOL }) }),
      isRefusal('StakeTooLow'),
    );
    await assert.rejects(seller.register({ node: market.sellerNode, stake: SOL }), isRefusal('AccountExists'));
    await seller.submitJob(job, delivery);
    now += 1_000;
    await assert.rejects(seller.submitJob(job, delivery), isRefusal('InvalidStatus'));
    await buyer.confirmJob(job);
    now += 1_000;
    await assert.rejects(buyer.confirmJob(job), isRefusal('NoAccount'));
  });

  test('an empty wallet, and one with too little', async () => {
    const market = await newMarket();
    const [empty, poor] = [await open(), await openFunded(3_000_000n)];
    for (const buyer of [empty, poor]) {
      await assert.rejects(buyer.createJob({ authority: market.seller.wallet, terms: termsIn(market) }), {
        code: 'E_FUNDS',
        exitCode: 5,
      });
    }
  });

  test('nothing without a wallet but reading', async () => {
    const [market, reader] = [await newMarket(), await open(null)];
    assert.equal((await reader.provider(market.seller.wallet))?.stake, SOL);
    assert.ok((await reader.balance(market.seller.wallet)) > 0n);
    await assert.rejects(reader.withdraw(), { code: 'E_CONFIG' });
    await assert.rejects(reader.balance(), { code: 'E_CONFIG' });
  });
});

describe('the chain', () => {
  test('names itself', async () => {
    assert.equal((await open(null)).chain, chain.chain);
    assert.equal(await (await open(null)).now(), now);
  });

  test('without the program, or not there', async () => {
    await assert.rejects(openEscrow({ rpcUrl: chain.rpcUrl, program: newKey().publicKey }), { code: 'E_CONFIG' });
    const gone = await startLocalnet({ dir: join(dir, 'gone') });
    await gone.stop();
    await assert.rejects(openEscrow({ rpcUrl: gone.rpcUrl }), { code: 'E_CHAIN', exitCode: 4 });
  });

  test('stops a caller that does not want to wait', async () => {
    const market = await newMarket();
    const controller = new AbortController();
    const waiting = market.buyer.waitForJob(digest('nowhere'), (job) => job !== null, { signal: controller.signal });
    controller.abort(new Error('enough'));
    await assert.rejects(waiting, /enough/);
  });
});

describe('fees', () => {
  test('are what the wallet is charged, with and without a priority', async () => {
    for (const priorityFee of [0, 50_000]) {
      const escrow = await openFunded(20n * SOL, { priorityFee });
      const before = await escrow.balance();
      const { fee } = await escrow.register({ node: newKey(), stake: SOL });
      assert.equal(fee, 10_000n + (priorityFee === 0 ? 0n : 3_000n));
      assert.equal(
        before - (await escrow.balance()),
        fee + SOL + (await escrow.rent(escrowRules.providerAccountBytes)),
      );
    }
  });
});

describe('over a bad line every call is executed once', () => {
  // What was staked tells how often: one lamport for each execution.
  async function stakes(fate: Parameters<typeof openRpcLine>[1], times = 1) {
    const seller = await openFunded();
    await seller.register({ node: newKey(), stake: SOL });
    const line = await openRpcLine(chain.rpcUrl, fate);
    const wallet = newKey();
    const payer = await open(wallet);
    await payer.airdrop(SOL);
    const flaky = await open(wallet, { rpcUrl: line.url });
    await Promise.all(Array.from({ length: times }, () => flaky.addStake(1n, seller.wallet)));
    await line.close();
    const staked = (await seller.provider(seller.wallet))?.stake ?? 0n;
    return { executed: staked - SOL, asked: line.asked('sendTransaction') };
  }

  test('where the answer is lost', async () => {
    assert.equal(
      (await stakes((method, time) => (method === 'sendTransaction' && time === 1 ? 'lose-answer' : 'pass'))).executed,
      1n,
    );
  });

  test('where the request is lost', async () => {
    const { executed, asked } = await stakes((method, time) =>
      method === 'sendTransaction' && time <= 2 ? 'lose-request' : 'pass',
    );
    assert.deepEqual([executed, asked], [1n, 3]);
  });

  test('where the questions for its state are lost', async () => {
    assert.equal(
      (await stakes((method, time) => (method === 'getSignatureStatuses' && time <= 3 ? 'lose-answer' : 'pass')))
        .executed,
      1n,
    );
  });

  test('where the transaction gets too old on the way: it is signed anew', async () => {
    let aged = false;
    const { executed } = await stakes((method) => {
      if (method !== 'sendTransaction' || aged) return 'pass';
      aged = true;
      now += 61_000;
      return 'pass';
    });
    assert.equal(executed, 1n);
  });

  test('where it never arrives before it is too old', async () => {
    const { executed } = await stakes((method, time) => {
      if (method === 'sendTransaction' && time === 1) return 'lose-request';
      if (method === 'getEpochInfo' && time === 1) now += 61_000;
      return 'pass';
    });
    assert.equal(executed, 1n);
  });

  test('and two equal calls at once are two', async () => {
    let advancing: NodeJS.Timeout | undefined;
    try {
      // Equal transactions in one slot are the same one: time has to go on.
      advancing = setInterval(() => (now += 400), 20);
      assert.equal((await stakes(() => 'pass', 2)).executed, 2n);
    } finally {
      clearInterval(advancing);
    }
  });

  test('a chain that says nothing is given up on, with the transaction to look for', async () => {
    const wallet = newKey();
    await (await open(wallet)).airdrop(SOL);
    const line = await openRpcLine(chain.rpcUrl, (method) => (method === 'sendTransaction' ? 'lose-request' : 'pass'));
    const flaky = await open(wallet, { rpcUrl: line.url, timeoutMs: 4_000 });
    await assert.rejects(flaky.register({ node: newKey(), stake: SOL / 2n }), {
      code: 'E_CHAIN',
      message: /transaction \w{80,90} may still be executed/,
    });
    await line.close();
  });

  test('a chain that restarts meanwhile', async () => {
    const home = join(dir, 'restarted');
    const first = await startLocalnet({ dir: home });
    const wallet = newKey();
    const escrow = await openEscrow({ rpcUrl: first.rpcUrl, wallet, pollMs: 20 });
    await escrow.airdrop(5n * SOL);
    await first.stop();
    const registering = escrow.register({ node: newKey(), stake: SOL });
    const second = await startLocalnet({ dir: home, port: Number(new URL(first.rpcUrl).port) });
    await registering;
    assert.equal((await escrow.provider(wallet.publicKey))?.stake, SOL);
    await second.stop();
  });
});

test('addresses are read as they are written, and nothing else is', () => {
  const address = newKey().publicKey;
  assert.deepEqual(parseAddress(addressText(address)), address);
  for (const text of ['', '0OIl', '1111', `${addressText(address)}1`, '1'.repeat(3_000)])
    assert.throws(() => parseAddress(text), { code: 'E_USAGE' });
});
