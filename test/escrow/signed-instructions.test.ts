import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { ComputeBudgetProgram, type Keypair, TransactionInstruction } from '@solana/web3.js';
import { type NodeSignature, verifySignatures } from '../../src/escrow/program/ed25519.ts';
import type { SigningKey } from '../../src/proofs/signing.ts';
import {
  consent,
  delivered,
  headOf,
  MIN_STAKE,
  newNode,
  refused,
  signedBy,
  signedCancel,
  signedHead,
  World,
} from './world.ts';

// Each trick with a signature, against each instruction that relies on one.

interface Signed {
  readonly instruction: TransactionInstruction;
  readonly node: SigningKey;
  readonly signatures: readonly NodeSignature[];
  readonly signers: readonly Keypair[];
}

const instructions: Readonly<Record<string, (world: World) => Promise<Signed>>> = {
  async provider_register(world) {
    const [authority, node] = [world.wallet(), newNode()];
    return {
      instruction: await world.register(authority.publicKey, node.publicKey, MIN_STAKE),
      node,
      signatures: [consent(node, authority.publicKey)],
      signers: [authority],
    };
  },
  async provider_rotate_peer(world) {
    const [{ authority }, node] = [await world.newSeller(), newNode()];
    return {
      instruction: await world.rotate(authority.publicKey, node.publicKey),
      node,
      signatures: [consent(node, authority.publicKey)],
      signers: [authority],
    };
  },
  async job_submit(world) {
    const job = await world.openJob();
    const { node } = job.buyer;
    return {
      instruction: await world.submit(job, { ...delivered, finish: 2, cancelN: 10 }),
      node,
      signatures: [signedCancel(node, job.terms.jobId, 10)],
      signers: [job.seller.authority],
    };
  },
  async slash_equivocation(world) {
    const job = await world.submittedJob();
    const { node } = job.seller;
    const heads = [headOf(job), headOf(job, { n: 37 })] as const;
    return {
      instruction: await world.slashEquivocation(job, ...heads),
      node,
      signatures: heads.map((head) => signedHead(node, job.terms.jobId, head)),
      signers: [],
    };
  },
  async slash_head_mismatch(world) {
    const job = await world.submittedJob();
    const { node } = job.seller;
    const head = headOf(job, { n: 37 });
    return {
      instruction: await world.slashHeadMismatch(job, head),
      node,
      signatures: [signedHead(node, job.terms.jobId, head)],
      signers: [],
    };
  },
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

/** The last of the signatures replaced. */
const withLast = (signatures: readonly NodeSignature[], last: NodeSignature): TransactionInstruction =>
  verifySignatures([...signatures.slice(0, -1), last]);

for (const [name, prepare] of Object.entries(instructions)) {
  test(`each trick with the signatures of ${name}`, async () => {
    const world = new World();
    const { instruction, node, signatures, signers } = await prepare(world);
    const honest = verifySignatures(signatures);
    const last = signatures.at(-1) as NodeSignature;
    const { message } = last;
    const send = async (...all: readonly TransactionInstruction[]) =>
      world.send(all, [...(signers.length === 0 ? [world.wallet()] : signers)]);
    const tricks: readonly (readonly [what: string, code: string, all: readonly TransactionInstruction[]])[] = [
      ['none', 'MissingEd25519Instruction', [instruction]],
      ['not directly before', 'MissingEd25519Instruction', [honest, nothing, instruction]],
      ['after', 'MissingEd25519Instruction', [instruction, honest]],
      [
        'none is verified',
        'MalformedEd25519Instruction',
        [new TransactionInstruction({ programId: honest.programId, keys: [], data: Buffer.from([0, 0]) }), instruction],
      ],
      ['one more', 'MalformedEd25519Instruction', [verifySignatures([...signatures, last]), instruction]],
      ['another key', 'SignerMismatch', [withLast(signatures, signedBy(newNode(), message)), instruction]],
      [
        'another message',
        'MessageMismatch',
        [
          withLast(
            signatures,
            signedBy(
              node,
              message.map((byte, at) => (at === 79 ? byte ^ 1 : byte)),
            ),
          ),
          instruction,
        ],
      ],
      [
        'another kind of message',
        'MessageMismatch',
        [
          withLast(
            signatures,
            signedBy(
              node,
              message.map((byte, at) => (at === 5 ? byte ^ 1 : byte)),
            ),
          ),
          instruction,
        ],
      ],
      [
        'another context',
        'MessageMismatch',
        [
          withLast(
            signatures,
            signedBy(
              node,
              message.map((byte, at) => (at === 16 ? byte ^ 1 : byte)),
            ),
          ),
          instruction,
        ],
      ],
      [
        'a longer message',
        'MessageMismatch',
        [withLast(signatures, signedBy(node, Buffer.concat([message, Buffer.from([0])]))), instruction],
      ],
      [
        'a shorter message',
        'MessageMismatch',
        [withLast(signatures, signedBy(node, message.subarray(0, 79))), instruction],
      ],
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
      // Two signed heads fill a transaction.
      if (name === 'slash_equivocation' && all.filter(({ programId }) => programId.equals(honest.programId)).length > 1)
        continue;
      await refused(() => send(...all), code).catch((error: unknown) => assert.fail(`${what}: ${String(error)}`));
    }
    assert.equal((await send(honest, instruction)).events.length, 1, 'the right signature, after all of that');
  });
}

describe('the signatures that are asked for', () => {
  test('are those of the right people', async () => {
    const world = new World();
    const job = await world.openJob();
    const { seller, buyer, terms } = job;
    const submit = await world.submit(job, { ...delivered, finish: 2, cancelN: 10 });
    await refused(
      async () =>
        world.send([verifySignatures([signedCancel(seller.node, terms.jobId, 10)]), submit], [seller.authority]),
      'SignerMismatch',
    );
    const submitted = await world.submittedJob();
    const head = headOf(submitted, { n: 37 });
    const slash = await world.slashHeadMismatch(submitted, head);
    await refused(
      async () =>
        world.send(
          [verifySignatures([signedHead(submitted.buyer.node, submitted.terms.jobId, head)]), slash],
          [world.wallet()],
        ),
      'SignerMismatch',
    );
    world.send([verifySignatures([signedCancel(buyer.node, terms.jobId, 10)]), submit], [seller.authority]);
  });

  test('are those of the key that the job was created with, whatever the provider rotated to', async () => {
    const world = new World();
    const job = await world.submittedJob();
    const next = newNode();
    world.send(
      [
        verifySignatures([consent(next, job.seller.authority.publicKey)]),
        await world.rotate(job.seller.authority.publicKey, next.publicKey),
      ],
      [job.seller.authority],
    );
    const head = headOf(job, { n: 37 });
    const slash = await world.slashHeadMismatch(job, head);
    await refused(
      async () => world.send([verifySignatures([signedHead(next, job.terms.jobId, head)]), slash], [world.wallet()]),
      'SignerMismatch',
    );
    world.send([verifySignatures([signedHead(job.seller.node, job.terms.jobId, head)]), slash], [world.wallet()]);
  });
});
