import assert from 'node:assert/strict';
import { beforeEach, describe, test } from 'node:test';
import { type Keypair, SystemProgram } from '@solana/web3.js';
import type { SignedBody } from '../../src/escrow/escrow.ts';
import { answerOnce, assertSlashes, challenge, places, slash } from './answers.ts';
import { falseStep, forcedStep, treeOf } from './tree.ts';
import {
  BOND,
  buyerWithNodeWallet,
  headOf,
  incinerator,
  noObjection,
  refused,
  SOL,
  signedHead,
  totals,
  World,
} from './world.ts';

const challengeWindow = 14_400n;
const stake = 10n * SOL;

let world: World;
beforeEach(() => {
  world = new World();
});

for (const place of places) {
  describe(`slash_silence, in a ${place}`, () => {
    test('once a challenge is due, not before, and not without one', async () => {
      const [answer, unchallenged] = [await answerOnce(world, place), await answerOnce(world, place)];
      await challenge(world, answer, [0]);
      world.now += challengeWindow - 1n;
      await refused(() => slash(world, answer, 'silence'), 'ChallengeNotDue');
      await refused(() => slash(world, unchallenged, 'silence'), 'ChallengeNotDue');
      world.now += 1n;
      await assertSlashes(world, answer, 'silence', () => slash(world, answer, 'silence'));
    });

    test('also where only some of the positions were answered', async () => {
      const answer = await answerOnce(world, place, { steps: [forcedStep, forcedStep] });
      await challenge(world, answer, [0, 1]);
      await world.sendAs([], world.by(world.wallet()).answerChallenge(answer.subject(), answer.prove(1)));
      world.now += challengeWindow;
      await assertSlashes(world, answer, 'silence', () => slash(world, answer, 'silence'));
    });

    test('works however long ago the challenge was due', async () => {
      const answer = await answerOnce(world, place);
      await challenge(world, answer, [0]);
      world.now += 1_000n * challengeWindow;
      await assertSlashes(world, answer, 'silence', () => slash(world, answer, 'silence'));
    });
  });

  describe(`a slash, in a ${place}`, () => {
    test('leaves what other jobs and channels locked', async () => {
      const seller = await world.newSeller();
      const others = [await world.submittedJob({}, {}, { seller }), await world.submittedJob({}, {}, { seller })];
      const channel = await world.openChannel({}, { seller });
      const answer = await answerOnce(world, place, { people: { seller } });
      const locked = world.provider(seller).lockedStake;
      await assertSlashes(world, answer, 'equivocation', () => slash(world, answer, [answer.head({ n: 2 })]));
      assert.ok(world.provider(seller).lockedStake < locked);
      assert.equal(world.provider(seller).lockedStake, 2n * 9_640n + 100_000n);
      for (const { key, buyer } of others) await world.send(world.by(buyer.wallet).confirmJob(key), [buyer.wallet]);
      assert.ok(world.channel(channel));
    });

    test('happens once, whatever the reasons', async () => {
      const answer = await answerOnce(world, place, { steps: [falseStep] });
      const calls = world.by(world.wallet());
      const subject = answer.subject();
      await slash(world, answer, answer.prove(0));
      await refused(
        () => world.sendAs([], calls.slashEquivocation(subject, [answer.head({ n: 2 })])),
        'AccountNotInitialized',
      );
      assert.equal(world.provider(answer.seller).jobsSlashed, 1);
    });

    test('of oneself through a second wallet never pays', async () => {
      const seller = await world.newSeller();
      const buyer = world.newBuyer();
      const everything = () =>
        [seller.authority.publicKey, buyer.wallet.publicKey, world.providerAddress(seller)].reduce(
          (sum, key) => sum + world.balance(key),
          0n,
        );
      const before = everything();
      const answer = await answerOnce(world, place, { people: { buyer, seller } });
      const risk = world.provider(seller).lockedStake;
      await slash(world, answer, [answer.head({ n: 2 })]);
      assert.ok(before - everything() >= (9n * risk) / 10n, 'nine tenths of what was at risk are gone');
    });

    test('reaches a wallet that was emptied', async () => {
      const answer = await answerOnce(world, place);
      const { wallet } = answer.buyer;
      const all = { fromPubkey: wallet.publicKey, toPubkey: incinerator, lamports: world.balance(wallet.publicKey) };
      await world.sendAs([wallet], SystemProgram.transfer(all));
      await assertSlashes(world, answer, 'equivocation', () => slash(world, answer, [answer.head({ n: 2 })]));
    });

    test('pays only the wallet that locked the money', async () => {
      const answer = await answerOnce(world, place);
      const subject = answer.subject();
      const thief = world.wallet().publicKey.toBytes();
      const lie =
        'job' in subject
          ? { job: { ...subject.job, client: thief } }
          : { evidence: subject.evidence, channel: { ...subject.channel, payer: thief } };
      const call = world.by(world.wallet()).slashEquivocation(lie, [answer.head({ n: 2 })]);
      await refused(() => world.sendAs([], call), 'Unauthorized');
    });

    test("takes the stake of the answer's provider alone", async () => {
      const [answer, other] = [await answerOnce(world, place), await world.newSeller()];
      const subject = answer.subject();
      const provider = other.authority.publicKey.toBytes();
      const lie =
        'job' in subject
          ? { job: { ...subject.job, provider } }
          : { evidence: subject.evidence, channel: { ...subject.channel, provider } };
      const call = world.by(world.wallet()).slashEquivocation(lie, [answer.head({ n: 2 })]);
      await refused(() => world.sendAs([], call), 'Unauthorized');
      assert.equal(world.provider(other).stake, stake);
    });
  });
}

