import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { type Keypair, PublicKey, TransactionInstruction } from '@solana/web3.js';
import { verifySignatures } from '../../src/escrow/program/ed25519.ts';
import { ready } from './ready.ts';
import { leafOf } from './tree.ts';
import {
  delivered,
  digest,
  headOf,
  incinerator,
  Refused,
  refused,
  type SamplerProof,
  signedHead,
  type TestJob,
  World,
} from './world.ts';

// What may not go together: one account in two places of an instruction, and two ends of one job, whichever comes
// first.

describe('one account in the place of another', () => {
  for (const [name, prepare] of Object.entries(ready)) {
    test(`each pair of ${name}`, async () => {
      const { world, instruction, first, signers } = await prepare(new World());
      const { keys, programId, data } = instruction;
      for (const [at, into] of keys.entries()) {
        for (const [from, other] of keys.entries()) {
          if (at === from || into.pubkey.equals(other.pubkey)) continue;
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
          const attempt = async () => world.send([...first, doubled], [world.wallet(), ...signing]);
          await assert.rejects(attempt, Refused, `${from} in the place of ${at}`);
        }
      }
      // None of that changed anything.
      assert.equal(world.send([...first, instruction], [world.wallet(), ...signers]).events.length, 1);
    });
  }
});

interface Step {
  readonly instructions: readonly TransactionInstruction[];
  readonly signers: readonly Keypair[];
}
type End = (world: World, job: TestJob) => Promise<Step>;

const fraud: SamplerProof['step'] = {
  token: 299,
  prefix: digest('prefix'),
  salt: new Uint8Array(16),
  candidates: [],
  exact: digest('exact'),
  zk: null,
};
const fraudJobId = digest('a job with a fraud');
const fraudulent = { ...delivered, root: leafOf(fraudJobId, 0, fraud), tokenCount: 1 };
const byHeads = (job: TestJob, heads: readonly Uint8Array[]) =>
  verifySignatures(heads.map((head) => signedHead(job.seller.node, job.terms.jobId, head)));

const large: Readonly<Record<string, End>> = {
  async equivocation(world, job) {
    const heads = [headOf(job), headOf(job, { n: 37 })] as const;
    return { instructions: [byHeads(job, heads), await world.slashEquivocation(job, ...heads)], signers: [] };
  },
};
const proofs: Readonly<Record<string, End>> = {
  ...large,
  async mismatch(world, job) {
    const head = headOf(job, { n: 37 });
    return { instructions: [byHeads(job, [head]), await world.slashHeadMismatch(job, head)], signers: [] };
  },
  sampler: async (world, job) => ({
    instructions: [await world.slashSampler(job, { index: 0, step: fraud, path: [] })],
    signers: [],
  }),
};
const confirm: End = async (world, job) => ({ instructions: [await world.confirm(job)], signers: [job.buyer.wallet] });
const reject: End = async (world, job) => ({ instructions: [await world.reject(job)], signers: [job.buyer.wallet] });
const claim: End = async (world, job) => ({ instructions: [await world.claim(job)], signers: [] });
const decline: End = async (world, job) => ({
  instructions: [await world.decline(job)],
  signers: [job.seller.authority],
});
const refund: End = async (world, job) => ({ instructions: [await world.refund(job)], signers: [] });

/** What everyone holds, for whoever wants to know that nothing moved. */
const holdings = (world: World, job: TestJob) =>
  [
    job.buyer.wallet.publicKey,
    job.seller.authority.publicKey,
    world.provider(job.seller.authority.publicKey),
    job.address,
    incinerator,
  ].map((key) => world.balance(key));

