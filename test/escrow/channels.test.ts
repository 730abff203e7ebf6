import assert from 'node:assert/strict';
import { beforeEach, describe, test } from 'node:test';
import { PublicKey, SystemProgram } from '@solana/web3.js';
import { channelAddress } from '../../src/escrow/addresses.ts';
import { escrowRules } from '../../src/escrow/constants.ts';
import type { SignedBody } from '../../src/escrow/escrow.ts';
import { encodeTerms, type TermsFields } from './layouts.ts';
import {
  ackOf,
  channelIdOf,
  digest,
  incinerator,
  newNode,
  noObjection,
  programId,
  refused,
  SIGNATURE_FEE,
  SOL,
  signedAck,
  signedTerms,
  type TestChannel,
  totals,
  VALIDITY,
  World,
} from './world.ts';

const channelBytes = escrowRules.channelAccountBytes;
const closeWindow = 18_000n;
const deposit = 100_000n;
const max = 2n ** 64n - 1n;

let world: World;
beforeEach(() => {
  world = new World();
});

const names = ({ events }: { readonly events: readonly { readonly name: string }[] }) => events.map(({ name }) => name);
const payerHolds = (channel: TestChannel) => world.balance(channel.buyer.wallet.publicKey);
const providerHolds = (channel: TestChannel) => world.balance(world.providerAddress(channel.seller));
const record = (channel: TestChannel) => {
  const { lockedStake, earned, jobsCompleted, jobsRejected, rejected, jobsSlashed } = world.provider(channel.seller);
  return { lockedStake, earned, jobsCompleted, jobsRejected, rejected, jobsSlashed };
};
const fresh = { lockedStake: 0n, earned: 0n, jobsCompleted: 0n, jobsRejected: 0, rejected: 0n, jobsSlashed: 0 };

// A stranger pays the fees, so that balances of the parties show the effect alone.
const settle = (channel: TestChannel, ack: SignedBody) =>
  world.sendAs([], world.by(world.wallet()).settleChannel(channel.key, ack));
const close = (channel: TestChannel, ack: SignedBody) =>
  world.sendAs([channel.seller.authority], world.by(channel.seller.authority).closeChannel(channel.key, ack));
const requestClose = (channel: TestChannel, as: 'payer' | 'authority' | 'stranger' = 'payer') => {
  const wallet = { payer: channel.buyer.wallet, authority: channel.seller.authority, stranger: world.wallet() }[as];
  return world.sendAs([wallet], world.by(wallet).requestCloseChannel(channel.key));
};
const reject = (channel: TestChannel) =>
  world.sendAs([channel.buyer.wallet], world.by(channel.buyer.wallet).rejectChannel(channel.key, digest('verdict')));
const finish = (channel: TestChannel) => world.sendAs([], world.by(world.wallet()).finishChannel(channel.key));
const topUp = (channel: TestChannel, lamports: bigint) =>
  world.sendAs([channel.buyer.wallet], world.by(channel.buyer.wallet).topUpChannel(channel.key, lamports));

