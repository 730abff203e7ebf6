import assert from 'node:assert/strict';
import { beforeEach, describe, test } from 'node:test';
import { SystemProgram } from '@solana/web3.js';
import { verifySignatures } from '../../src/escrow/program/ed25519.ts';
import {
  type Delivery,
  delivered,
  incinerator,
  MIN_STAKE,
  newNode,
  refused,
  SIGNATURE_FEE,
  SOL,
  signedCancel,
  type TestJob,
  World,
} from './world.ts';

const jobBytes = 347;
/** ceil((23 × 1500 + 38 × 4001) / 1000) */
const price = 187n;

let world: World;
beforeEach(() => {
  world = new World();
});

const clientBalance = (job: TestJob) => world.balance(job.buyer.wallet.publicKey);
const payeeBalance = (job: TestJob) => world.balance(job.seller.authority.publicKey);
const record = (job: TestJob) => {
  const provider = world.readProvider(job.seller.authority.publicKey);
  return {
    stake: BigInt(provider.stake.toString()),
    locked: BigInt(provider.lockedStake.toString()),
    completed: Number(provider.jobsCompleted),
    refunded: provider.jobsRefunded,
    rejected: provider.jobsRejected,
    slashed: provider.jobsSlashed,
  };
};

// Each runs with a stranger as fee payer where anyone may call, so that balances of the parties show the effect alone.
const submit = async (job: TestJob, delivery?: Delivery) =>
  world.send([await world.submit(job, delivery)], [job.seller.authority]);
const confirm = async (job: TestJob) => world.send([await world.confirm(job)], [world.wallet(), job.buyer.wallet]);
const reject = async (job: TestJob) => world.send([await world.reject(job)], [world.wallet(), job.buyer.wallet]);
const claim = async (job: TestJob) => world.send([await world.claim(job)], [world.wallet()]);
const refund = async (job: TestJob) => world.send([await world.refund(job)], [world.wallet()]);
const decline = async (job: TestJob) => world.send([await world.decline(job)], [world.wallet(), job.seller.authority]);

