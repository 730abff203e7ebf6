import assert from 'node:assert/strict';
import { beforeEach, describe, test } from 'node:test';
import { PublicKey } from '@solana/web3.js';
import { escrowRules } from '../../src/escrow/constants.ts';
import { encodeOffer } from './layouts.ts';
import {
  buyerWithNodeWallet,
  digest,
  headOf,
  jobIdOf,
  newNode,
  noObjection,
  refused,
  SIGNATURE_FEE,
  signedHead,
  type TestChannel,
  VALIDITY,
  World,
} from './world.ts';

const evidenceBytes = escrowRules.evidenceAccountBytes;

let world: World;
beforeEach(() => {
  world = new World();
});

const close = (channel: TestChannel) => {
  const { authority } = channel.seller;
  return world.sendAs([authority], world.by(authority).closeChannel(channel.key, noObjection(channel, 0n, 0n)));
};

describe('evidence_create', () => {
  test('keeps what the offer and the head say', async () => {
    const channel = await world.openChannel();
    const offer = world.channelOffer(channel, { start: 4_096, mode: 2, topP: 95, extraDigest: digest('extra') });
    const before = world.balance(channel.buyer.wallet.publicKey);
    const evidence = await world.keepEvidence(channel, offer, { n: 32, finish: 255 });
    assert.equal(
      world.balance(channel.buyer.wallet.publicKey),
      before - world.rent(evidenceBytes) - 2n * SIGNATURE_FEE,
    );
    assert.deepEqual(
      { ...evidence, address: null },
      {
        address: null,
        channel: channel.key.address,
        rentPayer: channel.buyer.wallet.publicKey.toBytes(),
        delivery: {
          promptCount: 23,
          tokenCount: 32,
          root: digest('root'),
          textDigest: digest('text'),
          finish: 255,
          challenge: null,
        },
        jobId: jobIdOf(offer),
        peer: channel.seller.node.publicKey,
        clientPeer: channel.buyer.node.publicKey,
        priceJob: 777n,
        priceIn: 1_500n,
        priceOut: 4_001n,
        grace: 32,
        promptTokens: 23,
        maxTokens: 64,
        seed: digest('seed'),
        sampler: { temperature: 70, minP: 0, topP: 95, topK: 20, vocab: 300 },
        start: 4_096,
        mode: 2,
        plain: false,
      },
    );
  });

  test('takes any head of the job, final or not: a provider may never sign a final one', async () => {
    const channel = await world.openChannel();
    for (const finish of [0, 1, 2, 3, 4, 5, 255])
      await world.keepEvidence(channel, world.channelOffer(channel), { finish, n: finish });
    await refused(() => world.keepEvidence(channel, world.channelOffer(channel), { finish: 6 }), 'MalformedHead');
  });

  test('in an open and in a closing channel, not in one that ended', async () => {
    const channel = await world.openChannel();
    await world.keepEvidence(channel);
    world.now += VALIDITY + 1n;
    const { wallet } = channel.buyer;
    await world.send(world.by(wallet).requestCloseChannel(channel.key), [wallet]);
    await world.keepEvidence(channel);
    await close(channel);
    await refused(() => world.keepEvidence(channel), 'AccountNotInitialized');
  });

  test('refuses an offer of another channel, another kind of payment, or other nodes', async () => {
    const [channel, other] = [await world.openChannel(), await world.openChannel()];
    for (const changes of [
      { account: other.key.id },
      { pay: 1 },
      { provider: other.seller.node.publicKey },
      { client: other.buyer.node.publicKey },
    ]) {
      await refused(() => world.keepEvidence(channel, world.channelOffer(channel, changes)), 'OfferMismatch');
    }
    const unpaid = encodeOffer(
      world.offerFields(channel.buyer, channel.seller, { pay: 0, account: new Uint8Array(32), amount: 0n }),
    );
    await refused(() => world.keepEvidence(channel, unpaid), 'OfferMismatch');
    await refused(() => world.keepEvidence(channel, world.channelOffer(channel).subarray(1)), 'MalformedOffer');
  });

  test("refuses a head that the channel's node did not sign, or of another job or execution class", async () => {
    const channel = await world.openChannel();
    const { wallet } = channel.buyer;
    const offer = world.channelOffer(channel);
    const create = (node: ReturnType<typeof newNode>, body: Uint8Array, peer = channel.key.peer) =>
      world.send(world.by(wallet).createEvidence({ ...channel.key, peer }, offer, signedHead(node, body)), [wallet]);
    const { node } = channel.seller;
    const head = headOf(jobIdOf(offer));
    const forger = newNode();
    await refused(() => create(forger, head), 'Custom(2)');
    await refused(() => create(forger, head, forger.publicKey), 'SignerMismatch');
    await refused(() => create(node, headOf(digest('another job'))), 'MessageMismatch');
    await refused(() => create(node, headOf(jobIdOf(offer), { execClass: digest('another') })), 'MessageMismatch');
    const [, unsigned] = (await world.by(wallet).createEvidence(channel.key, offer, signedHead(node, head)))
      .instructions;
    assert.ok(unsigned);
    await refused(() => world.send(unsigned, [wallet]), 'MissingEd25519Instruction');
    await create(node, head);
  });

  test('refuses a second one about the same job', async () => {
    const channel = await world.openChannel();
    const offer = world.channelOffer(channel);
    await world.keepEvidence(channel, offer, { n: 32, finish: 255 });
    await refused(() => world.keepEvidence(channel, offer), /already in use/);
  });

  test("only by the payer's side: a provider would take the one place with a head that shows little", async () => {
    const channel = await world.openChannel();
    const offer = world.channelOffer(channel);
    const early = signedHead(channel.seller.node, headOf(jobIdOf(offer), { n: 1, finish: 255 }));
    for (const wallet of [channel.seller.authority, world.wallet()]) {
      const occupy = world.by(wallet).createEvidence(channel.key, offer, early);
      await refused(() => world.send(occupy, [wallet]), 'Unauthorized');
    }
    await world.keepEvidence(channel, offer);
  });
});

