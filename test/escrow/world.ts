import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import type { Program } from '@coral-xyz/anchor';
import anchor from '@coral-xyz/anchor';
import { type Address, getTransactionDecoder, lamports } from '@solana/kit';
import { Keypair, PublicKey, Transaction, TransactionInstruction } from '@solana/web3.js';
import { FailedTransactionMetadata, LiteSVM } from 'litesvm';
import idl from '../../programs/escrow/artifacts/escrow.json' with { type: 'json' };
import type { Escrow } from '../../programs/escrow/artifacts/escrow.ts';
import type { ChannelAccount, EvidenceAccount, JobAccount, ProviderAccount } from '../../src/escrow/accounts.ts';
import { channelAddress, evidenceAddress, jobAddress, providerAddress } from '../../src/escrow/addresses.ts';
import { incineratorText } from '../../src/escrow/constants.ts';
import type { Escrow as EscrowClient, SignedBody, Subject } from '../../src/escrow/escrow.ts';
import { channelOf, evidenceOf, jobOf, providerOf } from '../../src/escrow/program/accounts.ts';
import { type NodeSignature, verifySignatures } from '../../src/escrow/program/ed25519.ts';
import type { Call } from '../../src/escrow/program/instructions/context.ts';
import { createInstructions, type Instructions } from '../../src/escrow/program/instructions.ts';
import { concat, u32 } from '../../src/lib/bytes.ts';
import { type SigningKey, signingKeyFromSeed } from '../../src/proofs/signing.ts';
import { tag } from '../../src/protocol/digests.ts';
import {
  type AckFields,
  encodeAck,
  encodeHead,
  encodeOffer,
  encodeTerms,
  fullPriceOf,
  type HeadFields,
  type OfferFields,
  type TermsFields,
} from './layouts.ts';

export const SOL = 1_000_000_000n;
export const MIN_STAKE = SOL / 10n;
export const SIGNATURE_FEE = 5_000n;
export const BOND = 5_000n;
export const incinerator = new PublicKey(incineratorText);
export const programId = new PublicKey(idl.address);
/** In seconds: how long terms and offers of these tests can be used. */
export const VALIDITY = 60n;

export const programBytes = new Uint8Array(
  readFileSync(new URL('../../programs/escrow/artifacts/escrow.so', import.meta.url)),
);

export const sha256 = (...parts: readonly Uint8Array[]): Uint8Array =>
  new Uint8Array(
    createHash('sha256')
      .update(concat(...parts))
      .digest(),
  );
export const digest = (text: string): Uint8Array => sha256(Buffer.from(text));
export const zeros = (bytes: number): Uint8Array => new Uint8Array(bytes);
let made = 0;
/** 32 bytes that were not made before, and are the same in every run. */
const fresh = (what: string): Uint8Array => digest(`${what} ${made++}`);
export const newNode = (): SigningKey => signingKeyFromSeed(fresh('node'));

/** A transaction that the chain refused. `code` is the program's or Anchor's name for why, else the runtime's. */
export class Refused extends Error {
  readonly code: string;
  readonly logs: readonly string[];
  constructor(code: string, logs: readonly string[]) {
    super(`${code}\n${logs.join('\n')}`);
    this.code = code;
    this.logs = logs;
  }
}

export interface Sent {
  readonly units: number;
  readonly bytes: number;
  readonly logs: readonly string[];
  readonly events: readonly { readonly name: string; readonly data: Record<string, unknown> }[];
}

/** A registered provider: the authority's wallet and the node's key. */
export interface Seller {
  readonly authority: Keypair;
  readonly node: SigningKey;
}

export interface Buyer {
  readonly wallet: Keypair;
  readonly node: SigningKey;
}

/** The chain as a wallet with lamports uses it. */
export type Funded = EscrowClient & { readonly wallet: Uint8Array };

/** A job with the offer that it was created from. `key` is the account as it was then. */
export interface TestJob {
  readonly buyer: Buyer;
  readonly seller: Seller;
  readonly offer: Uint8Array;
  readonly jobId: Uint8Array;
  readonly key: JobAccount;
}

/** A channel with its terms. `key` is the account as it was when it was opened. */
export interface TestChannel {
  readonly buyer: Buyer;
  readonly seller: Seller;
  readonly terms: SignedBody;
  readonly key: ChannelAccount;
}

type Sendable = Call | TransactionInstruction | Promise<Call | TransactionInstruction>;
type People = { readonly buyer?: Buyer; readonly seller?: Seller };

/** The real program in a chain of its own, and the people who use it. */
export class World {
  readonly svm = new LiteSVM();
  readonly program: Program<Escrow> = new anchor.Program(idl as unknown as Escrow, { connection: undefined } as never);

