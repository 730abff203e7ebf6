import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { type Keypair, PublicKey, TransactionInstruction } from '@solana/web3.js';
import type { Call } from '../../src/escrow/program/instructions/context.ts';
import { answerIn, challenge, type Place, type TestAnswer } from './answers.ts';
import { readyInstructions } from './ready.ts';
import { falseStep } from './tree.ts';
import { digest, incinerator, noObjection, programId, Refused, refused, type TestJob, World } from './world.ts';

// What may not go together: one account in two places of an instruction, and two ends of one job or channel, in either
// order.

describe('one account in the place of another', () => {
  for (const { title, prepare } of readyInstructions) {
    test(`each pair of ${title}`, async () => {
      const { world, instruction, first, signers } = await prepare(new World());
      const { keys, data } = instruction;
      for (const [at, into] of keys.entries()) {
        for (const [from, other] of keys.entries()) {
          // The program's own address stands for an optional account that is left out.
          if (at === from || into.pubkey.equals(other.pubkey) || into.pubkey.equals(programId)) continue;
          const doubled = new TransactionInstruction({
            programId,
            data,
            keys: keys.map((key, index) =>
              index === at
                ? { pubkey: other.pubkey, isSigner: other.isSigner, isWritable: into.isWritable || other.isWritable }
                : key,
            ),
          });
          const signing = signers.filter(({ publicKey }) =>
            doubled.keys.some(({ pubkey, isSigner }) => isSigner && pubkey.equals(publicKey)),
          );
          const attempt = () => world.send([...first, doubled], [world.wallet(), ...signing]);
          await assert.rejects(attempt, Refused, `${from} in the place of ${at}`);
        }
      }
      // None of that changed anything.
      assert.equal((await world.send([...first, instruction], [world.wallet(), ...signers])).events.length, 1);
    });
  }
});

interface Step {
  readonly call: Promise<Call>;
  readonly signers: readonly Keypair[];
}
type End = (world: World, answer: TestAnswer) => Step;

const jobOf = ({ job }: TestAnswer): TestJob => job ?? assert.fail();
const keyOf = ({ channel }: TestAnswer) => channel?.key ?? assert.fail();
const byAnyone = (world: World) => world.by(world.wallet());

const proofs: Readonly<Record<string, End>> = {
  equivocation: (world, answer) => ({
    call: byAnyone(world).slashEquivocation(answer.subject(), [answer.head({ n: 2 })]),
    signers: [],
  }),
  sampler: (world, answer) => ({
    call: byAnyone(world).slashSampler(answer.subject(), answer.prove(0)),
    signers: [],
  }),
};
const silence: End = (world, answer) => ({ call: byAnyone(world).slashSilence(answer.subject()), signers: [] });
const confirm: End = (world, answer) => ({
  call: world.by(answer.buyer.wallet).confirmJob(jobOf(answer).key),
  signers: [answer.buyer.wallet],
});
const reject: End = (world, answer) => ({
  call: world.by(answer.buyer.wallet).rejectJob(world.job(jobOf(answer)) ?? jobOf(answer).key, digest('verdict')),
  signers: [answer.buyer.wallet],
});
const close: End = (world, answer) => ({
  call: world
    .by(answer.seller.authority)
    .closeChannel(keyOf(answer), noObjection(answer.channel ?? assert.fail(), 9n, 9n)),
  signers: [answer.seller.authority],
});
const finish: End = (world, answer) => ({ call: byAnyone(world).finishChannel(keyOf(answer)), signers: [] });

/** What everyone holds. */
const holdings = (world: World, { buyer, seller, job, channel, evidence }: TestAnswer) =>
  [
    buyer.wallet.publicKey,
    seller.authority.publicKey,
    world.providerAddress(seller),
    incinerator,
    ...[job?.key.address, channel?.key.address, evidence?.address].flatMap((address) =>
      address === undefined ? [] : [new PublicKey(address)],
    ),
  ].map((key) => world.balance(key));

