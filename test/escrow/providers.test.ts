import assert from 'node:assert/strict';
import { beforeEach, describe, test } from 'node:test';
import { SystemProgram } from '@solana/web3.js';
import { verifySignatures } from '../../src/escrow/program/ed25519.ts';
import { consent, MIN_STAKE, newNode, refused, type Seller, SIGNATURE_FEE, SOL, signedBy, World } from './world.ts';

const cooldown = 3_600n;
const providerBytes = 174;

let world: World;
beforeEach(() => {
  world = new World();
});

const requestUnstake = async (seller: Seller, amount: bigint) =>
  world.send([await world.requestUnstake(seller.authority.publicKey, amount)], [seller.authority]);
const withdraw = async (seller: Seller) =>
  world.send([await world.withdraw(seller.authority.publicKey)], [seller.authority]);

describe('provider_register', () => {
  async function register(stake: bigint, options: { readonly balance?: bigint } = {}) {
    const authority = world.wallet(options.balance ?? 10n * SOL);
    const node = newNode();
    const sent = world.send(
      [
        verifySignatures([consent(node, authority.publicKey)]),
        await world.register(authority.publicKey, node.publicKey, stake),
      ],
      [authority],
    );
    return { authority, node, sent };
  }

  test('keeps the stake beside the rent, and says so in an event', async () => {
    const { authority, node, sent } = await register(MIN_STAKE);
    const provider = world.readProvider(authority.publicKey);
    assert.equal(provider.version, 1);
    assert.ok(provider.authority.equals(authority.publicKey));
    assert.deepEqual(provider.peer, [...node.publicKey]);
    assert.equal(provider.stake.toString(), MIN_STAKE.toString());
    assert.equal(provider.registeredAt.toString(), world.now.toString());
    for (const counter of [
      provider.lockedStake,
      provider.jobsCompleted,
      provider.jobsRefunded,
      provider.jobsRejected,
      provider.jobsSlashed,
      provider.unstakeAmount,
      provider.unstakeAt,
      provider.jobsCreated,
    ]) {
      assert.equal(counter.toString(), '0');
    }
    assert.deepEqual(provider.reserved, new Array(32).fill(0));
    assert.equal(world.balance(world.provider(authority.publicKey)), world.rent(providerBytes) + MIN_STAKE);
    assert.equal(
      world.balance(authority.publicKey),
      10n * SOL - MIN_STAKE - world.rent(providerBytes) - 2n * SIGNATURE_FEE,
    );
    assert.deepEqual(
      sent.events.map(({ name }) => name),
      ['providerRegistered'],
    );
  });

  test('a stake below the minimum, of nothing, or of more than there is', async () => {
    await refused(() => register(MIN_STAKE - 1n), 'StakeTooLow');
    await refused(() => register(0n), 'StakeTooLow');
    await refused(() => register(2n ** 64n - 1n), /insufficient lamports/);
  });

  test("someone else's node: without its signature, or with one for another wallet", async () => {
    const [thief, owner, node] = [world.wallet(), world.wallet(), newNode()];
    const register = await world.register(thief.publicKey, node.publicKey, MIN_STAKE);
    await refused(async () => world.send([register], [thief]), 'MissingEd25519Instruction');
    await refused(
      async () => world.send([verifySignatures([consent(node, owner.publicKey)]), register], [thief]),
      'MessageMismatch',
    );
    const own = newNode();
    await refused(
      async () => world.send([verifySignatures([{ ...consent(own, thief.publicKey) }]), register], [thief]),
      'SignerMismatch',
    );
    await refused(
      async () =>
        world.send([verifySignatures([signedBy(own, consent(node, thief.publicKey).message)]), register], [thief]),
      'SignerMismatch',
    );
  });

  test('an address that a stranger has put lamports on', async () => {
    const rent = world.rent(providerBytes);
    for (const gift of [world.rent(0), rent - 1n, rent, 5n * SOL]) {
      const [authority, node, stranger] = [world.wallet(), newNode(), world.wallet()];
      world.send(
        [
          SystemProgram.transfer({
            fromPubkey: stranger.publicKey,
            toPubkey: world.provider(authority.publicKey),
            lamports: gift,
          }),
        ],
        [stranger],
      );
      world.send(
        [
          verifySignatures([consent(node, authority.publicKey)]),
          await world.register(authority.publicKey, node.publicKey, MIN_STAKE),
        ],
        [authority],
      );
      assert.equal(world.readProvider(authority.publicKey).stake.toString(), MIN_STAKE.toString());
      assert.equal(world.balance(world.provider(authority.publicKey)), (gift > rent ? gift : rent) + MIN_STAKE);
    }
  });

  test('twice', async () => {
    const seller = await world.newSeller();
    const again = await world.register(seller.authority.publicKey, seller.node.publicKey, MIN_STAKE);
    await refused(
      async () =>
        world.send([verifySignatures([consent(seller.node, seller.authority.publicKey)]), again], [seller.authority]),
      /already in use/,
    );
  });
});

