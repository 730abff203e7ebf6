import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type Keypair, SystemProgram, TransactionInstruction } from '@solana/web3.js';
import fc from 'fast-check';
import { verifySignatures } from '../../src/escrow/program/ed25519.ts';
import { type End, edgeOf, Model, type ModelJob, type ModelSeller } from './model.ts';
import { leafOf } from './tree.ts';
import {
  type Buyer,
  consent,
  type Delivery,
  delivered,
  digest,
  headOf,
  incinerator,
  MIN_STAKE,
  newNode,
  Refused,
  type SamplerProof,
  SIGNATURE_FEE,
  SOL,
  signedCancel,
  signedHead,
  type TestJob,
  World,
} from './world.ts';

// Any sequence of instructions, by honest people, greedy ones and thieves, against a model of what each may do. After
// each
// one: the program did what the model says, and every lamport is where the model has it.

const fraud: SamplerProof['step'] = {
  token: 299,
  prefix: digest('prefix'),
  salt: new Uint8Array(16),
  candidates: [],
  exact: digest('exact'),
  zk: null,
};

const ends: readonly End[] = [
  'decline',
  'refund',
  'refund',
  'confirm',
  'confirm',
  'claim',
  'claim',
  'claim',
  'reject',
  'slash',
  'slash',
  'slash',
];
const evidence = ['mismatch', 'equivocation', 'sampler'] as const;
const thefts = ['confirm', 'reject', 'decline', 'submit', 'withdraw', 'unstake', 'rotate'] as const;
/** Tokens, ending, tokens of the cancel: first what may be submitted. */
const deliveries = [
  [1, 0, null],
  [1, 0, null],
  [1, 0, null],
  [38, 0, null],
  [63, 0, null],
  [64, 1, null],
  [60, 2, 5],
  [60, 2, 40],
  [0, 2, 0],
  [10, 2, 10],
  [65, 0, null],
  [0, 0, null],
  [63, 1, null],
  [10, 2, 11],
  [64, 2, 40],
] as const;
const amounts = [0n, 1n, 150n, 10_000n, 10_000n, 10_000n, 100_000n, MIN_STAKE / 20n, MIN_STAKE / 10n, SOL];
const latest = fc.constantFrom(0, 0, 0, 0, 1, 2);

const action = fc.oneof(
  {
    weight: 5,
    arbitrary: fc.record({
      do: fc.constant('create' as const),
      buyer: fc.nat(1),
      seller: fc.nat(1),
      again: fc.constantFrom(false, false, true),
      amount: fc.constantFrom(...amounts),
      price: fc.constantFrom(0n, 1n, 1_500n, 4_001n, 4_001n, 2n ** 64n - 1n),
    }),
  },
  {
    weight: 8,
    arbitrary: fc.record({
      do: fc.constant('submit' as const),
      job: latest,
      delivery: fc.constantFrom(...deliveries),
      before: fc.constantFrom(0n, 0n, 0n, 0n, 0n, 0n, 1n),
    }),
  },
  {
    weight: 9,
    arbitrary: fc.record({
      do: fc.constant('end' as const),
      job: latest,
      how: fc.constantFrom(...ends),
      by: fc.constantFrom(...evidence),
    }),
  },
  {
    weight: 2,
    arbitrary: fc.record({ do: fc.constant('wait' as const), seconds: fc.constantFrom(1n, 300n, 600n, 3_600n) }),
  },
  {
    weight: 4,
    arbitrary: fc.record({ do: fc.constant('edge' as const), job: latest, seconds: fc.constantFrom(-1n, 0n) }),
  },
  {
    weight: 2,
    arbitrary: fc.record({
      do: fc.constantFrom('unstake' as const, 'stake' as const, 'stake' as const),
      seller: fc.nat(1),
      amount: fc.constantFrom(0n, 1n, 1n, MIN_STAKE, SOL),
    }),
  },
  {
    weight: 1,
    arbitrary: fc.record({
      do: fc.constantFrom('withdraw' as const, 'rotate' as const, 'empty' as const),
      seller: fc.nat(1),
    }),
  },
  {
    weight: 2,
    arbitrary: fc.record({ do: fc.constant('steal' as const), job: latest, what: fc.constantFrom(...thefts) }),
  },
);
type Action = typeof action extends fc.Arbitrary<infer Value> ? Value : never;
type Of<Name extends Action['do']> = Extract<Action, { readonly do: Name }>;
type OfProvider = Of<'stake' | 'unstake' | 'withdraw' | 'rotate' | 'empty'>;

