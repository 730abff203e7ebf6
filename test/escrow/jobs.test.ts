import assert from 'node:assert/strict';
import { beforeEach, describe, test } from 'node:test';
import { PublicKey, SystemProgram } from '@solana/web3.js';
import { jobAddress } from '../../src/escrow/addresses.ts';
import { escrowRules } from '../../src/escrow/constants.ts';
import { encodeOffer } from './layouts.ts';
import {
  digest,
  incinerator,
  jobIdOf,
  MIN_STAKE,
  newNode,
  programBytes,
  programId,
  refused,
  SIGNATURE_FEE,
  SOL,
  type Submission,
  type TestJob,
  World,
} from './world.ts';

const jobBytes = escrowRules.jobAccountBytes;
/** 777 + ceil((23 × 1500 + 38 × 4001) / 1000) */
const price = 964n;
const amount = 1_068n;
const max = 2n ** 64n - 1n;
const bpfLoader = 'BPFLoader2111111111111111111111111111111111';

let world: World;
beforeEach(() => {
  world = new World();
});

const names = ({ events }: { readonly events: readonly { readonly name: string }[] }) => events.map(({ name }) => name);
const clientHolds = (job: TestJob) => world.balance(job.buyer.wallet.publicKey);
const providerHolds = (job: TestJob) => world.balance(world.providerAddress(job.seller));
const record = (job: TestJob) => {
  const { stake, lockedStake, jobsCompleted, earned, jobsRejected, rejected, jobsSlashed } = world.provider(job.seller);
  return { stake, lockedStake, jobsCompleted, earned, jobsRejected, rejected, jobsSlashed };
};
const fresh = {
  stake: 10n * SOL,
  lockedStake: 0n,
  jobsCompleted: 0n,
  earned: 0n,
  jobsRejected: 0,
  rejected: 0n,
  jobsSlashed: 0,
};

// A stranger pays the fees, so that balances of the parties show the effect alone.
const confirm = (job: TestJob) => world.sendAs([job.buyer.wallet], world.by(job.buyer.wallet).confirmJob(job.key));
const reject = (job: TestJob) =>
  world.sendAs([job.buyer.wallet], world.by(job.buyer.wallet).rejectJob(job.key, digest('verdict')));
const decline = (job: TestJob) =>
  world.sendAs([job.seller.authority], world.by(job.seller.authority).refundJob(job.key));
function asAnyone(does: 'confirmJob' | 'refundJob', job: TestJob) {
  const stranger = world.wallet();
  return world.send(world.by(stranger)[does](job.key), [stranger]);
}