  readonly #signs: boolean;

  /** @param init without `signs` wallets do not sign, and the chain does not ask for it: for many transactions */
  constructor({ signs = true }: { readonly signs?: boolean } = {}) {
    this.#signs = signs;
    // The chain's own history would fill the memory with thousands of transactions.
    this.svm.withSigverify(signs).withTransactionHistory(0n);
    this.svm.addProgram(programId.toBase58() as Address, programBytes);
    this.now = 1_790_000_000n;
  }

  /** Unix seconds. */
  get now(): bigint {
    return this.svm.getClock().unixTimestamp;
  }

  set now(seconds: bigint) {
    const clock = this.svm.getClock();
    clock.unixTimestamp = seconds;
    this.svm.setClock(clock);
  }

  wallet(amount: bigint = 100n * SOL): Keypair {
    const wallet = Keypair.fromSeed(fresh('wallet'));
    if (amount > 0n) this.give(wallet.publicKey, amount);
    return wallet;
  }

  give(key: PublicKey, amount: bigint): void {
    this.svm.airdrop(key.toBase58() as Address, lamports(amount));
  }

  balance(key: PublicKey | Uint8Array): bigint {
    return this.svm.getBalance(new PublicKey(key).toBase58() as Address) ?? 0n;
  }

  rent(bytes: number): bigint {
    return this.svm.minimumBalanceForRentExemption(BigInt(bytes));
  }

  /** The program's instructions, signed by `wallet`. */
  by(wallet: Keypair | PublicKey): Instructions {
    const key = 'publicKey' in wallet ? wallet.publicKey : wallet;
    return createInstructions({ program: this.program, programId: programId.toBytes(), wallet: key.toBytes() });
  }