describe('job_create', () => {
  test('locks the amount beside the rent and keeps the terms', async () => {
    const [buyer, seller] = [world.newBuyer(), await world.newSeller()];
    const before = world.balance(buyer.wallet.publicKey);
    const terms = world.terms(buyer, seller);
    const sent = world.send(
      [await world.create(buyer.wallet.publicKey, seller.authority.publicKey, terms)],
      [buyer.wallet],
    );
    const address = world.jobAddress(buyer.wallet.publicKey, terms.jobId);
    const job = world.readJob(address);
    assert.ok(job !== null);
    assert.deepEqual(job.status, { open: {} });
    assert.deepEqual(
      [job.jobId, job.peer, job.clientPeer, job.seed].map((bytes) => Buffer.from(bytes).toString('hex')),
      [terms.jobId, terms.peer, terms.clientPeer, terms.seed].map((bytes) => Buffer.from(bytes).toString('hex')),
    );
    assert.ok(job.client.equals(buyer.wallet.publicKey) && job.provider.equals(seller.authority.publicKey));
    assert.deepEqual([job.priceIn, job.priceOut, job.amount, job.stakeAtRisk].map(String), [
      '1500',
      '4001',
      '1000000',
      '10000000',
    ]);
    assert.deepEqual(job.sampler, terms.sampler);
    assert.equal(job.maxTokens, 64);
    assert.equal(job.createdAt.toString(), world.now.toString());
    assert.deepEqual(
      [job.submittedAt.toString(), job.promptCount, job.tokenCount, job.paidCount, job.finish],
      ['0', 0, 0, 0, 255],
    );
    assert.equal(world.balance(address), world.rent(jobBytes) + terms.amount);
    assert.equal(world.balance(buyer.wallet.publicKey), before - world.rent(jobBytes) - terms.amount - SIGNATURE_FEE);
    assert.deepEqual(
      sent.events.map(({ name }) => name),
      ['jobCreated'],
    );
  });

  test('amounts 0, 1 and 2^64 − 1', async () => {
    await refused(() => world.openJob({ amount: 0n }), 'AmountZero');
    await refused(() => world.openJob({ amount: 2n ** 64n - 1n }), 'MathOverflow');
    await refused(() => world.openJob({ amount: 2n ** 64n / 10n }), 'StakeTooLow');
    const job = await world.openJob({ amount: 1n });
    assert.equal(world.readJob(job.address)?.stakeAtRisk.toString(), '10');
  });

  test('prices of 2^64 − 1 pay the amount and no more', async () => {
    const job = await world.submittedJob(
      { ...delivered, promptCount: 2 ** 32 - 1 },
      { priceIn: 2n ** 64n - 1n, priceOut: 2n ** 64n - 1n },
    );
    const before = payeeBalance(job);
    await confirm(job);
    assert.equal(payeeBalance(job), before + job.terms.amount);
  });

  test('an amount whose tenfold is not in the free stake', async () => {
    const seller = await world.newSeller(MIN_STAKE);
    await refused(() => world.openJob({ amount: MIN_STAKE / 10n + 1n }, { seller }), 'StakeTooLow');
    const job = await world.submittedJob(undefined, { amount: MIN_STAKE / 20n }, { seller });
    await refused(() => world.openJob({ amount: MIN_STAKE / 20n + 1n }, { seller }), 'StakeTooLow');
    await confirm(job);
    await world.openJob({ amount: MIN_STAKE / 10n }, { seller });
  });

  test('more than the client has', async () => {
    const [seller, buyer] = [await world.newSeller(), { wallet: world.wallet(SOL / 10n), node: newNode() }];
    await refused(() => world.openJob({ amount: SOL / 10n }, { seller, buyer }), /insufficient lamports/);
  });

  test("a node that is not the provider's", async () => {
    await refused(() => world.openJob({ peer: newNode().publicKey }), 'PeerMismatch');
  });

  test('sampler settings out of range', async () => {
    const good = { temperature: 200, minP: 100, topK: 20, vocab: 1 };
    await world.openJob({ sampler: good });
    for (const bad of [{ temperature: 201 }, { minP: 101 }, { topK: 0 }, { topK: 21 }, { vocab: 0 }]) {
      await refused(() => world.openJob({ sampler: { ...good, ...bad } }), 'InvalidSampler');
    }
    await refused(() => world.openJob({ maxTokens: 0 }), 'InvalidSampler');
    await refused(() => world.openJob({ maxTokens: 2 ** 20 + 1 }), 'TooManyTokens');
    await world.openJob({ maxTokens: 2 ** 20 });
  });

  test('the same job twice', async () => {
    const { terms, buyer, seller } = await world.openJob();
    await refused(() => world.openJob(terms, { buyer, seller }), /already in use/);
  });

  test('an address that a stranger has put lamports on; they go to the client in the end', async () => {
    const [buyer, seller, stranger] = [world.newBuyer(), await world.newSeller(), world.wallet()];
    const terms = world.terms(buyer, seller);
    const address = world.jobAddress(buyer.wallet.publicKey, terms.jobId);
    world.send(
      [SystemProgram.transfer({ fromPubkey: stranger.publicKey, toPubkey: address, lamports: SOL })],
      [stranger],
    );
    const before = world.balance(buyer.wallet.publicKey);
    const job = await world.openJob(terms, { buyer, seller });
    world.now += 600n;
    await refund(job);
    assert.equal(clientBalance(job), before + SOL - SIGNATURE_FEE);
  });
});

