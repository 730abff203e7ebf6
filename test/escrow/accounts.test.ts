import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import {
  type AccountMeta,
  PublicKey,
  SYSVAR_CLOCK_PUBKEY,
  SystemProgram,
  TransactionInstruction,
} from '@solana/web3.js';
import idl from '../../programs/escrow/artifacts/escrow.json' with { type: 'json' };
import { type Ready, readyInstructions } from './ready.ts';
import { instructionOf, noObjection, programId, refused, submission, World, withAccount } from './world.ts';

// What every instruction has to refuse, whatever it does: the accounts are the attacker's choice.

interface AccountItem {
  readonly name: string;
  readonly signer?: boolean;
  readonly writable?: boolean;
  readonly optional?: boolean;
  readonly address?: string;
  readonly accounts?: readonly AccountItem[];
}

const flat = (items: readonly AccountItem[]): readonly AccountItem[] =>
  items.flatMap((item) => (item.accounts === undefined ? [item] : flat(item.accounts)));

function accountsOf(name: string): readonly AccountItem[] {
  const described = idl.instructions.find((instruction) => instruction.name === name);
  assert.ok(described, name);
  return flat(described.accounts as readonly AccountItem[]);
}

/** Executes it, paid by a stranger and signed by all but those `without`. */
function send(
  { world, first, signers }: Ready,
  instruction: TransactionInstruction,
  without: readonly PublicKey[] = [],
) {
  const signing = signers.filter(({ publicKey }) => !without.some((key) => key.equals(publicKey)));
  return world.send([...first, instruction], [world.wallet(), ...signing]);
}

/** An account with the data of `original`, at an address of the attacker's. */
function copyOf(world: World, original: PublicKey, owner: PublicKey): PublicKey {
  const account = world.svm.getAccount(original.toBase58() as never);
  assert.ok(account.exists);
  const copy = PublicKey.unique();
  world.svm.setAccount({ ...account, address: copy.toBase58(), programAddress: owner.toBase58() } as never);
  return copy;
}

/** Names of the program's own accounts, as instructions call them. */
const kinds = ['provider', 'job', 'channel', 'evidence'] as const;
/** Instructions that make the account of that name. */
const makes: Readonly<Record<string, string>> = {
  provider_register: 'provider',
  job_create: 'job',
  channel_open: 'channel',
  evidence_create: 'evidence',
};
/** Wallets that only receive lamports. */
const receivers = ['client', 'payer', 'funder', 'challenger'];
/** Instructions that any wallet may sign for itself. */
const forAnyone = ['provider_register', 'provider_add_stake'];
const mismatch =
  /Unauthorized|ConstraintSeeds|ConstraintAddress|SubjectMismatch|PeerMismatch|TermsMismatch|OfferMismatch|DeliveryPending|CheckWindowOpen|RootMismatch/;

