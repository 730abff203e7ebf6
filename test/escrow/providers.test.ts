import assert from 'node:assert/strict';
import { beforeEach, describe, test } from 'node:test';
import { SystemProgram } from '@solana/web3.js';
import { escrowRules } from '../../src/escrow/constants.ts';
import {
  consentOf,
  MIN_STAKE,
  newNode,
  refused,
  type Seller,
  SIGNATURE_FEE,
  SOL,
  signedBy,
  World,
  withSignatures,
} from './world.ts';

const rentBytes = escrowRules.providerAccountBytes;
const max = 2n ** 64n - 1n;

let world: World;
beforeEach(() => {
  world = new World();
});

const names = ({ events }: { readonly events: readonly { readonly name: string }[] }) => events.map(({ name }) => name);
const held = (seller: Pick<Seller, 'authority'>) => world.balance(world.providerAddress(seller));
const withdraw = ({ authority }: Seller, lamports: bigint) =>
  world.send(world.by(authority).withdraw(lamports), [authority]);

describe('provider_register', () => {
  async function register(stake: bigint) {
    const [authority, node] = [world.wallet(10n * SOL), newNode()];
    const sent = await world.send(world.by(authority).register(node, stake), [authority]);
    return { authority, node, sent };
  }

  test('keeps the stake beside the rent, and emits an event', async () => {
    const { authority, node, sent } = await register(MIN_STAKE);
    assert.deepEqual(
      { ...world.provider({ authority }), address: null },
      {
        address: null,
        authority: authority.publicKey.toBytes(),
        peer: node.publicKey,
        stake: MIN_STAKE,
        lockedStake: 0n,
        freeStake: MIN_STAKE,
        jobsCompleted: 0n,
        earned: 0n,
        jobsRejected: 0,
        rejected: 0n,
        jobsSlashed: 0,
        bindings: 0,
        registeredAt: Number(world.now) * 1_000,
      },
    );
    assert.equal(held({ authority }), world.rent(rentBytes) + MIN_STAKE);
    assert.equal(
      world.balance(authority.publicKey),
      10n * SOL - MIN_STAKE - world.rent(rentBytes) - 2n * SIGNATURE_FEE,
    );
    assert.deepEqual(names(sent), ['providerRegistered']);
  });

  test('refuses a stake below the minimum, of nothing, or of more than the wallet holds', async () => {
    await refused(() => register(MIN_STAKE - 1n), 'StakeTooLow');
    await refused(() => register(0n), 'StakeTooLow');
    await refused(() => register(max), /insufficient lamports/);
  });

  test('refuses a second registration', async () => {
    const { authority, node } = await world.newSeller();
    await refused(() => world.send(world.by(authority).register(node, MIN_STAKE), [authority]), /already in use/);
  });

  test('an address on which a stranger put lamports', async () => {
    const rent = world.rent(rentBytes);
    for (const gift of [world.rent(0), rent - 1n, rent, 5n * SOL]) {
      const [authority, stranger] = [world.wallet(), world.wallet()];
      const give = SystemProgram.transfer({
        fromPubkey: stranger.publicKey,
        toPubkey: world.providerAddress({ authority }),
        lamports: gift,
      });
      await world.send(give, [stranger]);
      await world.send(world.by(authority).register(newNode(), MIN_STAKE), [authority]);
      assert.equal(world.provider({ authority }).stake, MIN_STAKE);
      assert.equal(held({ authority }), (gift > rent ? gift : rent) + MIN_STAKE);
    }
  });
});

describe("a node's consent", () => {
  test('binds one node to one authority', async () => {
    const [thief, owner, node, own] = [world.wallet(), world.wallet(), newNode(), newNode()];
    const register = (signature: ReturnType<typeof consentOf>) =>
      world.send(withSignatures(world.by(thief).register(node, MIN_STAKE), [signature]), [thief]);
    await refused(() => register(consentOf(node, owner.publicKey)), 'MessageMismatch');
    await refused(() => register(consentOf(own, thief.publicKey)), 'SignerMismatch');
    await refused(() => register(signedBy(own, consentOf(node, thief.publicKey).message)), 'SignerMismatch');
    await register(consentOf(node, thief.publicKey));
  });

  test('for another program serves here neither to register nor to rotate', async () => {
    const [authority, node] = [world.wallet(), newNode()];
    const program = newNode().publicKey;
    const register = world.by(authority).register(node, MIN_STAKE);
    const foreign = consentOf(node, authority.publicKey, { program });
    await refused(async () => world.send(withSignatures(register, [foreign]), [authority]), 'MessageMismatch');
    await world.send(register, [authority]);
    const next = newNode();
    const rotate = world.by(authority).rotatePeer(next, 1);
    const again = consentOf(next, authority.publicKey, { program, binding: 1 });
    await refused(async () => world.send(withSignatures(rotate, [again]), [authority]), 'MessageMismatch');
    await world.send(rotate, [authority]);
  });

  test('serves once: not after another binding, and not for the same node again', async () => {
    const { authority, node } = await world.newSeller();
    const next = newNode();
    const rotate = (to: typeof node, binding: number) => world.by(authority).rotatePeer(to, binding);
    const kept = rotate(next, 1);
    await refused(() => world.send(rotate(next, 0), [authority]), 'MessageMismatch');
    await refused(() => world.send(rotate(next, 2), [authority]), 'MessageMismatch');
    await world.send(kept, [authority]);
    await world.send(rotate(node, 2), [authority]);
    // The authority could otherwise bind a node again that left it.
    await refused(() => world.send(kept, [authority]), 'MessageMismatch');
    assert.deepEqual([world.provider({ authority }).peer, world.provider({ authority }).bindings], [node.publicKey, 2]);
  });

  test('given in one instruction serves one instruction', async () => {
    const [authority, node] = [world.wallet(), newNode()];
    const register = await world.by(authority).register(node, MIN_STAKE);
    const { instructions } = await world.by(authority).rotatePeer(node, 1);
    await refused(() => world.send([register, ...instructions.slice(1)], [authority]), 'MissingEd25519Instruction');
  });
});