test('an address that a stranger has put less lamports on than its rent', async () => {
  // The least that an account without data may hold.
  const little = world.rent(0);
  for (const gift of [little, world.rent(jobBytes) - 1n, world.rent(jobBytes), world.rent(jobBytes) + 1n]) {
    const [buyer, seller, stranger] = [world.newBuyer(), await world.newSeller(), world.wallet()];
    const terms = world.terms(buyer, seller);
    const address = world.jobAddress(buyer.wallet.publicKey, terms.jobId);
    world.send(
      [SystemProgram.transfer({ fromPubkey: stranger.publicKey, toPubkey: address, lamports: gift })],
      [stranger],
    );
    const job = await world.openJob(terms, { buyer, seller });
    const least = gift > world.rent(jobBytes) ? gift : world.rent(jobBytes);
    assert.equal(world.balance(address), least + terms.amount);
    await submit(job);
    const [client, payee] = [clientBalance(job), payeeBalance(job)];
    await confirm(job);
    assert.deepEqual(
      [clientBalance(job) - client, payeeBalance(job) - payee],
      [least + terms.amount - price, price],
      'the gift is the client’s, never the provider’s',
    );
  }
});

describe('job_decline', () => {
  test('gives everything back at once', async () => {
    const buyer = world.newBuyer();
    const before = world.balance(buyer.wallet.publicKey);
    const job = await world.openJob({}, { buyer });
    const sent = await decline(job);
    assert.equal(clientBalance(job), before - SIGNATURE_FEE);
    assert.equal(world.readJob(job.address), null);
    assert.deepEqual(
      sent.events.map(({ name }) => name),
      ['jobDeclined'],
    );
  });

  test('a submitted job', async () => {
    const job = await world.submittedJob();
    await refused(() => decline(job), 'InvalidStatus');
  });
});

describe('job_submit', () => {
  test('stores what was delivered and locks the stake', async () => {
    const job = await world.openJob();
    const sent = await submit(job);
    const account = world.readJob(job.address);
    assert.deepEqual(account?.status, { submitted: {} });
    assert.deepEqual([account?.root, account?.textDigest], [[...delivered.root], [...delivered.textDigest]]);
    assert.deepEqual([account?.promptCount, account?.tokenCount, account?.paidCount, account?.finish], [23, 38, 38, 0]);
    assert.equal(account?.submittedAt.toString(), world.now.toString());
    assert.equal(record(job).locked, 10n * job.terms.amount);
    assert.deepEqual(
      sent.events.map(({ name }) => name),
      ['jobSubmitted'],
    );
  });

  test('at 599 s, not at 600 s', async () => {
    const [inTime, late] = [await world.openJob(), await world.openJob()];
    world.now += 599n;
    await submit(inTime);
    world.now += 1n;
    await refused(() => submit(late), 'DeadlinePassed');
  });

  test('twice', async () => {
    const job = await world.submittedJob();
    await refused(() => submit(job), 'InvalidStatus');
  });

  test('too many tokens', async () => {
    const job = await world.openJob();
    await refused(() => submit(job, { ...delivered, tokenCount: 65 }), 'TooManyTokens');
    await refused(() => submit(job, { ...delivered, tokenCount: 2 ** 32 - 1 }), 'TooManyTokens');
  });

  test('an ending that does not fit the number of tokens', async () => {
    const job = await world.openJob();
    for (const [finish, tokenCount] of [
      [255, 38],
      [3, 38],
      [1, 63],
      [0, 0],
    ] as const) {
      await refused(() => submit(job, { ...delivered, finish, tokenCount }), 'InvalidFinish');
    }
    await submit(job, { ...delivered, finish: 1, tokenCount: 64 });
  });

  test('without enough free stake, and again when another job has freed some', async () => {
    const seller = await world.newSeller(MIN_STAKE);
    const amount = MIN_STAKE / 10n;
    const [first, second] = [await world.openJob({ amount }, { seller }), await world.openJob({ amount }, { seller })];
    await submit(first);
    await refused(() => submit(second), 'StakeTooLow');
    await confirm(first);
    await submit(second);
  });

  test('without the stake that was there when the job was created', async () => {
    const seller = await world.newSeller(MIN_STAKE + SOL);
    const { authority } = seller;
    world.send([await world.requestUnstake(authority.publicKey, SOL)], [authority]);
    world.now += 3_300n;
    const job = await world.openJob({ amount: SOL / 10n }, { seller });
    world.now += 300n;
    world.send([await world.withdraw(authority.publicKey)], [authority]);
    await refused(() => submit(job), 'StakeTooLow');
    world.send([await world.addStake(authority.publicKey, authority.publicKey, SOL)], [authority]);
    await submit(job);
  });

  test('a submit for a job that was settled does not land on another under the same id', async () => {
    const job = await world.openJob();
    const late = await world.submit(job);
    world.now += 600n;
    await refund(job);
    await world.openJob({ ...job.terms, seed: new Uint8Array(32) }, job);
    await refused(async () => world.send([late], [job.seller.authority]), 'JobReplaced');
    await submit(job);
  });
});