describe('a job', () => {
  test('that is open is not slashed', async () => {
    const job = await world.openJob();
    const head = (n: number) => signedHead(job.seller.node, headOf(job.jobId, { n }));
    const calls = world.by(world.wallet());
    await refused(
      () => world.sendAs([], calls.slashEquivocation({ job: job.key }, [head(1), head(2)])),
      'InvalidStatus',
    );
    await refused(() => world.sendAs([], calls.slashSilence({ job: job.key })), 'InvalidStatus');
    const proof = treeOf(job.jobId, [falseStep]).prove(0);
    await refused(() => world.sendAs([], calls.slashSampler({ job: job.key }, proof)), 'InvalidStatus');
  });

  test("is slashed after the client's time to object, until somebody confirms", async () => {
    const answer = await answerOnce(world, 'job');
    world.now += 100_000n;
    await assertSlashes(world, answer, 'equivocation', () => slash(world, answer, [answer.head({ n: 2 })]));
  });

  test('gives the bond of an open challenge back to the challenger alone', async () => {
    const { nodeWallet, buyer } = buyerWithNodeWallet(world);
    const answer = await answerOnce(world, 'job', { people: { buyer } });
    await world.sendAs([nodeWallet], world.by(nodeWallet).challenge(answer.subject(), [0]));
    const subject = answer.subject();
    assert.ok('job' in subject);
    const without = { job: { ...subject.job, submitted: null } };
    const proof: readonly [SignedBody] = [answer.head({ n: 2 })];
    await refused(() => world.sendAs([], world.by(nodeWallet).slashEquivocation(without, proof)), 'Unauthorized');
    const [client, challenger] = [world.balance(buyer.wallet.publicKey), world.balance(nodeWallet.publicKey)];
    const held = world.balance(subject.job.address);
    const payout = subject.job.submitted?.payout ?? 0n;
    await world.sendAs([], world.by(nodeWallet).slashEquivocation(subject, proof));
    assert.equal(world.balance(nodeWallet.publicKey), challenger + BOND);
    assert.equal(world.balance(buyer.wallet.publicKey), client + held - BOND + payout);
  });

  test('is not held up by a challenger that emptied its wallet: the bond goes with the rest', async () => {
    const { nodeWallet, buyer } = buyerWithNodeWallet(world);
    const answer = await answerOnce(world, 'job', { people: { buyer } });
    await world.sendAs([nodeWallet], world.by(nodeWallet).challenge(answer.subject(), [0]));
    await empty(nodeWallet);
    const client = world.balance(buyer.wallet.publicKey);
    const subject = answer.subject();
    assert.ok('job' in subject);
    const held = world.balance(subject.job.address);
    world.now += challengeWindow;
    await slash(world, answer, 'silence');
    assert.equal(world.balance(nodeWallet.publicKey), 0n);
    assert.equal(world.balance(buyer.wallet.publicKey), client + held + (subject.job.submitted?.payout ?? 0n));
  });
});

async function empty(wallet: Keypair): Promise<void> {
  const all = { fromPubkey: wallet.publicKey, toPubkey: incinerator, lamports: world.balance(wallet.publicKey) };
  await world.sendAs([wallet], SystemProgram.transfer(all));
}