describe('job_create', () => {
  test('locks the amount beside the rent and keeps what the offer says', async () => {
    const [buyer, seller] = [world.newBuyer(), await world.newSeller()];
    const before = world.balance(buyer.wallet.publicKey);
    const job = await world.openJob({ start: 7, grace: 64, topP: 90, minP: 5, mode: 2 }, { buyer, seller });
    assert.deepEqual(
      { ...world.job(job), address: null },
      {
        address: null,
        client: buyer.wallet.publicKey.toBytes(),
        provider: seller.authority.publicKey.toBytes(),
        amount,
        createdAt: Number(world.now) * 1_000,
        refundAt: Number(world.now + 600n) * 1_000,
        submitted: null,
        jobId: job.jobId,
        peer: seller.node.publicKey,
        clientPeer: buyer.node.publicKey,
        priceJob: 777n,
        priceIn: 1_500n,
        priceOut: 4_001n,
        grace: 64,
        promptTokens: 23,
        maxTokens: 64,
        seed: digest('seed'),
        sampler: { temperature: 70, minP: 5, topP: 90, topK: 20, vocab: 300 },
        start: 7,
        mode: 2,
        plain: true,
      },
    );
    assert.equal(world.balance(job.key.address), world.rent(jobBytes) + amount);
    assert.equal(world.balance(buyer.wallet.publicKey), before - world.rent(jobBytes) - amount - SIGNATURE_FEE);
    assert.deepEqual(record(job), fresh, 'nothing of the stake is locked yet');
  });

  test('keeps that an offer with settings is not plain', async () => {
    const job = await world.openJob({ extraDigest: digest('extra') });
    assert.equal(world.job(job)?.plain, false);
  });

  test('refuses an amount that is one lamport off, none, or too large to count', async () => {
    for (const off of [amount - 1n, amount + 1n, max])
      await refused(() => world.openJob({ amount: off }), 'AmountMismatch');
    await refused(() => world.openJob({ amount: 0n }), 'AmountZero');
    const free = { priceJob: 0n, priceIn: 0n, priceOut: 0n };
    await refused(() => world.openJob(free), 'AmountZero');
    await refused(() => world.openJob({ ...free, amount: 1n }), 'AmountMismatch');
    await refused(() => world.openJob({ priceOut: max, amount: max }), 'AmountMismatch');
    await refused(() => world.openJob({ ...free, priceJob: max }), 'MathOverflow');
    await refused(() => world.openJob({ ...free, priceJob: max / 10n }), 'StakeTooLow');
  });

  test('a score job is priced as prompt tokens, not as an answer', async () => {
    const score = { mode: 4, topK: 40 };
    const asScore = 777n + (87n * 1_500n + 999n) / 1_000n;
    const job = await world.openJob({ ...score, priceOut: max });
    assert.equal(job.key.amount, asScore);
    await refused(() => world.openJob({ ...score, amount }), 'AmountMismatch');
    await refused(() => world.openJob({ amount: asScore }), 'AmountMismatch');
  });

  test('takes an offer for this payer and this kind of payment alone', async () => {
    for (const changes of [{ pay: 2 }, { account: newNode().publicKey }])
      await refused(() => world.openJob(changes), 'OfferMismatch');
    await refused(() => world.openJob({ pay: 0, account: new Uint8Array(32) }), 'OfferMismatch');
  });

  test('refuses the offer of another wallet', async () => {
    const [buyer, seller] = [world.newBuyer(), await world.newSeller()];
    const offer = encodeOffer(world.offerFields(buyer, seller));
    const thief = world.newBuyer();
    await refused(() => world.createJob(offer, { buyer: thief, seller }), 'OfferMismatch');
    await world.createJob(offer, { buyer, seller });
  });

  test('needs ten times the amount of free stake', async () => {
    const seller = await world.newSeller(MIN_STAKE);
    await refused(() => world.openJob({ priceJob: MIN_STAKE / 10n - 290n }, { seller }), 'StakeTooLow');
    await world.openJob({ priceJob: MIN_STAKE / 10n - 291n }, { seller });
  });

  test('locks nothing of the stake, however many jobs are created', async () => {
    const seller = await world.newSeller(MIN_STAKE);
    const large = { priceJob: MIN_STAKE / 10n - 291n };
    for (let time = 0; time < 3; time++) await world.openJob(large, { seller });
    assert.equal(world.provider(seller).freeStake, MIN_STAKE);
  });

  test('refuses more than the client has', async () => {
    const buyer = { wallet: world.wallet(SOL / 10n), node: newNode() };
    await refused(() => world.openJob({ priceJob: SOL / 10n }, { buyer }), /insufficient lamports/);
  });

  test("refuses a node that the provider's account does not hold", async () => {
    await refused(() => world.openJob({ provider: newNode().publicKey }), 'PeerMismatch');
  });

  test('refuses what is not an offer of version 1', async () => {
    const [buyer, seller] = [world.newBuyer(), await world.newSeller()];
    const good = encodeOffer(world.offerFields(buyer, seller));
    for (const bad of [
      good.subarray(1),
      good.subarray(0, -1),
      new Uint8Array(),
      Uint8Array.of(...good, 0),
      encodeOffer(world.offerFields(buyer, seller, { version: 2 })),
      encodeOffer(world.offerFields(buyer, seller, { temperature: 201 })),
      encodeOffer(world.offerFields(buyer, seller, { topP: 0 })),
      encodeOffer(world.offerFields(buyer, seller, { topK: 21 })),
      encodeOffer(world.offerFields(buyer, seller, { stops: [0, 1, 2, 3, 4, 5, 6, 7, 8] })),
      encodeOffer(world.offerFields(buyer, seller, { maxTokens: 65_537 })),
    ]) {
      await refused(() => world.createJob(bad, { buyer, seller }), 'MalformedOffer');
    }
    await world.createJob(good, { buyer, seller });
    await world.openJob({ maxTokens: 65_536 });
  });

  test('until the offer expires', async () => {
    const [buyer, seller] = [world.newBuyer(), await world.newSeller()];
    const [inTime, late] = [0, 1].map(() => encodeOffer(world.offerFields(buyer, seller))) as [Uint8Array, Uint8Array];
    world.now += 59n;
    await world.createJob(inTime, { buyer, seller });
    world.now += 1n;
    await refused(() => world.createJob(late, { buyer, seller }), 'OfferExpired');
  });

  test('for a delivery within a minute to a day', async () => {
    for (const deliverWithin of [0, 59, 86_401, 2 ** 32 - 1])
      await refused(() => world.openJob({ deliverWithin }), 'InvalidDeliverWithin');
    for (const deliverWithin of [60, 86_400]) await world.openJob({ deliverWithin });
  });

  test('refuses the same job twice', async () => {
    const job = await world.openJob();
    await refused(() => world.createJob(job.offer, job), /already in use/);
    await world.submit(job);
    await refused(() => world.createJob(job.offer, job), /already in use/);
  });

  test('the same offer after a refund makes a new job, until the offer expires', async () => {
    const job = await world.openJob();
    world.now += 10n;
    await decline(job);
    const again = await world.createJob(job.offer, job);
    assert.deepEqual([again.key.createdAt, again.key.submitted], [job.key.createdAt + 10_000, null]);
    await decline(again);
    world.now += 50n;
    await refused(() => world.createJob(job.offer, job), 'OfferExpired');
  });

  test('an address on which a stranger put lamports: they go to the client in the end, never to the provider', async () => {
    const rent = world.rent(jobBytes);
    // The least that an account without data may hold.
    for (const gift of [world.rent(0), rent - 1n, rent, rent + 1n, SOL]) {
      const [buyer, seller, stranger] = [world.newBuyer(), await world.newSeller(), world.wallet()];
      const offer = encodeOffer(world.offerFields(buyer, seller));
      const address = jobAddress(programId.toBytes(), buyer.wallet.publicKey.toBytes(), jobIdOf(offer));
      const give = { fromPubkey: stranger.publicKey, toPubkey: new PublicKey(address), lamports: gift };
      await world.send(SystemProgram.transfer(give), [stranger]);
      const job = await world.createJob(offer, { buyer, seller });
      const least = gift > rent ? gift : rent;
      assert.equal(world.balance(address), least + amount);
      await world.submit(job);
      const [client, provider] = [clientHolds(job), providerHolds(job)];
      await confirm(job);
      assert.deepEqual([clientHolds(job) - client, providerHolds(job) - provider], [least + amount - price, price]);
    }
  });
});