describe('a cancelled answer', () => {
  const cancelled: Delivery = { ...delivered, tokenCount: 60, finish: 2, cancelN: 10 };
  const submitCancelled = async (job: TestJob, n = 10, delivery = cancelled) =>
    world.send(
      [verifySignatures([signedCancel(job.buyer.node, job.terms.jobId, n)]), await world.submit(job, delivery)],
      [job.seller.authority],
    );

  test('pays what the client had and at most 32 tokens more', async () => {
    const job = await world.openJob();
    await submitCancelled(job);
    assert.equal(world.readJob(job.address)?.paidCount, 42);
    const before = payeeBalance(job);
    await confirm(job);
    assert.equal(payeeBalance(job), before + (23n * 1500n + 42n * 4001n + 999n) / 1000n);
  });

  test('before the first token, and with fewer tokens than the grace', async () => {
    const [nothing, few] = [await world.openJob(), await world.openJob()];
    await submitCancelled(nothing, 0, { ...cancelled, tokenCount: 0, cancelN: 0 });
    await submitCancelled(few, 10, { ...cancelled, tokenCount: 12 });
    assert.deepEqual(
      [nothing, few].map((job) => world.readJob(job.address)?.paidCount),
      [0, 12],
    );
  });

  test('without a cancel, or with one and another ending', async () => {
    const job = await world.openJob();
    await refused(() => submit(job, { ...cancelled, cancelN: null }), 'CancelMismatch');
    await refused(() => submitCancelled(job, 10, { ...delivered, cancelN: 10 }), 'CancelMismatch');
    await refused(() => submit(job, cancelled), 'MissingEd25519Instruction');
  });

  test('a cancel for more tokens than there are, or another number than was signed', async () => {
    const job = await world.openJob();
    await refused(() => submitCancelled(job, 61, { ...cancelled, cancelN: 61 }), 'CancelMismatch');
    await refused(() => submitCancelled(job, 10, { ...cancelled, cancelN: 40 }), 'MessageMismatch');
  });

  test("a cancel of another job, or signed by another than the offer's client", async () => {
    const [job, other] = [await world.openJob(), await world.openJob()];
    const send = async (signature: ReturnType<typeof signedCancel>) =>
      world.send([verifySignatures([signature]), await world.submit(job, cancelled)], [job.seller.authority]);
    await refused(() => send(signedCancel(job.buyer.node, other.terms.jobId, 10)), 'MessageMismatch');
    await refused(() => send(signedCancel(job.seller.node, job.terms.jobId, 10)), 'SignerMismatch');
  });
});

