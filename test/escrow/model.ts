import assert from 'node:assert/strict';
import type { Keypair, PublicKey } from '@solana/web3.js';
import type { EvidenceAccount } from '../../src/escrow/accounts.ts';
import type { SigningKey } from '../../src/proofs/signing.ts';
import { type Buyer, incinerator, type Seller, type TestChannel, type TestJob, type World } from './world.ts';

// What the program has to do, written apart from it: who holds how much, and what each call may do now. Times are unix
// seconds.

export interface ModelSeller {
  readonly authority: Keypair;
  node: SigningKey;
  stake: bigint;
  locked: bigint;
  bindings: number;
  completed: bigint;
  earned: bigint;
  rejections: number;
  rejected: bigint;
  slashes: number;
}

/** How an answer was made: of one step that is honest or false, or longer, with a root of which nothing is known. */
export type Make = 'honest' | 'false' | 'long';

export interface ModelChallenge {
  readonly by: Keypair;
  readonly due: bigint;
  open: boolean;
}

/** What can be proved about an answer. */
export interface ModelAnswer {
  readonly mode: number;
  tokens: number;
  make: Make;
  challenge: ModelChallenge | null;
}

export interface ModelJob extends ModelAnswer {
  readonly kind: 'job';
  readonly job: TestJob;
  readonly buyer: ModelBuyer;
  readonly seller: ModelSeller;
  readonly signer: SigningKey;
  readonly priceJob: bigint;
  readonly createdAt: bigint;
  readonly expiresAt: bigint;
  state: 'open' | 'submitted' | 'ended';
  releaseAt: bigint;
  payout: bigint;
}

export interface ModelChannel {
  readonly kind: 'channel';
  readonly channel: TestChannel;
  readonly buyer: ModelBuyer;
  readonly seller: ModelSeller;
  readonly window: bigint;
  readonly validUntil: bigint;
  readonly expiresAt: bigint;
  deposit: bigint;
  committed: bigint;
  released: bigint;
  settled: bigint;
  closingAt: bigint | null;
  rejected: boolean;
  challenges: number;
  ended: boolean;
}

export interface ModelEvidence extends ModelAnswer {
  readonly kind: 'evidence';
  readonly evidence: EvidenceAccount;
  readonly within: ModelChannel;
  readonly signer: SigningKey;
  readonly rentPayer: Keypair;
  closed: boolean;
}

/** A buyer whose node's key is a wallet, too. */
export interface ModelBuyer extends Buyer {
  readonly nodeWallet: Keypair;
}

export const prices = { in: 1_500n, out: 4_001n, promptTokens: 23n, maxTokens: 64n, grace: 32n } as const;
export const deliverWithin = 600n;
const [multiple, bond, challengeWindow, margin, closeWindow] = [10n, 5_000n, 14_400n, 60n, 18_000n];
const maxChallenges = 3;

const least = (a: bigint, b: bigint): bigint => (a < b ? a : b);
const most = (a: bigint, b: bigint): bigint => (a > b ? a : b);

/** Lamports of this many tokens. */
export function priceOf(priceJob: bigint, mode: number, prompt: bigint, paid: bigint): bigint {
  const tokens = prompt * prices.in + paid * (mode === 4 ? prices.in : prices.out);
  return priceJob + (tokens + 999n) / 1_000n;
}

/** Every lamport, and where it has to be. */
export class Model {
  readonly #world: World;
  readonly #book = new Map<string, { readonly key: PublicKey; lamports: bigint }>();
  readonly sellers: ModelSeller[] = [];
  readonly buyers: ModelBuyer[] = [];
  readonly jobs: ModelJob[] = [];
  readonly channels: ModelChannel[] = [];
  readonly evidences: ModelEvidence[] = [];
  readonly rent: {
    readonly wallet: bigint;
    readonly provider: bigint;
    readonly job: bigint;
    readonly channel: bigint;
    readonly evidence: bigint;
  };

  constructor(world: World) {
    this.#world = world;
    const [wallet, provider, job, channel, evidence] = [0, 166, 452, 270, 391].map((bytes) => world.rent(bytes)) as [
      bigint,
      bigint,
      bigint,
      bigint,
      bigint,
    ];
    this.rent = { wallet, provider, job, channel, evidence };
  }

  addSeller({ authority, node }: Seller, stake: bigint): void {
    const none = { locked: 0n, bindings: 0, completed: 0n, earned: 0n, rejections: 0, rejected: 0n, slashes: 0 };
    this.sellers.push({ authority, node, stake, ...none });
    for (const key of [authority.publicKey, this.stakeKey({ authority })]) this.entry(key);
  }

  stakeKey(seller: Pick<ModelSeller, 'authority'>): PublicKey {
    return this.#world.providerAddress(seller);
  }

  // The book.

  /** What is held there by the book; it begins with what was found. */
  entry(key: PublicKey): { lamports: bigint } {
    const name = key.toBase58();
    const entry = this.#book.get(name) ?? { key, lamports: this.#world.balance(key) };
    this.#book.set(name, entry);
    return entry;
  }