describe('job_submit', () => {
  test('stores what was delivered and locks ten times the payout', async () => {
    const job = await world.openJob();
    const sent = await world.submit(job);
    assert.deepEqual(world.job(job)?.submitted, {
      at: Number(world.now) * 1_000,
      releaseAt: Number(world.now + 300n) * 1_000,
      promptCount: 23,
      tokenCount: 38,
      paidCount: 38,
      root: digest('root'),
      textDigest: digest('text'),
      finish: 0,
      challenge: null,
      payout: price,
      stakeAtRisk: 10n * price,
    });
    assert.equal(record(job).lockedStake, 10n * price);
    assert.deepEqual(names(sent), ['jobSubmitted']);
  });

  test('until the time for the delivery is over', async () => {
    for (const deliverWithin of [60, 600]) {
      const [inTime, late] = [await world.openJob({ deliverWithin }), await world.openJob({ deliverWithin })];
      world.now += BigInt(deliverWithin) - 1n;
      await world.submit(inTime);
      world.now += 1n;
      await refused(() => world.submit(late), 'DeadlinePassed');
    }
  });

  test('gives the client as long to check as the answer took, 5 minutes to a day', async () => {
    for (const [took, window] of [
      [0n, 300n],
      [300n, 300n],
      [301n, 301n],
      [86_399n, 86_399n],
    ] as const) {
      const job = await world.openJob({ deliverWithin: 86_400 });
      world.now += took;
      await world.submit(job);
      assert.equal(world.job(job)?.submitted?.releaseAt, Number(world.now + window) * 1_000);
    }
  });

  test('refuses a second submission, also of the same', async () => {
    const job = await world.submittedJob();
    await refused(() => world.submit(job), 'InvalidStatus');
  });

  test('refuses more tokens than the offer covers, in answer and prompt', async () => {
    const job = await world.openJob();
    for (const n of [65, 2 ** 32 - 1]) await refused(() => world.submit(job, { head: { n } }), 'TooManyTokens');
    for (const promptCount of [24, 2 ** 32 - 1])
      await refused(() => world.submit(job, { head: { promptCount } }), 'PromptTooLong');
    await world.submit(job, { head: { n: 64, promptCount: 22, finish: 1 } });
  });

  test('refuses heads that are not final, malformed, or of another job', async () => {
    const [job, other] = [await world.openJob(), await world.openJob()];
    await refused(() => world.submit(job, { head: { finish: 255 } }), 'InvalidFinish');
    await refused(() => world.submit(job, { head: { finish: 6 } }), 'MalformedHead');
    await refused(() => world.submit(job, { head: { version: 2 } }), 'MalformedHead');
    await refused(() => world.submit(job, { head: { jobId: other.jobId } }), 'HeadMismatch');
  });

  test('with each ending: 2 only where the client signed a stop, 4 in score jobs and only there', async () => {
    const open = () => world.openJob();
    for (const finish of [0, 1, 3, 5]) await world.submit(await open(), { head: { finish } });
    await refused(async () => world.submit(await open(), { head: { finish: 2 } }), 'InvalidFinish');
    await refused(async () => world.submit(await open(), { head: { finish: 4 } }), 'InvalidFinish');
    await world.submit(await open(), { head: { finish: 2 }, ack: { stop: 1, n: 30 } });
    // A stop that crossed the end of the answer on its way.
    await world.submit(await open(), { head: { finish: 0 }, ack: { stop: 1, n: 30 } });
    const score = () => world.openJob({ mode: 4, topK: 40 });
    await refused(async () => world.submit(await score()), 'InvalidFinish');
    const scored = await score();
    await world.submit(scored, { head: { finish: 4, n: 64 } });
    assert.equal(world.job(scored)?.submitted?.payout, 777n + (87n * 1_500n + 999n) / 1_000n);
  });

  test('locks on the payout, not on the amount: tried again when enough is free', async () => {
    const seller = await world.newSeller(MIN_STAKE);
    const large = { priceJob: MIN_STAKE / 10n - 291n };
    const [first, second] = [await world.openJob(large, { seller }), await world.openJob(large, { seller })];
    await world.submit(first);
    await refused(() => world.submit(second), 'StakeTooLow');
    await confirm(first);
    await world.submit(second);
  });

  test('without the stake that was there when the job was created', async () => {
    const job = await world.openJob({ priceJob: SOL / 2n });
    const { authority } = job.seller;
    await world.send(world.by(authority).withdraw(9n * SOL), [authority]);
    await refused(() => world.submit(job), 'StakeTooLow');
    await world.send(world.by(authority).addStake(9n * SOL, authority.publicKey.toBytes()), [authority]);
    await world.submit(job);
  });
});

