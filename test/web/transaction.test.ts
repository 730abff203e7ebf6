import assert from 'node:assert/strict';
import { createHash, randomBytes } from 'node:crypto';
import { type TestContext, test } from 'node:test';
import {
  ComputeBudgetProgram,
  Ed25519Program,
  PublicKey,
  SystemProgram,
  Transaction,
  type TransactionInstruction,
} from '@solana/web3.js';
import idl from '../../programs/escrow/artifacts/escrow.json' with { type: 'json' };
import { addressText, providerAddress } from '../../src/escrow/addresses.ts';
import type { WalletKey } from '../../src/escrow/escrow.ts';
import { openEscrow } from '../../src/escrow/program.ts';
import { toHex } from '../../src/lib/bytes.ts';
import { peerIdOf, signingKeyFromSeed } from '../../src/proofs/signing.ts';
import { jobIdOf } from '../../src/protocol/digests.ts';
import { isSameDemand } from '../../src/web/demand.ts';
import { isAccountOf } from '../../src/web/derived.ts';
import { type Instruction, networkFeeOf } from '../../src/web/network-fee.ts';
import { decodeTransaction } from '../../src/web/transaction.ts';
import { objection } from '../../src/web/transaction-checks.ts';
import { encodeOffer, type OfferFields } from '../escrow/layouts.ts';
import { offerBetween } from '../escrow/world.ts';
import { startChain } from '../support/payments.ts';

const random = (): Uint8Array => Uint8Array.from(randomBytes(32));
const text = (key: Uint8Array): string => addressText(key);

/** The transaction that the gateway gives a wallet to sign for the job of an offer. */
async function jobCreation(context: TestContext, change: Partial<OfferFields> = {}, priorityFee = 0) {
  const chain = await startChain(context);
  const key = signingKeyFromSeed(random());
  const node = signingKeyFromSeed(random());
  const authority = random();
  let message: Uint8Array | undefined;
  const wallet: WalletKey = {
    publicKey: key.publicKey,
    sign(bytes) {
      message = bytes.slice();
      throw new Error('seen enough');
    },
  };
  const escrow = await openEscrow({ rpcUrl: chain.rpcUrl, wallet, priorityFee, pollMs: 20 });
  const parties = { payer: key.publicKey, authority, provider: node.publicKey, client: random() };
  const fields = offerBetween(
    { ...parties, now: BigInt(Math.floor(Date.now() / 1_000)) },
    { priceJob: 123_456_789_012n, ...change },
  );
  const offer = encodeOffer(fields);
  await assert.rejects(escrow.createJob({ authority, offer }), /seen enough/);
  assert.ok(message !== undefined);
  const transaction = asWalletsTakeIt(message);
  const purpose = {
    kind: 'job_create',
    job: jobIdOf(offer),
    amount: fields.amount.toString(),
    payee: text(authority),
    provider: peerIdOf(node.publicKey),
    isScore: false,
  } as const;
  return {
    transaction,
    purpose,
    expected: {
      wallet: text(key.publicKey),
      program: text(escrow.program),
      limit: fields.amount,
      chain: escrow.chain,
      now: Date.now(),
      depositLimit: 0n,
      depositedIn: () => null,
      hasOpenChannel: () => false,
    },
    program: escrow.program,
    key,
  };
}

function asWalletsTakeIt(message: Uint8Array): Uint8Array {
  return Uint8Array.from([1, ...new Uint8Array(64), ...message]);
}

test('reads amount, node, payee and payer from the transaction itself', async (context) => {
  for (const priorityFee of [0, 1_000]) {
    const { transaction, purpose, expected, program } = await jobCreation(context, {}, priorityFee);
    const decoded = decodeTransaction(transaction);
    assert.deepEqual(decoded.offer, {
      job: purpose.job,
      amount: BigInt(purpose.amount),
      provider: purpose.provider,
      payer: expected.wallet,
      isScore: false,
    });
    assert.deepEqual([decoded.call, decoded.feePayer, decoded.program], ['job_create', expected.wallet, text(program)]);
    assert.equal(objection(transaction, purpose, expected), null);
  }
});

