import type { JobAccount } from '../../src/escrow/accounts.ts';
import type { Call } from '../../src/escrow/program/instructions/context.ts';
import type { Instructions } from '../../src/escrow/program/instructions.ts';
import { amountLamports } from '../../src/protocol/price.ts';
import type { HeadFields } from '../../test/escrow/layouts.ts';
import { forcedStep, treeOf } from '../../test/escrow/tree.ts';
import { digest, type TestJob, World } from '../../test/escrow/world.ts';

/** The terms of the jobs whose balance is taken. */
export const quoted = {
  promptTokens: 300,
  maxTokens: 512,
  priceJob: 10_000n,
  priceIn: 100_000n,
  priceOut: 2_000_000n,
  grace: 64,
};
/** What the client received and acknowledged, unless the provider breaks off before. */
export const delivered = { promptTokens: 250, tokens: 160 };
/** Steps of an answer that is challenged, all of them. */
export const challengedSteps = 3;

/** Lamports. */
export function priceOf(promptTokens: number, maxTokens: number): bigint {
  const { priceJob: priceJobLamports, priceIn: priceInLamports, priceOut: priceOutLamports } = quoted;
  const prices = { priceJobLamports, priceInLamports, priceOutLamports };
  return amountLamports({ promptTokens, maxTokens, isScore: false }, prices);
}

/** What each side of one job lost from its creation to its end, lamports. */
export interface Balance {
  /** Without the fee of the creation; a stranger pays the later fees. */
  readonly client: bigint;
  /** Of its stake; negative if it earned. */
  readonly provider: bigint;
  /** Of the creation. */
  readonly fee: bigint;
}

/** One job between a client and a provider with the real program, on a chain of its own. */
export class BalancedJob {
  readonly #world: World;
  readonly #job: TestJob;

  constructor(world: World, job: TestJob) {
    this.#world = world;
    this.#job = job;
  }

  /** As the provider. @param claim what differs from what was delivered */
  async submit(claim: Partial<HeadFields> = {}, ackedTokens = delivered.tokens): Promise<void> {
    const head = { n: delivered.tokens, promptCount: delivered.promptTokens, ...claim };
    await this.#world.submit(this.#job, { head, ack: { n: ackedTokens } });
  }

  async confirm(): Promise<void> {
    await this.#asClient((by, job) => by.confirmJob(job));
  }

  async reject(): Promise<void> {
    await this.#asClient((by, job) => by.rejectJob(job, digest('verdict')));
  }

  /** As anyone, once the provider is late. */
  async refund(): Promise<void> {
    this.#waitUntil(this.#job.key.refundAt);
    await this.#asStranger((by, job) => by.refundJob(job));
  }

  /** Submits an answer of some steps, all of which the client challenges. */
  async challenge(): Promise<{ /** Opens them on the chain. */ open(): Promise<void>; slash(): Promise<void> }> {
    const steps = Array.from({ length: challengedSteps }, () => forcedStep);
    const positions = [...steps.keys()];
    const { root, prove } = treeOf(this.#job.jobId, steps);
    await this.submit({ n: challengedSteps, root }, challengedSteps);
    await this.#asClient((by, job) => by.challenge({ job }, positions));
    return {
      open: async () => {
        for (const i of positions) await this.#asStranger((by, job) => by.answerChallenge({ job }, prove(i)));
      },
      slash: async () => {
        this.#waitUntil(this.#current().submitted?.challenge?.dueAt ?? 0);
        await this.#asStranger((by, job) => by.slashSilence({ job }));
      },
    };
  }

  #current(): JobAccount {
    return this.#world.job(this.#job) ?? this.#job.key;
  }

  async #asClient(call: (by: Instructions, job: JobAccount) => Promise<Call>): Promise<void> {
    const { wallet } = this.#job.buyer;
    await this.#world.sendAs([wallet], call(this.#world.by(wallet), this.#current()));
  }

  async #asStranger(call: (by: Instructions, job: JobAccount) => Promise<Call>): Promise<void> {
    const stranger = this.#world.wallet();
    await this.#world.send(call(this.#world.by(stranger), this.#current()), [stranger]);
  }

  #waitUntil(atMs: number): void {
    this.#world.now = BigInt(atMs) / 1_000n + 1n;
  }
}

export async function balanceOf(end: (job: BalancedJob) => Promise<void>): Promise<Balance> {
  const world = new World();
  const [buyer, seller] = [world.newBuyer(), await world.newSeller()];
  const wallet = buyer.wallet.publicKey;
  const [lamports, { stake }] = [world.balance(wallet), world.provider(seller)];
  const job = await world.openJob({ ...quoted, topK: 1 }, { buyer, seller });
  const fee = lamports - world.balance(wallet) - world.balance(job.key.address);
  await end(new BalancedJob(world, job));
  return { client: lamports - world.balance(wallet) - fee, provider: stake - world.provider(seller).stake, fee };
}
