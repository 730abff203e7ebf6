import assert from 'node:assert/strict';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { Connection, Keypair, PublicKey, SystemProgram, Transaction } from '@solana/web3.js';
import idl from '../../programs/escrow/artifacts/escrow.json' with { type: 'json' };
import type { ChannelAccount, JobAccount } from '../../src/escrow/accounts.ts';
import { addressText, parseAddress } from '../../src/escrow/addresses.ts';
import { escrowRules } from '../../src/escrow/constants.ts';
import type { Subject } from '../../src/escrow/escrow.ts';
import { type Localnet, startLocalnet } from '../../src/escrow/localnet.ts';
import { refused as refusedAs } from '../../src/escrow/program/refusals.ts';
import { openEscrow } from '../../src/escrow/program.ts';
import { type Refusal, RefusedError } from '../../src/escrow/refusal.ts';
import type { SigningKey } from '../../src/proofs/signing.ts';
import { startQuietChain } from '../support/quiet-chain.ts';
import { openRpcLine } from '../support/rpc-line.ts';
import { encodeOffer, encodeTerms, type HeadFields, type OfferFields, type TermsFields } from './layouts.ts';
import { falseStep, forcedStep, treeOf } from './tree.ts';
import {
  channelIdOf,
  digest,
  type Funded,
  headOf,
  jobIdOf,
  newNode,
  offerBetween,
  SOL,
  signedHead,
  signedTerms,
  submission,
  termsBetween,
  totals,
} from './world.ts';

const isRefusal = (refusal: Refusal) => (error: unknown) =>
  error instanceof RefusedError && error.refusal === refusal && error.code === 'E_ESCROW';

let dir: string;
let chain: Localnet;
/** Of the machine, for a chain whose time the tests decide. */
let now = 1_800_000_000_000;
/** Payout of 38 tokens, and what is locked for 64. */
const [price, amount] = [964n, 1_068n];

before(async () => {
  dir = await mkdtemp(join(tmpdir(), 'qvac-escrow-'));
  chain = await startLocalnet({ dir }, { clock: { now: () => now } });
});
after(async () => {
  await chain.stop();
  await rm(dir, { recursive: true, force: true });
});

const open = (
  wallet: SigningKey | null = newNode(),
  more: { readonly priorityFee?: number; readonly rpcUrl?: string; readonly timeoutMs?: number } = {},
) => openEscrow({ rpcUrl: chain.rpcUrl, wallet, pollMs: 20, ...more });

async function openFunded(lamports = 20n * SOL, more?: Parameters<typeof open>[1]): Promise<Funded> {
  const escrow = await open(newNode(), more);
  await escrow.airdrop(lamports);
  assert.ok(escrow.wallet !== null);
  return escrow as Funded;
}

interface Market {
  readonly seller: Funded;
  readonly buyer: Funded;
  readonly sellerNode: SigningKey;
  readonly buyerNode: SigningKey;
}

async function newMarket(more?: Parameters<typeof open>[1]): Promise<Market> {
  const [seller, buyer] = [await openFunded(), await openFunded(20n * SOL, more)];
  const [sellerNode, buyerNode] = [newNode(), newNode()];
  await seller.register({ node: sellerNode, stake: SOL });
  return { seller, buyer, sellerNode, buyerNode };
}

/** Who agree, for the bodies that they sign. */
const parties = ({ seller, buyer, sellerNode, buyerNode }: Market) => ({
  payer: buyer.wallet,
  authority: seller.wallet,
  provider: sellerNode.publicKey,
  client: buyerNode.publicKey,
  now: BigInt(Math.floor(now / 1_000)),
});
const newOffer = (market: Market, changes: Partial<OfferFields> = {}): Uint8Array =>
  encodeOffer(offerBetween(parties(market), changes));

async function openJob(market: Market, changes: Partial<OfferFields> = {}): Promise<JobAccount> {
  const offer = newOffer(market, changes);
  await market.buyer.createJob({ authority: market.seller.wallet, offer });
  const job = await market.seller.job(market.seller.jobAddress(market.buyer.wallet, jobIdOf(offer)));
  assert.ok(job !== null);
  return job;
}