test('objects to every difference from the description', async (context) => {
  const { transaction, purpose, expected } = await jobCreation(context);
  const other = text(random());
  const says = (change: object, about: object = {}): string | null =>
    objection(transaction, { ...purpose, ...change } as typeof purpose, { ...expected, ...about });
  assert.equal(says({ amount: '1' }), 'it locks another amount');
  assert.equal(says({ payee: other }), 'it pays someone else');
  assert.equal(says({ provider: peerIdOf(random()) }), 'it is for another job');
  assert.equal(says({ job: toHex(random()) }), 'it is for another job');
  assert.equal(says({}, { wallet: other }), 'it moves another wallet’s money');
  assert.equal(says({}, { program: other }), 'it calls another program');
  assert.equal(says({}, { limit: expected.limit - 1n }), 'it locks more than your limit');
  assert.equal(says({ isScore: true }), 'it is for a referee, or is not');
  assert.equal(says({ kind: 'job_reject' }), 'it does something other than what you were asked to sign');
});

test('the same call of another program, or on another chain, is shown again before it is signed', async (context) => {
  const { transaction, purpose, expected, program } = await jobCreation(context);
  const { chain } = expected;
  const shown = { purpose, transaction, chain };
  const other = Buffer.from(transaction);
  other.set(random(), other.indexOf(program));
  assert.equal(isSameDemand({ ...shown, purpose: { ...purpose } }, shown), true);
  assert.equal(isSameDemand({ ...shown, transaction: Uint8Array.from(other) }, shown), false);
  assert.equal(isSameDemand({ ...shown, chain: 'solana:EtWTRABZaYq6iMfeYKouRu166VU2xqa1' }, shown), false);
});

test('refuses an offer that another wallet is to pay', async (context) => {
  const payer = random();
  const { transaction, purpose, expected } = await jobCreation(context, { account: payer });
  assert.equal(decodeTransaction(transaction).offer?.payer, text(payer));
  assert.equal(objection(transaction, purpose, expected), 'it moves another wallet’s money');
});

test('refuses a second instruction, a second signer, other programs and malformed bytes', async (context) => {
  const { transaction, purpose, expected, key } = await jobCreation(context);
  const whole = Transaction.from(transaction);
  const with_ = (...instructions: readonly TransactionInstruction[]): Uint8Array =>
    asWalletsTakeIt(
      new Transaction({ feePayer: new PublicKey(key.publicKey), blockhash: text(random()), lastValidBlockHeight: 1 })
        .add(...instructions)
        .serializeMessage(),
    );
  const transfer = SystemProgram.transfer({
    fromPubkey: new PublicKey(key.publicKey),
    toPubkey: new PublicKey(random()),
    lamports: 1,
  });
  const [create] = whole.instructions;
  assert.ok(create !== undefined);
  assert.equal(objection(with_(create), purpose, expected), null);
  assert.equal(
    objection(with_(ComputeBudgetProgram.setComputeUnitPrice({ microLamports: 5 }), create), purpose, expected),
    null,
  );
  assert.equal(objection(with_(create, transfer), purpose, expected), 'it does more than you were asked to sign');
  assert.equal(objection(with_(transfer), purpose, expected), 'it is not a transaction of the escrow program');
  // The network takes its fee for each signature that an instruction says it has.
  const signatures = { ...transfer, keys: [], programId: Ed25519Program.programId, data: Buffer.from([255, 0]) };
  assert.equal(
    objection(with_(signatures, signatures, create), purpose, expected),
    'its network fee of 0.002555 SOL is above 0.0001 SOL',
  );
  const signers = transaction.slice();
  signers[65] = 2;
  assert.equal(objection(signers, purpose, expected), 'it needs more signatures than yours');
  for (let length = 0; length < transaction.length; length++)
    assert.notEqual(objection(transaction.subarray(0, length), purpose, expected), null, `cut at ${length}`);
  assert.notEqual(objection(Uint8Array.from([...transaction, 0]), purpose, expected), null);
  for (let round = 0; round < 500; round++)
    assert.notEqual(objection(Uint8Array.from(randomBytes(300)), purpose, expected), null);
});

