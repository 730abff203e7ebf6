import assert from 'node:assert/strict';
import type { Keypair, PublicKey } from '@solana/web3.js';
import type { SigningKey } from '../../src/proofs/signing.ts';
import {
  type Buyer,
  type Delivery,
  incinerator,
  MIN_STAKE,
  type Seller,
  type Terms,
  type TestJob,
  type World,
} from './world.ts';

// What the program has to do, written apart from it: who holds how much, and what each call may do now.

export interface ModelSeller {
  readonly authority: Keypair;
  node: SigningKey;
  stake: bigint;
  locked: bigint;
  asked: bigint;
  askedAt: bigint;
  created: bigint;
}

export interface ModelJob {
  readonly job: TestJob;
  readonly seller: ModelSeller;
  readonly createdAt: bigint;
  readonly number: bigint;
  state: 'open' | 'submitted' | 'settled';
  submittedAt: bigint;
  delivery: Delivery | null;
  submits: number;
  payments: number;
  refunds: number;
}

const [timeout, window, cooldown, multiple, grace] = [600n, 300n, 3_600n, 10n, 32];
const smaller = (a: bigint, b: bigint): bigint => (a < b ? a : b);

/** Lamports of what was delivered. */
function priceOf({ amount, priceIn, priceOut }: Terms, { promptCount, tokenCount, cancelN }: Delivery): bigint {
  const paid = cancelN === null ? tokenCount : Math.min(tokenCount, cancelN + grace);
  return smaller(amount, (BigInt(promptCount) * priceIn + BigInt(paid) * priceOut + 999n) / 1_000n);
}

/** The second from which anyone may end the job. */
export const edgeOf = ({ state, createdAt, submittedAt }: ModelJob): bigint =>
  state === 'submitted' ? submittedAt + window : createdAt + timeout;

/** Every lamport, and where it has to be. */
export class Model {
  readonly #world: World;
  readonly #book = new Map<string, { readonly key: PublicKey; lamports: bigint }>();
  readonly sellers: ModelSeller[] = [];
  readonly buyers: Buyer[] = [];
  readonly jobs: ModelJob[] = [];
  readonly rent: { readonly wallet: bigint; readonly job: bigint; readonly provider: bigint };

  constructor(world: World) {
    this.#world = world;
    this.rent = { wallet: world.rent(0), job: world.rent(347), provider: world.rent(174) };
  }

  add({ authority, node }: Seller, stake: bigint): void {
    this.sellers.push({ authority, node, stake, locked: 0n, asked: 0n, askedAt: 0n, created: 0n });
    for (const key of [authority.publicKey, this.providerKey({ authority })]) this.#entry(key);
  }

  providerKey({ authority }: Pick<ModelSeller, 'authority'>): PublicKey {
    return this.#world.provider(authority.publicKey);
  }

  held(key: PublicKey): bigint {
    return this.#entry(key).lamports;
  }