for (const { name, title, prepare } of readyInstructions) {
  describe(title, () => {
    const accounts = accountsOf(name);
    const each = async () => prepare(new World());
    const keyAt = (state: Ready, at: number): AccountMeta => {
      const meta = state.instruction.keys[at];
      assert.ok(meta !== undefined);
      return meta;
    };
    /** An optional account that is left out has the program's own address in its place. */
    const isGiven = (state: Ready, at: number) => !keyAt(state, at).pubkey.equals(programId);

    test('succeeds as it is, with an event', async () => {
      const state = await each();
      assert.equal(state.instruction.keys.length, accounts.length);
      assert.equal((await send(state, state.instruction)).events.length, 1);
    });

    for (const [at, account] of accounts.entries()) {
      if (account.signer === true) {
        test(`${account.name} that has not signed`, async () => {
          const state = await each();
          const unsigned = withAccount(state.instruction, at, { isSigner: false });
          await refused(() => send(state, unsigned, [keyAt(state, at).pubkey]), 'AccountNotSigner');
        });
        if (!forAnyone.includes(name))
          test(`another's signature instead of ${account.name}'s`, async () => {
            const state = await each();
            const thief = state.world.wallet();
            const signed = withAccount(state.instruction, at, { pubkey: thief.publicKey });
            await refused(() => send({ ...state, signers: [thief] }, signed), mismatch);
          });
      }
      if (account.writable === true) {
        test(`${account.name} that is not writable`, async () => {
          const state = await each();
          if (!isGiven(state, at)) return;
          const pubkey = keyAt(state, at).pubkey;
          // The same account in two places is writable where it is in one.
          const readOnly = new TransactionInstruction({
            programId,
            data: state.instruction.data,
            keys: state.instruction.keys.map((meta) =>
              meta.pubkey.equals(pubkey) ? { ...meta, isWritable: false } : meta,
            ),
          });
          await refused(() => send(state, readOnly), /^(ConstraintMut|PrivilegeEscalation|AccountNotMutable)/);
        });
      }
      if (account.address !== undefined) {
        test(`another account instead of ${account.name}`, async () => {
          const state = await each();
          // The runtime itself keeps sysvars from being written.
          const wrong = [state.world.wallet().publicKey, ...(account.writable === true ? [] : [SYSVAR_CLOCK_PUBKEY])];
          for (const pubkey of wrong) {
            const attempt = () => send(state, withAccount(state.instruction, at, { pubkey }));
            await refused(attempt, /^(ConstraintAddress|InvalidProgramId)/);
          }
        });
      }
      const kind = kinds.find((known) => known === account.name);
      // `evidence_close` looks at an address that must not be an account of the program.
      if (kind === undefined || makes[name] === kind || (name === 'evidence_close' && kind === 'channel')) continue;
      test(`another ${kind}, and what is not a ${kind}`, async () => {
        const state = await each();
        if (!isGiven(state, at)) return;
        const { world } = state;
        const own = keyAt(state, at).pubkey;
        const attempt = (pubkey: PublicKey) => () => send(state, withAccount(state.instruction, at, { pubkey }));
        // Anyone may add to anyone's stake.
        if (name !== 'provider_add_stake') await refused(attempt(await anotherOf(world, kind)), mismatch);
        const foreignKind = kind === 'job' ? 'provider' : 'job';
        await refused(attempt(await anotherOf(world, foreignKind)), 'AccountDiscriminatorMismatch');
        await refused(attempt(world.wallet().publicKey), 'AccountOwnedByWrongProgram');
        await refused(attempt(PublicKey.unique()), 'AccountNotInitialized');
        await refused(attempt(copyOf(world, own, SYSVAR_CLOCK_PUBKEY)), 'AccountOwnedByWrongProgram');
        await refused(attempt(copyOf(world, own, programId)), 'ConstraintSeeds');
      });
    }

    for (const [at, account] of accounts.entries()) {
      if (!receivers.includes(account.name) || account.signer === true) continue;
      test(`another ${account.name} to receive the money`, async () => {
        const state = await each();
        const others = [state.world.wallet().publicKey, ...state.instruction.keys.map(({ pubkey }) => pubkey)];
        for (const pubkey of others) {
          if (pubkey.equals(keyAt(state, at).pubkey) || pubkey.equals(programId)) continue;
          if (pubkey.equals(SystemProgram.programId) || pubkey.toBase58().startsWith('Sysvar')) continue;
          await refused(() => send(state, withAccount(state.instruction, at, { pubkey })), 'Unauthorized');
        }
      });
    }
  });
}

/** An account of that kind of other people. */
async function anotherOf(world: World, kind: (typeof kinds)[number]): Promise<PublicKey> {
  if (kind === 'provider') return world.providerAddress(await world.newSeller());
  if (kind === 'job') return new PublicKey((await world.submittedJob()).key.address);
  const channel = await world.openChannel();
  return new PublicKey(kind === 'channel' ? channel.key.address : (await world.keepEvidence(channel)).address);
}

test('every instruction of the program is in this list', () => {
  const listed = new Set(readyInstructions.map(({ name }) => name));
  assert.deepEqual(idl.instructions.map(({ name }) => name).sort(), [...listed].sort());
});

test("instructions that the program does not have, Anchor's own for interfaces included", async () => {
  const world = new World();
  const idlInstruction = Buffer.from([0x40, 0xf4, 0xbc, 0x78, 0xa7, 0xe9, 0x69, 0x0a, 0]);
  for (const data of [Buffer.alloc(0), Buffer.alloc(8), idlInstruction]) {
    const unknown = new TransactionInstruction({ programId, keys: [], data });
    await refused(
      () => world.send(unknown, [world.wallet()]),
      /InstructionFallbackNotFound|InstructionMissing|IdlInstructionStub/,
    );
  }
});