test('computes the network fee and refuses a high or malformed priority', async (context) => {
  for (const [priorityFee, priority] of [
    [0, 0n],
    [1, 1n],
    [1_000, 60n],
    [16_666_666, 1_000_000n],
  ] as const) {
    const { transaction, purpose, expected } = await jobCreation(context, {}, priorityFee);
    assert.deepEqual(decodeTransaction(transaction).fee, { base: 5_000n, priority });
    assert.equal(objection(transaction, purpose, expected), null);
  }
  const { transaction, purpose, expected } = await jobCreation(context, {}, 16_666_667);
  assert.equal(objection(transaction, purpose, expected), 'its priority fee of 0.001000001 SOL is above 0.001 SOL');
});

test('reads compute budgets as the chain does', () => {
  const budget = (...data: readonly number[]): Instruction => ({
    program: ComputeBudgetProgram.programId.toBase58(),
    data: Uint8Array.from(data),
  });
  const of = ({ data }: TransactionInstruction): Instruction => budget(...data);
  const call: Instruction = { program: text(random()), data: new Uint8Array(9) };
  const signed: Instruction = {
    program: Ed25519Program.programId.toBase58(),
    data: Ed25519Program.createInstructionWithPublicKey({
      publicKey: random(),
      message: random(),
      signature: new Uint8Array(64),
    }).data,
  };
  const price = of(ComputeBudgetProgram.setComputeUnitPrice({ microLamports: 5_000_000 }));
  const limit = of(ComputeBudgetProgram.setComputeUnitLimit({ units: 1_000 }));
  assert.deepEqual(networkFeeOf([call]), { base: 5_000n, priority: 0n });
  assert.deepEqual(networkFeeOf([price, limit, signed, call]), { base: 10_000n, priority: 5_000n });
  // Without a limit, each instruction counts as 200,000 units, all of them as 1,400,000 at most.
  assert.equal(networkFeeOf([price, call]).priority, 1_000_000n);
  assert.equal(networkFeeOf([price, ...Array.from({ length: 9 }, () => call)]).priority, 7_000_000n);
  assert.equal(
    networkFeeOf([limit, budget(3, ...new Uint8Array(8).fill(255)), call]).priority,
    18_446_744_073_709_552n,
  );
  for (const wrong of [[price, price], [budget()], [budget(0, 0, 0, 0, 0, 0, 0, 0, 0)], [budget(3, 1)], [budget(9)]])
    assert.throws(() => networkFeeOf([...wrong, call]), /malformed compute budget/);
});

test('knows the calls of the program', () => {
  const known = ['job_create', 'job_reject', 'job_refund', 'job_confirm', 'slash_equivocation', 'slash_sampler'];
  for (const name of known) {
    const instruction = idl.instructions.find((each) => each.name === name);
    assert.deepEqual(
      instruction?.discriminator,
      [...createHash('sha256').update(`global:${name}`).digest().subarray(0, 8)],
      name,
    );
  }
  const places: Readonly<Record<string, Readonly<Record<number, string>>>> = {
    job_create: { 0: 'client', 1: 'provider', 2: 'job' },
    job_reject: { 0: 'client', 2: 'provider', 4: 'job' },
    job_refund: { 1: 'client', 2: 'job' },
    job_confirm: { 1: 'client', 2: 'provider', 3: 'job' },
    slash_equivocation: { 0: 'funder', 2: 'provider', 4: 'job' },
    slash_sampler: { 0: 'funder', 2: 'provider', 4: 'job' },
  };
  for (const name of known) {
    const accounts = idl.instructions.find((each) => each.name === name)?.accounts ?? [];
    const names = accounts.flatMap(flatNames);
    for (const [at, account] of Object.entries(places[name] ?? {})) assert.equal(names[Number(at)], account, name);
  }
});

interface IdlAccount {
  readonly name: string;
  readonly accounts?: readonly IdlAccount[];
}

/** The order in which a call lists its accounts: those of a group one after another. */
function flatNames({ name, accounts }: IdlAccount): readonly string[] {
  return accounts === undefined ? [name] : accounts.flatMap(flatNames);
}

test('derives the payee’s account as the chain does', () => {
  const [program, authority] = [random(), random()];
  assert.equal(isAccountOf(text(providerAddress(program, authority)), text(authority), text(program)), true);
  assert.equal(isAccountOf(text(providerAddress(program, random())), text(authority), text(program)), false);
});
