import { createHash, randomBytes } from 'node:crypto';
import { readFileSync } from 'node:fs';
import type { Program } from '@coral-xyz/anchor';
import anchor from '@coral-xyz/anchor';
import { type Address, getTransactionDecoder, lamports } from '@solana/kit';
import {
  Keypair,
  PublicKey,
  SYSVAR_INSTRUCTIONS_PUBKEY,
  SystemProgram,
  Transaction,
  type TransactionInstruction,
} from '@solana/web3.js';
import BN from 'bn.js';
import { FailedTransactionMetadata, LiteSVM } from 'litesvm';
import idl from '../../programs/escrow/artifacts/escrow.json' with { type: 'json' };
import type { Escrow } from '../../programs/escrow/artifacts/escrow.ts';
import { jobAddress, providerAddress } from '../../src/escrow/addresses.ts';
import { type NodeSignature, verifySignatures } from '../../src/escrow/program/ed25519.ts';
import { concat } from '../../src/lib/bytes.ts';
import { encodeHead } from '../../src/proofs/head.ts';
import { type SigningKey, signingKeyFromSeed } from '../../src/proofs/signing.ts';
import { tag } from '../../src/protocol/digests.ts';
import type { Finish, Head } from '../../src/protocol/messages.ts';
import { encodeCancel } from '../../src/protocol/validate.ts';

export const SOL = 1_000_000_000n;
export const MIN_STAKE = SOL / 10n;
export const SIGNATURE_FEE = 5_000n;
export const incinerator = new PublicKey('1nc1nerator11111111111111111111111111111111');
export const programId = new PublicKey(idl.address);

const programBytes = new Uint8Array(
  readFileSync(new URL('../../programs/escrow/artifacts/escrow.so', import.meta.url)),
);

export const sha256 = (...parts: readonly Uint8Array[]): Uint8Array =>
  new Uint8Array(
    createHash('sha256')
      .update(concat(...parts))
      .digest(),
  );
const bn = (value: bigint | number): BN => new BN(value.toString());
export const digest = (text: string): Uint8Array => sha256(Buffer.from(text));
const numbers = (bytes: Uint8Array): number[] => [...bytes];

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

/** A registered provider: the wallet that is paid and the node's key. */
export interface Seller {
  readonly authority: Keypair;
  readonly node: SigningKey;
}

export interface Buyer {
  readonly wallet: Keypair;
  readonly node: SigningKey;
}

export interface Terms {
  readonly jobId: Uint8Array;
  readonly peer: Uint8Array;
  readonly clientPeer: Uint8Array;
  readonly priceIn: bigint;
  readonly priceOut: bigint;
  readonly amount: bigint;
  readonly seed: Uint8Array;
  readonly sampler: {
    readonly temperature: number;
    readonly minP: number;
    readonly topK: number;
    readonly vocab: number;
  };
  readonly maxTokens: number;
}

export interface Delivery {
  readonly root: Uint8Array;
  readonly textDigest: Uint8Array;
  readonly promptCount: number;
  readonly tokenCount: number;
  readonly finish: number;
  readonly cancelN: number | null;
}

export interface TestJob {
  readonly address: PublicKey;
  readonly buyer: Buyer;
  readonly seller: Seller;
  readonly terms: Terms;
}

export const delivered: Delivery = {
  root: digest('root'),
  textDigest: digest('text'),
  promptCount: 23,
  tokenCount: 38,
  finish: 0,
  cancelN: null,
};

export const newNode = (): SigningKey => signingKeyFromSeed(randomBytes(32));

/** The real program in a chain of its own, and the people who use it. */
export class World {
  readonly svm = new LiteSVM();
  readonly program: Program<Escrow> = new anchor.Program(idl as unknown as Escrow, { connection: undefined } as never);

  constructor() {
    this.svm.addProgram(programId.toBase58() as Address, programBytes);
    this.now = 1_790_000_000n;
  }

  get now(): bigint {
    return this.svm.getClock().unixTimestamp;
  }

  set now(seconds: bigint) {
    const clock = this.svm.getClock();
    clock.unixTimestamp = seconds;
    this.svm.setClock(clock);
  }

