import type { Keypair, TransactionInstruction } from '@solana/web3.js';
import type { Call } from '../../src/escrow/program/instructions/context.ts';
import { answerIn, challenge, type Place, type TestAnswer } from './answers.ts';
import { encodeOffer, encodeTerms } from './layouts.ts';
import { falseStep, forcedStep } from './tree.ts';
import {
  type Buyer,
  digest,
  headOf,
  jobIdOf,
  MIN_STAKE,
  newNode,
  noObjection,
  type Seller,
  signedHead,
  signedTerms,
  submission,
  totals,
  VALIDITY,
  type World,
} from './world.ts';

/** An instruction in a state in which it succeeds, with those who must sign. */
export interface Ready {
  readonly world: World;
  /** Of the program. */
  readonly instruction: TransactionInstruction;
  /** What has to come before it in the transaction. */
  readonly first: readonly TransactionInstruction[];
  /** Besides a stranger who pays the fee. */
  readonly signers: readonly Keypair[];
  /** The two sides, if there are two. */
  readonly people?: { readonly buyer: Buyer; readonly seller: Seller };
}

type Prepare = (world: World) => Promise<Ready>;

async function ready(
  world: World,
  call: Call | Promise<Call>,
  signers: readonly Keypair[],
  people?: { readonly buyer: Buyer; readonly seller: Seller },
): Promise<Ready> {
  const { instructions } = await call;
  const instruction = instructions.at(-1) as TransactionInstruction;
  return { world, instruction, first: instructions.slice(0, -1), signers, ...(people === undefined ? {} : { people }) };
}

async function challenged(world: World, place: Place): Promise<TestAnswer> {
  const answer = await answerIn(world, place, { steps: [forcedStep], offer: { topK: 1 } });
  await challenge(world, answer, [0]);
  return answer;
}

/** The instructions about an answer, wherever it is kept. */
function proofs(place: Place): Readonly<Record<string, Prepare>> {
  return {
    async challenge(world) {
      const answer = await answerIn(world, place, { steps: [forcedStep] });
      const { wallet } = answer.buyer;
      return ready(world, world.by(wallet).challenge(answer.subject(), [0]), [wallet], answer);
    },
    async answer(world) {
      const answer = await challenged(world, place);
      const call = world.by(world.wallet()).answerChallenge(answer.subject(), answer.prove(0));
      return ready(world, call, [], answer);
    },
    async slash_silence(world) {
      const answer = await challenged(world, place);
      world.now += 14_400n;
      return ready(world, world.by(world.wallet()).slashSilence(answer.subject()), [], answer);
    },
    async slash_equivocation(world) {
      const answer = await answerIn(world, place, { steps: [forcedStep] });
      const heads = [answer.head(), answer.head({ n: 2 })] as const;
      return ready(world, world.by(world.wallet()).slashEquivocation(answer.subject(), heads), [], answer);
    },
    async slash_sampler(world) {
      const answer = await answerIn(world, place, { steps: [falseStep] });
      return ready(world, world.by(world.wallet()).slashSampler(answer.subject(), answer.prove(0)), [], answer);
    },
  };
}

const providers: Readonly<Record<string, Prepare>> = {
  async provider_register(world) {
    const authority = world.wallet();
    return ready(world, world.by(authority).register(newNode(), MIN_STAKE), [authority]);
  },
  async provider_rotate_peer(world) {
    const { authority } = await world.newSeller();
    return ready(world, world.by(authority).rotatePeer(newNode(), 1), [authority]);
  },
  async provider_add_stake(world) {
    const [{ authority }, payer] = [await world.newSeller(), world.wallet()];
    return ready(world, world.by(payer).addStake(1n, authority.publicKey.toBytes()), [payer]);
  },
  async provider_withdraw(world) {
    const { authority } = await world.newSeller();
    return ready(world, world.by(authority).withdraw(1n), [authority]);
  },
};