describe('job_confirm', () => {
  test('pays the answer, gives back the rest and the rent, frees the stake', async () => {
    const job = await world.submittedJob();
    const [client, payee] = [clientBalance(job), payeeBalance(job)];
    const sent = await confirm(job);
    assert.equal(payeeBalance(job), payee + price);
    assert.equal(clientBalance(job), client + job.terms.amount - price + world.rent(jobBytes));
    assert.deepEqual(record(job), { stake: 10n * SOL, locked: 0n, completed: 1, refunded: 0, rejected: 0, slashed: 0 });
    assert.equal(world.readJob(job.address), null);
    assert.deepEqual(
      sent.events.map(({ name, data }) => [name, String(data.paid), String(data.refunded)]),
      [['jobConfirmed', '187', '999813']],
    );
  });

  test('before the submit, and twice', async () => {
    const open = await world.openJob();
    await refused(() => confirm(open), 'InvalidStatus');
    const job = await world.submittedJob();
    await confirm(job);
    await refused(() => confirm(job), 'AccountNotInitialized');
  });

  test('after the window too, as long as nobody claimed', async () => {
    const job = await world.submittedJob();
    world.now += 3_000n;
    await confirm(job);
  });

  test('pays a provider whose wallet is empty into its stake, so that the client gets its rest', async () => {
    const job = await world.submittedJob();
    const { authority } = job.seller;
    const everything = payeeBalance(job) - SIGNATURE_FEE;
    world.send(
      [SystemProgram.transfer({ fromPubkey: authority.publicKey, toPubkey: incinerator, lamports: everything })],
      [authority],
    );
    assert.equal(payeeBalance(job), 0n);
    const client = clientBalance(job);
    await confirm(job);
    assert.equal(payeeBalance(job), 0n);
    assert.equal(record(job).stake, 10n * SOL + price);
    assert.equal(clientBalance(job), client + job.terms.amount - price + world.rent(jobBytes));
  });

  test('an answer of nothing pays nothing', async () => {
    const job = await world.openJob();
    world.send(
      [
        verifySignatures([signedCancel(job.buyer.node, job.terms.jobId, 0)]),
        await world.submit(job, { ...delivered, promptCount: 0, tokenCount: 0, finish: 2, cancelN: 0 }),
      ],
      [job.seller.authority],
    );
    const payee = payeeBalance(job);
    await confirm(job);
    assert.equal(payeeBalance(job), payee);
  });
});

describe('job_reject', () => {
  test('burns the payment; it costs the client what confirming does', async () => {
    const [job, same] = [await world.submittedJob(), await world.submittedJob()];
    const costs = async (settled: TestJob, how: (job: TestJob) => Promise<unknown>) => {
      const before = clientBalance(settled);
      await how(settled);
      return clientBalance(settled) - before;
    };
    const [payee, burnt] = [payeeBalance(job), world.balance(incinerator)];
    assert.equal(await costs(job, reject), await costs(same, confirm));
    assert.equal(payeeBalance(job), payee);
    assert.equal(world.balance(incinerator), burnt + price);
    assert.deepEqual(record(job), { stake: 10n * SOL, locked: 0n, completed: 0, refunded: 0, rejected: 1, slashed: 0 });
  });

  test('at 299 s, not at 300 s', async () => {
    const [inTime, late] = [await world.submittedJob(), await world.submittedJob()];
    world.now += 299n;
    const sent = await reject(inTime);
    assert.deepEqual(
      sent.events.map(({ name }) => name),
      ['jobRejected'],
    );
    world.now += 1n;
    await refused(() => reject(late), 'ConfirmWindowClosed');
  });

  test('before the submit, and twice', async () => {
    const open = await world.openJob();
    await refused(() => reject(open), 'InvalidStatus');
    const job = await world.submittedJob();
    await reject(job);
    await refused(() => reject(job), 'AccountNotInitialized');
  });
});

