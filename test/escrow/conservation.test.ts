import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import type { Keypair, PublicKey, TransactionInstruction } from '@solana/web3.js';
import { verifySignatures } from '../../src/escrow/program/ed25519.ts';
import { MIN_STAKE, Refused, SIGNATURE_FEE, SOL, World, delivered, digest, headOf, incinerator, signedHead } from './world.ts';
import type { Buyer, Seller, TestJob } from './world.ts';

// Any sequence of instructions, by honest and by greedy people, against a model of what each may do. After each one: the
// program did what the model says, and no lamport has come or gone besides fees.

interface ModelJob {
  readonly job: TestJob;
  readonly seller: ModelSeller;
  readonly createdAt: bigint;
  readonly amount: bigint;
  state: 'open' | 'submitted' | 'settled';
  submittedAt: bigint;
  submits: number;
  payments: number;
  refunds: number;
}

interface ModelSeller {
  readonly seller: Seller;
  stake: bigint;
  locked: bigint;
  asked: bigint;
  askedAt: bigint;
}

const price = 187n;
const bigger = (a: bigint, b: bigint): bigint => (a > b ? a : b);
const smaller = (a: bigint, b: bigint): bigint => (a < b ? a : b);

const action = fc.oneof(
  { weight: 4, arbitrary: fc.record({ do: fc.constant('create' as const), buyer: fc.nat(1), seller: fc.nat(1), amount: fc.constantFrom(1n, 150n, 10_000n, 10_000n, MIN_STAKE / 20n, MIN_STAKE / 10n, SOL) }) },
  { weight: 8, arbitrary: fc.record({ do: fc.constantFrom('submit' as const, 'submit' as const, 'submit' as const, 'confirm' as const, 'claim' as const, 'refund' as const, 'decline' as const, 'reject' as const, 'slash' as const), job: fc.constantFrom(0, 0, 0, 1, 2) }) },
  { weight: 2, arbitrary: fc.record({ do: fc.constant('wait' as const), seconds: fc.constantFrom(1n, 1n, 299n, 300n, 599n, 600n, 3_600n) }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constantFrom('unstake' as const, 'stake' as const), seller: fc.nat(1), amount: fc.constantFrom(0n, 1n, MIN_STAKE, SOL) }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('withdraw' as const), seller: fc.nat(1) }) },
);
type Action = typeof action extends fc.Arbitrary<infer Value> ? Value : never;

class Market {
  readonly world = new World();
  readonly buyers: Buyer[] = [];
  readonly sellers: ModelSeller[] = [];
  readonly jobs: ModelJob[] = [];
  readonly stranger: Keypair = this.world.wallet();
  fees = 0n;
  total = 0n;
  executed = 0;

  async open(): Promise<void> {
    this.buyers.push(this.world.newBuyer());
    for (const stake of [MIN_STAKE, 2n * SOL]) {
      const seller = await this.world.newSeller(stake);
      this.sellers.push({ seller, stake, locked: 0n, asked: 0n, askedAt: 0n });
    }
    // One that sells to itself.
    const [first] = this.sellers as [ModelSeller];
    this.buyers.push({ wallet: first.seller.authority, node: first.seller.node });
    this.total = this.sum();
  }

  private accounts(): PublicKey[] {
    const wallets = [...this.buyers.map(({ wallet }) => wallet), ...this.sellers.map(({ seller }) => seller.authority), this.stranger].map(({ publicKey }) => publicKey);
    const kept = [...this.sellers.map(({ seller }) => this.world.provider(seller.authority.publicKey)), ...this.jobs.map(({ job }) => job.address)];
    return [...new Map([...wallets, ...kept, incinerator].map((key) => [key.toBase58(), key])).values()];
  }

  sum(): bigint {
    return this.accounts().reduce((sum, key) => sum + this.world.balance(key), 0n);
  }

  /** Sends it and says whether it was executed. The stranger pays all fees. */
  private send(instructions: readonly TransactionInstruction[], signers: readonly Keypair[], nodeSignatures = 0): boolean {
    this.fees += SIGNATURE_FEE * BigInt(1 + signers.length + nodeSignatures);
    try {
      this.world.send(instructions, [this.stranger, ...signers]);
      this.executed++;
      return true;
    } catch (error) {
      if (!(error instanceof Refused)) throw error;
      return false;
    }
  }

  private free(seller: ModelSeller): bigint {
    return seller.stake - seller.locked;
  }

  async run(step: Action): Promise<void> {
    const now = this.world.now;
    switch (step.do) {
      case 'wait':
        this.world.now += step.seconds;
        return;
      case 'create':
        return this.create(step.buyer, step.seller, step.amount);
      case 'stake': {
        const seller = this.sellers[step.seller] as ModelSeller;
        const done = this.send([await this.world.addStake(this.stranger.publicKey, seller.seller.authority.publicKey, step.amount)], []);
        assert.equal(done, step.amount > 0n, 'stake');
        if (done) seller.stake += step.amount;
        return;
      }
      case 'unstake': {
        const seller = this.sellers[step.seller] as ModelSeller;
        const done = this.send([await this.world.requestUnstake(seller.seller.authority.publicKey, step.amount)], [seller.seller.authority]);
        assert.equal(done, step.amount > 0n && step.amount <= this.free(seller), 'unstake');
        if (done) [seller.asked, seller.askedAt] = [step.amount, now];
        return;
      }
      case 'withdraw': {
        const seller = this.sellers[step.seller] as ModelSeller;
        const done = this.send([await this.world.withdraw(seller.seller.authority.publicKey)], [seller.seller.authority]);
        assert.equal(done, seller.asked > 0n && now >= seller.askedAt + 3_600n && seller.asked <= this.free(seller), 'withdraw');
        if (done) [seller.stake, seller.asked] = [seller.stake - seller.asked, 0n];
        return;
      }
      default: {
        const job = this.jobs.at(-1 - step.job);
        if (job !== undefined) await this.act(step.do, job);
      }
    }
  }