describe('evidence_close', () => {
  test('gives the rent back once the channel has ended, not before', async () => {
    const channel = await world.openChannel();
    const { wallet } = channel.buyer;
    const evidence = await world.keepEvidence(channel);
    const closeIt = () => world.sendAs([wallet], world.by(wallet).closeEvidence(evidence));
    await refused(closeIt, 'ChannelExists');
    world.now += VALIDITY + 1n;
    await refused(closeIt, 'ChannelExists');
    await close(channel);
    const before = world.balance(wallet.publicKey);
    assert.deepEqual(
      (await closeIt()).events.map(({ name }) => name),
      ['evidenceClosed'],
    );
    assert.equal(world.balance(wallet.publicKey), before + world.rent(evidenceBytes));
    await refused(closeIt, 'AccountNotInitialized');
  });

  test('refuses another address as the channel, also one without an account', async () => {
    const channel = await world.openChannel();
    const { wallet } = channel.buyer;
    const evidence = await world.keepEvidence(channel);
    for (const address of [PublicKey.unique(), wallet.publicKey]) {
      const lie = { ...evidence, channel: address.toBytes() };
      await refused(() => world.sendAs([wallet], world.by(wallet).closeEvidence(lie)), 'SubjectMismatch');
    }
  });

  test('gives the bond of an open challenge back to the challenger', async () => {
    const { nodeWallet: watcher, buyer } = buyerWithNodeWallet(world);
    const channel = await world.closableChannel({}, { buyer });
    const evidence = await world.keepEvidence(channel);
    const subject = { evidence, channel: channel.key };
    await world.sendAs([watcher], world.by(watcher).challenge(subject, [0, 1]));
    const second = await world.keepEvidence(channel);
    const heads = [33, 34].map((n) => signedHead(channel.seller.node, headOf(second.jobId, { n })));
    await world.sendAs(
      [],
      world.by(watcher).slashEquivocation({ evidence: second, channel: channel.key }, heads as never),
    );
    const [payer, challenger] = [buyer.wallet, watcher].map(({ publicKey }) => world.balance(publicKey));
    const current = world.evidence(evidence) ?? assert.fail();
    await world.sendAs([buyer.wallet], world.by(buyer.wallet).closeEvidence(current));
    assert.equal(world.balance(buyer.wallet.publicKey), (payer ?? 0n) + world.rent(evidenceBytes));
    assert.equal(world.balance(watcher.publicKey), (challenger ?? 0n) + 10_000n);
  });
});
