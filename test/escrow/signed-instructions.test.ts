import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { ComputeBudgetProgram, type Keypair, TransactionInstruction } from '@solana/web3.js';
import type { SignedBody } from '../../src/escrow/escrow.ts';
import { type NodeSignature, verifySignatures } from '../../src/escrow/program/ed25519.ts';
import type { Call } from '../../src/escrow/program/instructions/context.ts';
import { concat, u32 } from '../../src/lib/bytes.ts';
import type { SigningKey } from '../../src/proofs/signing.ts';
import { tag } from '../../src/protocol/digests.ts';
import { answerIn, places } from './answers.ts';
import { encodeTerms } from './layouts.ts';
import { forcedStep } from './tree.ts';
import {
  consentOf,
  headOf,
  instructionOf,
  jobIdOf,
  MIN_STAKE,
  newNode,
  noObjection,
  programId,
  refused,
  sha256,
  signedBy,
  signedHead,
  signedTerms,
  submission,
  totals,
  World,
  withSignatures,
  zeros,
} from './world.ts';

// Each trick with a signature, against each instruction that relies on one.

interface Relying {
  readonly call: Promise<Call>;
  readonly node: SigningKey;
  /** What the call verifies, in its order. */
  readonly messages: readonly Uint8Array[];
  readonly signers: readonly Keypair[];
}

const messageOf = (kind: string, context: Uint8Array, body: Uint8Array) => concat(tag(kind), context, sha256(body));
const headMessages = (heads: readonly SignedBody[]) =>
  heads.map(({ body }) => messageOf('qvac/head/1', body.subarray(1, 33), body));

const instructions: Readonly<Record<string, (world: World) => Promise<Relying>>> = {
  async provider_register(world) {
    const [authority, node] = [world.wallet(), newNode()];
    const call = world.by(authority).register(node, MIN_STAKE);
    return { call, node, messages: [consentOf(node, authority.publicKey).message], signers: [authority] };
  },
  async provider_rotate_peer(world) {
    const [{ authority }, node] = [await world.newSeller(), newNode()];
    const body = concat(programId.toBytes(), node.publicKey, u32(1));
    const messages = [messageOf('qvac/register/1', authority.publicKey.toBytes(), body)];
    return { call: world.by(authority).rotatePeer(node, 1), node, messages, signers: [authority] };
  },
  async job_submit(world) {
    const job = await world.openJob();
    const [head, ack] = submission(job);
    const call = world.by(job.seller.authority).submitJob(job.key, head, ack);
    const messages = [messageOf('qvac/ack/1', job.jobId, ack.body)];
    return { call, node: job.buyer.node, messages, signers: [job.seller.authority] };
  },
  async channel_open(world) {
    const [buyer, seller] = [world.newBuyer(), await world.newSeller()];
    const terms = signedTerms(seller.node, encodeTerms(world.termsFields(buyer, seller)));
    const messages = [messageOf('qvac/channel/1', zeros(32), terms.body)];
    return { call: world.by(buyer.wallet).openChannel(terms), node: seller.node, messages, signers: [buyer.wallet] };
  },
  async channel_settle(world) {
    const channel = await world.openChannel();
    const ack = totals(channel, 900n, 800n);
    const call = world.by(world.wallet()).settleChannel(channel.key, ack);
    return { call, node: channel.buyer.node, messages: [messageOf('qvac/ack/1', zeros(32), ack.body)], signers: [] };
  },
  async channel_close(world) {
    const channel = await world.closableChannel();
    const ack = noObjection(channel, 900n, 800n);
    const { authority } = channel.seller;
    const call = world.by(authority).closeChannel(channel.key, ack);
    const messages = [messageOf('qvac/ack/1', zeros(32), ack.body)];
    return { call, node: channel.buyer.node, messages, signers: [authority] };
  },
  async evidence_create(world) {
    const channel = await world.openChannel();
    const offer = world.channelOffer(channel);
    const { node } = channel.seller;
    const head = signedHead(node, headOf(jobIdOf(offer)));
    const call = world.by(channel.buyer.wallet).createEvidence(channel.key, offer, head);
    return { call, node, messages: headMessages([head]), signers: [channel.buyer.wallet] };
  },
  ...Object.fromEntries(
    places.flatMap((place) =>
      [1, 2].map((count) => [
        `slash_equivocation in a ${place}, ${count} given`,
        async (world: World): Promise<Relying> => {
          const answer = await answerIn(world, place, { steps: [forcedStep] });
          const heads = [answer.head({ n: 2 }), answer.head({ n: 3 })].slice(0, count);
          const call = world.by(world.wallet()).slashEquivocation(answer.subject(), heads as never);
          return { call, node: answer.seller.node, messages: headMessages(heads), signers: [] };
        },
      ]),
    ),
  ),
};

const nothing = ComputeBudgetProgram.setComputeUnitLimit({ units: 200_000 });

/**
 * With the u16 fields given (signature instruction 1, key instruction 3, message instruction 6, message size 5) of the
 * last entry changed.
 */
function withFields(
  instruction: TransactionInstruction,
  fields: readonly number[],
  value: number,
): TransactionInstruction {
  const data = Buffer.from(instruction.data);
  const entry = 2 + 14 * ((data[0] ?? 1) - 1);
  for (const field of fields) data.writeUInt16LE(value, entry + 2 * field);
  return new TransactionInstruction({ programId: instruction.programId, keys: [], data });
}

