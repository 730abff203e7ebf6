import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import { getCompiledTransactionMessageDecoder, getTransactionDecoder } from '@solana/kit';
import { PublicKey, SystemProgram, Transaction, TransactionInstruction } from '@solana/web3.js';
import { addressText, chainOfGenesis } from '../../src/escrow/addresses.ts';
import type { Escrow, SignedBody, WalletKey } from '../../src/escrow/escrow.ts';
import { openEscrow } from '../../src/escrow/program.ts';
import { toHex } from '../../src/lib/bytes.ts';
import { peerIdOf, type SigningKey, signBody, signingKeyFromSeed } from '../../src/proofs/signing.ts';
import { toBase58 } from '../../src/protocol/base58.ts';
import { jobIdOf } from '../../src/protocol/digests.ts';
import { channelIdOf, decodeChannelTerms } from '../../src/protocol/layouts/channel-terms.ts';
import { kinds } from '../../src/protocol/messages.ts';
import type { ChannelOpening, Purpose } from '../../src/web/purpose.ts';
import { decodeTransaction } from '../../src/web/transaction.ts';
import { type ExpectedTransaction, objection } from '../../src/web/transaction-checks.ts';
import { encodeHead, encodeOffer, encodeTerms, type TermsFields } from '../escrow/layouts.ts';
import { offerBetween } from '../escrow/world.ts';
import { SeededRandom } from '../support/fuzz/random.ts';
import { startChain } from '../support/payments.ts';

const now = 1_790_000_000_000;
const text = (key: Uint8Array): string => addressText(key);

/** What a gateway has the wallet sign: its escrow with a wallet that shows the message and signs nothing. */
async function openShowing(context: TestContext, seed: number) {
  const random = new SeededRandom(seed);
  const bytes = (length = 32): Uint8Array => Uint8Array.from({ length }, () => random.below(256));
  const chain = await startChain(context);
  const key = signingKeyFromSeed(bytes());
  const node = signingKeyFromSeed(bytes());
  let shown: Uint8Array | null = null;
  const wallet: WalletKey = {
    publicKey: key.publicKey,
    sign(message) {
      shown = message.slice();
      throw new Error('seen enough');
    },
  };
  const escrow = await openEscrow({ rpcUrl: chain.rpcUrl, wallet, pollMs: 20 });
  /** The transaction of a call, in the wallets' format. */
  const show = async (call: (escrow: Escrow) => Promise<unknown>): Promise<Uint8Array> => {
    await assert.rejects(call(escrow), /seen enough/);
    return asWalletsTakeIt(shown ?? assert.fail('nothing was to be signed'));
  };
  const expected: ExpectedTransaction = {
    wallet: text(key.publicKey),
    program: text(escrow.program),
    chain: escrow.chain,
    now,
    limit: 0n,
    depositLimit: 2_000_000n,
    depositedIn: () => null,
    hasOpenChannel: () => false,
  };
  const terms = (change: Partial<TermsFields> = {}): TermsFields => ({
    version: 1,
    chain: escrow.genesis,
    program: escrow.program,
    payer: key.publicKey,
    authority: bytes(),
    provider: node.publicKey,
    client: bytes(),
    deposit: BigInt(1 + random.below(2_000_000)),
    window: 1n,
    expiresAt: BigInt(now / 1_000 + random.below(86_400)),
    validUntil: BigInt(now / 1_000 + 60),
    nonce: bytes(16),
    ...change,
  });
  return { random, bytes, key, node, escrow, show, expected, terms };
}

function asWalletsTakeIt(message: Uint8Array): Uint8Array {
  return Uint8Array.from([1, ...new Uint8Array(64), ...message]);
}

const signTerms = (node: SigningKey, fields: TermsFields): SignedBody =>
  signBody(node, kinds.channel, null, encodeTerms(fields));

function openingOf(fields: TermsFields): ChannelOpening {
  return {
    kind: 'channel_open',
    channel: toHex(channelIdOf(encodeTerms(fields))),
    deposit: fields.deposit.toString(),
    payee: text(fields.authority),
    provider: peerIdOf(fields.provider),
    client: peerIdOf(fields.client),
    chain: chainOfGenesis(toBase58(fields.chain)),
    expiresAt: Number(fields.expiresAt) * 1_000,
    rent: '0',
  };
}