describe('channel_open', () => {
  test("locks the deposit, and ten times the window of the provider's stake", async () => {
    const [buyer, seller] = [world.newBuyer(), await world.newSeller()];
    const before = world.balance(buyer.wallet.publicKey);
    const channel = await world.openChannel({}, { buyer, seller });
    assert.deepEqual(
      { ...world.channel(channel), address: null },
      {
        address: null,
        id: channelIdOf(channel.terms.body),
        payer: buyer.wallet.publicKey.toBytes(),
        provider: seller.authority.publicKey.toBytes(),
        peer: seller.node.publicKey,
        clientPeer: buyer.node.publicKey,
        deposit,
        committed: 0n,
        released: 0n,
        settled: 0n,
        window: 10_000n,
        stakeAtRisk: 100_000n,
        openedAt: Number(world.now) * 1_000,
        validUntil: Number(world.now + VALIDITY) * 1_000,
        expiresAt: Number(world.now + 3_600n) * 1_000,
        closing: null,
        challengesOpen: 0,
        challengesMade: 0,
      },
    );
    assert.equal(world.balance(channel.key.address), world.rent(channelBytes) + deposit);
    assert.equal(
      world.balance(buyer.wallet.publicKey),
      before - world.rent(channelBytes) - deposit - 2n * SIGNATURE_FEE,
    );
    assert.deepEqual(record(channel), { ...fresh, lockedStake: 100_000n });
  });

  /** Terms with `changes`, signed by the seller's node or by what `node` says. */
  async function opening(changes: Partial<TermsFields>, node?: ReturnType<typeof newNode>) {
    const [buyer, seller] = [world.newBuyer(), await world.newSeller()];
    const terms = signedTerms(node ?? seller.node, encodeTerms(world.termsFields(buyer, seller, changes)));
    return { buyer, seller, terms, open: () => world.send(world.by(buyer.wallet).openChannel(terms), [buyer.wallet]) };
  }

  test('takes terms for this program and this payer alone', async () => {
    for (const changes of [{ program: newNode().publicKey }, { payer: newNode().publicKey }]) {
      const { open } = await opening(changes);
      await refused(open, 'TermsMismatch');
    }
  });

  test('refuses to let another wallet open with the terms of a payer', async () => {
    const { terms, open } = await opening({});
    const thief = world.newBuyer();
    await refused(() => world.send(world.by(thief.wallet).openChannel(terms), [thief.wallet]), 'TermsMismatch');
    await open();
  });

  test("takes terms for this provider alone: another's account is not locked", async () => {
    const other = await world.newSeller();
    const { buyer, seller } = await opening({});
    const named = encodeTerms(world.termsFields(buyer, seller, { authority: other.authority.publicKey.toBytes() }));
    const open = world.by(buyer.wallet).openChannel(signedTerms(seller.node, named));
    await refused(() => world.send(open, [buyer.wallet]), 'PeerMismatch');
  });

  test("refuses terms that the provider's node did not sign", async () => {
    const { buyer, seller, terms, open } = await opening({}, newNode());
    await refused(open, 'Custom(2)');
    const [verify, instruction] = (await world.by(buyer.wallet).openChannel(terms)).instructions;
    assert.ok(verify && instruction);
    await refused(() => world.send(instruction, [buyer.wallet]), 'MissingEd25519Instruction');
    // Another node's own signature over terms that name it.
    const own = newNode();
    const forged = signedTerms(own, encodeTerms(world.termsFields(buyer, { ...seller, node: own })));
    const call = world.by(buyer.wallet).openChannel(forged);
    await refused(() => world.send(call, [buyer.wallet]), 'PeerMismatch');
  });

  test('refuses terms of a node that the provider has replaced', async () => {
    const { buyer, seller, terms } = await opening({});
    await world.send(world.by(seller.authority).rotatePeer(newNode(), 1), [seller.authority]);
    await refused(() => world.send(world.by(buyer.wallet).openChannel(terms), [buyer.wallet]), 'PeerMismatch');
  });

  test('until the terms expire', async () => {
    const [inTime, late] = [await opening({}), await opening({})];
    world.now += VALIDITY;
    await inTime.open();
    world.now += 1n;
    await refused(late.open, 'TermsExpired');
  });

  test('refuses terms that would hold the deposit: valid for more than 10 minutes', async () => {
    await refused((await opening({ validUntil: world.now + 601n })).open, 'TermsTooLong');
    await refused((await opening({ validUntil: max })).open, 'MathOverflow');
    await refused((await opening({ expiresAt: max })).open, 'MathOverflow');
    await (await opening({ validUntil: world.now + 600n })).open();
  });

  test('refuses a window above the deposit, above the stake, or too large to count', async () => {
    await refused((await opening({ window: deposit + 1n })).open, 'MalformedTerms');
    await refused((await opening({ version: 2 })).open, 'MalformedTerms');
    await refused((await opening({ window: SOL + 1n, deposit: SOL + 1n })).open, 'StakeTooLow');
    await refused((await opening({ window: max, deposit: max })).open, 'MathOverflow');
    await (await opening({ window: SOL, deposit: SOL })).open();
  });

  test('refuses to open the same terms twice: while it is open, and after it ended', async () => {
    const channel = await world.closableChannel();
    const again = () => world.send(world.by(channel.buyer.wallet).openChannel(channel.terms), [channel.buyer.wallet]);
    await refused(again, /already in use/);
    await close(channel, noObjection(channel, 0n, 0n));
    await refused(again, 'TermsExpired');
  });

  test('an address on which a stranger put lamports: the payer gets them in the end', async () => {
    const { buyer, seller, terms, open } = await opening({});
    const address = channelAddress(programId.toBytes(), channelIdOf(terms.body));
    const stranger = world.wallet();
    const give = { fromPubkey: stranger.publicKey, toPubkey: new PublicKey(address), lamports: SOL };
    await world.send(SystemProgram.transfer(give), [stranger]);
    await open();
    const key = { ...(await world.openChannel({}, { buyer, seller })).key, address, id: channelIdOf(terms.body) };
    const channel = { buyer, seller, terms, key };
    world.now += VALIDITY + 1n;
    const before = payerHolds(channel);
    await close(channel, noObjection(channel, 0n, 0n));
    assert.equal(payerHolds(channel), before + SOL + deposit);
  });
});

