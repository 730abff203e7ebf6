import assert from 'node:assert/strict';
import { before, describe, test } from 'node:test';
import { SystemProgram, TransactionInstruction } from '@solana/web3.js';
import { verifySignatures } from '../../src/escrow/program/ed25519.ts';
import { consent, headOf, newNode, refused, signedHead, type TestJob, World } from './world.ts';

// Every way to have the runtime verify something else than what the program asks for.

let world: World;
let job: TestJob;
let slash: TransactionInstruction;
let honest: TransactionInstruction;
/** By another key, over the very message: what an attacker can have verified. */
let own: TransactionInstruction;

before(async () => {
  world = new World();
  job = await world.submittedJob();
  const head = headOf(job, { n: 37 });
  slash = await world.slashHeadMismatch(job, head);
  honest = verifySignatures([signedHead(job.seller.node, job.terms.jobId, head)]);
  own = verifySignatures([{ ...signedHead(newNode(), job.terms.jobId, head) }]);
});

const send = async (...instructions: TransactionInstruction[]) => world.send(instructions, [world.wallet()]);
const nothing = () =>
  SystemProgram.transfer({
    fromPubkey: job.buyer.wallet.publicKey,
    toPubkey: job.buyer.wallet.publicKey,
    lamports: 0n,
  });

/** `instruction` with the u16 field `index` (signature offset 0, …, message index 6) of its first entry changed. */
function withField(instruction: TransactionInstruction, index: number, value: number): TransactionInstruction {
  const data = Buffer.from(instruction.data);
  data.writeUInt16LE(value, 2 + 2 * index);
  return new TransactionInstruction({ programId: instruction.programId, keys: [], data });
}

/** The data of `a` with the 14-byte entry replaced so that its parts are taken from instruction 0. */
const pointingAway = (instruction: TransactionInstruction, fields: readonly number[]) =>
  fields.reduce((changed, field) => withField(changed, field, 0), instruction);

describe('where the signature is verified', () => {
  test('nowhere, or by an instruction of another program', async () => {
    await refused(() => send(slash), 'MissingEd25519Instruction');
    await refused(
      async () => world.send([nothing(), slash], [world.wallet(), job.buyer.wallet]),
      'MissingEd25519Instruction',
    );
  });

  test('not directly before', async () => {
    await refused(
      async () => world.send([honest, nothing(), slash], [world.wallet(), job.buyer.wallet]),
      'MissingEd25519Instruction',
    );
  });

  test('after', async () => {
    await refused(() => send(slash, honest), 'MissingEd25519Instruction');
  });

  test("directly before is another's signature, the right one comes earlier", async () => {
    await refused(() => send(honest, own, slash), 'SignerMismatch');
  });
});

describe('parts that are taken from another instruction', () => {
  // The runtime verifies the attacker's own signature in instruction 0; the program would see the provider's key and
  // the
  // right message in the bytes of instruction 1.
  for (const [name, fields] of [
    ['signature, key and message', [1, 3, 6]],
    ['key', [3]],
    ['message', [6]],
    ['signature', [1]],
  ] as const) {
    test(name, async () => {
      const first = fields.length === 3 ? own : honest;
      await refused(() => send(first, pointingAway(honest, fields), slash), 'MalformedEd25519Instruction');
    });
  }

  test('by its real index instead of "this one"', async () => {
    const byIndex = [1, 3, 6].reduce((changed, field) => withField(changed, field, 0), honest);
    await refused(() => send(byIndex, slash), 'MalformedEd25519Instruction');
  });
});

describe('what is verified', () => {
  test('nothing', async () => {
    const none = new TransactionInstruction({ programId: honest.programId, keys: [], data: Buffer.from([0, 0]) });
    await refused(() => send(none, slash), 'MalformedEd25519Instruction');
  });

  test('two signatures, one of them the right one', async () => {
    const head = headOf(job, { n: 37 });
    const both = [signedHead(job.seller.node, job.terms.jobId, head), signedHead(newNode(), job.terms.jobId, head)];
    await refused(() => send(verifySignatures(both), slash), 'MalformedEd25519Instruction');
    await refused(() => send(verifySignatures([...both].reverse()), slash), 'MalformedEd25519Instruction');
  });

  test('a signature by another key', async () => {
    await refused(() => send(own, slash), 'SignerMismatch');
  });

  test('another message by the right key', async () => {
    const other = headOf(job, { n: 36 });
    await refused(
      () => send(verifySignatures([signedHead(job.seller.node, job.terms.jobId, other)]), slash),
      'MessageMismatch',
    );
  });

  test('the message with more behind it, or only the beginning of it', async () => {
    const { message } = signedHead(job.seller.node, job.terms.jobId, headOf(job, { n: 37 }));
    for (const wrong of [Buffer.concat([message, Buffer.from([0])]), message.subarray(0, 79)]) {
      const signature = { key: job.seller.node.publicKey, message: wrong, signature: job.seller.node.sign(wrong) };
      await refused(() => send(verifySignatures([signature]), slash), 'MessageMismatch');
    }
  });

  test('a signature that does not verify stops the transaction before the program', async () => {
    const broken = Buffer.from(honest.data);
    broken[16] = (broken[16] ?? 0) ^ 1;
    const bad = new TransactionInstruction({ programId: honest.programId, keys: [], data: broken });
    const { logs } = await refused(() => send(bad, slash), /^Custom|InvalidInstructionData|InvalidArgument/);
    assert.ok(!logs.some((line) => line.includes('SlashHeadMismatch')));
  });
});

describe('two heads', () => {
  let pair: readonly [Uint8Array, Uint8Array];
  let both: TransactionInstruction;
  before(async () => {
    pair = [headOf(job), headOf(job, { n: 37 })];
    both = await world.slashEquivocation(job, ...pair);
  });
  const signed = (body: Uint8Array) => signedHead(job.seller.node, job.terms.jobId, body);

  test('only one of them signed, the same one twice, or in the other order', async () => {
    const [first, second] = pair.map(signed) as [ReturnType<typeof signed>, ReturnType<typeof signed>];
    await refused(() => send(verifySignatures([first]), both), 'MalformedEd25519Instruction');
    await refused(() => send(verifySignatures([first, first]), both), 'MessageMismatch');
    await refused(() => send(verifySignatures([second, first]), both), 'MessageMismatch');
  });

  test("one of them signed by another provider's node", async () => {
    const [first, second] = pair;
    await refused(
      () => send(verifySignatures([signed(first), signedHead(newNode(), job.terms.jobId, second)]), both),
      'SignerMismatch',
    );
  });

  test('signed in two instructions', async () => {
    const [first, second] = pair;
    await refused(
      () => send(verifySignatures([signed(first)]), verifySignatures([signed(second)]), both),
      'MalformedEd25519Instruction',
    );
  });
});

test('one signature serves one instruction', async () => {
  const [authority, node] = [world.wallet(), newNode()];
  const register = await world.register(authority.publicKey, node.publicKey, 100_000_000n);
  const rotate = await world.rotate(authority.publicKey, node.publicKey);
  await refused(
    async () => world.send([verifySignatures([consent(node, authority.publicKey)]), register, rotate], [authority]),
    'MissingEd25519Instruction',
  );
});

test('the right signature, after all of that', async () => {
  assert.equal((await send(honest, slash)).events.length, 1);
});
