import assert from 'node:assert/strict';
import type { EvidenceAccount } from '../../src/escrow/accounts.ts';
import type { ProvenStep, SignedBody, Subject } from '../../src/escrow/escrow.ts';
import type { HeadFields, OfferFields } from './layouts.ts';
import { forcedStep, type Step, treeOf } from './tree.ts';
import {
  type Buyer,
  headOf,
  incinerator,
  jobIdOf,
  type Seller,
  type Sent,
  signedHead,
  subjectOf,
  type TestChannel,
  type TestJob,
  type World,
} from './world.ts';

/** The two places in which the chain knows an answer: an account of its own, and a channel with an evidence. */
export const places = ['job', 'channel'] as const;
export type Place = (typeof places)[number];

/** An answer about which something can be proved. */
export interface TestAnswer {
  readonly buyer: Buyer;
  readonly seller: Seller;
  readonly jobId: Uint8Array;
  readonly job: TestJob | null;
  readonly channel: TestChannel | null;
  readonly evidence: EvidenceAccount | null;
  /** As it stands on the chain now. */
  subject(): Subject;
  prove(i: number): ProvenStep;
  /** A head of it, signed by its provider. */
  head(changes?: Partial<HeadFields>): SignedBody;
}

export interface AnswerInit {
  readonly steps: readonly Step[];
  readonly offer?: Partial<OfferFields>;
  readonly head?: Partial<HeadFields>;
  /** Instead of the one that `steps` give. */
  readonly root?: (jobId: Uint8Array) => Uint8Array;
  readonly people?: { readonly buyer?: Buyer; readonly seller?: Seller };
  readonly channel?: TestChannel;
}

export async function answerIn(world: World, place: Place, init: AnswerInit): Promise<TestAnswer> {
  return place === 'job' ? inJob(world, init) : inChannel(world, init);
}

const headFieldsOf = (jobId: Uint8Array, { steps, head, root }: AnswerInit): Partial<HeadFields> => ({
  n: steps.length,
  root: root?.(jobId) ?? treeOf(jobId, steps).root,
  ...head,
});

async function inJob(world: World, init: AnswerInit): Promise<TestAnswer> {
  const job = await world.openJob(init.offer, init.people);
  const fields = headFieldsOf(job.jobId, init);
  await world.submit(job, { head: fields });
  const { buyer, seller, jobId } = job;
  return {
    ...{ buyer, seller, jobId, job, channel: null, evidence: null },
    subject: () => subjectOf(world, job),
    prove: treeOf(jobId, init.steps).prove,
    head: (changes) => signedHead(seller.node, headOf(jobId, { ...fields, ...changes })),
  };
}

async function inChannel(world: World, init: AnswerInit): Promise<TestAnswer> {
  const channel = init.channel ?? (await world.closableChannel({}, init.people));
  const offer = world.channelOffer(channel, init.offer);
  const jobId = jobIdOf(offer);
  const fields = headFieldsOf(jobId, init);
  const evidence = await world.keepEvidence(channel, offer, fields);
  const { buyer, seller } = channel;
  return {
    ...{ buyer, seller, jobId, job: null, channel, evidence },
    subject: () => subjectOf(world, { evidence, channel }),
    prove: treeOf(jobId, init.steps).prove,
    head: (changes) => signedHead(seller.node, headOf(jobId, { ...fields, ...changes })),
  };
}

/** As the client; a stranger pays the fee. */
export function challenge(world: World, answer: TestAnswer, positions: readonly number[]): Promise<Sent> {
  const { wallet } = answer.buyer;
  return world.sendAs([wallet], world.by(wallet).challenge(answer.subject(), positions));
}

/** As a stranger. */
export function answerChallenge(world: World, answer: TestAnswer, step: ProvenStep): Promise<Sent> {
  return world.sendAs([], world.by(world.wallet()).answerChallenge(answer.subject(), step));
}

/** As a stranger, for what `how` says. */
export function slash(
  world: World,
  answer: TestAnswer,
  how: 'silence' | ProvenStep | readonly [SignedBody] | readonly [SignedBody, SignedBody],
): Promise<Sent> {
  const by = world.by(world.wallet());
  const subject = answer.subject();
  if (how === 'silence') return world.sendAs([], by.slashSilence(subject));
  return world.sendAs([], 'i' in how ? by.slashSampler(subject, how) : by.slashEquivocation(subject, how));
}

/** An answer of one step, which is honest. */
export const answerOnce = (world: World, place: Place, init: Partial<AnswerInit> = {}): Promise<TestAnswer> =>
  answerIn(world, place, { steps: [forcedStep], ...init, offer: { topK: 1, ...init.offer } });

/** What a fault costs: nine tenths of what was at risk are burnt, one tenth goes to who locked the money. */
export async function assertSlashes(
  world: World,
  answer: TestAnswer,
  reason: string,
  how: () => Promise<Sent>,
): Promise<void> {
  const { buyer, seller, job, channel } = answer;
  const account = (job ?? channel)?.key.address ?? assert.fail();
  const released = channel === null ? 0n : (world.channel(channel)?.released ?? 0n);
  const unpaid = channel === null ? 0n : released - (world.channel(channel)?.settled ?? 0n);
  const compensation = job === null ? (channel?.key.window ?? 0n) : (world.job(job)?.submitted?.payout ?? 0n);
  const keys = [
    buyer.wallet.publicKey,
    seller.authority.publicKey,
    incinerator,
    world.providerAddress(seller),
  ] as const;
  const [funder, authority, burnt, provider] = keys.map((key) => world.balance(key)) as [
    bigint,
    bigint,
    bigint,
    bigint,
  ];
  const held = world.balance(account);
  const before = world.provider(seller);
  const { events } = await how();
  assert.equal(world.balance(buyer.wallet.publicKey), funder + held - unpaid + compensation);
  assert.equal(world.balance(seller.authority.publicKey), authority);
  assert.equal(world.balance(incinerator), burnt + 9n * compensation);
  assert.equal(world.balance(world.providerAddress(seller)), provider + unpaid - 10n * compensation);
  const after = world.provider(seller);
  assert.equal(after.stake, before.stake + unpaid - 10n * compensation);
  assert.equal(after.lockedStake, before.lockedStake - 10n * compensation);
  assert.equal(after.jobsSlashed, before.jobsSlashed + 1);
  assert.equal(after.earned, before.earned + unpaid);
  assert.equal(world.balance(account), 0n);
  assert.deepEqual(
    events.map(({ name, data }) => [name, Object.keys(data.reason as object)]),
    [[job === null ? 'channelSlashed' : 'jobSlashed', [reason]]],
  );
}