class Market {
  readonly world = new World();
  readonly model = new Model(this.world);
  readonly stranger: Keypair = this.world.wallet();
  /** What was executed, by name. */
  readonly done = new Map<string, number>();

  async open(): Promise<void> {
    for (const key of [incinerator, this.stranger.publicKey]) this.model.held(key);
    for (const stake of [MIN_STAKE, 2n * SOL]) this.model.add(await this.world.newSeller(stake), stake);
    // One that sells to itself.
    const [self] = this.model.sellers as [ModelSeller];
    this.model.buyers.push(this.world.newBuyer(), { wallet: self.authority, node: self.node });
  }

  /**
   * Sends it and says whether it was executed, which it has to be where it is `allowed`. The stranger pays all fees.
   */
  private send(
    name: string,
    allowed: boolean,
    instructions: readonly TransactionInstruction[],
    signers: readonly Keypair[],
    nodeSignatures = 0,
  ): boolean {
    this.model.move(this.stranger.publicKey, null, SIGNATURE_FEE * BigInt(1 + signers.length + nodeSignatures));
    let done = true;
    try {
      this.world.send(instructions, [this.stranger, ...signers]);
    } catch (error) {
      if (!(error instanceof Refused)) throw error;
      done = false;
    }
    assert.equal(done, allowed, name);
    if (done) this.done.set(name, (this.done.get(name) ?? 0) + 1);
    return done;
  }

  async run(step: Action): Promise<void> {
    if (step.do === 'wait') this.world.now += step.seconds;
    else if (step.do === 'create') await this.create(step);
    else if (step.do === 'submit' || step.do === 'end' || step.do === 'steal' || step.do === 'edge') {
      const entry = this.model.jobs.at(-1 - step.job);
      if (entry === undefined) return;
      if (step.do === 'submit') await this.submit(entry, step);
      else if (step.do === 'end') await this.end(entry, step.how, step.by);
      else if (step.do === 'steal') await this.steal(entry, step.what);
      else this.world.now = [this.world.now, edgeOf(entry) + step.seconds].reduce((a, b) => (a > b ? a : b));
    } else await this.provide(step, this.model.sellers[step.seller] as ModelSeller);
    this.model.check();
  }

  private async provide(step: OfProvider, seller: ModelSeller): Promise<void> {
    const { world, model, stranger } = this;
    const { authority } = seller;
    const [wallet, provider] = [authority.publicKey, model.providerKey(seller)];
    switch (step.do) {
      case 'stake':
        if (!this.send('stake', step.amount > 0n, [await world.addStake(stranger.publicKey, wallet, step.amount)], []))
          return;
        seller.stake += step.amount;
        return model.move(stranger.publicKey, provider, step.amount);
      case 'unstake':
        if (
          this.send(
            'unstake',
            step.amount > 0n && step.amount <= model.free(seller),
            [await world.requestUnstake(wallet, step.amount)],
            [authority],
          )
        )
          [seller.asked, seller.askedAt] = [step.amount, world.now];
        return;
      case 'withdraw':
        if (!this.send('withdraw', model.mayWithdraw(seller, world.now), [await world.withdraw(wallet)], [authority]))
          return;
        model.move(provider, wallet, seller.asked);
        [seller.stake, seller.asked] = [seller.stake - seller.asked, 0n];
        return;
      case 'rotate': {
        const node = newNode();
        if (
          this.send(
            'rotate',
            true,
            [verifySignatures([consent(node, wallet)]), await world.rotate(wallet, node.publicKey)],
            [authority],
            1,
          )
        )
          seller.node = node;
        return;
      }
      case 'empty': {
        const everything = model.held(wallet);
        if (everything === 0n) return;
        this.send(
          'empty',
          true,
          [SystemProgram.transfer({ fromPubkey: wallet, toPubkey: stranger.publicKey, lamports: everything })],
          [authority],
        );
        return model.move(wallet, stranger.publicKey, everything);
      }
    }
  }