  private async create(buyerAt: number, sellerAt: number, amount: bigint): Promise<void> {
    const [buyer, seller] = [this.buyers[buyerAt] as Buyer, this.sellers[sellerAt] as ModelSeller];
    const terms = this.world.terms(buyer, seller.seller, { amount, jobId: digest(`job ${this.jobs.length}`) });
    const address = this.world.jobAddress(buyer.wallet.publicKey, terms.jobId);
    const done = this.send([await this.world.create(buyer.wallet.publicKey, seller.seller.authority.publicKey, terms)], [buyer.wallet]);
    assert.equal(done, seller.stake - seller.asked >= MIN_STAKE && this.free(seller) >= 10n * amount, 'create');
    if (!done) return;
    this.jobs.push({
      job: { address, buyer, seller: seller.seller, terms }, seller, amount, createdAt: this.world.now, submittedAt: 0n,
      state: 'open', submits: 0, payments: 0, refunds: 0,
    });
  }

  private async act(what: 'submit' | 'confirm' | 'claim' | 'refund' | 'decline' | 'reject' | 'slash', entry: ModelJob): Promise<void> {
    const { job, seller } = entry;
    const now = this.world.now;
    const [isOpen, isSubmitted] = [entry.state === 'open', entry.state === 'submitted'];
    const payee = this.world.balance(job.seller.authority.publicKey);
    const risk = 10n * entry.amount;
    const { buyer: { wallet }, seller: { authority, node } } = job;
    let allowed: boolean;
    let done: boolean;
    switch (what) {
      case 'submit':
        allowed = isOpen && now < entry.createdAt + 600n && this.free(seller) >= risk;
        done = this.send([await this.world.submit(job)], [authority]);
        if (done) [entry.state, entry.submittedAt, entry.submits, seller.locked] = ['submitted', now, entry.submits + 1, seller.locked + risk];
        break;
      case 'decline':
        allowed = isOpen;
        done = this.send([await this.world.decline(job)], [authority]);
        if (done) entry.refunds++;
        break;
      case 'refund':
        allowed = isOpen && now >= entry.createdAt + 600n;
        done = this.send([await this.world.refund(job)], []);
        if (done) entry.refunds++;
        break;
      case 'confirm':
        allowed = isSubmitted;
        done = this.send([await this.world.confirm(job)], [wallet]);
        if (done) entry.payments++;
        break;
      case 'claim':
        allowed = isSubmitted && now >= entry.submittedAt + 300n;
        done = this.send([await this.world.claim(job)], []);
        if (done) entry.payments++;
        break;
      case 'reject':
        allowed = isSubmitted && now < entry.submittedAt + 300n;
        done = this.send([await this.world.reject(job)], [wallet]);
        break;
      case 'slash': {
        const head = headOf(job, { n: delivered.tokenCount - 1 });
        allowed = isSubmitted;
        done = this.send([verifySignatures([signedHead(node, job.terms.jobId, head)]), await this.world.slashHeadMismatch(job, head)], [], 1);
        if (done) {
          seller.stake -= risk;
          seller.asked = smaller(seller.asked, seller.stake);
        }
        break;
      }
    }
    assert.equal(done, allowed, `${what} of a job that is ${entry.state}, ${now - entry.createdAt} s old`);
    if (done && what !== 'submit') {
      if (isSubmitted) seller.locked -= risk;
      entry.state = 'settled';
    }
    // A seller that is its own client gets everything back.
    if (wallet !== authority) {
      const paid = done && (what === 'confirm' || what === 'claim') ? smaller(entry.amount, price) : 0n;
      assert.equal(this.world.balance(authority.publicKey) - payee, paid, `${what} paid`);
    }
  }

  check(): void {
    assert.equal(this.sum() + this.fees, this.total, 'lamports are conserved');
    for (const { seller, stake, locked, asked } of this.sellers) {
      const address = this.world.provider(seller.authority.publicKey);
      const account = this.world.readProvider(seller.authority.publicKey);
      assert.deepEqual([account.stake, account.lockedStake, account.unstakeAmount].map(String), [stake, locked, asked].map(String));
      assert.equal(this.world.balance(address), this.world.rent(174) + stake, 'rent and stake, no more and no less');
      assert.equal(bigger(locked, 0n), this.jobs.filter(({ job, state }) => job.seller === seller && state === 'submitted').reduce((sum, { amount }) => sum + 10n * amount, 0n));
    }
    for (const { job, state, amount, submits, payments, refunds } of this.jobs) {
      assert.equal(this.world.balance(job.address), state === 'settled' ? 0n : this.world.rent(347) + amount);
      assert.ok(submits <= 1 && payments <= submits, 'paid at most once, and only what was submitted');
      assert.ok(refunds === 0 || (submits === 0 && payments === 0), 'refunded only what was not');
    }
  }
}

test('any sequence of instructions', async () => {
  let [executed, settled] = [0, 0];
  await fc.assert(
    fc.asyncProperty(fc.array(action, { minLength: 30, maxLength: 60 }), async (actions) => {
      const market = new Market();
      await market.open();
      for (const step of actions) {
        await market.run(step);
        market.check();
      }
      executed += market.executed;
      settled += market.jobs.filter(({ state }) => state === 'settled').length;
    }),
    { numRuns: 40 },
  );
  assert.ok(executed > 300 && settled > 50, `the sequences do something: ${executed} executed, ${settled} settled`);
});