/** What is submitted for the job: 38 tokens, all acknowledged, or what is given. */
function deliveryOf({ buyerNode }: Market, { jobId }: JobAccount, changes: Partial<HeadFields> = {}) {
  const [head, ack] = submission({ jobId, buyer: { node: buyerNode } }, changes);
  return { head, ack };
}

async function submittedJob(
  market: Market,
  head: (jobId: Uint8Array) => Partial<HeadFields> = () => ({}),
  changes: Partial<OfferFields> = {},
): Promise<JobAccount> {
  const job = await openJob(market, changes);
  await market.seller.submitJob(job, deliveryOf(market, job, head(job.jobId)));
  const submitted = await market.buyer.job(job.address);
  assert.ok(submitted?.submitted);
  return submitted;
}

async function openChannel(market: Market, changes: Partial<TermsFields> = {}): Promise<ChannelAccount> {
  const terms = signedTerms(market.sellerNode, encodeTerms(termsBetween(parties(market), changes)));
  await market.buyer.openChannel(terms);
  const channel = await market.seller.channel(market.seller.channelAddress(channelIdOf(terms.body)));
  assert.ok(channel !== null);
  return channel;
}

/** The channel's totals, as the client's node signs them. */
const acknowledged = ({ buyerNode }: Market, channel: ChannelAccount, committed: bigint, released: bigint, stop = 0) =>
  totals({ buyer: { node: buyerNode }, key: channel }, committed, released, { stop });