  private async create({ buyer: buyerAt, seller: sellerAt, amount, price, again }: Of<'create'>): Promise<void> {
    const [buyer, seller] = [this.model.buyers[buyerAt] as Buyer, this.model.sellers[sellerAt] as ModelSeller];
    const last = this.model.jobs.at(-1);
    const jobId = again && last !== undefined ? last.job.terms.jobId : digest(`job ${this.model.jobs.length}`);
    const terms = this.world.terms(buyer, seller, { amount, jobId, priceIn: price, priceOut: price });
    const address = this.world.jobAddress(buyer.wallet.publicKey, jobId);
    const instruction = await this.world.create(buyer.wallet.publicKey, seller.authority.publicKey, terms);
    if (
      !this.send(
        again ? 'create again' : 'create',
        this.model.mayCreate(buyer, seller, terms, address),
        [instruction],
        [buyer.wallet],
      )
    )
      return;
    this.model.create(
      { address, buyer, terms, seller: { authority: seller.authority, node: seller.node } },
      seller,
      this.world.now,
    );
  }

  private async submit(entry: ModelJob, { delivery: [tokens, finish, cancelN], before }: Of<'submit'>): Promise<void> {
    const { world, model } = this;
    const { job } = entry;
    // An answer of one token is the fraudulent one.
    const root = tokens === 1 ? leafOf(job.terms.jobId, 0, fraud) : delivered.root;
    const delivery: Delivery = { ...delivered, root, tokenCount: tokens, finish, cancelN };
    const number = entry.number - before;
    const submit = await world.submit(job, delivery, number < 0n ? 2n ** 64n - 1n : number);
    const cancel =
      delivery.cancelN === null
        ? []
        : [verifySignatures([signedCancel(job.buyer.node, job.terms.jobId, delivery.cancelN)])];
    if (
      this.send(
        'submit',
        this.#isLatest(entry) && model.maySubmit(entry, delivery, number, world.now),
        [...cancel, submit],
        [job.seller.authority],
        cancel.length,
      )
    )
      model.submit(entry, delivery, world.now);
  }