describe('a channel', () => {
  test('that is slashed pays the provider what was released, and nothing more', async () => {
    const answer = await answerOnce(world, 'channel');
    const channel = answer.channel ?? assert.fail();
    const settle = (committed: bigint, released: bigint) =>
      world.sendAs([], world.by(world.wallet()).settleChannel(channel.key, totals(channel, committed, released)));
    await settle(5_000n, 3_000n);
    await assertSlashes(world, answer, 'equivocation', () => slash(world, answer, [answer.head({ n: 2 })]));
    assert.equal(world.provider(answer.seller).earned, 3_000n);
  });

  test('is slashed while it closes, too, until somebody finished it', async () => {
    const [answer, late] = [await answerOnce(world, 'channel'), await answerOnce(world, 'channel')];
    for (const each of [answer, late]) {
      const { wallet } = each.buyer;
      await world.sendAs([wallet], world.by(wallet).requestCloseChannel(each.channel?.key ?? assert.fail()));
    }
    world.now += 20_000n;
    await assertSlashes(world, answer, 'equivocation', () => slash(world, answer, [answer.head({ n: 2 })]));
    await world.sendAs([], world.by(world.wallet()).finishChannel(late.channel?.key ?? assert.fail()));
    await refused(() => slash(world, late, [late.head({ n: 2 })]), 'AccountNotInitialized');
  });

  test('is not slashed while its terms are valid: opened again, one fault would be slashed again and again', async () => {
    const channel = await world.openChannel();
    const answer = await answerOnce(world, 'channel', { channel });
    await refused(() => slash(world, answer, [answer.head({ n: 2 })]), 'TermsStillValid');
    world.now += 61n;
    await slash(world, answer, [answer.head({ n: 2 })]);
    const { wallet } = channel.buyer;
    await refused(() => world.send(world.by(wallet).openChannel(channel.terms), [wallet]), 'TermsExpired');
  });

  test('that closed without objection waives all evidence', async () => {
    const answer = await answerOnce(world, 'channel');
    const channel = answer.channel ?? assert.fail();
    const { authority } = channel.seller;
    await world.sendAs([authority], world.by(authority).closeChannel(channel.key, noObjection(channel, 9n, 9n)));
    await refused(() => slash(world, answer, [answer.head({ n: 2 })]), 'AccountNotInitialized');
  });

  test('is slashed for one of several answers; the bonds in the others go back to their challengers', async () => {
    const first = await answerOnce(world, 'channel');
    const channel = first.channel ?? assert.fail();
    const second = await answerOnce(world, 'channel', { channel });
    await challenge(world, second, [0]);
    await assertSlashes(world, first, 'equivocation', () => slash(world, first, [first.head({ n: 2 })]));
    const { wallet } = channel.buyer;
    const before = world.balance(wallet.publicKey);
    const evidence = world.evidence(second.evidence ?? assert.fail()) ?? assert.fail();
    const held = world.balance(evidence.address);
    await world.sendAs([wallet], world.by(wallet).closeEvidence(evidence));
    assert.equal(world.balance(wallet.publicKey), before + held);
  });

  test('an empty wallet of the challenger holds up neither the slash nor the rent: the bond goes with the rent', async () => {
    const { nodeWallet, buyer } = buyerWithNodeWallet(world);
    const answer = await answerOnce(world, 'channel', { people: { buyer } });
    await world.sendAs([nodeWallet], world.by(nodeWallet).challenge(answer.subject(), [0]));
    await empty(nodeWallet);
    world.now += challengeWindow;
    await slash(world, answer, 'silence');
    const before = world.balance(buyer.wallet.publicKey);
    const evidence = world.evidence(answer.evidence ?? assert.fail()) ?? assert.fail();
    const held = world.balance(evidence.address);
    await world.sendAs([buyer.wallet], world.by(buyer.wallet).closeEvidence(evidence));
    assert.equal(world.balance(buyer.wallet.publicKey), before + held);
  });

  test('is not slashed with the evidence of another channel of the same two', async () => {
    const answer = await answerOnce(world, 'channel');
    const { buyer, seller } = answer;
    const other = await world.closableChannel({}, { buyer, seller });
    const subject = { evidence: answer.evidence ?? assert.fail(), channel: other.key };
    const call = world.by(world.wallet()).slashEquivocation(subject, [answer.head({ n: 2 })]);
    await refused(() => world.sendAs([], call), 'SubjectMismatch');
  });
});