function eachPair(
  title: string,
  ends: Readonly<Record<string, End>>,
  prepare: (world: World) => Promise<TestJob>,
): void {
  describe(title, () => {
    for (const [firstName, first] of Object.entries(ends)) {
      for (const [secondName, second] of Object.entries(ends)) {
        test(`${firstName}, then ${secondName}`, async () => {
          const world = new World();
          const [job, stranger] = [await prepare(world), world.wallet()];
          const [one, two] = [await first(world, job), await second(world, job)];
          const before = holdings(world, job);
          const signers = [...new Set([...one.signers, ...two.signers])];
          // Two heads and anything else are more than a transaction holds.
          if (!(firstName in large) && !(secondName in large))
            await refused(
              async () => world.send([...one.instructions, ...two.instructions], [stranger, ...signers]),
              'AccountNotInitialized',
            );
          assert.deepEqual(holdings(world, job), before, 'together they do nothing');
          const paidBy = world.balance(stranger.publicKey);
          world.send(one.instructions, [stranger, ...one.signers]);
          assert.ok(world.balance(stranger.publicKey) < paidBy, 'whoever sends it gains nothing');
          const after = holdings(world, job);
          await refused(async () => world.send(two.instructions, [stranger, ...two.signers]), 'AccountNotInitialized');
          assert.deepEqual(holdings(world, job), after, 'the second does nothing');
        });
      }
    }
  });
}

const submittedFraud = (world: World) => world.submittedJob(fraudulent, { jobId: fraudJobId });
eachPair('two ends of a submitted job, 299 s after the submit', { ...proofs, confirm, reject }, async (world) => {
  const job = await submittedFraud(world);
  world.now += 299n;
  return job;
});
eachPair('two ends of a submitted job, 300 s after the submit', { ...proofs, confirm, claim }, async (world) => {
  const job = await submittedFraud(world);
  world.now += 300n;
  return job;
});
eachPair('two ends of an open job, 600 s after its creation', { decline, refund }, async (world) => {
  const job = await world.openJob();
  world.now += 600n;
  return job;
});

describe('a submit and what ends an open job', () => {
  test('a job that was declined is not submitted, and one that was submitted is not declined', async () => {
    const world = new World();
    const [declined, submitted] = [await world.openJob(), await world.openJob()];
    const late = await world.submit(declined);
    world.send([await world.decline(declined)], [declined.seller.authority]);
    await refused(async () => world.send([late], [declined.seller.authority]), 'AccountNotInitialized');
    world.send([await world.submit(submitted)], [submitted.seller.authority]);
    await refused(
      async () => world.send([await world.decline(submitted)], [submitted.seller.authority]),
      'InvalidStatus',
    );
  });

  test('a submit and a refund are never both possible in one second', async () => {
    for (const seconds of [0n, 599n, 600n, 601n]) {
      const world = new World();
      const [one, two] = [await world.openJob(), await world.openJob()];
      world.now += seconds;
      const outcome = async (send: () => Promise<unknown>): Promise<boolean> =>
        send().then(
          () => true,
          (error: unknown) => {
            if (!(error instanceof Refused)) throw error;
            return false;
          },
        );
      const submits = await outcome(async () => world.send([await world.submit(one)], [one.seller.authority]));
      const refunds = await outcome(async () => world.send([await world.refund(two)], [world.wallet()]));
      assert.deepEqual([submits, refunds], [seconds < 600n, seconds >= 600n], `${seconds} s`);
    }
  });
});

test('a job and a provider of one wallet, and one job id of two wallets, lie apart', async () => {
  const world = new World();
  const [one, two] = [
    await world.openJob({ jobId: digest('the same') }),
    await world.openJob({ jobId: digest('the same') }),
  ];
  assert.notEqual(one.address.toBase58(), two.address.toBase58());
  assert.notEqual(world.provider(one.buyer.wallet.publicKey).toBase58(), one.address.toBase58());
  for (const { address, buyer, terms, seller } of [one, two]) {
    assert.equal(
      world.readJob(address)?.bump,
      PublicKey.findProgramAddressSync(
        [Buffer.from('job'), buyer.wallet.publicKey.toBytes(), terms.jobId],
        world.program.programId,
      )[1],
      'the canonical bump is kept',
    );
    assert.equal(
      world.readProvider(seller.authority.publicKey).bump,
      PublicKey.findProgramAddressSync(
        [Buffer.from('provider'), seller.authority.publicKey.toBytes()],
        world.program.programId,
      )[1],
    );
  }
});