describe('rules', () => {
  test('are those of the program', () => {
    const constant = (name: string) => Number(idl.constants.find((entry) => entry.name === name)?.value);
    const { providerAccountBytes, jobAccountBytes, channelAccountBytes, evidenceAccountBytes, ...rules } = escrowRules;
    assert.deepEqual(Object.fromEntries(Object.entries(rules).map(([name, value]) => [name, Number(value)])), {
      minStakeLamports: constant('MIN_STAKE'),
      slashMultiple: constant('SLASH_MULTIPLE'),
      bondLamports: constant('BOND'),
      minCheckWindowMs: constant('MIN_CHECK_WINDOW') * 1_000,
      maxCheckWindowMs: constant('MAX_CHECK_WINDOW') * 1_000,
      closeWindowMs: constant('CLOSE_WINDOW') * 1_000,
      challengeWindowMs: constant('CHALLENGE_WINDOW') * 1_000,
      challengeMarginMs: constant('CHALLENGE_MARGIN') * 1_000,
      maxTermsValidityMs: constant('MAX_TERMS_VALIDITY') * 1_000,
      minDeliverWithinMs: constant('MIN_DELIVER_WITHIN') * 1_000,
      maxDeliverWithinMs: constant('MAX_DELIVER_WITHIN') * 1_000,
      maxTokens: 2 ** constant('MAX_PATH'),
      maxPositions: constant('MAX_POSITIONS'),
      maxChallenges: constant('MAX_CHALLENGES'),
      maxPath: constant('MAX_PATH'),
      maxScorePath: constant('MAX_SCORE_PATH'),
    });
    // The sizes are compared with real accounts: test/escrow/jobs.test.ts and its neighbours.
    assert.ok(
      [providerAccountBytes, jobAccountBytes, channelAccountBytes, evidenceAccountBytes].every((size) => size > 0),
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
  test('registers, is found, rotates its node twice, stakes and withdraws', async () => {
    const seller = await openFunded();
    const [node, next, last] = [newNode(), newNode(), newNode()];
    assert.equal(await seller.provider(seller.wallet), null);
    await assert.rejects(seller.rotatePeer({ node }), isRefusal('NoAccount'));
    await seller.register({ node, stake: SOL });
    const registered = await seller.provider(seller.wallet);
    assert.deepEqual([registered?.peer, registered?.freeStake, registered?.registeredAt], [node.publicKey, SOL, now]);
    assert.deepEqual(
      (await seller.providersOfPeer(node.publicKey)).map(({ authority }) => authority),
      [seller.wallet],
    );
    assert.ok(
      (await seller.providers()).some(({ authority }) => addressText(authority) === addressText(seller.wallet)),
    );
    await seller.rotatePeer({ node: next });
    assert.deepEqual(await seller.providersOfPeer(node.publicKey), []);
    await seller.rotatePeer({ node: last });
    assert.deepEqual(
      (await seller.providersOfPeer(last.publicKey)).map(({ bindings }) => bindings),
      [2],
    );
    await seller.addStake(SOL);
    await assert.rejects(seller.withdraw(2n * SOL + 1n), isRefusal('StakeLocked'));
    const before = await seller.balance();
    const { fee } = await seller.withdraw(2n * SOL);
    assert.equal(await seller.balance(), before + 2n * SOL - fee);
  });
});

describe('a job', () => {
  test('is created, submitted, confirmed: what was agreed, what was delivered, who was paid', async () => {
    const market = await newMarket();
    const job = await openJob(market);
    assert.deepEqual(
      [job.client, job.provider, job.amount, job.createdAt, job.refundAt, job.submitted],
      [market.buyer.wallet, market.seller.wallet, amount, now, now + 600_000, null],
    );
    const listed = [
      await market.buyer.jobs({ client: market.buyer.wallet }),
      await market.seller.jobs({ provider: market.seller.wallet }),
    ];
    for (const jobs of listed) assert.deepEqual(jobs, [job]);
    const waiting = market.buyer.waitForJob(job.address, (seen) => seen?.submitted != null, {
      signal: AbortSignal.timeout(60_000),
    });
    await market.seller.submitJob(job, deliveryOf(market, job));
    const seen = (await waiting)?.submitted;
    assert.deepEqual([seen?.tokenCount, seen?.paidCount, seen?.payout], [38, 38, price]);
    assert.deepEqual([seen?.releaseAt, seen?.stakeAtRisk], [now + 300_000, 10n * price]);
    assert.equal(await market.buyer.jobOutcome(job.address), null);
    const { signature } = await market.buyer.confirmJob(job);
    const record = await market.buyer.provider(market.seller.wallet);
    assert.deepEqual([record?.stake, record?.earned, record?.jobsCompleted], [SOL + price, price, 1n]);
    assert.equal(await market.buyer.job(job.address), null);
    assert.deepEqual(await market.seller.jobOutcome(job.address), {
      how: 'confirmed',
      jobId: job.jobId,
      client: market.buyer.wallet,
      provider: market.seller.wallet,
      caller: market.buyer.wallet,
      paid: price,
      refunded: amount - price,
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
      const outcome = await buyer.jobOutcome(job.address);
      return outcome && [outcome.how, outcome.caller, outcome.paid, outcome.refunded, outcome.burnt, outcome.reason];
    };
    const declined = await openJob(market);
    await seller.refundJob(declined);
    assert.deepEqual(await how(declined), ['refunded', seller.wallet, 0n, amount, 0n, null]);
    const rejected = await submittedJob(market);
    await buyer.rejectJob(rejected, digest('verdict'));
    assert.deepEqual(await how(rejected), ['rejected', null, 0n, amount - price, price, null]);
    const [released, late] = [await submittedJob(market), await openJob(market)];
    now += 300_000;
    const stranger = await openFunded();
    await stranger.confirmJob(released);
    assert.deepEqual(await how(released), ['confirmed', stranger.wallet, price, amount - price, 0n, null]);
    now += 300_000;
    await stranger.refundJob(late);
    assert.deepEqual(await how(late), ['refunded', stranger.wallet, 0n, amount, 0n, null]);
    const record = await buyer.provider(seller.wallet);
    assert.deepEqual([record?.jobsCompleted, record?.jobsRejected, record?.rejected], [1n, 1, price]);
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
    assert.equal((await market.seller.jobOutcome(job.address))?.how, 'confirmed');
  });
});

describe('a channel', () => {
  test('is opened, topped up, settled, closed together: what was agreed and who was paid', async () => {
    const market = await newMarket();
    const { buyer, seller } = market;
    const waiting = openChannel(market);
    const channel = await waiting;
    assert.deepEqual([channel.deposit, channel.window, channel.validUntil], [100_000n, 10_000n, now + 60_000]);
    for (const channels of [
      await buyer.channels({ payer: buyer.wallet }),
      await seller.channels({ provider: seller.wallet }),
    ]) {
      assert.deepEqual(channels, [channel]);
    }
    await buyer.topUpChannel(channel, 5n);
    const paid = buyer.waitForChannel(channel.address, (seen) => (seen?.settled ?? 0n) > 0n, {
      signal: AbortSignal.timeout(60_000),
    });
    await seller.settleChannel(channel, acknowledged(market, channel, 900n, 500n));
    const seen = await paid;
    assert.deepEqual([seen?.committed, seen?.released, seen?.settled, seen?.deposit], [900n, 500n, 500n, 100_005n]);
    assert.equal(await buyer.channelOutcome(channel.address), null);
    const last = acknowledged(market, channel, 900n, 900n, 2);
    await assert.rejects(seller.closeChannel(channel, last), isRefusal('TermsStillValid'));
    now += 61_000;
    const { signature } = await seller.closeChannel(channel, last);
    assert.equal(await buyer.channel(channel.address), null);
    assert.deepEqual(await buyer.channelOutcome(channel.address), {
      how: 'closed',
      id: channel.id,
      payer: buyer.wallet,
      provider: seller.wallet,
      paid: 900n,
      refunded: 99_105n,
      burnt: 0n,
      compensation: 0n,
      reason: null,
      signature,
      at: Math.floor(now / 1000) * 1000,
    });
  });

  test('ends without the other side, content or not', async () => {
    const market = await newMarket();
    const { buyer, seller } = market;
    const ended = async (reject: boolean) => {
      const channel = await openChannel(market);
      now += 61_000;
      await seller.settleChannel(channel, acknowledged(market, channel, 900n, 500n));
      await (reject ? buyer : seller).requestCloseChannel(channel);
      if (reject) await buyer.rejectChannel(channel, digest('verdict'));
      const closing = (await buyer.channel(channel.address))?.closing;
      assert.deepEqual(closing, { finishAt: Math.floor(now / 1_000) * 1_000 + 18_000_000, rejected: reject });
      await assert.rejects(buyer.finishChannel(channel), isRefusal('CloseWindowOpen'));
      now += 18_000_000;
      await (await openFunded()).finishChannel(channel);
      const outcome = await buyer.channelOutcome(channel.address);
      return outcome && [outcome.how, outcome.paid, outcome.refunded, outcome.burnt];
    };
    assert.deepEqual(await ended(false), ['finished', 900n, 99_100n, 0n]);
    assert.deepEqual(await ended(true), ['finished', 500n, 99_100n, 400n]);
  });
});

describe('an answer', () => {
  /** One step that is honest or false, in an account of its own or in a channel. */
  async function answers(market: Market, step: typeof falseStep) {
    const one = { topK: 1 };
    const rootOf = (jobId: Uint8Array) => ({ n: 1, root: treeOf(jobId, [step]).root });
    const job = await submittedJob(market, rootOf, one);
    const channel = await openChannel(market);
    now += 61_000;
    const offer = newOffer(market, { ...one, pay: 2, account: channel.id });
    const jobId = jobIdOf(offer);
    await market.buyer.createEvidence(channel, {
      offer,
      head: signedHead(market.sellerNode, headOf(jobId, rootOf(jobId))),
    });
    const address = market.buyer.evidenceAddress(channel.address, jobId);
    const evidence = (await market.buyer.evidence(address)) ?? assert.fail();
    for (const filter of [{ channel: channel.address }, { rentPayer: market.buyer.wallet }]) {
      const found = await market.seller.evidences(filter);
      assert.ok(found.some((each) => addressText(each.address) === addressText(address)));
    }
    const prove = (id: Uint8Array) => treeOf(id, [step]).prove(0);
    return [
      { subject: { job } as Subject, step: prove(job.jobId), jobId: job.jobId, address: job.address },
      { subject: { evidence, channel } as Subject, step: prove(jobId), jobId, address: channel.address },
    ];
  }
  const current = async ({ buyer }: Market, subject: Subject): Promise<Subject> =>
    'job' in subject
      ? { job: (await buyer.job(subject.job.address)) ?? assert.fail() }
      : { ...subject, evidence: (await buyer.evidence(subject.evidence.address)) ?? assert.fail() };
  const challengeIn = (subject: Subject) =>
    'job' in subject ? subject.job.submitted?.challenge : subject.evidence.delivery.challenge;

  test('is challenged and answered, wherever it is kept', async () => {
    const market = await newMarket();
    for (const { subject, step } of await answers(market, forcedStep)) {
      await market.buyer.challenge(subject, [0]);
      const challenged = await current(market, subject);
      assert.deepEqual(
        [challengeIn(challenged)?.open, challengeIn(challenged)?.dueAt],
        [[0], Math.floor(now / 1_000) * 1_000 + 14_400_000],
      );
      const found = await market.seller.evidences({ peer: market.sellerNode.publicKey });
      assert.equal(found.length, 1, 'the provider finds what is said about it');
      await market.seller.answerChallenge(challenged, step);
      assert.deepEqual(challengeIn(await current(market, subject))?.open, []);
    }
    assert.equal((await market.buyer.provider(market.seller.wallet))?.stake, SOL + 10_000n);
  });

  test('is slashed for each reason, wherever it is kept; then the rent of an evidence comes back', async () => {
    const market = await newMarket();
    const { buyer } = market;
    for (const reason of ['silence', 'equivocation', 'sampler'] as const) {
      for (const { subject, step, jobId, address } of await answers(market, falseStep)) {
        if (reason === 'silence') {
          await buyer.challenge(subject, [0]);
          now += 14_400_000;
          await buyer.slashSilence(await current(market, subject));
        } else if (reason === 'sampler') await buyer.slashSampler(subject, step);
        else await buyer.slashEquivocation(subject, [signedHead(market.sellerNode, headOf(jobId))]);
        const outcome = await ('job' in subject ? buyer.jobOutcome(address) : buyer.channelOutcome(address));
        assert.deepEqual([outcome?.how, outcome?.reason, outcome?.paid], ['slashed', reason, 0n]);
        const risk = 'job' in subject ? (subject.job.submitted?.payout ?? 0n) : 10_000n;
        assert.deepEqual([outcome?.compensation, outcome?.burnt], [risk, 9n * risk]);
        if ('job' in subject) continue;
        const before = await buyer.balance();
        const kept = (await buyer.evidence(subject.evidence.address)) ?? assert.fail();
        const { fee } = await buyer.closeEvidence(kept);
        const bond = reason === 'silence' ? 5_000n : 0n;
        const rent = await buyer.rent(escrowRules.evidenceAccountBytes);
        assert.equal(await buyer.balance(), before + rent + bond - fee);
      }
    }
    assert.equal((await buyer.provider(market.seller.wallet))?.jobsSlashed, 6);
  });
});

describe('what the chain refuses', () => {
  test('is said in our words', async () => {
    const market = await newMarket();
    const { buyer, seller } = market;
    const job = await openJob(market);
    await assert.rejects(buyer.refundJob(job), isRefusal('DeliveryPending'));
    await assert.rejects(buyer.confirmJob(job), isRefusal('InvalidStatus'));
    await assert.rejects(buyer.submitJob(job, deliveryOf(market, job)), isRefusal('Unauthorized'));
    const create = (offer: Uint8Array, authority = seller.wallet) => buyer.createJob({ authority, offer });
    const offer = newOffer(market);
    await create(offer);
    // In the same slot it would be the same transaction.
    now += 1_000;
    await assert.rejects(create(offer), isRefusal('AccountExists'));
    await assert.rejects(create(newOffer(market, { amount: 1n })), isRefusal('AmountMismatch'));
    await assert.rejects(create(newOffer(market, { provider: newNode().publicKey })), isRefusal('PeerMismatch'));
    await assert.rejects(create(newOffer(market), buyer.wallet), isRefusal('NoAccount'));
    await assert.rejects(create(newOffer(market, { priceJob: SOL })), isRefusal('StakeTooLow'));
    await assert.rejects(seller.register({ node: market.sellerNode, stake: SOL }), isRefusal('AccountExists'));
    await seller.submitJob(job, deliveryOf(market, job));
    now += 1_000;
    await assert.rejects(seller.submitJob(job, deliveryOf(market, job)), isRefusal('InvalidStatus'));
    await buyer.confirmJob(job);
    now += 1_000;
    await assert.rejects(buyer.confirmJob(job), isRefusal('NoAccount'));
  });

  test('an empty wallet, and one with too little', async () => {
    const market = await newMarket();
    const [empty, poor] = [await open(), await openFunded(3_000_000n)];
    for (const buyer of [empty, poor]) {
      const offer = newOffer({ ...market, buyer: buyer as Funded });
      const create = buyer.createJob({ authority: market.seller.wallet, offer });
      await assert.rejects(create, { code: 'E_FUNDS', exitCode: 5 });
    }
  });

  test('nothing without a wallet but reading', async () => {
    const [market, reader] = [await newMarket(), await open(null)];
    assert.equal((await reader.provider(market.seller.wallet))?.stake, SOL);
    assert.ok((await reader.balance(market.seller.wallet)) > 0n);
    await assert.rejects(reader.withdraw(1n), { code: 'E_CONFIG' });
    await assert.rejects(reader.balance(), { code: 'E_CONFIG' });
  });
});

describe('the chain', () => {
  test('names itself', async () => {
    const escrow = await open(null);
    assert.equal(escrow.chain, chain.chain);
    assert.equal(`solana:${addressText(escrow.genesis).slice(0, 32)}`, chain.chain);
    assert.equal(await escrow.now(), Math.floor(now / 1_000) * 1_000);
  });

  test('without the program, or not there', async () => {
    await assert.rejects(openEscrow({ rpcUrl: chain.rpcUrl, program: newNode().publicKey }), { code: 'E_CONFIG' });
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
      const { fee } = await escrow.register({ node: newNode(), stake: SOL });
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
    await seller.register({ node: newNode(), stake: SOL });
    const line = await openRpcLine(chain.rpcUrl, fate);
    const wallet = newNode();
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
    const wallet = newNode();
    await (await open(wallet)).airdrop(SOL);
    const line = await openRpcLine(chain.rpcUrl, (method) => (method === 'sendTransaction' ? 'lose-request' : 'pass'));
    const flaky = await open(wallet, { rpcUrl: line.url, timeoutMs: 4_000 });
    await assert.rejects(flaky.register({ node: newNode(), stake: SOL / 2n }), {
      code: 'E_CHAIN',
      message: /transaction \w{80,90} may still be executed/,
    });
    await line.close();
  });

  test('a chain that restarts meanwhile', async () => {
    const home = join(dir, 'restarted');
    const first = await startQuietChain(home);
    const wallet = newNode();
    const escrow = await openEscrow({ rpcUrl: first.rpcUrl, wallet, pollMs: 20 });
    await escrow.airdrop(5n * SOL);
    await first.stop();
    const registering = escrow.register({ node: newNode(), stake: SOL });
    const second = await startLocalnet({ dir: home, port: Number(new URL(first.rpcUrl).port) });
    await registering;
    assert.equal((await escrow.provider(wallet.publicKey))?.stake, SOL);
    await second.stop();
  });
});

test('addresses are read as they are written, and nothing else is', () => {
  const address = newNode().publicKey;
  assert.deepEqual(parseAddress(addressText(address)), address);
  for (const text of ['', '0OIl', '1111', `${addressText(address)}1`, '1'.repeat(3_000)])
    assert.throws(() => parseAddress(text), { code: 'E_USAGE' });
});
