import type { Keypair, TransactionInstruction } from '@solana/web3.js';
import { verifySignatures } from '../../src/escrow/program/ed25519.ts';
import { leafOf } from './tree.ts';
import {
  consent,
  delivered,
  digest,
  headOf,
  MIN_STAKE,
  newNode,
  type SamplerProof,
  signedHead,
  type TestJob,
  type World,
} from './world.ts';

/** An instruction in a state in which it succeeds, with whoever must sign. */
export interface Ready {
  readonly world: World;
  readonly instruction: TransactionInstruction;
  /** What has to come before it in the transaction. */
  readonly first: readonly TransactionInstruction[];
  /** Besides a stranger who pays the fee. */
  readonly signers: readonly Keypair[];
  readonly job?: TestJob;
}

const seededStep: SamplerProof['step'] = {
  token: 299,
  prefix: digest('prefix'),
  salt: new Uint8Array(16),
  candidates: [],
  exact: digest('exact'),
  zk: null,
};

/** Every instruction of the program. */
export const ready: Readonly<Record<string, (world: World) => Promise<Ready>>> = {
  async provider_register(world) {
    const [authority, node] = [world.wallet(), newNode()];
    return {
      world,
      instruction: await world.register(authority.publicKey, node.publicKey, MIN_STAKE),
      first: [verifySignatures([consent(node, authority.publicKey)])],
      signers: [authority],
    };
  },
  async provider_rotate_peer(world) {
    const [{ authority }, node] = [await world.newSeller(), newNode()];
    return {
      world,
      instruction: await world.rotate(authority.publicKey, node.publicKey),
      first: [verifySignatures([consent(node, authority.publicKey)])],
      signers: [authority],
    };
  },
  async provider_add_stake(world) {
    const [{ authority }, payer] = [await world.newSeller(), world.wallet()];
    return {
      world,
      instruction: await world.addStake(payer.publicKey, authority.publicKey, 1n),
      first: [],
      signers: [payer],
    };
  },
  async provider_request_unstake(world) {
    const { authority } = await world.newSeller();
    return { world, instruction: await world.requestUnstake(authority.publicKey, 1n), first: [], signers: [authority] };
  },
  async provider_withdraw(world) {
    const { authority } = await world.newSeller();
    world.send([await world.requestUnstake(authority.publicKey, 1n)], [authority]);
    world.now += 3_600n;
    return { world, instruction: await world.withdraw(authority.publicKey), first: [], signers: [authority] };
  },
  async job_create(world) {
    const [buyer, seller] = [world.newBuyer(), await world.newSeller()];
    const instruction = await world.create(
      buyer.wallet.publicKey,
      seller.authority.publicKey,
      world.terms(buyer, seller),
    );
    return { world, instruction, first: [], signers: [buyer.wallet] };
  },
  async job_decline(world) {
    const job = await world.openJob();
    return { world, job, instruction: await world.decline(job), first: [], signers: [job.seller.authority] };
  },
  async job_submit(world) {
    const job = await world.openJob();
    return { world, job, instruction: await world.submit(job), first: [], signers: [job.seller.authority] };
  },
  async job_confirm(world) {
    const job = await world.submittedJob();
    return { world, job, instruction: await world.confirm(job), first: [], signers: [job.buyer.wallet] };
  },
  async job_reject(world) {
    const job = await world.submittedJob();
    return { world, job, instruction: await world.reject(job), first: [], signers: [job.buyer.wallet] };
  },
  async job_claim(world) {
    const job = await world.submittedJob();
    world.now += 300n;
    return { world, job, instruction: await world.claim(job), first: [], signers: [] };
  },
  async job_refund(world) {
    const job = await world.openJob();
    world.now += 600n;
    return { world, job, instruction: await world.refund(job), first: [], signers: [] };
  },
  async slash_equivocation(world) {
    const job = await world.submittedJob();
    const heads = [headOf(job), headOf(job, { n: 37 })] as const;
    const first = [verifySignatures(heads.map((head) => signedHead(job.seller.node, job.terms.jobId, head)))];
    return { world, job, instruction: await world.slashEquivocation(job, ...heads), first, signers: [] };
  },
  async slash_head_mismatch(world) {
    const job = await world.submittedJob();
    const head = headOf(job, { n: 37 });
    return {
      world,
      job,
      instruction: await world.slashHeadMismatch(job, head),
      first: [verifySignatures([signedHead(job.seller.node, job.terms.jobId, head)])],
      signers: [],
    };
  },
  async slash_sampler(world) {
    const jobId = digest('a job with a fraud');
    const job = await world.submittedJob(
      { ...delivered, root: leafOf(jobId, 0, seededStep), tokenCount: 1 },
      { jobId },
    );
    return {
      world,
      job,
      instruction: await world.slashSampler(job, { index: 0, step: seededStep, path: [] }),
      first: [],
      signers: [],
    };
  },
};