const jobs: Readonly<Record<string, Prepare>> = {
  async job_create(world) {
    const [buyer, seller] = [world.newBuyer(), await world.newSeller()];
    const offer = encodeOffer(world.offerFields(buyer, seller));
    const create = world.by(buyer.wallet).createJob(seller.authority.publicKey.toBytes(), offer);
    return ready(world, create, [buyer.wallet], { buyer, seller });
  },
  async job_refund(world) {
    const job = await world.openJob();
    const { authority } = job.seller;
    return ready(world, world.by(authority).refundJob(job.key), [authority], job);
  },
  async job_submit(world) {
    const job = await world.openJob();
    const { authority } = job.seller;
    return ready(world, world.by(authority).submitJob(job.key, ...submission(job)), [authority], job);
  },
  async job_confirm(world) {
    const job = await world.submittedJob();
    const { wallet } = job.buyer;
    return ready(world, world.by(wallet).confirmJob(job.key), [wallet], job);
  },
  async job_reject(world) {
    const job = await world.submittedJob();
    const { wallet } = job.buyer;
    return ready(world, world.by(wallet).rejectJob(job.key, digest('verdict')), [wallet], job);
  },
};

const channels: Readonly<Record<string, Prepare>> = {
  async channel_open(world) {
    const [buyer, seller] = [world.newBuyer(), await world.newSeller()];
    const terms = signedTerms(seller.node, encodeTerms(world.termsFields(buyer, seller)));
    return ready(world, world.by(buyer.wallet).openChannel(terms), [buyer.wallet], { buyer, seller });
  },
  async channel_top_up(world) {
    const channel = await world.openChannel();
    const { wallet } = channel.buyer;
    return ready(world, world.by(wallet).topUpChannel(channel.key, 1n), [wallet], channel);
  },
  async channel_settle(world) {
    const channel = await world.openChannel();
    const settle = world.by(world.wallet()).settleChannel(channel.key, totals(channel, 900n, 800n));
    return ready(world, settle, [], channel);
  },
  async channel_close(world) {
    const channel = await world.closableChannel();
    const { authority } = channel.seller;
    const close = world.by(authority).closeChannel(channel.key, noObjection(channel, 900n, 800n));
    return ready(world, close, [authority], channel);
  },
  async channel_request_close(world) {
    const channel = await world.closableChannel();
    const { authority } = channel.seller;
    return ready(world, world.by(authority).requestCloseChannel(channel.key), [authority], channel);
  },
  async channel_reject(world) {
    const channel = await world.closingChannel();
    const { wallet } = channel.buyer;
    return ready(world, world.by(wallet).rejectChannel(channel.key, digest('verdict')), [wallet], channel);
  },
  async channel_finish(world) {
    const channel = await world.closingChannel();
    world.now += 18_000n;
    return ready(world, world.by(world.wallet()).finishChannel(channel.key), [], channel);
  },
};

const evidences: Readonly<Record<string, Prepare>> = {
  async evidence_create(world) {
    const channel = await world.openChannel();
    const { wallet } = channel.buyer;
    const offer = world.channelOffer(channel);
    const head = signedHead(channel.seller.node, headOf(jobIdOf(offer)));
    return ready(world, world.by(wallet).createEvidence(channel.key, offer, head), [wallet], channel);
  },
  async evidence_close(world) {
    const channel = await world.openChannel();
    const { wallet } = channel.buyer;
    const { authority } = channel.seller;
    const evidence = await world.keepEvidence(channel);
    world.now += VALIDITY + 1n;
    await world.send(world.by(authority).closeChannel(channel.key, noObjection(channel, 0n, 0n)), [authority]);
    return ready(world, world.by(wallet).closeEvidence(evidence), [wallet], channel);
  },
};

const named = (all: Readonly<Record<string, Prepare>>, suffix = '') =>
  Object.entries(all).map(([name, prepare]) => ({ name, title: `${name}${suffix}`, prepare }));

/** Every instruction of the program; those about an answer twice. */
export const readyInstructions: readonly {
  readonly name: string;
  readonly title: string;
  readonly prepare: Prepare;
}[] = [
  ...named(providers),
  ...named(jobs),
  ...named(channels),
  ...named(evidences),
  ...named(proofs('job'), ' of a job'),
  ...named(proofs('channel'), ' in a channel'),
];