  wallet(amount: bigint = 100n * SOL): Keypair {
    const wallet = Keypair.generate();
    if (amount > 0n) this.svm.airdrop(wallet.publicKey.toBase58() as Address, lamports(amount));
    return wallet;
  }

  balance(key: PublicKey): bigint {
    return this.svm.getBalance(key.toBase58() as Address) ?? 0n;
  }

  rent(bytes: number): bigint {
    return this.svm.minimumBalanceForRentExemption(BigInt(bytes));
  }

  /** Executes the instructions in one transaction. The first signer pays the fee. @throws Refused */
  send(instructions: readonly TransactionInstruction[], signers: readonly Keypair[]): Sent {
    const transaction = new Transaction({
      feePayer: signers[0]?.publicKey,
      recentBlockhash: this.svm.latestBlockhash(),
    } as never);
    transaction.add(...instructions);
    transaction.sign(...signers);
    const bytes = new Uint8Array(transaction.serialize({ verifySignatures: false }));
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

  provider(authority: PublicKey): PublicKey {
    return new PublicKey(providerAddress(programId.toBytes(), authority.toBytes()));
  }

  jobAddress(client: PublicKey, jobId: Uint8Array): PublicKey {
    return new PublicKey(jobAddress(programId.toBytes(), client.toBytes(), jobId));
  }

  readProvider(authority: PublicKey) {
    const account = this.svm.getAccount(this.provider(authority).toBase58() as Address);
    if (!account.exists) throw new Error('no such provider');
    return this.program.coder.accounts.decode<Awaited<ReturnType<typeof this.program.account.provider.fetch>>>(
      'provider',
      Buffer.from(account.data),
    );
  }

  /** The job's account, or null where it is closed or never was. */
  readJob(address: PublicKey) {
    const account = this.svm.getAccount(address.toBase58() as Address);
    if (!account.exists || account.programAddress !== programId.toBase58()) return null;
    return this.program.coder.accounts.decode<Awaited<ReturnType<typeof this.program.account.job.fetch>>>(
      'job',
      Buffer.from(account.data),
    );
  }

  // Instructions, complete and correct. Attacks take them apart.

  async register(authority: PublicKey, peer: Uint8Array, stake: bigint): Promise<TransactionInstruction> {
    return this.program.methods
      .providerRegister({ peer: numbers(peer), stake: bn(stake) })
      .accountsStrict({
        authority,
        provider: this.provider(authority),
        instructions: SYSVAR_INSTRUCTIONS_PUBKEY,
        systemProgram: SystemProgram.programId,
      })
      .instruction();
  }

  async rotate(authority: PublicKey, peer: Uint8Array): Promise<TransactionInstruction> {
    return this.program.methods
      .providerRotatePeer({ peer: numbers(peer) })
      .accountsStrict({ authority, provider: this.provider(authority), instructions: SYSVAR_INSTRUCTIONS_PUBKEY })
      .instruction();
  }

  async addStake(payer: PublicKey, authority: PublicKey, amount: bigint): Promise<TransactionInstruction> {
    return this.program.methods
      .providerAddStake({ amount: bn(amount) })
      .accountsStrict({ payer, provider: this.provider(authority), systemProgram: SystemProgram.programId })
      .instruction();
  }

  async requestUnstake(authority: PublicKey, amount: bigint): Promise<TransactionInstruction> {
    return this.program.methods
      .providerRequestUnstake({ amount: bn(amount) })
      .accountsStrict({ authority, provider: this.provider(authority) })
      .instruction();
  }

  async withdraw(authority: PublicKey): Promise<TransactionInstruction> {
    return this.program.methods
      .providerWithdraw()
      .accountsStrict({ authority, provider: this.provider(authority) })
      .instruction();
  }

  async create(client: PublicKey, authority: PublicKey, terms: Terms): Promise<TransactionInstruction> {
    const args = {
      ...terms,
      jobId: numbers(terms.jobId),
      peer: numbers(terms.peer),
      clientPeer: numbers(terms.clientPeer),
      seed: numbers(terms.seed),
      priceIn: bn(terms.priceIn),
      priceOut: bn(terms.priceOut),
      amount: bn(terms.amount),
    };
    return this.program.methods
      .jobCreate(args)
      .accountsStrict({
        client,
        provider: this.provider(authority),
        job: this.jobAddress(client, terms.jobId),
        systemProgram: SystemProgram.programId,
      })
      .instruction();
  }

  async decline({ address, buyer, seller }: TestJob): Promise<TransactionInstruction> {
    return this.program.methods
      .jobDecline()
      .accountsStrict({ authority: seller.authority.publicKey, client: buyer.wallet.publicKey, job: address })
      .instruction();
  }

  async submit(
    { address, seller }: TestJob,
    delivery: Delivery = delivered,
    number?: bigint,
  ): Promise<TransactionInstruction> {
    const args = {
      number: bn(number ?? BigInt(this.readJob(address)?.number.toString() ?? 0)),
      delivery: { ...delivery, root: numbers(delivery.root), textDigest: numbers(delivery.textDigest) },
    };
    return this.program.methods
      .jobSubmit(args)
      .accountsStrict({
        authority: seller.authority.publicKey,
        provider: this.provider(seller.authority.publicKey),
        job: address,
        instructions: SYSVAR_INSTRUCTIONS_PUBKEY,
      })
      .instruction();
  }

  private parties({ address, buyer, seller }: TestJob) {
    return { client: buyer.wallet.publicKey, provider: this.provider(seller.authority.publicKey), job: address };
  }

  async confirm(job: TestJob): Promise<TransactionInstruction> {
    return this.program.methods
      .jobConfirm()
      .accountsStrict({ ...this.parties(job), authority: job.seller.authority.publicKey })
      .instruction();
  }

  async claim(job: TestJob): Promise<TransactionInstruction> {
    return this.program.methods
      .jobClaim()
      .accountsStrict({ ...this.parties(job), authority: job.seller.authority.publicKey })
      .instruction();
  }

  async reject(job: TestJob): Promise<TransactionInstruction> {
    return this.program.methods
      .jobReject({ verdictDigest: numbers(digest('verdict')) })
      .accountsStrict({ ...this.parties(job), incinerator })
      .instruction();
  }

  async refund(job: TestJob): Promise<TransactionInstruction> {
    return this.program.methods.jobRefund().accountsStrict(this.parties(job)).instruction();
  }

  async slashEquivocation(job: TestJob, first: Uint8Array, second: Uint8Array): Promise<TransactionInstruction> {
    return this.program.methods
      .slashEquivocation({ first: numbers(first), second: numbers(second) })
      .accountsStrict({ ...this.parties(job), incinerator, instructions: SYSVAR_INSTRUCTIONS_PUBKEY })
      .instruction();
  }

  async slashHeadMismatch(job: TestJob, head: Uint8Array): Promise<TransactionInstruction> {
    return this.program.methods
      .slashHeadMismatch({ head: numbers(head) })
      .accountsStrict({ ...this.parties(job), incinerator, instructions: SYSVAR_INSTRUCTIONS_PUBKEY })
      .instruction();
  }

  async slashSampler(job: TestJob, proof: SamplerProof): Promise<TransactionInstruction> {
    const { step } = proof;
    const args = {
      index: proof.index,
      step: {
        ...step,
        prefix: numbers(step.prefix),
        salt: numbers(step.salt),
        exact: numbers(step.exact),
        zk: step.zk === null ? null : numbers(step.zk),
        candidates: step.candidates.map(([id, q]) => ({ id, q })),
      },
      path: proof.path.map(numbers),
    };
    return this.program.methods
      .slashSampler(args)
      .accountsStrict({ ...this.parties(job), incinerator })
      .instruction();
  }

  // States to begin from.

  async newSeller(stake: bigint = 10n * SOL): Promise<Seller> {
    const seller = { authority: this.wallet(stake + 10n * SOL), node: newNode() };
    const authority = seller.authority.publicKey;
    this.send(
      [
        verifySignatures([consent(seller.node, authority)]),
        await this.register(authority, seller.node.publicKey, stake),
      ],
      [seller.authority],
    );
    return seller;
  }

  newBuyer(): Buyer {
    return { wallet: this.wallet(), node: newNode() };
  }

  terms(buyer: Buyer, seller: Seller, changes: Partial<Terms> = {}): Terms {
    return {
      jobId: randomBytes(32),
      peer: seller.node.publicKey,
      clientPeer: buyer.node.publicKey,
      priceIn: 1_500n,
      priceOut: 4_001n,
      amount: 1_000_000n,
      seed: digest('seed'),
      sampler: { temperature: 70, minP: 0, topK: 20, vocab: 300 },
      maxTokens: 64,
      ...changes,
    };
  }

  async openJob(
    changes: Partial<Terms> = {},
    people: { readonly buyer?: Buyer; readonly seller?: Seller } = {},
  ): Promise<TestJob> {
    const buyer = people.buyer ?? this.newBuyer();
    const seller = people.seller ?? (await this.newSeller());
    const terms = this.terms(buyer, seller, changes);
    this.send([await this.create(buyer.wallet.publicKey, seller.authority.publicKey, terms)], [buyer.wallet]);
    return { address: this.jobAddress(buyer.wallet.publicKey, terms.jobId), buyer, seller, terms };
  }

  async submittedJob(
    delivery: Delivery = delivered,
    changes: Partial<Terms> = {},
    people: { readonly buyer?: Buyer; readonly seller?: Seller } = {},
  ): Promise<TestJob> {
    const job = await this.openJob(changes, people);
    this.send([await this.submit(job, delivery)], [job.seller.authority]);
    return job;
  }
}

/** One step with its place in the tree, as `slash_sampler` takes it. */
export interface SamplerProof {
  readonly index: number;
  readonly step: {
    readonly token: number;
    readonly prefix: Uint8Array;
    readonly salt: Uint8Array;
    readonly candidates: readonly (readonly [id: number, q: number])[];
    readonly exact: Uint8Array;
    readonly zk: Uint8Array | null;
  };
  readonly path: readonly Uint8Array[];
}

function reasonOf(result: FailedTransactionMetadata): string {
  for (const log of result.meta().logs()) {
    const named = /Error Code: (\w+)\./.exec(log);
    if (named?.[1] !== undefined) return named[1];
  }
  return /err: (?:InstructionError\(\d+, )?(\w+(?:\(\d+\))?)/.exec(result.toString())?.[1] ?? result.toString();
}

/** What a signature was made over and by whom, as the ed25519 program takes it. */
export function signedBy(node: SigningKey, message: Uint8Array): NodeSignature {
  return { key: node.publicKey, message, signature: node.sign(message) };
}

/** The node's consent to work for `authority`. */
export function consent(node: SigningKey, authority: PublicKey): NodeSignature {
  return signedBy(node, concat(tag('qvac/register/1'), authority.toBytes(), sha256(node.publicKey)));
}

export function signedCancel(node: SigningKey, jobId: Uint8Array, n: number): NodeSignature {
  return signedBy(node, concat(tag('qvac/cancel/1'), jobId, sha256(encodeCancel({ v: 1, jobId, n }))));
}

export function signedHead(node: SigningKey, jobId: Uint8Array, body: Uint8Array): NodeSignature {
  return signedBy(node, concat(tag('qvac/head/1'), jobId, sha256(body)));
}

/** A head's 202 bytes; what is not given agrees with `delivered`. */
export function headOf(job: TestJob, changes: Partial<Head> = {}): Uint8Array {
  return encodeHead({
    version: 1,
    jobId: job.terms.jobId,
    n: delivered.tokenCount,
    root: delivered.root,
    prefix: digest('prefix'),
    textDigest: delivered.textDigest,
    inputDigest: digest('input'),
    execClass: digest('class'),
    promptCount: delivered.promptCount,
    finish: delivered.finish as Finish,
    ...changes,
  });
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
  throw new Error(`it was executed: ${JSON.stringify(outcome)}`);
}