  /** Written down as it is found at first. */
  #entry(key: PublicKey): { lamports: bigint } {
    const name = key.toBase58();
    const entry = this.#book.get(name) ?? { key, lamports: this.#world.balance(key) };
    this.#book.set(name, entry);
    return entry;
  }

  move(from: PublicKey, to: PublicKey | null, lamports: bigint): void {
    this.#entry(from).lamports -= lamports;
    if (to !== null) this.#entry(to).lamports += lamports;
  }

  free({ stake, locked }: ModelSeller): bigint {
    return stake - locked;
  }

  mayCreate(buyer: Buyer, seller: ModelSeller, { amount }: Terms, address: PublicKey): boolean {
    const left = this.held(buyer.wallet.publicKey) - this.rent.job - amount;
    const isFree = !this.jobs.some(({ job, state }) => state !== 'settled' && job.address.equals(address));
    return (
      isFree &&
      amount > 0n &&
      (left === 0n || left >= this.rent.wallet) &&
      seller.stake - seller.asked >= MIN_STAKE &&
      this.free(seller) >= multiple * amount
    );
  }

  create(job: TestJob, seller: ModelSeller, now: bigint): void {
    this.jobs.push({
      job,
      seller,
      createdAt: now,
      number: seller.created,
      state: 'open',
      submittedAt: 0n,
      delivery: null,
      submits: 0,
      payments: 0,
      refunds: 0,
    });
    seller.created++;
    this.#entry(job.address).lamports = 0n;
    this.move(job.buyer.wallet.publicKey, job.address, this.rent.job + job.terms.amount);
  }

  maySubmit(entry: ModelJob, { tokenCount, finish, cancelN }: Delivery, number: bigint, now: bigint): boolean {
    const { terms } = entry.job;
    const ends =
      finish === 0 ? tokenCount >= 1 : finish === 1 ? tokenCount === terms.maxTokens : tokenCount < terms.maxTokens;
    const cancel = finish === 2 ? cancelN !== null && cancelN <= tokenCount : cancelN === null;
    return (
      entry.state === 'open' &&
      number === entry.number &&
      now < entry.createdAt + timeout &&
      tokenCount <= terms.maxTokens &&
      ends &&
      cancel &&
      this.free(entry.seller) >= multiple * terms.amount
    );
  }

  submit(entry: ModelJob, delivery: Delivery, now: bigint): void {
    [entry.state, entry.submittedAt, entry.delivery] = ['submitted', now, delivery];
    entry.submits++;
    entry.seller.locked += multiple * entry.job.terms.amount;
  }

  /** Whether the job may end in this way now, evidence given. */
  mayEnd(entry: ModelJob, how: End, now: bigint): boolean {
    switch (how) {
      case 'decline':
        return entry.state === 'open';
      case 'refund':
        return entry.state === 'open' && now >= entry.createdAt + timeout;
      case 'reject':
        return entry.state === 'submitted' && now < entry.submittedAt + window;
      case 'claim':
        return entry.state === 'submitted' && now >= entry.submittedAt + window;
      case 'confirm':
      case 'slash':
        return entry.state === 'submitted';
    }
  }

  end(entry: ModelJob, how: End): void {
    const {
      seller,
      job: { address, buyer, terms },
    } = entry;
    const [client, authority, provider] = [
      buyer.wallet.publicKey,
      seller.authority.publicKey,
      this.providerKey(seller),
    ];
    const risk = multiple * terms.amount;
    const price = entry.delivery === null ? 0n : priceOf(terms, entry.delivery);
    if (entry.state === 'submitted') seller.locked -= risk;
    if (how === 'confirm' || how === 'claim') {
      const staked = price > 0n && this.held(authority) === 0n && price < this.rent.wallet;
      this.move(address, staked ? provider : authority, price);
      if (staked) seller.stake += price;
      entry.payments++;
    } else if (how === 'reject') {
      this.move(address, incinerator, price);
    } else if (how === 'slash') {
      this.move(provider, client, terms.amount);
      this.move(provider, incinerator, risk - terms.amount);
      seller.stake -= risk;
      seller.asked = smaller(seller.asked, seller.stake);
    } else entry.refunds++;
    this.move(address, client, this.held(address));
    entry.state = 'settled';
  }

  mayWithdraw(seller: ModelSeller, now: bigint): boolean {
    return (
      seller.asked > 0n &&
      now >= seller.askedAt + cooldown &&
      seller.asked <= this.free(seller) &&
      this.held(seller.authority.publicKey) + seller.asked >= this.rent.wallet
    );
  }

  /** That everything is where the model has it. */
  check(): void {
    for (const { key, lamports } of this.#book.values())
      assert.equal(this.#world.balance(key), lamports, `lamports of ${key.toBase58()}`);
    for (const seller of this.sellers) {
      const account = this.#world.readProvider(seller.authority.publicKey);
      assert.deepEqual(
        [account.stake, account.lockedStake, account.unstakeAmount, account.jobsCreated].map(String),
        [seller.stake, seller.locked, seller.asked, seller.created].map(String),
      );
      assert.equal(
        this.held(this.providerKey(seller)),
        this.rent.provider + seller.stake,
        'rent and stake, no more and no less',
      );
      const risks = this.jobs
        .filter((entry) => entry.seller === seller && entry.state === 'submitted')
        .map(({ job }) => multiple * job.terms.amount);
      assert.equal(
        seller.locked,
        risks.reduce((sum, risk) => sum + risk, 0n),
      );
      const own = this.jobs.filter((entry) => entry.seller === seller);
      assert.equal(account.jobsCompleted.toString(), String(own.filter(({ payments }) => payments > 0).length));
    }
    for (const { state, submits, payments, refunds } of this.jobs) {
      assert.ok(submits <= 1 && payments <= submits, 'paid at most once, and only what was submitted');
      assert.ok(refunds === 0 || (submits === 0 && payments === 0), 'refunded only what was not');
      assert.ok(state === 'settled' || refunds + payments === 0);
    }
  }
}

export type End = 'decline' | 'refund' | 'confirm' | 'claim' | 'reject' | 'slash';