const flipped = (bytes: Uint8Array, at: number): Uint8Array =>
  bytes.map((byte, index) => (index === at ? byte ^ 1 : byte));

for (const [name, prepare] of Object.entries(instructions)) {
  test(`each trick with the signatures of ${name}`, async () => {
    const world = new World();
    const { call, node, messages, signers } = await prepare(world);
    const signatures = messages.map((message) => signedBy(node, message));
    const [honest, instruction] = [verifySignatures(signatures), await instructionOf(call)];
    const last = signatures.at(-1) as NodeSignature;
    const { message } = last;
    const verifying = (other: NodeSignature) => verifySignatures([...signatures.slice(0, -1), other]);
    const own = signedBy(newNode(), message);
    const send = (...all: readonly TransactionInstruction[]) =>
      world.send(all, signers.length === 0 ? [world.wallet()] : signers);
    const empty = new TransactionInstruction({ programId: honest.programId, keys: [], data: Buffer.from([0, 0]) });
    const tricks: readonly (readonly [what: string, code: string, all: readonly TransactionInstruction[]])[] = [
      ['none', 'MissingEd25519Instruction', [instruction]],
      ['not directly before', 'MissingEd25519Instruction', [honest, nothing, instruction]],
      ['after', 'MissingEd25519Instruction', [instruction, honest]],
      ['an instruction that verifies nothing', 'MalformedEd25519Instruction', [empty, instruction]],
      ['one more', 'MalformedEd25519Instruction', [verifySignatures([...signatures, last]), instruction]],
      ['another key', 'SignerMismatch', [verifying(own), instruction]],
      ["another's directly before, the right one earlier", 'SignerMismatch', [honest, verifying(own), instruction]],
      ...[79, 5, 16].map(
        (at) =>
          [
            `another message, at ${at}`,
            'MessageMismatch',
            [verifying(signedBy(node, flipped(message, at))), instruction],
          ] as const,
      ),
      ['a longer message', 'MessageMismatch', [verifying(signedBy(node, concat(message, zeros(1)))), instruction]],
      ['a shorter message', 'MessageMismatch', [verifying(signedBy(node, message.subarray(0, 79))), instruction]],
      ...[[1], [3], [6], [1, 3, 6]].flatMap((fields) => [
        [
          `fields ${fields.join()} of another instruction`,
          'MalformedEd25519Instruction',
          [honest, withFields(honest, fields, 0), instruction],
        ] as const,
        [
          `fields ${fields.join()} by index`,
          'MalformedEd25519Instruction',
          [withFields(honest, fields, 0), instruction],
        ] as const,
      ]),
    ];
    for (const [what, code, all] of tricks) {
      // Two verifications of two signed heads, or of one beside an offer, do not fit into a transaction.
      const verifications = all.filter(({ programId: id }) => id.equals(honest.programId)).length;
      if (/slash_equivocation.*2 given|evidence_create/.test(name) && verifications > 1) continue;
      await refused(() => send(...all), code).catch((error: unknown) => assert.fail(`${what}: ${String(error)}`));
    }
    assert.equal((await send(honest, instruction)).events.length, 1, 'the right signature, after all of that');
  });
}

test('a signature that does not verify stops the transaction before the program', async () => {
  const world = new World();
  const answer = await answerIn(world, 'job', { steps: [forcedStep] });
  const [verify, slash] = (await world.by(world.wallet()).slashEquivocation(answer.subject(), [answer.head({ n: 2 })]))
    .instructions;
  assert.ok(verify && slash);
  const data = Buffer.from(verify.data);
  data[16] = (data[16] ?? 0) ^ 1;
  const broken = new TransactionInstruction({ programId: verify.programId, keys: [], data });
  const { logs } = await refused(() => world.send([broken, slash], [world.wallet()]), 'Custom(2)');
  assert.ok(!logs.some((line) => line.includes('SlashEquivocation')));
});

describe('two heads', () => {
  test('need both signatures, in their order and in one instruction', async () => {
    const world = new World();
    const answer = await answerIn(world, 'job', { steps: [forcedStep] });
    const heads = [answer.head({ n: 2 }), answer.head({ n: 3 })] as const;
    const { node } = answer.seller;
    const [first, second] = headMessages(heads).map((message) => signedBy(node, message)) as [
      NodeSignature,
      NodeSignature,
    ];
    const call = world.by(world.wallet()).slashEquivocation(answer.subject(), heads);
    const send = (...signatures: readonly NodeSignature[]) => world.sendAs([], withSignatures(call, signatures));
    await refused(() => send(first), 'MalformedEd25519Instruction');
    await refused(() => send(first, first), 'MessageMismatch');
    await refused(() => send(second, first), 'MessageMismatch');
    await refused(() => send(first, signedBy(newNode(), second.message)), 'SignerMismatch');
    const apart = [verifySignatures([first]), verifySignatures([second]), await instructionOf(call)];
    await refused(() => world.send(apart, [world.wallet()]), 'MalformedEd25519Instruction');
    await send(first, second);
  });
});