describe('provider_rotate_peer', () => {
  test('replaces the key; jobs and channels keep the old one', async () => {
    const job = await world.openJob();
    const { seller } = job;
    const { authority, node } = seller;
    const channel = await world.openChannel({}, { seller });
    const next = newNode();
    const sent = await world.send(world.by(authority).rotatePeer(next, 1), [authority]);
    assert.deepEqual(world.provider(seller).peer, next.publicKey);
    assert.deepEqual([world.job(job)?.peer, world.channel(channel)?.peer], [node.publicKey, node.publicKey]);
    assert.deepEqual(names(sent), ['peerRotated']);
    await refused(() => world.openJob({}, { seller }), 'PeerMismatch');
    await refused(() => world.openChannel({}, { seller }), 'PeerMismatch');
    await world.submit(job);
  });
});

describe('stake', () => {
  test('grows by what anyone adds, which is not nothing', async () => {
    const seller = await world.newSeller(MIN_STAKE);
    const stranger = world.wallet();
    const add = (lamports: bigint) =>
      world.send(world.by(stranger).addStake(lamports, seller.authority.publicKey.toBytes()), [stranger]);
    const sent = await add(1n);
    assert.equal(world.provider(seller).stake, MIN_STAKE + 1n);
    assert.equal(held(seller), world.rent(rentBytes) + MIN_STAKE + 1n);
    assert.deepEqual(names(sent), ['stakeAdded']);
    await refused(() => add(0n), 'AmountZero');
    await refused(() => add(max), 'MathOverflow');
  });

  test('leaves at once as far as it is free', async () => {
    const seller = await world.newSeller(SOL);
    const before = world.balance(seller.authority.publicKey);
    const sent = await withdraw(seller, SOL / 4n);
    assert.equal(world.balance(seller.authority.publicKey), before + SOL / 4n - SIGNATURE_FEE);
    assert.equal(held(seller), world.rent(rentBytes) + (3n * SOL) / 4n);
    assert.deepEqual(names(sent), ['stakeWithdrawn']);
    await refused(() => withdraw(seller, 0n), 'AmountZero');
    await refused(() => withdraw(seller, (3n * SOL) / 4n + 1n), 'StakeLocked');
    await refused(() => withdraw(seller, max), 'StakeLocked');
    await withdraw(seller, (3n * SOL) / 4n);
    assert.equal(held(seller), world.rent(rentBytes), 'the rent stays');
  });

  test('locked by a submitted job or a channel does not leave', async () => {
    const seller = await world.newSeller(MIN_STAKE);
    const job = await world.submittedJob({}, {}, { seller });
    const channel = await world.openChannel({}, { seller });
    const locked = 9_640n + 100_000n;
    assert.equal(world.provider(seller).lockedStake, locked);
    await refused(() => withdraw(seller, MIN_STAKE - locked + 1n), 'StakeLocked');
    await withdraw(seller, MIN_STAKE - locked);
    assert.equal(world.provider(seller).freeStake, 0n);
    const { wallet } = job.buyer;
    await world.send(world.by(wallet).confirmJob(job.key), [wallet]);
    assert.equal(world.provider(seller).freeStake, 9_640n + 964n, 'unlocked, and the payout on top');
    assert.equal(world.channel(channel)?.stakeAtRisk, 100_000n);
  });

  test('answers for one thing at a time: what a job or channel locks, no other can', async () => {
    const seller = await world.newSeller(MIN_STAKE);
    const people = { seller };
    const large = { priceJob: MIN_STAKE / 10n - 291n };
    const [first, second] = [await world.openJob(large, people), await world.openJob(large, people)];
    assert.equal(first.key.amount, MIN_STAKE / 10n);
    await world.submit(first);
    await refused(() => world.submit(second), 'StakeTooLow');
    await refused(() => world.openJob({ priceJob: MIN_STAKE }, people), 'StakeTooLow');
    await refused(() => world.openChannel({}, people), 'StakeTooLow');
    const { wallet } = first.buyer;
    await world.send(world.by(wallet).confirmJob(first.key), [wallet]);
    await world.openChannel({ deposit: MIN_STAKE / 10n, window: MIN_STAKE / 10n }, people);
    await refused(() => world.submit(second), 'StakeTooLow');
  });

  test('of an emptied account serves no job', async () => {
    const seller = await world.newSeller(MIN_STAKE);
    await withdraw(seller, MIN_STAKE);
    await refused(() => world.openJob({}, { seller }), 'StakeTooLow');
    await refused(() => world.openChannel({}, { seller }), 'StakeTooLow');
  });
});