test('reads the terms of an opening as Solana’s own library and the protocol do', async (context) => {
  const { node, show, expected, terms } = await openShowing(context, 1);
  for (let round = 0; round < 40; round++) {
    const fields = terms();
    const transaction = await show((escrow) => escrow.openChannel(signTerms(node, fields)));
    const { messageBytes } = getTransactionDecoder().decode(transaction);
    const message = getCompiledTransactionMessageDecoder().decode(messageBytes);
    if (!('instructions' in message)) assert.fail('another version of message');
    const last = message.instructions.at(-1) ?? assert.fail('no instruction');
    const accounts = (last.accountIndices ?? []).map((at) => String(message.staticAccounts[at]));
    const body = Uint8Array.from(last.data ?? []).subarray(8);
    const said = decodeChannelTerms(body);
    const decoded = decodeTransaction(transaction);
    assert.deepEqual(decoded.accounts, accounts);
    assert.equal(decoded.feePayer, String(message.staticAccounts[0]));
    assert.deepEqual(decoded.terms, {
      channel: toHex(channelIdOf(body)),
      deposit: said.depositLamports,
      expiresAt: Number(said.expiresAt) * 1_000,
      payer: text(said.payer),
      payee: text(said.authority),
      program: text(said.program),
      provider: peerIdOf(said.provider),
      client: peerIdOf(said.client),
      chain: expected.chain,
    });
    assert.equal(objection(transaction, openingOf(fields), expected), null);
  }
});

test('objects to an opening that differs from its description, and to one that the person would not want', async (context) => {
  const { bytes, node, show, expected, terms } = await openShowing(context, 2);
  const fields = terms();
  const transaction = await show((escrow) => escrow.openChannel(signTerms(node, fields)));
  const purpose = openingOf(fields);
  const says = (change: Partial<ChannelOpening>, about: Partial<ExpectedTransaction> = {}): string | null =>
    objection(transaction, { ...purpose, ...change }, { ...expected, ...about });
  assert.equal(says({}), null);
  assert.equal(says({ deposit: '1' }), 'it deposits another amount');
  assert.equal(says({ payee: text(bytes()) }), 'it pays someone else');
  assert.equal(says({ provider: peerIdOf(bytes()) }), 'it is for another provider');
  assert.equal(says({ client: peerIdOf(bytes()) }), 'another node would spend the deposit');
  assert.equal(says({ chain: 'solana:5eykt4UsFv8P8NJdTREpY1vzqKqZKvdp' }), 'it is for another chain');
  assert.equal(says({ expiresAt: purpose.expiresAt + 1_000 }), 'it stays open until another time');
  assert.equal(says({ channel: toHex(bytes()) }), 'it is for another channel');
  assert.equal(says({}, { wallet: text(bytes()) }), 'it moves another wallet’s money');
  assert.equal(says({}, { program: text(bytes()) }), 'it calls another program');
  assert.equal(says({}, { chain: 'solana:elsewhere' }), 'it is for another chain');
  assert.equal(says({}, { depositLimit: fields.deposit - 1n }), 'it deposits more than your limit');
  const already = 'you have an open channel with this provider already';
  assert.equal(says({}, { hasOpenChannel: (provider) => provider === purpose.provider }), already);
  assert.equal(says({}, { now: now - 200_000_000 }), 'it stays open for longer than a day');
  // Described truthfully, but for somebody else.
  for (const [change, words] of [
    [{ payer: bytes() }, 'it moves another wallet’s money'],
    [{ program: bytes() }, 'it calls another program'],
    [{ chain: bytes() }, 'it is for another chain'],
    [{ expiresAt: BigInt(now / 1_000 + 100_000) }, 'it stays open for longer than a day'],
    [{ deposit: 2_000_001n }, 'it deposits more than your limit'],
  ] as const) {
    const other = terms(change);
    const shown = await show((escrow) => escrow.openChannel(signTerms(node, other)));
    assert.equal(objection(shown, openingOf(other), expected), words);
  }
});

test('refuses a second opening or a transfer beside the first, and terms that were changed', async (context) => {
  const { key, node, show, expected, terms, random } = await openShowing(context, 3);
  const fields = terms();
  const transaction = await show((escrow) => escrow.openChannel(signTerms(node, fields)));
  const purpose = openingOf(fields);
  const payer = new PublicKey(key.publicKey);
  const instructions = Transaction.from(transaction).instructions;
  const [signature, open] = instructions;
  assert.ok(signature !== undefined && open !== undefined && instructions.length === 2);
  const of = (...all: readonly TransactionInstruction[]): Uint8Array =>
    asWalletsTakeIt(
      new Transaction({ feePayer: payer, blockhash: text(key.publicKey), lastValidBlockHeight: 1 })
        .add(...all)
        .serializeMessage(),
    );
  const transfer = SystemProgram.transfer({ fromPubkey: payer, toPubkey: payer, lamports: 1 });
  assert.equal(objection(of(signature, open), purpose, expected), null);
  assert.equal(
    objection(of(signature, open, signature, open), purpose, expected),
    'it does more than you were asked to sign',
  );
  assert.equal(objection(of(signature, open, transfer), purpose, expected), 'it does more than you were asked to sign');
  for (let round = 0; round < 300; round++) {
    const data = Buffer.from(open.data);
    const at = 8 + random.below(data.length - 8);
    data[at] = (data[at] ?? 0) ^ (1 << random.below(8));
    const changed = new TransactionInstruction({ programId: open.programId, keys: open.keys, data });
    assert.notEqual(objection(of(signature, changed), purpose, expected), null, `byte ${at}`);
  }
});

