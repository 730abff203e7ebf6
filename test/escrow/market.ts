import assert from 'node:assert/strict';
import { type Keypair, SystemProgram, type TransactionInstruction } from '@solana/web3.js';
import type { Subject } from '../../src/escrow/escrow.ts';
import type { Call } from '../../src/escrow/program/instructions/context.ts';
import type { Action, Of } from './actions.ts';
import { encodeOffer, encodeTerms } from './layouts.ts';
import {
  deliverWithin,
  type Make,
  Model,
  type ModelBuyer,
  type ModelChannel,
  type ModelEvidence,
  type ModelJob,
  type ModelSeller,
  priceOf,
  prices,
} from './model.ts';
import { falseStep, forcedStep, leafOf, treeOf } from './tree.ts';
import {
  ackOf,
  buyerWithNodeWallet,
  digest,
  headOf,
  incinerator,
  jobIdOf,
  MIN_STAKE,
  newNode,
  Refused,
  SIGNATURE_FEE,
  SOL,
  signedAck,
  signedHead,
  signedTerms,
  totals,
  type World,
} from './world.ts';

const stepOf = (make: Make) => (make === 'false' ? falseStep : forcedStep);
const rootOf = (jobId: Uint8Array, make: Make) => (make === 'long' ? digest('root') : leafOf(jobId, 0, stepOf(make)));

/** People who use one program in any order, against a model of what each call may do. */
export class Market {
  readonly world: World;
  readonly model: Model;
  readonly stranger: Keypair;
  /** What was executed, by name. */
  readonly done = new Map<string, number>();

  constructor(world: World) {
    this.world = world;
    this.model = new Model(world);
    this.stranger = world.wallet();
  }

  async open(): Promise<void> {
    const { world, model } = this;
    for (const key of [incinerator, this.stranger.publicKey]) model.entry(key);
    for (const stake of [MIN_STAKE, 3n * SOL]) model.addSeller(await world.newSeller(stake), stake);
    // One of the sellers buys from itself and from the other.
    const [self] = model.sellers as [ModelSeller];
    const own = buyerWithNodeWallet(world);
    const other = buyerWithNodeWallet(world);
    model.buyers.push({ ...other.buyer, nodeWallet: other.nodeWallet });
    model.buyers.push({ wallet: self.authority, node: own.buyer.node, nodeWallet: own.nodeWallet });
    for (const { wallet, nodeWallet } of model.buyers)
      for (const { publicKey } of [wallet, nodeWallet]) model.entry(publicKey);
  }