describe('provider_rotate_peer', () => {
  test('replaces the key with one that agrees; jobs keep the old one', async () => {
    const job = await world.openJob();
    const { authority, node } = job.seller;
    const next = newNode();
    const sent = world.send(
      [verifySignatures([consent(next, authority.publicKey)]), await world.rotate(authority.publicKey, next.publicKey)],
      [authority],
    );
    assert.deepEqual(world.readProvider(authority.publicKey).peer, [...next.publicKey]);
    assert.deepEqual(world.readJob(job.address)?.peer, [...node.publicKey]);
    assert.deepEqual(
      sent.events.map(({ name }) => name),
      ['peerRotated'],
    );
    await refused(() => world.openJob({}, { seller: job.seller }), 'PeerMismatch');
  });

  test("a key that does not agree, or agreed to another's wallet", async () => {
    const [{ authority }, other] = [await world.newSeller(), world.wallet()];
    const next = newNode();
    const rotate = await world.rotate(authority.publicKey, next.publicKey);
    await refused(async () => world.send([rotate], [authority]), 'MissingEd25519Instruction');
    await refused(
      async () => world.send([verifySignatures([consent(next, other.publicKey)]), rotate], [authority]),
      'MessageMismatch',
    );
  });
});

describe('stake', () => {
  test('anyone adds to it; nothing is refused', async () => {
    const { authority } = await world.newSeller(MIN_STAKE);
    const stranger = world.wallet();
    const sent = world.send([await world.addStake(stranger.publicKey, authority.publicKey, 1n)], [stranger]);
    assert.equal(world.readProvider(authority.publicKey).stake.toString(), (MIN_STAKE + 1n).toString());
    assert.equal(world.balance(world.provider(authority.publicKey)), world.rent(providerBytes) + MIN_STAKE + 1n);
    assert.deepEqual(
      sent.events.map(({ name }) => name),
      ['stakeAdded'],
    );
    await refused(
      async () => world.send([await world.addStake(stranger.publicKey, authority.publicKey, 0n)], [stranger]),
      'AmountZero',
    );
    await refused(
      async () =>
        world.send([await world.addStake(stranger.publicKey, authority.publicKey, 2n ** 64n - 1n)], [stranger]),
      'MathOverflow',
    );
  });

  test('comes back after the cooldown, not a second before, and once', async () => {
    const seller = await world.newSeller(SOL);
    const asked = await requestUnstake(seller, SOL / 4n);
    assert.deepEqual(
      asked.events.map(({ name }) => name),
      ['unstakeRequested'],
    );
    world.now += cooldown - 1n;
    await refused(() => withdraw(seller), 'CooldownActive');
    world.now += 1n;
    const before = world.balance(seller.authority.publicKey);
    const sent = await withdraw(seller);
    assert.equal(world.balance(seller.authority.publicKey), before + SOL / 4n - SIGNATURE_FEE);
    assert.equal(
      world.balance(world.provider(seller.authority.publicKey)),
      world.rent(providerBytes) + (3n * SOL) / 4n,
    );
    assert.deepEqual(
      sent.events.map(({ name }) => name),
      ['stakeWithdrawn'],
    );
    await refused(() => withdraw(seller), 'AmountZero');
  });

  test('a second request replaces the first and starts the cooldown again', async () => {
    const seller = await world.newSeller(SOL);
    await requestUnstake(seller, SOL / 4n);
    world.now += cooldown - 1n;
    await requestUnstake(seller, SOL / 2n);
    world.now += 1n;
    await refused(() => withdraw(seller), 'CooldownActive');
    world.now += cooldown - 1n;
    await withdraw(seller);
    assert.equal(world.readProvider(seller.authority.publicKey).stake.toString(), (SOL / 2n).toString());
  });

  test('amounts of nothing and of more than is free', async () => {
    const seller = await world.newSeller(SOL);
    await refused(() => requestUnstake(seller, 0n), 'AmountZero');
    await refused(() => requestUnstake(seller, SOL + 1n), 'StakeLocked');
    await refused(() => requestUnstake(seller, 2n ** 64n - 1n), 'StakeLocked');
    await refused(() => withdraw(seller), 'AmountZero');
    await requestUnstake(seller, SOL);
    world.now += cooldown;
    await withdraw(seller);
    assert.equal(
      world.balance(world.provider(seller.authority.publicKey)),
      world.rent(providerBytes),
      'the rent stays',
    );
  });

  test('what a submitted job has locked does not leave, before or after the cooldown', async () => {
    const seller = await world.newSeller(SOL);
    const amount = SOL / 20n;
    await requestUnstake(seller, SOL / 2n + 1n);
    const job = await world.submittedJob(undefined, { amount }, { seller });
    await refused(() => requestUnstake(seller, SOL / 2n + 1n), 'StakeLocked');
    world.now += cooldown;
    await refused(() => withdraw(seller), 'StakeLocked');
    world.send([await world.claim(job)], [seller.authority]);
    await withdraw(seller);
  });

  test('a provider that is leaving, or has left, is offered no jobs', async () => {
    const seller = await world.newSeller(MIN_STAKE);
    await requestUnstake(seller, 1n);
    await refused(() => world.openJob({ amount: 1n }, { seller }), 'ProviderInactive');
    world.now += cooldown;
    await withdraw(seller);
    await refused(() => world.openJob({ amount: 1n }, { seller }), 'ProviderInactive');
    world.send([await world.addStake(seller.authority.publicKey, seller.authority.publicKey, 1n)], [seller.authority]);
    await world.openJob({ amount: 1n }, { seller });
  });
});