describe('what is paid', () => {
  async function paid(how: Submission) {
    const job = await world.submittedJob(how);
    const before = providerHolds(job);
    await confirm(job);
    return providerHolds(job) - before;
  }
  const priceOf = (tokens: bigint, prompt = 23n) => 777n + (prompt * 1_500n + tokens * 4_001n + 999n) / 1_000n;

  test('is what the client acknowledged and at most the grace beyond it', async () => {
    for (const [acked, tokens, count] of [
      [1, 60, 33n],
      [10, 60, 42n],
      [28, 60, 60n],
      [60, 60, 60n],
      [10, 12, 12n],
    ] as const) {
      assert.equal(await paid({ head: { n: tokens }, ack: { n: acked } }), priceOf(count), `${acked} of ${tokens}`);
    }
  });

  test('is the job and its prompt where no token was acknowledged: the grace begins with the first', async () => {
    assert.equal(await paid({ head: { n: 60 }, ack: { n: 0 } }), priceOf(0n));
    assert.equal(await paid({ head: { n: 0, promptCount: 0, finish: 3 }, ack: { n: 0 } }), 777n);
  });

  test('is nothing beyond the amount', async () => {
    const job = await world.openJob();
    await refused(() => world.submit(job, { head: { promptCount: 24, n: 64 } }), 'PromptTooLong');
    assert.equal(await paid({ head: { n: 64, finish: 1 } }), amount);
  });
});