describe('channel_top_up', () => {
  test('adds to the deposit while the channel is open', async () => {
    const channel = await world.closableChannel();
    const sent = await topUp(channel, 5n);
    assert.equal(world.channel(channel)?.deposit, deposit + 5n);
    assert.equal(world.balance(channel.key.address), world.rent(channelBytes) + deposit + 5n);
    assert.deepEqual(names(sent), ['channelToppedUp']);
    await settle(channel, totals(channel, deposit + 5n, deposit + 5n));
    await refused(() => topUp(channel, 0n), 'AmountZero');
    await refused(() => topUp(channel, max), 'MathOverflow');
    await requestClose(channel);
    await refused(() => topUp(channel, 5n), 'InvalidStatus');
  });
});

describe('channel_settle', () => {
  test('pays what is released, once, and keeps the largest totals', async () => {
    const channel = await world.openChannel();
    const before = providerHolds(channel);
    const sent = await settle(channel, totals(channel, 900n, 500n));
    assert.deepEqual(names(sent), ['channelSettled']);
    assert.equal(providerHolds(channel), before + 500n);
    await settle(channel, totals(channel, 900n, 500n));
    assert.equal(providerHolds(channel), before + 500n, 'again changes nothing');
    await settle(channel, totals(channel, 1_000n, 700n));
    assert.equal(providerHolds(channel), before + 700n);
    const { committed, released, settled } = world.channel(channel) ?? assert.fail();
    assert.deepEqual([committed, released, settled], [1_000n, 700n, 700n]);
    assert.equal(record(channel).earned, 700n);
    assert.equal(world.balance(channel.key.address), world.rent(channelBytes) + deposit - 700n);
  });

  test('an older acknowledgement changes nothing, in either total', async () => {
    const channel = await world.openChannel();
    await settle(channel, totals(channel, 900n, 500n));
    for (const [committed, released] of [
      [0n, 0n],
      [899n, 499n],
      [500n, 500n],
    ] as const) {
      await settle(channel, totals(channel, committed, released));
      const now = world.channel(channel);
      assert.deepEqual([now?.committed, now?.released, now?.settled], [900n, 500n, 500n]);
    }
    // Streams have no common order: one may know more of the one total, another of the other.
    await settle(channel, totals(channel, 600n, 600n));
    assert.deepEqual([world.channel(channel)?.committed, world.channel(channel)?.released], [900n, 600n]);
  });

  test('refuses totals above the deposit, and more released than committed', async () => {
    const channel = await world.openChannel();
    await refused(() => settle(channel, totals(channel, deposit + 1n, 0n)), 'AckBeyondDeposit');
    await refused(() => settle(channel, totals(channel, max, max)), 'AckBeyondDeposit');
    await refused(() => settle(channel, totals(channel, 1n, 2n)), 'MalformedAck');
    await settle(channel, totals(channel, deposit, deposit));
  });

  test('refuses an acknowledgement of another channel, of none, or of another node', async () => {
    const [channel, other] = [await world.openChannel(), await world.openChannel()];
    await refused(() => settle(channel, totals(other, 1n, 1n)), 'Custom(2)');
    const { node } = channel.buyer;
    const foreign = { ...channel, key: other.key };
    await refused(() => settle(channel, totals(foreign, 1n, 1n)), 'AckMismatch');
    await refused(() => settle(channel, signedAck(node, ackOf(digest('job'), { n: 5 }))), 'AckMismatch');
    const stated = { ...channel.key, clientPeer: other.buyer.node.publicKey };
    const forged = totals({ ...channel, buyer: other.buyer }, 1n, 1n);
    await refused(() => settle({ ...channel, key: stated }, forged), 'SignerMismatch');
  });

  test('an acknowledgement replayed after the channel closed finds nothing', async () => {
    const channel = await world.closableChannel();
    const ack = totals(channel, 900n, 500n);
    await settle(channel, ack);
    await close(channel, noObjection(channel, 900n, 900n));
    await refused(() => settle(channel, ack), 'AccountNotInitialized');
  });

  test('of any job and with any stop counts, also while the channel closes', async () => {
    const channel = await world.closingChannel();
    await settle(channel, totals(channel, 900n, 0n, { jobId: digest('job'), n: 7, stop: 1 }));
    await settle(channel, noObjection(channel, 900n, 900n));
    assert.equal(record(channel).earned, 900n);
  });
});