  /** Sends it and says whether it was executed, which it has to be where it is `allowed`. The stranger pays all fees. */
  async #send(
    name: string,
    allowed: boolean,
    call: Promise<Call> | TransactionInstruction,
    signers: readonly Keypair[] = [],
  ): Promise<boolean> {
    const made = await call;
    const nodeSignatures = 'nodeSignatures' in made ? made.nodeSignatures : 0;
    const fee = SIGNATURE_FEE * BigInt(1 + signers.length + nodeSignatures);
    this.model.move(this.stranger.publicKey, null, fee);
    let refusal: Refused | null = null;
    try {
      await this.world.send(made, [this.stranger, ...signers]);
    } catch (error) {
      if (!(error instanceof Refused)) throw error;
      refusal = error;
    }
    assert.equal(refusal === null, allowed, `${name}: ${refusal?.message ?? 'executed'}`);
    if (allowed) this.done.set(name, (this.done.get(name) ?? 0) + 1);
    return allowed;
  }

  async run(step: Action): Promise<void> {
    await this.#do(step);
    this.model.check();
  }

  async #do(step: Action): Promise<void> {
    const { model } = this;
    switch (step.do) {
      case 'create':
        return this.#create(step);
      case 'open':
        return this.#open(step);
      case 'submit':
      case 'refund':
      case 'confirm':
      case 'reject': {
        const job = model.jobs.at(-1 - step.job);
        if (job === undefined) return;
        return step.do === 'submit' ? this.#submit(job, step) : this.#endJob(job, step);
      }
      case 'topUp':
      case 'settle':
      case 'close':
      case 'requestClose':
      case 'rejectChannel':
      case 'finish':
      case 'evidence': {
        const channel = model.channels.at(-1 - step.channel);
        if (channel === undefined) return;
        return step.do === 'evidence' ? this.#keepEvidence(channel, step) : this.#useChannel(channel, step);
      }
      case 'closeEvidence': {
        const evidence = model.evidences.at(-1 - step.evidence);
        return evidence === undefined ? undefined : this.#closeEvidence(evidence);
      }
      case 'challenge':
      case 'answer':
      case 'slash': {
        const answer = (step.of === 'job' ? model.jobs : model.evidences).at(-1 - step.at);
        return answer === undefined ? undefined : this.#prove(answer, step);
      }
      case 'stake':
      case 'withdraw':
      case 'rotate':
        return this.#provide(model.sellers[step.seller] as ModelSeller, step);
      case 'empty':
        return this.#empty(step);
      case 'wait':
        this.world.now += step.seconds;
        return;
      case 'edge':
        return this.#edge(step);
    }
  }

  /** To the second before or of the next limit of what is there. */
  #edge({ of, at, seconds }: Of<'edge'>): void {
    const { world } = this;
    const next = this.#limitsOf(of, at).filter((limit) => limit + seconds > world.now);
    const [first] = next.sort((a, b) => (a < b ? -1 : 1));
    if (first !== undefined) world.now = first + seconds;
  }

  #limitsOf(of: Of<'edge'>['of'], at: number): bigint[] {
    const { model } = this;
    if (of === 'job') {
      const job = model.jobs.at(-1 - at);
      if (job === undefined || job.state === 'ended') return [];
      const due = job.challenge?.open === true ? [job.challenge.due] : [];
      return job.state === 'open' ? [job.createdAt + deliverWithin] : [job.releaseAt, ...due];
    }
    if (of === 'channel') {
      const channel = model.channels.at(-1 - at);
      if (channel === undefined || channel.ended) return [];
      return [channel.validUntil + 1n, channel.closingAt === null ? channel.expiresAt : model.closingEnd(channel)];
    }
    const evidence = model.evidences.at(-1 - at);
    if (evidence === undefined || evidence.within.ended) return [];
    return [evidence.within.validUntil + 1n, ...(evidence.challenge?.open === true ? [evidence.challenge.due] : [])];
  }

  // Jobs.

  async #create({ buyer: at, seller: of, mode, again, price, off }: Of<'create'>): Promise<void> {
    const { world, model } = this;
    const last = model.jobs.at(-1);
    if (again && last !== undefined) return this.#createAgain(last);
    const [buyer, seller] = [model.buyers[at] as ModelBuyer, model.sellers[of] as ModelSeller];
    const full = priceOf(price, mode, prices.promptTokens, prices.maxTokens);
    const fields = { mode, topK: 1, priceJob: price, amount: full + off };
    const offer = encodeOffer(world.offerFields(buyer, seller, fields));
    const allowed = off === 0n && this.#mayLock(buyer, seller, full);
    const call = world.by(buyer.wallet).createJob(seller.authority.publicKey.toBytes(), offer);
    if (!(await this.#send('create', allowed, call, [buyer.wallet]))) return;
    await this.#addJob(buyer, seller, offer, { mode, price, full, expiresAt: world.now + 60n, signer: seller.node });
  }

  /** The same offer once more: a new job where the old one has ended and the offer has not expired. */
  async #createAgain(last: ModelJob): Promise<void> {
    const { world } = this;
    const { buyer, seller, job, mode, priceJob: price, expiresAt, signer } = last;
    const full = priceOf(price, mode, prices.promptTokens, prices.maxTokens);
    const usable = last.state === 'ended' && world.now < expiresAt && signer === seller.node;
    const call = world.by(buyer.wallet).createJob(seller.authority.publicKey.toBytes(), job.offer);
    const allowed = usable && this.#mayLock(buyer, seller, full);
    if (!(await this.#send('create again', allowed, call, [buyer.wallet]))) return;
    await this.#addJob(buyer, seller, job.offer, { mode, price, full, expiresAt, signer });
  }

  #mayLock(buyer: ModelBuyer, seller: ModelSeller, amount: bigint): boolean {
    const { model } = this;
    return model.free(seller) >= 10n * amount && model.canGive(buyer.wallet.publicKey, model.rent.job + amount);
  }

  async #addJob(
    buyer: ModelBuyer,
    seller: ModelSeller,
    offer: Uint8Array,
    {
      mode,
      price,
      full,
      expiresAt,
      signer,
    }: { mode: number; price: bigint; full: bigint; expiresAt: bigint; signer: ModelSeller['node'] },
  ): Promise<void> {
    const { world, model } = this;
    const job = world.jobOf(offer, { buyer, seller: { authority: seller.authority, node: signer } });
    const now = world.now;
    const delivered = { tokens: 0, make: 'long' as const, challenge: null, releaseAt: 0n, payout: 0n };
    const agreed = { mode, priceJob: price, createdAt: now, expiresAt };
    model.jobs.push({ kind: 'job', job, buyer, seller, signer, state: 'open', ...agreed, ...delivered });
    const address = model.holderOf(model.jobs.at(-1) as ModelJob);
    model.entry(address).lamports = 0n;
    model.move(buyer.wallet.publicKey, address, model.rent.job + full);
  }

  /** Whether no later job took its place under the same offer. */
  #isLatest(job: ModelJob): boolean {
    const same = ({ job: { key } }: ModelJob) => Buffer.from(key.address).equals(Buffer.from(job.job.key.address));
    return this.model.jobs.findLast(same) === job;
  }

  async #submit(job: ModelJob, { delivery: [tokens, acked, finish, stop], make: wanted }: Of<'submit'>): Promise<void> {
    const { world, model } = this;
    if (!this.#isLatest(job)) return;
    const make = tokens === 1 ? wanted : 'long';
    const { jobId, key, seller } = job.job;
    const head = headOf(jobId, { n: tokens, root: rootOf(jobId, make), finish });
    const ack = signedAck(job.buyer.node, ackOf(jobId, { n: acked, stop }));
    const may = model.maySubmit(job, { tokens, acked, finish, stop }, world.now);
    const covered = may && model.free(job.seller) >= 10n * model.payoutOf(job, tokens, acked);
    const call = world.by(seller.authority).submitJob(key, head, ack);
    if (await this.#send('submit', covered, call, [seller.authority]))
      model.submit(job, tokens, acked, make, world.now);
  }

  async #endJob(job: ModelJob, step: Of<'refund'> | Of<'confirm'> | Of<'reject'>): Promise<void> {
    const { world, model } = this;
    if (!this.#isLatest(job)) return;
    const { now } = world;
    const { wallet } = job.buyer;
    const { authority } = job.seller;
    const { key } = job.job;
    if (step.do === 'reject') {
      const allowed = job.state === 'submitted' && now < job.releaseAt;
      const call = world.by(wallet).rejectJob(world.job(job.job) ?? key, digest('verdict'));
      if (await this.#send('reject', allowed, call, [wallet])) model.endJob(job, 'reject');
      return;
    }
    const caller = { payer: wallet, authority, stranger: this.stranger }[step.by];
    const signers = caller === this.stranger ? [] : [caller];
    if (step.do === 'refund') {
      const allowed = job.state === 'open' && (caller === authority || now >= job.createdAt + deliverWithin);
      if (await this.#send('refund', allowed, world.by(caller).refundJob(key), signers)) model.endJob(job, 'refund');
      return;
    }
    const released = caller === wallet || now >= job.releaseAt;
    const allowed = job.state === 'submitted' && job.challenge?.open !== true && released;
    if (await this.#send('confirm', allowed, world.by(caller).confirmJob(key), signers)) model.endJob(job, 'confirm');
  }

  // Channels.

  async #open({ buyer: at, seller: of, deposit, parts, again }: Of<'open'>): Promise<void> {
    const { world, model } = this;
    const last = model.channels.at(-1);
    if (again && last !== undefined) {
      const { wallet } = last.buyer;
      // Terms open once: while they are valid the channel cannot end.
      await this.#send('open again', false, world.by(wallet).openChannel(last.channel.terms), [wallet]);
      return;
    }
    const [buyer, seller] = [model.buyers[at] as ModelBuyer, model.sellers[of] as ModelSeller];
    const window = (deposit * parts) / 8n;
    const terms = signedTerms(seller.node, encodeTerms(world.termsFields(buyer, seller, { deposit, window })));
    const funded = model.canGive(buyer.wallet.publicKey, model.rent.channel + deposit);
    const allowed = window <= deposit && model.free(seller) >= 10n * window && funded;
    if (!(await this.#send('open', allowed, world.by(buyer.wallet).openChannel(terms), [buyer.wallet]))) return;
    const channel = world.channelOf(terms, { buyer, seller: { authority: seller.authority, node: seller.node } });
    const now = world.now;
    const none = {
      committed: 0n,
      released: 0n,
      settled: 0n,
      closingAt: null,
      rejected: false,
      challenges: 0,
      ended: false,
    };
    const agreed = { window, deposit, validUntil: now + 60n, expiresAt: now + 3_600n };
    model.channels.push({ kind: 'channel', channel, buyer, seller, ...agreed, ...none });
    seller.locked += 10n * window;
    const address = world.addressOf(channel.key);
    model.entry(address).lamports = 0n;
    model.move(buyer.wallet.publicKey, address, model.rent.channel + deposit);
  }

  async #useChannel(
    entry: ModelChannel,
    step: Of<'topUp'> | Of<'settle'> | Of<'close'> | Of<'requestClose'> | Of<'rejectChannel'> | Of<'finish'>,
  ): Promise<void> {
    const { world, model } = this;
    const { now } = world;
    const { channel, ended, closingAt } = entry;
    const { wallet } = entry.buyer;
    const { authority } = entry.seller;
    const { key } = channel;
    switch (step.do) {
      case 'topUp': {
        const allowed =
          !ended && closingAt === null && step.amount > 0n && model.canGive(wallet.publicKey, step.amount);
        if (!(await this.#send('topUp', allowed, world.by(wallet).topUpChannel(key, step.amount), [wallet]))) return;
        entry.deposit += step.amount;
        return model.move(wallet.publicKey, world.addressOf(key), step.amount);
      }
      case 'settle':
      case 'close': {
        const [parts, releasedParts, more] = step.totals;
        const [committed, released] = [parts, releasedParts].map(
          (part) => (entry.deposit * BigInt(part)) / 8n + more,
        ) as [bigint, bigint];
        const fits = !ended && committed <= entry.deposit && released <= committed;
        if (step.do === 'settle') {
          const call = world.by(this.stranger).settleChannel(key, totals(channel, committed, released));
          if (await this.#send('settle', fits, call)) model.acknowledge(entry, committed, released);
          return;
        }
        const newest = committed >= entry.committed && released >= entry.released;
        const free = now > entry.validUntil && !model.isChallenged(entry);
        const ack = totals(channel, committed, released, { stop: step.stop });
        const call = world.by(authority).closeChannel(key, ack);
        if (!(await this.#send('close', fits && newest && free && step.stop === 2, call, [authority]))) return;
        model.acknowledge(entry, committed, released);
        return model.endChannel(entry, 'close');
      }
      case 'requestClose': {
        const caller = { payer: wallet, authority, stranger: this.stranger }[step.by];
        const may = caller !== this.stranger || now >= entry.expiresAt;
        const allowed = !ended && closingAt === null && now > entry.validUntil && may;
        const signers = caller === this.stranger ? [] : [caller];
        if (await this.#send('requestClose', allowed, world.by(caller).requestCloseChannel(key), signers))
          entry.closingAt = now;
        return;
      }
      case 'rejectChannel': {
        const allowed = !ended && closingAt !== null && !entry.rejected && now < model.closingEnd(entry);
        const call = world.by(wallet).rejectChannel(key, digest('verdict'));
        if (await this.#send('rejectChannel', allowed, call, [wallet])) entry.rejected = true;
        return;
      }
      case 'finish': {
        const allowed = !ended && now >= model.closingEnd(entry) && !model.isChallenged(entry);
        if (await this.#send('finish', allowed, world.by(this.stranger).finishChannel(key)))
          model.endChannel(entry, 'finish');
      }
    }
  }

  async #keepEvidence(within: ModelChannel, { mode, make, by }: Of<'evidence'>): Promise<void> {
    const { world, model } = this;
    const { channel, buyer } = within;
    const rentPayer = { payer: buyer.wallet, node: buyer.nodeWallet, stranger: this.stranger }[by];
    const offer = world.channelOffer(channel, { mode, topK: 1 });
    const jobId = jobIdOf(offer);
    const head = signedHead(channel.seller.node, headOf(jobId, { n: 1, root: rootOf(jobId, make), finish: 255 }));
    const allowed = !within.ended && by !== 'stranger' && model.canGive(rentPayer.publicKey, model.rent.evidence);
    const signers = by === 'stranger' ? [] : [rentPayer];
    if (!(await this.#send('evidence', allowed, world.by(rentPayer).createEvidence(channel.key, offer, head), signers)))
      return;
    const evidence = world.evidenceOf(channel, jobId);
    const answer = { mode, make, tokens: 1, challenge: null };
    model.evidences.push({
      kind: 'evidence',
      evidence,
      within,
      rentPayer,
      signer: channel.seller.node,
      closed: false,
      ...answer,
    });
    const address = world.addressOf(evidence);
    model.entry(address).lamports = 0n;
    model.move(rentPayer.publicKey, address, model.rent.evidence);
  }

  async #closeEvidence(entry: ModelEvidence): Promise<void> {
    const { world, model } = this;
    const { rentPayer, within, closed } = entry;
    const current = world.evidence(entry.evidence) ?? entry.evidence;
    const call = world.by(rentPayer).closeEvidence(current);
    if (await this.#send('closeEvidence', within.ended && !closed, call, [rentPayer])) model.closeEvidence(entry);
  }

  // Proofs.

  async #prove(answer: ModelJob | ModelEvidence, step: Of<'challenge'> | Of<'answer'> | Of<'slash'>): Promise<void> {
    const { world, model } = this;
    const { now } = world;
    if (answer.kind === 'job' && !this.#isLatest(answer)) return;
    const jobId = answer.kind === 'job' ? answer.job.jobId : answer.evidence.jobId;
    const subject = this.#subjectOf(answer);
    const proof = treeOf(jobId, [stepOf(answer.make)]).prove(0);
    if (step.do === 'challenge') {
      const buyer = model.buyerOf(answer);
      const by = { payer: buyer.wallet, node: buyer.nodeWallet, stranger: this.stranger }[step.by];
      const allowed = step.by !== 'stranger' && model.mayChallenge(answer, by, now);
      const signers = step.by === 'stranger' ? [] : [by];
      if (await this.#send('challenge', allowed, world.by(by).challenge(subject, [0]), signers))
        model.challenge(answer, by, now);
      return;
    }
    const by = world.by(this.stranger);
    if (step.do === 'answer') {
      if (await this.#send('answer', model.mayAnswer(answer), by.answerChallenge(subject, proof))) model.answer(answer);
      return;
    }
    const allowed = model.maySlash(answer, step.why, now);
    const heads = [11, 12].map((n) => signedHead(answer.signer, headOf(jobId, { n, finish: 0 })));
    const call =
      step.why === 'silence'
        ? by.slashSilence(subject)
        : step.why === 'sampler'
          ? by.slashSampler(subject, proof)
          : by.slashEquivocation(subject, heads as never);
    if (await this.#send(step.why, allowed, call)) model.slash(answer);
  }

  #subjectOf(answer: ModelJob | ModelEvidence): Subject {
    const { world } = this;
    if (answer.kind === 'job') return { job: world.job(answer.job) ?? answer.job.key };
    return { evidence: world.evidence(answer.evidence) ?? answer.evidence, channel: answer.within.channel.key };
  }

  // Stake and wallets.

  async #provide(seller: ModelSeller, step: Of<'stake'> | Of<'withdraw'> | Of<'rotate'>): Promise<void> {
    const { world, model, stranger } = this;
    const { authority } = seller;
    const [wallet, stakeKey] = [authority.publicKey, model.stakeKey(seller)];
    if (step.do === 'rotate') {
      const node = newNode();
      if (!(await this.#send('rotate', true, world.by(authority).rotatePeer(node, seller.bindings + 1), [authority])))
        return;
      [seller.node, seller.bindings] = [node, seller.bindings + 1];
      return;
    }
    if (step.do === 'stake') {
      const call = world.by(stranger).addStake(step.amount, wallet.toBytes());
      if (!(await this.#send('stake', step.amount > 0n, call))) return;
      seller.stake += step.amount;
      return model.move(stranger.publicKey, stakeKey, step.amount);
    }
    const free = model.free(seller);
    const amount = { nothing: 0n, one: 1n, free, more: free + 1n }[step.amount];
    const held = model.held(wallet) + amount >= model.rent.wallet;
    const allowed = amount > 0n && amount <= free && held;
    if (!(await this.#send('withdraw', allowed, world.by(authority).withdraw(amount), [authority]))) return;
    seller.stake -= amount;
    model.move(stakeKey, wallet, amount);
  }

  /** Takes all lamports out of a wallet: other people's money must not wait for it. */
  async #empty({ of, at }: Of<'empty'>): Promise<void> {
    const { model, stranger } = this;
    const [seller, buyer] = [model.sellers[at] as ModelSeller, model.buyers[at] as ModelBuyer];
    const wallet = { buyer: buyer.wallet, node: buyer.nodeWallet, seller: seller.authority }[of];
    const everything = model.held(wallet.publicKey);
    if (everything === 0n) return;
    const all = { fromPubkey: wallet.publicKey, toPubkey: stranger.publicKey, lamports: everything };
    await this.#send('empty', true, SystemProgram.transfer(all), [wallet]);
    model.move(wallet.publicKey, stranger.publicKey, everything);
  }
}