  held(key: PublicKey): bigint {
    return this.entry(key).lamports;
  }

  /** @param to null: to the network, as a fee */
  move(from: PublicKey, to: PublicKey | null, lamports: bigint): void {
    this.entry(from).lamports -= lamports;
    if (to !== null) this.entry(to).lamports += lamports;
  }

  /** Whether a wallet can give this amount: it is left with nothing, or with its rent minimum. */
  canGive(key: PublicKey, lamports: bigint): boolean {
    const left = this.held(key) - lamports;
    return left === 0n || left >= this.rent.wallet;
  }

  free({ stake, locked }: ModelSeller): bigint {
    return stake - locked;
  }

  /** Out of an account of the program into the provider's, as stake. */
  #pay(from: PublicKey, seller: ModelSeller, lamports: bigint): void {
    this.move(from, this.stakeKey(seller), lamports);
    seller.stake += lamports;
  }

  // Jobs.

  maySubmit(
    job: ModelJob,
    { tokens, acked, finish, stop }: { tokens: number; acked: number; finish: number; stop: number },
    now: bigint,
  ): boolean {
    const ends = finish <= 5 && (finish === 4) === (job.mode === 4) && (finish !== 2 || stop === 1);
    const fits = tokens <= Number(prices.maxTokens) && acked <= tokens;
    return job.state === 'open' && now < job.createdAt + deliverWithin && ends && fits;
  }

  payoutOf(job: ModelJob, tokens: number, acked: number): bigint {
    const paid = acked === 0 ? 0n : least(BigInt(tokens), BigInt(acked) + prices.grace);
    return priceOf(job.priceJob, job.mode, prices.promptTokens, paid);
  }

  submit(job: ModelJob, tokens: number, acked: number, make: Make, now: bigint): void {
    const took = now - job.createdAt;
    job.state = 'submitted';
    [job.tokens, job.make, job.payout] = [tokens, make, this.payoutOf(job, tokens, acked)];
    job.releaseAt = now + least(most(took, 300n), 86_400n);
    job.seller.locked += multiple * job.payout;
  }

  endJob(job: ModelJob, how: 'refund' | 'confirm' | 'reject' | 'slash'): void {
    const { seller, buyer } = job;
    const address = this.#world.addressOf(job.job.key);
    const client = buyer.wallet.publicKey;
    if (job.state === 'submitted') seller.locked -= multiple * job.payout;
    if (how === 'confirm') {
      this.#pay(address, seller, job.payout);
      seller.completed += 1n;
      seller.earned += job.payout;
    } else if (how === 'reject') {
      this.move(address, incinerator, job.payout);
      this.#countRejected(seller, job.payout);
    } else if (how === 'slash') this.#slash(seller, client, job.payout);
    this.#returnBond(address, job.challenge);
    this.move(address, client, this.held(address));
    job.state = 'ended';
  }

  #countRejected(seller: ModelSeller, burnt: bigint): void {
    if (burnt === 0n) return;
    seller.rejections += 1;
    seller.rejected += burnt;
  }

  #slash(seller: ModelSeller, to: PublicKey, compensation: bigint): void {
    this.move(this.stakeKey(seller), to, compensation);
    this.move(this.stakeKey(seller), incinerator, (multiple - 1n) * compensation);
    seller.stake -= multiple * compensation;
    seller.slashes += 1;
  }

  /** A challenger whose wallet could not hold so little leaves it to who gets the rest. */
  #returnBond(from: PublicKey, challenge: ModelChallenge | null): void {
    if (challenge?.open !== true) return;
    const to = challenge.by.publicKey;
    if (this.held(to) + bond >= this.rent.wallet) this.move(from, to, bond);
  }

  // Channels.

  acknowledge(channel: ModelChannel, committed: bigint, released: bigint): void {
    channel.committed = most(channel.committed, committed);
    channel.released = most(channel.released, released);
    const due = channel.released - channel.settled;
    this.#pay(this.#world.addressOf(channel.channel.key), channel.seller, due);
    channel.seller.earned += due;
    channel.settled = channel.released;
  }

  closingEnd({ closingAt }: ModelChannel): bigint {
    return closingAt === null ? 2n ** 62n : closingAt + closeWindow;
  }

  isChallenged(channel: ModelChannel): boolean {
    return this.evidences.some(({ within, challenge }) => within === channel && challenge?.open === true);
  }

  endChannel(channel: ModelChannel, how: 'close' | 'finish' | 'slash'): void {
    const { seller, buyer } = channel;
    const address = this.#world.addressOf(channel.channel.key);
    const payer = buyer.wallet.publicKey;
    seller.locked -= multiple * channel.window;
    if (how === 'finish') {
      const unreleased = channel.committed - channel.released;
      const paid = channel.released - channel.settled + (channel.rejected ? 0n : unreleased);
      this.#pay(address, seller, paid);
      seller.earned += paid;
      if (channel.rejected) {
        this.move(address, incinerator, unreleased);
        this.#countRejected(seller, unreleased);
      }
    } else if (how === 'slash') {
      const due = channel.released - channel.settled;
      this.#pay(address, seller, due);
      seller.earned += due;
      this.#slash(seller, payer, channel.window);
    }
    this.move(address, payer, this.held(address));
    channel.ended = true;
  }

  closeEvidence(evidence: ModelEvidence): void {
    const address = this.#world.addressOf(evidence.evidence);
    this.#returnBond(address, evidence.challenge);
    this.move(address, evidence.rentPayer.publicKey, this.held(address));
    evidence.closed = true;
  }

  // Proofs.

  /** Whether the chain keeps the answer in a state in which something can be proved. */
  isDelivered(answer: ModelJob | ModelEvidence): boolean {
    return answer.kind === 'job' ? answer.state === 'submitted' : !answer.closed && !answer.within.ended;
  }

  mayChallenge(answer: ModelJob | ModelEvidence, by: Keypair, now: bigint): boolean {
    const inTime = answer.kind === 'job' ? now < answer.releaseAt : now < this.closingEnd(answer.within);
    const counted = answer.kind === 'job' || answer.within.challenges < maxChallenges;
    return (
      this.isDelivered(answer) &&
      inTime &&
      counted &&
      answer.mode !== 0 &&
      answer.challenge === null &&
      answer.tokens > 0 &&
      this.canGive(by.publicKey, bond)
    );
  }

  challenge(answer: ModelJob | ModelEvidence, by: Keypair, now: bigint): void {
    answer.challenge = { by, due: now + challengeWindow, open: true };
    const end = answer.challenge.due + margin;
    if (answer.kind === 'job') answer.releaseAt = most(answer.releaseAt, end);
    else {
      answer.within.challenges += 1;
      if (answer.within.closingAt !== null) answer.within.closingAt = most(answer.within.closingAt, end - closeWindow);
    }
    this.move(by.publicKey, this.holderOf(answer), bond);
  }

  holderOf(answer: ModelJob | ModelEvidence): PublicKey {
    return this.#world.addressOf(answer.kind === 'job' ? answer.job.key : answer.evidence);
  }

  mayAnswer(answer: ModelJob | ModelEvidence): boolean {
    const judged = answer.mode === 1 || answer.mode === 2;
    const shown = answer.make === 'honest' || (answer.make === 'false' && !judged);
    return this.isDelivered(answer) && answer.challenge?.open === true && shown;
  }

  answer(answer: ModelJob | ModelEvidence): void {
    if (answer.challenge !== null) answer.challenge.open = false;
    this.#pay(this.holderOf(answer), this.sellerOf(answer), bond);
  }

  sellerOf(answer: ModelJob | ModelEvidence): ModelSeller {
    return answer.kind === 'job' ? answer.seller : answer.within.seller;
  }

  buyerOf(answer: ModelJob | ModelEvidence): ModelBuyer {
    return answer.kind === 'job' ? answer.buyer : answer.within.buyer;
  }

  maySlash(answer: ModelJob | ModelEvidence, why: 'silence' | 'equivocation' | 'sampler', now: bigint): boolean {
    if (!this.isDelivered(answer)) return false;
    if (answer.kind === 'evidence' && now <= answer.within.validUntil) return false;
    if (why === 'equivocation') return true;
    if (why === 'sampler') return answer.make === 'false' && (answer.mode === 1 || answer.mode === 2);
    return answer.challenge?.open === true && now >= answer.challenge.due;
  }

  slash(answer: ModelJob | ModelEvidence): void {
    if (answer.kind === 'job') this.endJob(answer, 'slash');
    else this.endChannel(answer.within, 'slash');
  }

  /** That everything is where the model has it. */
  check(): void {
    for (const { key, lamports } of this.#book.values())
      assert.equal(this.#world.balance(key), lamports, `lamports of ${key.toBase58()}`);
    for (const seller of this.sellers) {
      const {
        address: _address,
        authority: _authority,
        registeredAt: _registered,
        ...account
      } = this.#world.provider(seller);
      assert.deepEqual(account, {
        peer: seller.node.publicKey,
        stake: seller.stake,
        lockedStake: seller.locked,
        freeStake: seller.stake - seller.locked,
        jobsCompleted: seller.completed,
        earned: seller.earned,
        jobsRejected: seller.rejections,
        rejected: seller.rejected,
        jobsSlashed: seller.slashes,
        bindings: seller.bindings,
      });
      assert.equal(
        this.held(this.stakeKey(seller)),
        this.rent.provider + seller.stake,
        'rent and stake, no more, no less',
      );
      const jobs = this.jobs.filter((job) => job.seller === seller && job.state === 'submitted');
      const channels = this.channels.filter((channel) => channel.seller === seller && !channel.ended);
      const risks = [...jobs.map(({ payout }) => payout), ...channels.map(({ window }) => window)];
      assert.equal(seller.locked, multiple * risks.reduce((sum, risk) => sum + risk, 0n), 'each risk is locked once');
    }
    for (const { channel, ended, deposit, settled } of this.channels) {
      const held = ended ? 0n : this.rent.channel + deposit - settled;
      assert.equal(this.held(this.#world.addressOf(channel.key)), held, 'rent and what was not paid out');
    }
  }
}
