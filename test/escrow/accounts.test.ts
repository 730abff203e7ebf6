import assert from 'node:assert/strict';
import { before, describe, test } from 'node:test';
import { PublicKey, SYSVAR_CLOCK_PUBKEY, SystemProgram, TransactionInstruction } from '@solana/web3.js';
import idl from '../../programs/escrow/artifacts/escrow.json' with { type: 'json' };
import { type Ready, ready } from './ready.ts';
import { delivered, programId, refused, World } from './world.ts';

// What every instruction has to refuse, whatever it does: the accounts are the attacker's choice.

const accountsOf = (name: string) => {
  const described = idl.instructions.find((instruction) => instruction.name === name);
  assert.ok(described, name);
  return described.accounts as readonly {
    readonly name: string;
    readonly signer?: boolean;
    readonly writable?: boolean;
    readonly address?: string;
  }[];
};

/** The same instruction with one account changed. */
function withAccount(
  instruction: TransactionInstruction,
  at: number,
  change: { readonly pubkey?: PublicKey; readonly isSigner?: boolean; readonly isWritable?: boolean },
): TransactionInstruction {
  const keys = instruction.keys.map((meta, index) => (index === at ? { ...meta, ...change } : meta));
  return new TransactionInstruction({ programId: instruction.programId, keys, data: instruction.data });
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

for (const [name, prepare] of Object.entries(ready)) {
  describe(name, () => {
    const accounts = accountsOf(name);
    const at = (account: string) => accounts.findIndex((described) => described.name === account);
    const each = async () => prepare(new World());

    test('succeeds as it is, with an event', async () => {
      const state = await each();
      assert.equal(send(state, state.instruction).events.length, 1);
    });

    for (const [index, account] of accounts.entries()) {
      if (account.signer === true) {
        test(`${account.name} that has not signed`, async () => {
          const state = await each();
          const key = state.instruction.keys[index]?.pubkey as PublicKey;
          await refused(
            async () => send(state, withAccount(state.instruction, index, { isSigner: false }), [key]),
            'AccountNotSigner',
          );
        });
        // Who pays for themselves may be anyone.
        if (!['provider_register', 'provider_add_stake', 'job_create'].includes(name))
          test(`another's signature instead of ${account.name}'s`, async () => {
            const state = await each();
            const thief = state.world.wallet();
            const signed = withAccount(state.instruction, index, { pubkey: thief.publicKey });
            await refused(async () => send({ ...state, signers: [thief] }, signed), /Unauthorized|ConstraintSeeds/);
          });
      }
      if (account.writable === true) {
        test(`${account.name} that is not writable`, async () => {
          const state = await each();
          await refused(
            async () => send(state, withAccount(state.instruction, index, { isWritable: false })),
            /^(ConstraintMut|PrivilegeEscalation)/,
          );
        });
      }
      if (account.address !== undefined) {
        test(`another account instead of ${account.name}`, async () => {
          const state = await each();
          // The runtime itself keeps sysvars from being written.
          const wrong = [state.world.wallet().publicKey, ...(account.writable === true ? [] : [SYSVAR_CLOCK_PUBKEY])];
          for (const pubkey of wrong) {
            await refused(
              async () => send(state, withAccount(state.instruction, index, { pubkey })),
              /^(ConstraintAddress|InvalidProgramId)/,
            );
          }
        });
      }
    }

    if (at('job') >= 0 && name !== 'job_create') {
      test("another client's job, another provider's job", async () => {
        const state = await each();
        const { job } = state;
        assert.ok(job !== undefined);
        const other =
          name === 'job_decline' || name === 'job_submit' || name === 'job_refund'
            ? await state.world.openJob()
            : await state.world.submittedJob();
        if (name === 'job_refund') state.world.now += 600n;
        if (name === 'job_claim') state.world.now += 300n;
        await refused(
          async () => send(state, withAccount(state.instruction, at('job'), { pubkey: other.address })),
          /Unauthorized|ConstraintSeeds|ConstraintAddress/,
        );
      });

      test('a provider passed as the job, a wallet, and an account of another program', async () => {
        const state = await each();
        const provider = state.world.provider(state.job?.seller.authority.publicKey as PublicKey);
        await refused(
          async () => send(state, withAccount(state.instruction, at('job'), { pubkey: provider })),
          'AccountDiscriminatorMismatch',
        );
        await refused(
          async () =>
            send(state, withAccount(state.instruction, at('job'), { pubkey: state.world.wallet().publicKey })),
          'AccountOwnedByWrongProgram',
        );
        await refused(
          async () => send(state, withAccount(state.instruction, at('job'), { pubkey: PublicKey.unique() })),
          'AccountNotInitialized',
        );
        const foreign = copyOf(state.world, state.job?.address as PublicKey, SYSVAR_CLOCK_PUBKEY);
        await refused(
          async () => send(state, withAccount(state.instruction, at('job'), { pubkey: foreign })),
          'AccountOwnedByWrongProgram',
        );
      });

      test('a copy of the job at another address', async () => {
        const state = await each();
        const copy = copyOf(state.world, state.job?.address as PublicKey, programId);
        await refused(
          async () => send(state, withAccount(state.instruction, at('job'), { pubkey: copy })),
          'ConstraintSeeds',
        );
      });
    }

    if (at('provider') >= 0 && name !== 'provider_register') {
      test("another's provider account, a job passed as one, a copy at another address", async () => {
        const state = await each();
        const own = state.instruction.keys[at('provider')]?.pubkey as PublicKey;
        const other = await state.world.newSeller();
        const job = await state.world.openJob();
        // Anyone may add to anyone's stake, and a job may be created for any provider: with their own keys.
        if (name !== 'provider_add_stake') {
          await refused(
            async () =>
              send(
                state,
                withAccount(state.instruction, at('provider'), {
                  pubkey: state.world.provider(other.authority.publicKey),
                }),
              ),
            /ConstraintSeeds|Unauthorized|PeerMismatch/,
          );
        }
        await refused(
          async () => send(state, withAccount(state.instruction, at('provider'), { pubkey: job.address })),
          'AccountDiscriminatorMismatch',
        );
        await refused(
          async () =>
            send(
              state,
              withAccount(state.instruction, at('provider'), { pubkey: copyOf(state.world, own, programId) }),
            ),
          'ConstraintSeeds',
        );
      });
    }

    for (const receiver of ['client', 'authority']) {
      const index = at(receiver);
      if (index < 0 || accounts[index]?.signer === true) continue;
      test(`another ${receiver} to receive the money`, async () => {
        const state = await each();
        await refused(
          async () => send(state, withAccount(state.instruction, index, { pubkey: state.world.wallet().publicKey })),
          'Unauthorized',
        );
      });
      test(`the job or the provider account in the place of the ${receiver}`, async () => {
        const state = await each();
        for (const account of ['job', 'provider'].filter((account) => at(account) >= 0)) {
          const pubkey = state.instruction.keys[at(account)]?.pubkey as PublicKey;
          await refused(async () => send(state, withAccount(state.instruction, index, { pubkey })), 'Unauthorized');
        }
      });
    }
  });
}

/** An account with the data of `original`, at an address of the attacker's. */
function copyOf(world: World, original: PublicKey, owner: PublicKey): PublicKey {
  const account = world.svm.getAccount(original.toBase58() as never);
  assert.ok(account.exists);
  const copy = PublicKey.unique();
  world.svm.setAccount({ ...account, address: copy.toBase58(), programAddress: owner.toBase58() } as never);
  return copy;
}

describe('closed jobs', () => {
  let world: World;
  before(() => {
    world = new World();
  });

  test('lamports put back in the same transaction do not revive one', async () => {
    const job = await world.submittedJob();
    const keep = SystemProgram.transfer({
      fromPubkey: job.buyer.wallet.publicKey,
      toPubkey: job.address,
      lamports: 10_000_000n,
    });
    await refused(
      async () => world.send([await world.confirm(job), keep, await world.confirm(job)], [job.buyer.wallet]),
      'AccountOwnedByWrongProgram',
    );
    world.send([await world.confirm(job), keep], [job.buyer.wallet]);
    assert.equal(world.readJob(job.address), null, 'owned by nobody');
    await refused(async () => world.send([await world.confirm(job)], [job.buyer.wallet]), 'AccountOwnedByWrongProgram');
  });

  test('created again in the same transaction, it is a new job with nothing of the old one', async () => {
    const job = await world.submittedJob();
    const { buyer, seller, terms } = job;
    world.send(
      [await world.confirm(job), await world.create(buyer.wallet.publicKey, seller.authority.publicKey, terms)],
      [buyer.wallet],
    );
    const again = world.readJob(job.address);
    assert.deepEqual(again?.status, { open: {} });
    assert.deepEqual([again?.tokenCount, again?.finish, again?.number.toString()], [0, 255, '1']);
    await refused(async () => world.send([await world.confirm(job)], [buyer.wallet]), 'InvalidStatus');
    await refused(async () => world.send([await world.submit(job, delivered, 0n)], [seller.authority]), 'JobReplaced');
  });
});

describe('one account in several places', () => {
  test('a provider that is its own client', async () => {
    const world = new World();
    const seller = await world.newSeller();
    const buyer = { wallet: seller.authority, node: seller.node };
    const job = await world.submittedJob(undefined, {}, { seller, buyer });
    const before = world.balance(seller.authority.publicKey) + world.balance(job.address);
    world.send([await world.confirm(job)], [seller.authority]);
    assert.equal(world.balance(seller.authority.publicKey), before - 5_000n);
  });

  test('a provider that is its own client, at each other end', async () => {
    const world = new World();
    const seller = await world.newSeller();
    const own = { seller, buyer: { wallet: seller.authority, node: seller.node } };
    const declined = await world.openJob({}, own);
    world.send([await world.decline(declined)], [seller.authority]);
    const rejected = await world.submittedJob(undefined, {}, own);
    world.send([await world.reject(rejected)], [seller.authority]);
    const claimed = await world.submittedJob(undefined, {}, own);
    world.now += 300n;
    world.send([await world.claim(claimed)], [seller.authority]);
    const refunded = await world.openJob({}, own);
    world.now += 600n;
    world.send([await world.refund(refunded)], [seller.authority]);
    for (const job of [declined, rejected, claimed, refunded]) assert.equal(world.readJob(job.address), null);
    assert.equal(world.readProvider(seller.authority.publicKey).lockedStake.toString(), '0');
  });
});

test('every instruction of the program is in this list', () => {
  assert.deepEqual(idl.instructions.map(({ name }) => name).sort(), Object.keys(ready).sort());
});

test("instructions that the program does not have, Anchor's own for interfaces included", async () => {
  const world = new World();
  const idlInstruction = Buffer.from([0x40, 0xf4, 0xbc, 0x78, 0xa7, 0xe9, 0x69, 0x0a, 0]);
  for (const data of [Buffer.alloc(0), Buffer.alloc(8), idlInstruction]) {
    await refused(
      async () => world.send([new TransactionInstruction({ programId, keys: [], data })], [world.wallet()]),
      /InstructionFallbackNotFound|InstructionMissing|IdlInstructionStub/,
    );
  }
});