describe('channel_close', () => {
  test('pays what is released and gives the rest back at once: the second transaction of a session', async () => {
    const channel = await world.closableChannel();
    const [payer, provider] = [payerHolds(channel), providerHolds(channel)];
    const sent = await close(channel, noObjection(channel, 900n, 800n));
    assert.deepEqual(names(sent), ['channelClosed']);
    assert.equal(providerHolds(channel), provider + 800n);
    assert.equal(payerHolds(channel), payer + world.rent(channelBytes) + deposit - 800n);
    assert.deepEqual(record(channel), { ...fresh, earned: 800n });
    assert.equal(world.channel(channel), null);
  });

  test('pays only what was not paid yet, open or closing', async () => {
    for (const closing of [false, true]) {
      const channel = closing ? await world.closingChannel() : await world.closableChannel();
      await settle(channel, totals(channel, 700n, 600n));
      const before = providerHolds(channel);
      await close(channel, noObjection(channel, 900n, 800n));
      assert.equal(providerHolds(channel), before + 200n);
      assert.deepEqual(record(channel), { ...fresh, earned: 800n });
    }
  });

  test('not before its terms have expired, so that they serve once', async () => {
    const channel = await world.openChannel();
    world.now += VALIDITY;
    await refused(() => close(channel, noObjection(channel, 0n, 0n)), 'TermsStillValid');
    await refused(() => requestClose(channel), 'TermsStillValid');
    world.now += 1n;
    await close(channel, noObjection(channel, 0n, 0n));
  });

  test("needs the client's word that it objects to nothing", async () => {
    const channel = await world.closableChannel();
    for (const stop of [0, 1])
      await refused(() => close(channel, totals(channel, 900n, 900n, { stop })), 'ObjectionPossible');
    await refused(() => close(channel, noObjection(channel, deposit + 1n, 0n)), 'AckBeyondDeposit');
    const other = await world.closableChannel();
    await refused(() => close(channel, noObjection({ ...channel, key: other.key }, 0n, 0n)), 'AckMismatch');
    await refused(() => close(channel, noObjection({ ...channel, buyer: other.buyer }, 0n, 0n)), 'Custom(2)');
  });

  test('by an old word, from before what the chain knows, is refused: objections are possible since', async () => {
    const channel = await world.closableChannel();
    const old = noObjection(channel, 500n, 500n);
    await settle(channel, totals(channel, 900n, 500n));
    await refused(() => close(channel, old), 'AckStale');
    await settle(channel, totals(channel, 900n, 600n));
    await refused(() => close(channel, noObjection(channel, 900n, 599n)), 'AckStale');
    await close(channel, noObjection(channel, 900n, 600n));
  });

  test('pays although the payer emptied its wallet', async () => {
    const channel = await world.closableChannel();
    const { wallet } = channel.buyer;
    const all = { fromPubkey: wallet.publicKey, toPubkey: incinerator, lamports: payerHolds(channel) };
    await world.sendAs([wallet], SystemProgram.transfer(all));
    await close(channel, noObjection(channel, deposit, deposit));
    assert.deepEqual([record(channel).earned, payerHolds(channel)], [deposit, world.rent(channelBytes)]);
  });
});

describe('channel_request_close', () => {
  test('by payer or authority at any time, by anyone once the channel has expired', async () => {
    for (const as of ['payer', 'authority'] as const) {
      const channel = await world.closableChannel();
      const sent = await requestClose(channel, as);
      assert.deepEqual(names(sent), ['channelClosing']);
      assert.deepEqual(world.channel(channel)?.closing, {
        finishAt: Number(world.now + closeWindow) * 1_000,
        rejected: false,
      });
    }
    const channel = await world.closableChannel();
    world.now = BigInt(channel.key.expiresAt / 1_000) - 1n;
    await refused(() => requestClose(channel, 'stranger'), 'Unauthorized');
    world.now += 1n;
    await requestClose(channel, 'stranger');
    await refused(() => requestClose(channel), 'InvalidStatus');
  });
});