describe('job_claim', () => {
  test('at 300 s, not at 299 s, by anyone: who falls silent still pays', async () => {
    const job = await world.submittedJob();
    const [client, payee] = [clientBalance(job), payeeBalance(job)];
    world.now += 299n;
    await refused(() => claim(job), 'ConfirmWindowOpen');
    world.now += 1n;
    const sent = await claim(job);
    assert.equal(payeeBalance(job), payee + price);
    assert.equal(clientBalance(job), client + job.terms.amount - price + world.rent(jobBytes));
    assert.equal(record(job).completed, 1);
    assert.deepEqual(
      sent.events.map(({ name }) => name),
      ['jobClaimed'],
    );
  });

  test('before the submit, and twice', async () => {
    const job = await world.openJob();
    world.now += 599n;
    await refused(() => claim(job), 'InvalidStatus');
    await submit(job);
    world.now += 300n;
    await claim(job);
    await refused(() => claim(job), 'AccountNotInitialized');
  });

  test('pays although the client gave its wallet to a program', async () => {
    const job = await world.submittedJob();
    const wallet = job.buyer.wallet;
    world.send(
      [SystemProgram.assign({ accountPubkey: wallet.publicKey, programId: incinerator })],
      [world.wallet(), wallet],
    );
    world.now += 300n;
    const payee = payeeBalance(job);
    await claim(job);
    assert.equal(payeeBalance(job), payee + price);
  });

  test('pays although the client emptied its wallet', async () => {
    const job = await world.submittedJob();
    const wallet = job.buyer.wallet;
    world.send(
      [SystemProgram.transfer({ fromPubkey: wallet.publicKey, toPubkey: incinerator, lamports: clientBalance(job) })],
      [world.wallet(), wallet],
    );
    world.now += 300n;
    await claim(job);
    assert.equal(clientBalance(job), job.terms.amount - price + world.rent(jobBytes));
  });

  test('confirm and claim in one block: the second finds nothing, in either order', async () => {
    const [one, two] = [await world.submittedJob(), await world.submittedJob()];
    world.now += 300n;
    const payee = payeeBalance(one);
    await confirm(one);
    await refused(() => claim(one), 'AccountNotInitialized');
    assert.equal(payeeBalance(one), payee + price);
    await claim(two);
    await refused(() => confirm(two), 'AccountNotInitialized');
  });

  test('confirm and claim in one transaction', async () => {
    const job = await world.submittedJob();
    world.now += 300n;
    const [confirmIt, claimIt] = [await world.confirm(job), await world.claim(job)];
    const payee = payeeBalance(job);
    await refused(async () => world.send([confirmIt, claimIt], [job.buyer.wallet]), 'AccountNotInitialized');
    assert.equal(payeeBalance(job), payee);
  });
});

describe('job_refund', () => {
  test('at 600 s, not at 599 s, by anyone', async () => {
    const buyer = world.newBuyer();
    const before = world.balance(buyer.wallet.publicKey);
    const job = await world.openJob({}, { buyer });
    world.now += 599n;
    await refused(() => refund(job), 'TimeoutNotReached');
    world.now += 1n;
    const sent = await refund(job);
    assert.equal(clientBalance(job), before - SIGNATURE_FEE);
    assert.deepEqual(record(job), { stake: 10n * SOL, locked: 0n, completed: 0, refunded: 1, rejected: 0, slashed: 0 });
    assert.deepEqual(
      sent.events.map(({ name }) => name),
      ['jobRefunded'],
    );
  });

  test('after a submit, however late, and twice', async () => {
    const [submitted, open] = [await world.submittedJob(), await world.openJob()];
    world.now += 100_000n;
    await refused(() => refund(submitted), 'InvalidStatus');
    await refund(open);
    await refused(() => refund(open), 'AccountNotInitialized');
  });

  test('a provider that asks its stake back does not hold it up', async () => {
    const job = await world.openJob();
    const { authority } = job.seller;
    world.send([await world.requestUnstake(authority.publicKey, 10n * SOL)], [authority]);
    world.now += 3_600n;
    world.send([await world.withdraw(authority.publicKey)], [authority]);
    await refund(job);
  });
});