function eachPair(
  title: string,
  place: Place,
  ends: Readonly<Record<string, End>>,
  prepare: (world: World, answer: TestAnswer) => Promise<void> | void,
): void {
  describe(title, () => {
    for (const [firstName, first] of Object.entries(ends)) {
      for (const [secondName, second] of Object.entries(ends)) {
        test(`${firstName}, then ${secondName}`, async () => {
          const world = new World();
          const answer = await answerIn(world, place, { steps: [falseStep] });
          await prepare(world, answer);
          const stranger = world.wallet();
          const [one, two] = [first(world, answer), second(world, answer)];
          const before = holdings(world, answer);
          const signers = [...new Set([...one.signers, ...two.signers])];
          const both = await Promise.all([one.call, two.call]);
          const nodes = both.reduce((sum, { nodeSignatures }) => sum + nodeSignatures, 0);
          // Two verifications beside two heads or acknowledgements are more than a transaction holds.
          if (nodes < 2)
            await refused(() => world.send(both, [stranger, ...signers]), /AccountNotInitialized|AccountOwnedBy/);
          assert.deepEqual(holdings(world, answer), before, 'together they do nothing');
          const paidBy = world.balance(stranger.publicKey);
          await world.send(one.call, [stranger, ...one.signers]);
          assert.ok(world.balance(stranger.publicKey) < paidBy, 'a stranger that sends it gains nothing');
          const after = holdings(world, answer);
          const again = () => world.send(two.call, [stranger, ...two.signers]);
          await refused(again, 'AccountNotInitialized');
          assert.deepEqual(holdings(world, answer), after, 'the second does nothing');
        });
      }
    }
  });
}

eachPair('two ends of a job, in the last second of objection', 'job', { ...proofs, confirm, reject }, (world) => {
  world.now += 299n;
});
eachPair('two ends of a job, in the first second of release', 'job', { ...proofs, confirm }, (world) => {
  world.now += 300n;
});
eachPair(
  'two ends of a job with a challenge that is due',
  'job',
  { ...proofs, silence, reject },
  async (world, answer) => {
    await challenge(world, answer, [0]);
    world.now += 14_400n;
  },
);
eachPair('two ends of an open channel', 'channel', { ...proofs, close }, () => undefined);
eachPair(
  'two ends of a channel whose closing can be finished',
  'channel',
  { ...proofs, close, finish },
  async (world, answer) => {
    const { wallet } = answer.buyer;
    await world.send(world.by(wallet).requestCloseChannel(keyOf(answer)), [wallet]);
    world.now += 18_000n;
  },
);

describe('a submission and what ends an open job', () => {
  test('a refunded job is not submitted, and a submitted one is not refunded', async () => {
    const world = new World();
    const [refunded, submitted] = [await world.openJob(), await world.openJob()];
    const refund = (job: TestJob) =>
      world.send(world.by(job.seller.authority).refundJob(job.key), [job.seller.authority]);
    await refund(refunded);
    await refused(() => world.submit(refunded), 'AccountNotInitialized');
    await world.submit(submitted);
    await refused(() => refund(submitted), 'InvalidStatus');
  });

  test("a submission and anyone's refund are never both possible in one second", async () => {
    for (const seconds of [0n, 599n, 600n, 601n]) {
      const world = new World();
      const [one, two] = [await world.openJob(), await world.openJob()];
      world.now += seconds;
      const works = async (send: () => Promise<unknown>): Promise<boolean> => {
        try {
          await send();
          return true;
        } catch (error) {
          if (!(error instanceof Refused)) throw error;
          return false;
        }
      };
      const stranger = world.wallet();
      const submits = await works(() => world.submit(one));
      const refunds = await works(() => world.send(world.by(stranger).refundJob(two.key), [stranger]));
      assert.deepEqual([submits, refunds], [seconds < 600n, seconds >= 600n], `${seconds} s`);
    }
  });
});

test('accounts of one wallet, one job id and one channel lie apart, at canonical addresses', async () => {
  const world = new World();
  const [buyer, seller] = [world.newBuyer(), await world.newSeller()];
  const job = await world.openJob({}, { buyer, seller });
  const channel = await world.openChannel({}, { buyer, seller });
  const evidence = await world.keepEvidence(channel);
  const seeds: readonly (readonly [Uint8Array, readonly Uint8Array[]])[] = [
    [world.providerAddress(seller).toBytes(), [Buffer.from('provider'), seller.authority.publicKey.toBytes()]],
    [job.key.address, [Buffer.from('job'), buyer.wallet.publicKey.toBytes(), job.jobId]],
    [channel.key.address, [Buffer.from('channel'), channel.key.id]],
    [evidence.address, [Buffer.from('evidence'), channel.key.address, evidence.jobId]],
  ];
  for (const [address, parts] of seeds) {
    const [canonical, bump] = PublicKey.findProgramAddressSync([...parts], programId);
    assert.deepEqual(address, canonical.toBytes());
    const account = world.svm.getAccount(canonical.toBase58() as never);
    assert.ok(account.exists);
    assert.deepEqual([account.data[8], account.data[9]], [1, bump], 'version and bump are kept');
  }
  assert.equal(new Set(seeds.map(([address]) => new PublicKey(address).toBase58())).size, 4);
});