describe('channel_finish', () => {
  test('pays what is committed: the silence of the payer is consent', async () => {
    const channel = await world.closingChannel();
    await settle(channel, totals(channel, 900n, 500n));
    const [payer, provider] = [payerHolds(channel), providerHolds(channel)];
    world.now += closeWindow - 1n;
    await refused(() => finish(channel), 'CloseWindowOpen');
    world.now += 1n;
    const sent = await finish(channel);
    assert.deepEqual(names(sent), ['channelFinished']);
    assert.equal(providerHolds(channel), provider + 400n);
    assert.equal(payerHolds(channel), payer + world.rent(channelBytes) + deposit - 900n);
    assert.deepEqual(record(channel), { ...fresh, earned: 900n });
    assert.equal(world.channel(channel), null);
  });

  test('after a rejection pays what is released, and burns the rest of what is committed', async () => {
    const channel = await world.closingChannel();
    await settle(channel, totals(channel, 900n, 500n));
    const sent = await reject(channel);
    assert.deepEqual(names(sent), ['channelRejected']);
    assert.equal(world.channel(channel)?.closing?.rejected, true);
    const [payer, provider, burnt] = [payerHolds(channel), providerHolds(channel), world.balance(incinerator)];
    world.now += closeWindow;
    await finish(channel);
    assert.equal(providerHolds(channel), provider);
    assert.equal(world.balance(incinerator), burnt + 400n);
    assert.equal(payerHolds(channel), payer + world.rent(channelBytes) + deposit - 900n, 'no cheaper than silence');
    assert.deepEqual(record(channel), { ...fresh, earned: 500n, jobsRejected: 1, rejected: 400n });
  });

  test('a rejection that burns nothing is not counted', async () => {
    const channel = await world.closingChannel();
    await settle(channel, totals(channel, 900n, 900n));
    await reject(channel);
    world.now += closeWindow;
    await finish(channel);
    assert.deepEqual(record(channel), { ...fresh, earned: 900n });
  });

  test('of an open channel, and twice', async () => {
    const channel = await world.closableChannel();
    world.now += 10n * closeWindow;
    await refused(() => finish(channel), 'InvalidStatus');
    await requestClose(channel, 'authority');
    world.now += closeWindow;
    await finish(channel);
    await refused(() => finish(channel), 'AccountNotInitialized');
  });

  test('frees a provider whose payer is gone, and pays it what was committed', async () => {
    const channel = await world.closableChannel();
    await settle(channel, totals(channel, 10_000n, 0n));
    const { wallet } = channel.buyer;
    const all = { fromPubkey: wallet.publicKey, toPubkey: incinerator, lamports: payerHolds(channel) };
    await world.sendAs([wallet], SystemProgram.transfer(all));
    await requestClose(channel, 'authority');
    world.now += closeWindow;
    await finish(channel);
    assert.deepEqual(record(channel), { ...fresh, earned: 10_000n });
  });
});

describe('channel_reject', () => {
  test('while the channel closes, once, and not after the time to object', async () => {
    const [open, late, closing] = [
      await world.closableChannel(),
      await world.closingChannel(),
      await world.closingChannel(),
    ];
    await refused(() => reject(open), 'InvalidStatus');
    await reject(closing);
    await refused(() => reject(closing), 'InvalidStatus');
    world.now += closeWindow;
    await refused(() => reject(late), 'CloseWindowClosed');
    await finish(late);
    await refused(() => reject(late), 'AccountNotInitialized');
  });

  test('leaves the client able to release what it does not object to', async () => {
    const channel = await world.closingChannel();
    await reject(channel);
    await settle(channel, totals(channel, 900n, 850n));
    world.now += closeWindow;
    await finish(channel);
    assert.deepEqual(record(channel), { ...fresh, earned: 850n, jobsRejected: 1, rejected: 50n });
  });
});

test('jobs in one channel and jobs with accounts of their own answer with separate stake', async () => {
  const channel = await world.openChannel();
  const { buyer, seller } = channel;
  const job = await world.submittedJob({}, {}, { buyer, seller });
  assert.equal(world.provider(seller).lockedStake, 100_000n + 9_640n);
  await world.sendAs([buyer.wallet], world.by(buyer.wallet).confirmJob(job.key));
  assert.equal(world.provider(seller).lockedStake, 100_000n);
  world.now += VALIDITY + 1n;
  await close(channel, noObjection(channel, 0n, 0n));
  assert.equal(world.provider(seller).lockedStake, 0n);
});