describe('an acknowledgement', () => {
  test('of another job, of a channel, or of more tokens than there are', async () => {
    const [job, other] = [await world.openJob(), await world.openJob()];
    await refused(() => world.submit(job, { ack: { jobId: other.jobId } }), 'AckMismatch');
    await refused(() => world.submit(job, { ack: { account: digest('channel') } }), 'AckMismatch');
    await refused(
      () => world.submit(job, { ack: { account: digest('channel'), committed: 9n, released: 8n } }),
      'AckMismatch',
    );
    await refused(() => world.submit(job, { ack: { n: 39 } }), 'AckBeyondAnswer');
  });

  test('that is malformed', async () => {
    const job = await world.openJob();
    for (const ack of [{ version: 2 }, { stop: 3 }, { stop: 2 }, { committed: 1n }, { released: 1n }])
      await refused(() => world.submit(job, { ack }), 'MalformedAck');
  });

  test('of another client, also where both have one provider', async () => {
    const job = await world.openJob();
    const other = world.newBuyer();
    for (const { node } of [other, job.seller]) {
      const buyer = { ...job.buyer, node };
      const stated = { ...job, buyer, key: { ...job.key, clientPeer: node.publicKey } };
      await refused(() => world.submit(stated), 'SignerMismatch');
      // In the client's name the runtime refuses it.
      await refused(() => world.submit({ ...job, buyer }), 'Custom(2)');
    }
  });

  test('that is older than the newest costs the provider, not the client', async () => {
    const job = await world.submittedJob({ head: { n: 60 }, ack: { n: 5 } });
    assert.equal(world.job(job)?.submitted?.paidCount, 37);
    await refused(() => world.submit(job, { head: { n: 60 }, ack: { n: 60 } }), 'InvalidStatus');
  });
});

describe('job_confirm', () => {
  test('pays into the stake of the provider; rest and rent go back', async () => {
    const job = await world.submittedJob();
    const [client, provider, wallet] = [
      clientHolds(job),
      providerHolds(job),
      world.balance(job.seller.authority.publicKey),
    ];
    const sent = await confirm(job);
    assert.equal(clientHolds(job), client + amount - price + world.rent(jobBytes));
    assert.equal(providerHolds(job), provider + price);
    assert.equal(world.balance(job.seller.authority.publicKey), wallet);
    assert.deepEqual(record(job), { ...fresh, stake: 10n * SOL + price, jobsCompleted: 1n, earned: price });
    assert.equal(world.job(job), null);
    assert.deepEqual(names(sent), ['jobConfirmed']);
  });

  test("by anyone once the client's time to object is over: silence pays", async () => {
    const job = await world.submittedJob();
    world.now += 299n;
    await refused(() => asAnyone('confirmJob', job), 'CheckWindowOpen');
    const { authority } = job.seller;
    await refused(() => world.send(world.by(authority).confirmJob(job.key), [authority]), 'CheckWindowOpen');
    world.now += 1n;
    await asAnyone('confirmJob', job);
    assert.deepEqual(record(job), { ...fresh, stake: 10n * SOL + price, jobsCompleted: 1n, earned: price });
  });

  test('before the submission, and twice', async () => {
    const job = await world.openJob();
    await refused(() => confirm(job), 'InvalidStatus');
    await world.submit(job);
    await confirm(job);
    await refused(() => confirm(job), 'AccountNotInitialized');
  });

  test('whatever the client did with its wallet: emptied it, gave it to a program, made it one', async () => {
    const empty = async (job: TestJob) => {
      const { wallet } = job.buyer;
      const all = { fromPubkey: wallet.publicKey, toPubkey: incinerator, lamports: clientHolds(job) };
      await world.sendAs([wallet], SystemProgram.transfer(all));
    };
    const assign = async (job: TestJob) => {
      const { wallet } = job.buyer;
      const given = SystemProgram.assign({ accountPubkey: wallet.publicKey, programId: incinerator });
      await world.sendAs([wallet], given);
    };
    const execute = async (job: TestJob) => {
      const account = world.svm.getAccount(job.buyer.wallet.publicKey.toBase58() as never);
      assert.ok(account.exists);
      const program = { executable: true, programAddress: bpfLoader, data: programBytes };
      world.svm.setAccount({
        ...account,
        ...program,
        lamports: 10n * SOL,
        space: BigInt(programBytes.length),
      } as never);
    };
    for (const spoil of [empty, assign, execute]) {
      const job = await world.submittedJob();
      await spoil(job);
      const client = clientHolds(job);
      world.now += 300n;
      await asAnyone('confirmJob', job);
      assert.equal(clientHolds(job), client + amount - price + world.rent(jobBytes), spoil.name);
      assert.equal(record(job).earned, price);
    }
  });

  test('whatever the provider did with its wallet: payouts go to the account, not to the wallet', async () => {
    const job = await world.submittedJob();
    const { authority } = job.seller;
    const all = world.balance(authority.publicKey);
    await world.sendAs(
      [authority],
      SystemProgram.transfer({ fromPubkey: authority.publicKey, toPubkey: incinerator, lamports: all }),
    );
    await confirm(job);
    assert.deepEqual([record(job).stake, world.balance(authority.publicKey)], [10n * SOL + price, 0n]);
  });
});