  /** Whether no later job took its place under the same id. */
  #isLatest(entry: ModelJob): boolean {
    return this.model.jobs.findLast(({ job }) => job.address.equals(entry.job.address)) === entry;
  }

  private async end(entry: ModelJob, how: End, by: (typeof evidence)[number]): Promise<void> {
    if (!this.#isLatest(entry)) return;
    const { job } = entry;
    const { instructions, signers, nodeSignatures } = await this.ending(job, how, by);
    const provable = how !== 'slash' || by !== 'sampler' || entry.delivery?.tokenCount === 1;
    if (
      this.send(
        how === 'slash' ? by : how,
        provable && this.model.mayEnd(entry, how, this.world.now),
        instructions,
        signers,
        nodeSignatures,
      )
    )
      this.model.end(entry, how);
  }

  private async ending(job: TestJob, how: End, by: (typeof evidence)[number]) {
    const { world } = this;
    const {
      buyer: { wallet },
      seller: { authority, node },
    } = job;
    const plain = (instruction: TransactionInstruction, ...signers: readonly Keypair[]) => ({
      instructions: [instruction],
      signers,
      nodeSignatures: 0,
    });
    const signed = (heads: readonly Uint8Array[], instruction: TransactionInstruction) => ({
      instructions: [verifySignatures(heads.map((head) => signedHead(node, job.terms.jobId, head))), instruction],
      signers: [],
      nodeSignatures: heads.length,
    });
    if (how !== 'slash')
      return plain(
        await world[how](job),
        ...(how === 'decline' ? [authority] : how === 'confirm' || how === 'reject' ? [wallet] : []),
      );
    if (by === 'sampler') return plain(await world.slashSampler(job, { index: 0, step: fraud, path: [] }));
    const [one, two] = [headOf(job, { n: 11 }), headOf(job, { n: 12 })] as const;
    return by === 'mismatch'
      ? signed([one], await world.slashHeadMismatch(job, one))
      : signed([one, two], await world.slashEquivocation(job, one, two));
  }

  /** What only another may do, signed by a stranger in their place. */
  private async steal({ job, seller }: ModelJob, what: (typeof thefts)[number]): Promise<void> {
    const { world, stranger } = this;
    const wallet = seller.authority.publicKey;
    const node = newNode();
    const instruction =
      what === 'withdraw'
        ? await world.withdraw(wallet)
        : what === 'unstake'
          ? await world.requestUnstake(wallet, 1n)
          : what === 'rotate'
            ? await world.rotate(wallet, node.publicKey)
            : await world[what](job);
    const keys = instruction.keys.map((key) => (key.isSigner ? { ...key, pubkey: stranger.publicKey } : key));
    const first = what === 'rotate' ? [verifySignatures([consent(node, wallet)])] : [];
    this.send(
      `steal: ${what}`,
      false,
      [...first, new TransactionInstruction({ programId: instruction.programId, data: instruction.data, keys })],
      [],
      first.length,
    );
  }
}

/** One that has everything in it, so that it is all done at least once. */
const everything: readonly Action[] = (() => {
  const create = { do: 'create', buyer: 0, seller: 1, again: false, amount: 10_000n, price: 4_001n } as const;
  const submit = (delivery: (typeof deliveries)[number]): Action => ({ do: 'submit', job: 0, delivery, before: 0n });
  const end = (how: End, by: (typeof evidence)[number] = 'mismatch'): Action => ({ do: 'end', job: 0, how, by });
  const edge = (seconds: -1n | 0n): Action => ({ do: 'edge', job: 0, seconds });
  const own = (name: 'withdraw' | 'rotate' | 'empty'): Action => ({ do: name, seller: 1 });
  return [
    ...evidence.flatMap((by) => [create, submit([1, 0, null]), end('slash', by)]),
    create,
    submit([38, 0, null]),
    edge(-1n),
    end('reject'),
    { ...create, again: true },
    submit([60, 2, 5]),
    edge(0n),
    end('claim'),
    own('rotate'),
    create,
    submit([64, 1, null]),
    { do: 'steal', job: 0, what: 'confirm' },
    own('empty'),
    end('confirm'),
    create,
    edge(0n),
    end('refund'),
    create,
    end('decline'),
    { do: 'stake', seller: 1, amount: 1n },
    { do: 'unstake', seller: 1, amount: MIN_STAKE },
    { do: 'wait', seconds: 3_600n },
    own('withdraw'),
  ];
})();

test('any sequence of instructions', async () => {
  const done = new Map<string, number>();
  await fc.assert(
    fc.asyncProperty(fc.array(action, { minLength: 40, maxLength: 80, size: 'max' }), async (actions) => {
      const market = new Market();
      await market.open();
      for (const step of actions) await market.run(step);
      for (const [name, count] of market.done) done.set(name, (done.get(name) ?? 0) + count);
    }),
    // Shorter sequences would take minutes to find, and the failing step says what is wrong.
    { numRuns: 40, endOnFailure: true, examples: [[[...everything]]] },
  );
  for (const name of [
    'create',
    'create again',
    'submit',
    'confirm',
    'claim',
    'refund',
    'decline',
    'reject',
    ...evidence,
    'stake',
    'unstake',
    'withdraw',
    'rotate',
    'empty',
  ]) {
    assert.ok(done.has(name), `the sequences do something: ${name} of ${JSON.stringify([...done])}`);
  }
});