  /** Executes the calls in one transaction. The first signer pays the fee. @throws Refused */
  async send(calls: Sendable | readonly Sendable[], signers: readonly Keypair[]): Promise<Sent> {
    const all = await Promise.all([calls].flat() as readonly Sendable[]);
    const transaction = new Transaction({
      feePayer: signers[0]?.publicKey,
      recentBlockhash: this.svm.latestBlockhash(),
    } as never);
    transaction.add(...all.flatMap((call) => ('instructions' in call ? [...call.instructions] : [call])));
    if (this.#signs) transaction.sign(...signers);
    const bytes = new Uint8Array(transaction.serialize({ verifySignatures: false, requireAllSignatures: this.#signs }));
    const result = this.svm.sendTransaction(getTransactionDecoder().decode(bytes));
    this.svm.expireBlockhash();
    if (result instanceof FailedTransactionMetadata) throw new Refused(reasonOf(result), result.meta().logs());
    const parser = new anchor.EventParser(programId, this.program.coder);
    return {
      units: Number(result.computeUnitsConsumed()),
      bytes: bytes.length,
      logs: result.logs(),
      events: [...parser.parseLogs(result.logs())],
    };
  }

  /** Executes the calls with a stranger as the payer of the fee. */
  sendAs(signers: readonly Keypair[], ...calls: readonly Sendable[]): Promise<Sent> {
    return this.send(calls, [this.wallet(), ...signers]);
  }

  // Accounts.

  providerAddress({ authority }: Pick<Seller, 'authority'>): PublicKey {
    return new PublicKey(providerAddress(programId.toBytes(), authority.publicKey.toBytes()));
  }

  addressOf({ address }: { readonly address: Uint8Array }): PublicKey {
    return new PublicKey(address);
  }

  provider(seller: Pick<Seller, 'authority'>): ProviderAccount {
    const address = this.providerAddress(seller).toBytes();
    return this.#read(address, 'provider', providerOf) ?? missing('provider');
  }

  /** Null where it is closed or never was. */
  job({ key }: Pick<TestJob, 'key'>): JobAccount | null {
    return this.#read(key.address, 'job', jobOf);
  }

  channel({ key }: Pick<TestChannel, 'key'>): ChannelAccount | null {
    return this.#read(key.address, 'channel', channelOf);
  }

  evidence({ address }: Pick<EvidenceAccount, 'address'>): EvidenceAccount | null {
    return this.#read(address, 'evidence', evidenceOf);
  }

  #read<Raw, Value>(address: Uint8Array, name: string, from: (address: Uint8Array, raw: Raw) => Value): Value | null {
    const account = this.svm.getAccount(new PublicKey(address).toBase58() as Address);
    if (!account.exists || account.programAddress !== programId.toBase58()) return null;
    return from(address, this.program.coder.accounts.decode<Raw>(name, Buffer.from(account.data)));
  }

  // States to begin from.

  newBuyer(): Buyer {
    return { wallet: this.wallet(), node: newNode() };
  }

  async newSeller(stake: bigint = 10n * SOL): Promise<Seller> {
    const seller = { authority: this.wallet(stake + 10n * SOL), node: newNode() };
    await this.send(this.by(seller.authority).register(seller.node, stake), [seller.authority]);
    return seller;
  }

  offerFields(buyer: Buyer, seller: Seller, changes: Partial<OfferFields> = {}): OfferFields {
    return offerBetween(this.#parties(buyer, seller), changes);
  }

  termsFields(buyer: Buyer, seller: Seller, changes: Partial<TermsFields> = {}): TermsFields {
    return termsBetween(this.#parties(buyer, seller), changes);
  }

  #parties(buyer: Buyer, seller: Seller): Parties {
    return {
      payer: buyer.wallet.publicKey.toBytes(),
      authority: seller.authority.publicKey.toBytes(),
      provider: seller.node.publicKey,
      client: buyer.node.publicKey,
      now: this.now,
    };
  }

  async openJob(changes: Partial<OfferFields> = {}, people: People = {}): Promise<TestJob> {
    const buyer = people.buyer ?? this.newBuyer();
    const seller = people.seller ?? (await this.newSeller());
    return this.createJob(encodeOffer(this.offerFields(buyer, seller, changes)), { buyer, seller });
  }

  async createJob(offer: Uint8Array, { buyer, seller }: Required<People>): Promise<TestJob> {
    const { wallet } = buyer;
    await this.send(this.by(wallet).createJob(seller.authority.publicKey.toBytes(), offer), [wallet]);
    return this.jobOf(offer, { buyer, seller });
  }

  /** The job that was created from `offer`. */
  jobOf(offer: Uint8Array, { buyer, seller }: Required<People>): TestJob {
    const jobId = jobIdOf(offer);
    const address = jobAddress(programId.toBytes(), buyer.wallet.publicKey.toBytes(), jobId);
    return { buyer, seller, offer, jobId, key: this.#read(address, 'job', jobOf) ?? missing('job') };
  }

  /** Submits what `submission` says; by default 38 tokens, all acknowledged. */
  submit(job: TestJob, { head, ack }: Submission = {}): Promise<Sent> {
    const { authority } = job.seller;
    return this.send(this.by(authority).submitJob(job.key, ...submission(job, head, ack)), [authority]);
  }

  async submittedJob(how: Submission = {}, changes: Partial<OfferFields> = {}, people: People = {}): Promise<TestJob> {
    const job = await this.openJob(changes, people);
    await this.submit(job, how);
    return job;
  }

  async openChannel(changes: Partial<TermsFields> = {}, people: People = {}): Promise<TestChannel> {
    const buyer = people.buyer ?? this.newBuyer();
    const seller = people.seller ?? (await this.newSeller());
    const terms = signedTerms(seller.node, encodeTerms(this.termsFields(buyer, seller, changes)));
    await this.send(this.by(buyer.wallet).openChannel(terms), [buyer.wallet]);
    return this.channelOf(terms, { buyer, seller });
  }

  /** The channel that was opened with `terms`. */
  channelOf(terms: SignedBody, { buyer, seller }: Required<People>): TestChannel {
    const address = channelAddress(programId.toBytes(), channelIdOf(terms.body));
    return { buyer, seller, terms, key: this.#read(address, 'channel', channelOf) ?? missing('channel') };
  }

  /** A channel of which the terms have expired, so that it can be closed. */
  async closableChannel(changes: Partial<TermsFields> = {}, people: People = {}): Promise<TestChannel> {
    const channel = await this.openChannel(changes, people);
    this.now += VALIDITY + 1n;
    return channel;
  }

  async closingChannel(changes: Partial<TermsFields> = {}, people: People = {}): Promise<TestChannel> {
    const channel = await this.closableChannel(changes, people);
    const { wallet } = channel.buyer;
    await this.send(this.by(wallet).requestCloseChannel(channel.key), [wallet]);
    return channel;
  }

  /** The body of an offer that is paid from this channel. */
  channelOffer({ buyer, seller, key }: TestChannel, changes: Partial<OfferFields> = {}): Uint8Array {
    return encodeOffer(this.offerFields(buyer, seller, { pay: 2, account: key.id, ...changes }));
  }

  async keepEvidence(
    channel: TestChannel,
    offer: Uint8Array = this.channelOffer(channel),
    head: Partial<HeadFields> = {},
  ): Promise<EvidenceAccount> {
    const { buyer, seller, key } = channel;
    const jobId = jobIdOf(offer);
    const signed = signedHead(seller.node, headOf(jobId, head));
    await this.send(this.by(buyer.wallet).createEvidence(key, offer, signed), [buyer.wallet]);
    return this.evidenceOf(channel, jobId);
  }

  /** The evidence about a job of the channel. */
  evidenceOf({ key }: TestChannel, jobId: Uint8Array): EvidenceAccount {
    const address = evidenceAddress(programId.toBytes(), key.address, jobId);
    return this.#read(address, 'evidence', evidenceOf) ?? missing('evidence');
  }
}

/** A buyer whose node's key is a wallet, too. */
export function buyerWithNodeWallet(world: World): { readonly nodeWallet: Keypair; readonly buyer: Buyer } {
  const nodeWallet = world.wallet();
  return { nodeWallet, buyer: { wallet: world.wallet(), node: signingKeyFromSeed(nodeWallet.secretKey.slice(0, 32)) } };
}

function missing(what: string): never {
  throw new Error(`this ${what} does not exist`);
}

function reasonOf(result: FailedTransactionMetadata): string {
  for (const log of result.meta().logs()) {
    const named = /Error Code: (\w+)\./.exec(log);
    if (named?.[1] !== undefined) return named[1];
  }
  return /err: (?:InstructionError\(\d+, )?(\w+(?:\(\d+\))?)/.exec(result.toString())?.[1] ?? result.toString();
}

// What nodes sign.

/** Who agree: wallets, nodes, and the time in unix seconds. */
export interface Parties {
  readonly payer: Uint8Array;
  readonly authority: Uint8Array;
  readonly provider: Uint8Array;
  readonly client: Uint8Array;
  readonly now: bigint;
}

/** The fields of an offer; what it pays for costs 1,068 lamports. */
export function offerBetween(parties: Parties, changes: Partial<OfferFields> = {}): OfferFields {
  const issuedAt = parties.now * 1_000n;
  const fields = {
    version: 1,
    client: parties.client,
    provider: parties.provider,
    modelId: digest('model'),
    execClass: digest('class'),
    requestDigest: digest('request'),
    quote: digest('quote'),
    seed: digest('seed'),
    commit: digest('commit'),
    nonce: fresh('nonce').subarray(0, 16),
    issuedAt,
    expiresAt: issuedAt + VALIDITY * 1_000n,
    mode: 1,
    count: 16,
    temperature: 70,
    minP: 0,
    topP: 100,
    topK: 20,
    vocab: 300,
    maxTokens: 64,
    start: 0,
    pay: 1,
    account: parties.payer,
    promptTokens: 23,
    priceJob: 777n,
    priceIn: 1_500n,
    priceOut: 4_001n,
    grace: 32,
    deliverWithin: 600,
    stops: [0],
    extraDigest: zeros(32),
    ...changes,
  };
  return { amount: fullPriceOf(fields), ...fields };
}

/** Terms for a deposit of 100,000 lamports with a window of 10,000. */
export function termsBetween(parties: Parties, changes: Partial<TermsFields> = {}): TermsFields {
  return {
    version: 1,
    chain: digest('genesis'),
    program: programId.toBytes(),
    payer: parties.payer,
    authority: parties.authority,
    provider: parties.provider,
    client: parties.client,
    deposit: 100_000n,
    window: 10_000n,
    expiresAt: parties.now + 3_600n,
    validUntil: parties.now + VALIDITY,
    nonce: fresh('nonce').subarray(0, 16),
    ...changes,
  };
}

export interface Submission {
  readonly head?: Partial<HeadFields>;
  readonly ack?: Partial<AckFields>;
}

export const jobIdOf = (offer: Uint8Array): Uint8Array => sha256(tag('qvac/job/1'), offer);
export const channelIdOf = (terms: Uint8Array): Uint8Array => sha256(tag('qvac/chanid/1'), terms);

function signed(node: SigningKey, kind: string, context: Uint8Array, body: Uint8Array): SignedBody {
  return { body, sig: node.sign(concat(tag(kind), context, sha256(body))) };
}

/** The 202 bytes of a head; what is not given is a final one of 38 tokens. */
export function headOf(jobId: Uint8Array, changes: Partial<HeadFields> = {}): Uint8Array {
  return encodeHead({
    version: 1,
    jobId,
    n: 38,
    root: digest('root'),
    prefix: digest('prefix'),
    textDigest: digest('text'),
    inputDigest: digest('input'),
    execClass: digest('class'),
    promptCount: 23,
    finish: 0,
    ...changes,
  });
}

export const signedHead = (node: SigningKey, body: Uint8Array): SignedBody =>
  signed(node, 'qvac/head/1', body.subarray(1, 33), body);

/** The 86 bytes of an acknowledgement; what is not given is one of a job outside a channel. */
export function ackOf(jobId: Uint8Array, changes: Partial<AckFields> = {}): Uint8Array {
  return encodeAck({ version: 1, jobId, n: 0, stop: 0, account: zeros(32), committed: 0n, released: 0n, ...changes });
}

export const signedAck = (node: SigningKey, body: Uint8Array): SignedBody =>
  signed(node, 'qvac/ack/1', body.subarray(1, 33), body);

export const signedTerms = (node: SigningKey, body: Uint8Array): SignedBody =>
  signed(node, 'qvac/channel/1', zeros(32), body);

/** A head of the job, and the acknowledgement of all its tokens, or what `ack` says. */
export function submission(
  { jobId, buyer: { node } }: { readonly jobId: Uint8Array; readonly buyer: Pick<Buyer, 'node'> },
  head: Partial<HeadFields> = {},
  ack: Partial<AckFields> = {},
): [head: Uint8Array, ack: SignedBody] {
  return [headOf(jobId, head), signedAck(node, ackOf(jobId, { n: head.n ?? 38, ...ack }))];
}

/** The channel's totals, signed by the client's node. */
export function totals(
  { buyer: { node }, key }: { readonly buyer: Pick<Buyer, 'node'>; readonly key: Pick<ChannelAccount, 'id'> },
  committed: bigint,
  released: bigint,
  changes: Partial<AckFields> = {},
): SignedBody {
  return signedAck(node, ackOf(zeros(32), { account: key.id, committed, released, ...changes }));
}

/** The client's word that it objects to nothing. */
export const noObjection = (channel: Parameters<typeof totals>[0], committed: bigint, released: bigint): SignedBody =>
  totals(channel, committed, released, { stop: 2 });

/** What a signature was made over and by whom, as the ed25519 program takes it. */
export function signedBy(node: SigningKey, message: Uint8Array): NodeSignature {
  return { key: node.publicKey, message, signature: node.sign(message) };
}

/** A node's consent to work for `authority`; by default for this program and an account's first binding. */
export function consentOf(
  node: SigningKey,
  authority: PublicKey,
  { program = programId.toBytes(), binding = 0 }: { readonly program?: Uint8Array; readonly binding?: number } = {},
): NodeSignature {
  const body = sha256(program, node.publicKey, u32(binding));
  return signedBy(node, concat(tag('qvac/register/1'), authority.toBytes(), body));
}

// Instructions taken apart.

/** The program's own instruction of a call. */
export async function instructionOf(call: Promise<Call> | Call): Promise<TransactionInstruction> {
  return (await call).instructions.at(-1) ?? missing('instruction');
}

/** The call's instruction after the verification of other signatures. */
export async function withSignatures(call: Promise<Call>, signatures: readonly NodeSignature[]): Promise<Call> {
  return {
    instructions: [verifySignatures(signatures), await instructionOf(call)],
    nodeSignatures: signatures.length,
  };
}

/** The same instruction with another account in a place. */
export function withAccount(
  { programId, data, keys }: TransactionInstruction,
  at: number,
  change: { readonly pubkey?: PublicKey; readonly isSigner?: boolean; readonly isWritable?: boolean },
): TransactionInstruction {
  return new TransactionInstruction({
    programId,
    data,
    keys: keys.map((meta, index) => (index === at ? { ...meta, ...change } : meta)),
  });
}

/** What a challenge or a proof is about, as it stands on the chain now. */
export function subjectOf(
  world: World,
  answer: TestJob | { evidence: EvidenceAccount; channel: TestChannel },
): Subject {
  if ('jobId' in answer) return { job: world.job(answer) ?? answer.key };
  return { evidence: world.evidence(answer.evidence) ?? answer.evidence, channel: answer.channel.key };
}

/** That the transaction is refused for the reason `code`. */
export async function refused(attempt: () => Promise<unknown>, code: string | RegExp): Promise<Refused> {
  let outcome: unknown;
  try {
    outcome = await attempt();
  } catch (error) {
    if (!(error instanceof Refused)) throw error;
    if (typeof code === 'string' ? error.code === code : code.test(error.message)) return error;
    throw new Error(`refused, but not with ${String(code)}: ${error.message}`);
  }
  throw new Error(
    `it was executed: ${JSON.stringify(outcome, (_, value) => (typeof value === 'bigint' ? String(value) : value))}`,
  );
}