describe('accounts that are closed', () => {
  test('lamports put back in the same transaction do not revive a job', async () => {
    const world = new World();
    const job = await world.submittedJob();
    const { wallet } = job.buyer;
    const address = new PublicKey(job.key.address);
    const confirm = () => world.by(wallet).confirmJob(job.key);
    const keep = SystemProgram.transfer({ fromPubkey: wallet.publicKey, toPubkey: address, lamports: 10_000_000n });
    await refused(() => world.send([confirm(), keep, confirm()], [wallet]), 'AccountOwnedByWrongProgram');
    await world.send([confirm(), keep], [wallet]);
    assert.equal(world.job(job), null);
    await refused(() => world.send(confirm(), [wallet]), 'AccountOwnedByWrongProgram');
  });

  test('lamports put back in the same transaction do not revive a channel, and its evidence can be closed', async () => {
    const world = new World();
    const channel = await world.openChannel();
    const evidence = await world.keepEvidence(channel);
    world.now += 61n;
    const { wallet } = channel.buyer;
    const { authority } = channel.seller;
    const address = new PublicKey(channel.key.address);
    const close = () => world.by(authority).closeChannel(channel.key, noObjection(channel, 0n, 0n));
    const keep = SystemProgram.transfer({ fromPubkey: wallet.publicKey, toPubkey: address, lamports: 10_000_000n });
    await refused(() => world.sendAs([authority, wallet], close(), keep, close()), /AccountOwnedByWrongProgram/);
    await world.sendAs([authority, wallet], close(), keep);
    assert.equal(world.channel(channel), null);
    await world.send(world.by(wallet).closeEvidence(evidence), [wallet]);
    assert.equal(world.evidence(evidence), null);
  });

  test('a job created again in the same transaction has nothing of the old one', async () => {
    const world = new World();
    const job = await world.submittedJob();
    const { wallet } = job.buyer;
    const again = world.by(wallet).createJob(job.key.provider, job.offer);
    world.now += 5n;
    await world.send([world.by(wallet).confirmJob(job.key), again], [wallet]);
    const second = world.job(job);
    assert.equal(second?.submitted, null);
    assert.equal(second?.createdAt, job.key.createdAt + 5_000);
    await refused(() => world.send(world.by(wallet).confirmJob(job.key), [wallet]), 'InvalidStatus');
  });
});

describe('one person in several places', () => {
  test('a provider that is its own client, at each end of a job', async () => {
    const world = new World();
    const seller = await world.newSeller();
    const own = { seller, buyer: { wallet: seller.authority, node: seller.node } };
    const { authority } = seller;
    const everything = () => world.balance(authority.publicKey) + world.balance(world.providerAddress(seller));
    const before = everything();
    const by = world.by(authority);
    const open = async () => (await world.openJob({}, own)).key;
    await world.sendAs([authority], by.refundJob(await open()));
    const confirmed = await world.submittedJob({}, {}, own);
    await world.sendAs([authority], by.confirmJob(confirmed.key));
    const rejected = await world.submittedJob({}, {}, own);
    await world.sendAs([authority], by.rejectJob(rejected.key, programId.toBytes()));
    const fees = 3n * 5_000n + 2n * 10_000n;
    assert.equal(everything(), before - fees - 964n, 'the fees and the rejected price');
    assert.equal(world.provider(seller).lockedStake, 0n);
  });

  test('a payer that is its own provider', async () => {
    const world = new World();
    const seller = await world.newSeller();
    const channel = await world.closableChannel({}, { seller, buyer: { wallet: seller.authority, node: seller.node } });
    const close = world.by(seller.authority).closeChannel(channel.key, noObjection(channel, 900n, 800n));
    await world.sendAs([seller.authority], close);
    assert.deepEqual([world.provider(seller).earned, world.provider(seller).lockedStake], [800n, 0n]);
  });
});

test("a transaction that holds another program's instructions between ours changes nothing of the rules", async () => {
  const world = new World();
  const job = await world.openJob();
  const { authority } = job.seller;
  const submit = world.by(authority).submitJob(job.key, ...submission(job));
  const between = SystemProgram.transfer({
    fromPubkey: authority.publicKey,
    toPubkey: authority.publicKey,
    lamports: 0n,
  });
  const call = await submit;
  await refused(
    async () => world.send([call.instructions[0] as never, between, await instructionOf(submit)], [authority]),
    'MissingEd25519Instruction',
  );
});