describe('job_reject', () => {
  test('burns the payout; it costs the client what confirming does', async () => {
    const [job, same] = [await world.submittedJob(), await world.submittedJob()];
    const costs = async (ended: TestJob, how: (job: TestJob) => Promise<unknown>) => {
      const before = clientHolds(ended);
      await how(ended);
      return clientHolds(ended) - before;
    };
    const [provider, burnt] = [providerHolds(job), world.balance(incinerator)];
    assert.equal(await costs(job, reject), await costs(same, confirm));
    assert.equal(providerHolds(job), provider);
    assert.equal(world.balance(incinerator), burnt + price);
    assert.deepEqual(record(job), { ...fresh, jobsRejected: 1, rejected: price });
  });

  test("until the client's time to object is over", async () => {
    const [inTime, late] = [await world.submittedJob(), await world.submittedJob()];
    world.now += 299n;
    assert.deepEqual(names(await reject(inTime)), ['jobRejected']);
    world.now += 1n;
    await refused(() => reject(late), 'CheckWindowClosed');
  });

  test('before the submission, twice, and after the confirmation', async () => {
    const open = await world.openJob();
    await refused(() => reject(open), 'InvalidStatus');
    const [job, confirmed] = [await world.submittedJob(), await world.submittedJob()];
    await reject(job);
    await refused(() => reject(job), 'AccountNotInitialized');
    await confirm(confirmed);
    await refused(() => reject(confirmed), 'AccountNotInitialized');
  });

  test('that burns nothing is not counted', async () => {
    const free = { priceJob: 0n, priceIn: 0n };
    const job = await world.submittedJob({ head: { n: 0, finish: 3 } }, free);
    await reject(job);
    assert.deepEqual(record(job), fresh);
  });
});

describe('job_refund', () => {
  test('as the provider at once', async () => {
    const buyer = world.newBuyer();
    const before = world.balance(buyer.wallet.publicKey);
    const job = await world.openJob({}, { buyer });
    const sent = await decline(job);
    assert.equal(clientHolds(job), before - SIGNATURE_FEE);
    assert.equal(world.job(job), null);
    assert.deepEqual(names(sent), ['jobRefunded']);
  });

  test('as anyone once the time for the delivery is over, not a second before, also as the client', async () => {
    const job = await world.openJob({ deliverWithin: 60 });
    world.now += 59n;
    await refused(() => asAnyone('refundJob', job), 'DeliveryPending');
    const { wallet } = job.buyer;
    await refused(() => world.send(world.by(wallet).refundJob(job.key), [wallet]), 'DeliveryPending');
    world.now += 1n;
    await asAnyone('refundJob', job);
    assert.equal(world.job(job), null);
  });

  test('never smears: any number of refunds changes no record', async () => {
    const seller = await world.newSeller();
    for (let time = 0; time < 5; time++) {
      const job = await world.openJob({ deliverWithin: 60 }, { seller });
      world.now += 60n;
      await asAnyone('refundJob', job);
      assert.deepEqual(record(job), fresh);
    }
  });

  test('after a submission, however late, and twice', async () => {
    const [submitted, open] = [await world.submittedJob(), await world.openJob()];
    await refused(() => decline(submitted), 'InvalidStatus');
    world.now += 100_000n;
    await refused(() => asAnyone('refundJob', submitted), 'InvalidStatus');
    await asAnyone('refundJob', open);
    await refused(() => asAnyone('refundJob', open), 'AccountNotInitialized');
  });

  test('although the provider withdrew its stake', async () => {
    const job = await world.openJob();
    const { authority } = job.seller;
    await world.send(world.by(authority).withdraw(10n * SOL), [authority]);
    world.now += 600n;
    await asAnyone('refundJob', job);
    assert.equal(world.job(job), null);
  });
});