test('checks what a wallet signs later in a channel', async (context) => {
  const { bytes, key, node, show, expected, terms } = await openShowing(context, 4);
  const fields = terms({ deposit: 1_000n });
  const id = channelIdOf(encodeTerms(fields));
  const { channel, payee, provider } = openingOf(fields);
  const about = { channel, payee, provider };
  const parties = { payer: key.publicKey, authority: fields.authority, provider: node.publicKey, client: bytes() };
  const offer = encodeOffer(offerBetween({ ...parties, now: BigInt(now / 1_000) }, { pay: 2, account: id }));
  const head = encodeHead({
    version: 1,
    jobId: bytes(),
    n: 1,
    root: bytes(),
    prefix: bytes(),
    textDigest: bytes(),
    inputDigest: bytes(),
    execClass: bytes(),
    promptCount: 1,
    finish: 0,
  });
  const jobId = bytes();
  const evidenceOf = (escrow: Escrow) => ({
    address: escrow.evidenceAddress(escrow.channelAddress(id), jobId),
    channel: escrow.channelAddress(id),
    rentPayer: key.publicKey,
    jobId,
    peer: node.publicKey,
    delivery: { challenge: null },
  });
  const keyOf = (escrow: Escrow) => ({
    address: escrow.channelAddress(id),
    payer: key.publicKey,
    provider: fields.authority,
    peer: node.publicKey,
  });
  const step = {
    i: 0,
    token: 1,
    prefix: bytes(),
    salt: bytes(16),
    candidates: [[1, 1]],
    exact: bytes(),
    zk: bytes(),
    path: [],
  };
  const signed = { body: head, sig: bytes(64) };
  const sent = { offer, head: signed };
  const foreign = toHex(bytes());
  const calls: readonly (readonly [Purpose, (escrow: Escrow) => Promise<unknown>])[] = [
    [{ kind: 'channel_request_close', ...about }, (escrow) => escrow.requestCloseChannel(keyOf(escrow))],
    [{ kind: 'channel_reject', ...about }, (escrow) => escrow.rejectChannel(keyOf(escrow), bytes())],
    [{ kind: 'channel_finish', ...about }, (escrow) => escrow.finishChannel(keyOf(escrow))],
    [
      { kind: 'channel_slash', job: toHex(jobId), ...about },
      (escrow) => escrow.slashSampler({ evidence: evidenceOf(escrow) as never, channel: keyOf(escrow) }, step as never),
    ],
    [
      { kind: 'evidence_close', job: toHex(jobId), provider },
      (escrow) => escrow.closeEvidence(evidenceOf(escrow) as never),
    ],
  ];
  for (const [purpose, call] of calls) {
    const transaction = await show(call);
    assert.equal(objection(transaction, purpose, expected), null, purpose.kind);
    const other = { ...purpose, ...('job' in purpose ? { job: foreign } : { channel: foreign }) } as Purpose;
    assert.match(objection(transaction, other, expected) ?? '', /^it is for another (job|channel)$/, purpose.kind);
    const mine = { ...expected, wallet: text(bytes()) };
    assert.equal(objection(transaction, purpose, mine), 'it moves another wallet’s money', purpose.kind);
    const kind = purpose.kind === 'channel_reject' ? 'channel_request_close' : 'channel_reject';
    const lie = { kind, ...about } as Purpose;
    assert.equal(objection(transaction, lie, expected), 'it does something other than what you were asked to sign');
  }
  const evidence = { kind: 'evidence_create', job: jobIdOf(offer), rent: '0', ...about } as const;
  const shown = await show((escrow) => escrow.createEvidence(keyOf(escrow) as never, sent));
  assert.equal(objection(shown, evidence, expected), null);
  assert.equal(objection(shown, { ...evidence, job: foreign }, expected), 'it is for another job');
});

test('adds to a channel only within the limit of what this browser signed itself', async (context) => {
  const { key, show, expected, terms } = await openShowing(context, 5);
  const fields = terms();
  const id = channelIdOf(encodeTerms(fields));
  const { channel, payee, provider } = openingOf(fields);
  const account = (escrow: Escrow) => ({
    address: escrow.channelAddress(id),
    payer: key.publicKey,
    provider: fields.authority,
  });
  const transaction = await show((escrow) => escrow.topUpChannel(account(escrow), 500n));
  const purpose = { kind: 'channel_top_up', channel, payee, provider, amount: '500', deposit: '1500' } as const;
  const depositedIn = (asked: string, by: string): bigint | null =>
    asked === channel && by === provider ? 1_000n : null;
  const says = (change: object, about: Partial<ExpectedTransaction> = {}): string | null =>
    objection(transaction, { ...purpose, ...change } as Purpose, { ...expected, depositedIn, ...about });
  assert.equal(says({}), null);
  assert.equal(says({ amount: '5' }), 'it deposits another amount');
  assert.equal(says({}, { depositLimit: 1_499n }), 'it deposits more than your limit');
  assert.equal(says({ provider: 'another' }), 'it adds to a channel that this browser did not open');
  assert.equal(says({}, { depositedIn: () => null }), 'it adds to a channel that this browser did not open');
});
