import assert from 'node:assert/strict';
import { beforeEach, describe, test } from 'node:test';
import { SystemProgram } from '@solana/web3.js';
import type { Challenge, ChannelAccount } from '../../src/escrow/accounts.ts';
import { answerChallenge, answerIn, challenge, type Place, places, slash, type TestAnswer } from './answers.ts';
import { falseStep, forcedStep, lastOf, type Step, treeOf } from './tree.ts';
import { BOND, buyerWithNodeWallet, digest, incinerator, noObjection, refused, totals, World, zeros } from './world.ts';

const challengeWindow = 14_400n;
const closeWindow = 18_000n;
const margin = 60n;

let world: World;
beforeEach(() => {
  world = new World();
});

/** Sixty steps, each of which can only be what it is. */
const steps: readonly Step[] = Array.from({ length: 60 }, () => forcedStep);
const forced = (place: Place, init: Partial<Parameters<typeof answerIn>[2]> = {}) =>
  answerIn(world, place, { steps, ...init, offer: { topK: 1, ...init.offer } });

const challengeOf = (answer: TestAnswer): Challenge | null => {
  const subject = answer.subject();
  return 'job' in subject ? (subject.job.submitted?.challenge ?? null) : subject.evidence.delivery.challenge;
};
const channelOf = (answer: TestAnswer): ChannelAccount => {
  assert.ok(answer.channel);
  return world.channel(answer.channel) ?? assert.fail();
};
/** Where the bond is. */
const holder = (answer: TestAnswer) => (answer.evidence ?? answer.job?.key ?? assert.fail()).address;
const providerHolds = (answer: TestAnswer) => world.balance(world.providerAddress(answer.seller));
const requestClose = async (answer: TestAnswer) => {
  const { wallet } = answer.buyer;
  await world.sendAs([wallet], world.by(wallet).requestCloseChannel(answer.channel?.key ?? assert.fail()));
};
const finish = (answer: TestAnswer) =>
  world.sendAs([], world.by(world.wallet()).finishChannel(answer.channel?.key ?? assert.fail()));

for (const place of places) {
  describe(`challenge, in a ${place}`, () => {
    test('puts up a bond for each position, due in 4 hours', async () => {
      const answer = await forced(place);
      const held = world.balance(holder(answer));
      const before = world.balance(answer.buyer.wallet.publicKey);
      const sent = await challenge(world, answer, [7, 0, 59]);
      assert.deepEqual(
        sent.events.map(({ name }) => name),
        ['challenged'],
      );
      assert.deepEqual(challengeOf(answer), {
        open: [7, 0, 59],
        dueAt: Number(world.now + challengeWindow) * 1_000,
        bond: 3n * BOND,
        challenger: answer.buyer.wallet.publicKey.toBytes(),
      });
      assert.equal(world.balance(holder(answer)), held + 3n * BOND);
      assert.equal(world.balance(answer.buyer.wallet.publicKey), before - 3n * BOND);
    });

    test('names one to three different positions of the answer', async () => {
      const answer = await forced(place);
      for (const positions of [[], [0, 1, 2, 3], [1, 1], [2, 0, 2], [60], [2 ** 32 - 1]])
        await refused(() => challenge(world, answer, positions), 'InvalidPositions');
      await challenge(world, answer, [59]);
    });

    test('of an answer without tokens has nothing to name', async () => {
      const answer = await forced(place, { head: { n: 0, finish: 3 } });
      await refused(() => challenge(world, answer, [0]), 'InvalidPositions');
    });

    test('happens once, also after it was answered', async () => {
      const answer = await forced(place);
      await challenge(world, answer, [3]);
      await refused(() => challenge(world, answer, [4]), 'AlreadyChallenged');
      await answerChallenge(world, answer, answer.prove(3));
      await refused(() => challenge(world, answer, [4]), 'AlreadyChallenged');
    });

    test('of mode none is refused: nothing was ever to be opened', async () => {
      const answer = await forced(place, { offer: { mode: 0 } });
      await refused(() => challenge(world, answer, [0]), 'NotChallengeable');
    });

    test('of a score job needs a tree of depth 14: the answer must fit into a transaction', async () => {
      const score = { mode: 4, topK: 40, maxTokens: 65_536 };
      const head = { finish: 4, promptCount: 0 };
      const deep = await forced(place, { offer: score, head: { ...head, n: 2 ** 14 + 1 } });
      await refused(() => challenge(world, deep, [0]), 'NotChallengeable');
      const shallow = await forced(place, { offer: score, head: { ...head, n: 2 ** 14 } });
      await challenge(world, shallow, [0]);
    });

    test("by the payer and by the client node's own wallet, and by no other wallet", async () => {
      for (const who of ['wallet', 'nodeWallet'] as const) {
        const { nodeWallet, buyer } = buyerWithNodeWallet(world);
        const answer = await forced(place, { people: { buyer } });
        for (const stranger of [answer.seller.authority, world.wallet()]) {
          const call = world.by(stranger).challenge(answer.subject(), [0]);
          await refused(() => world.sendAs([stranger], call), 'Unauthorized');
        }
        const challenger = who === 'wallet' ? buyer.wallet : nodeWallet;
        await world.sendAs([challenger], world.by(challenger).challenge(answer.subject(), [0]));
        assert.deepEqual(challengeOf(answer)?.challenger, challenger.publicKey.toBytes());
      }
    });

    test('needs lamports for the bond', async () => {
      const answer = await forced(place);
      const { wallet } = answer.buyer;
      const all = { fromPubkey: wallet.publicKey, toPubkey: incinerator, lamports: world.balance(wallet.publicKey) };
      await world.sendAs([wallet], SystemProgram.transfer(all));
      await refused(() => challenge(world, answer, [0]), /insufficient lamports/);
    });
  });

  describe(`answer, in a ${place}`, () => {
    test('pays the bond of its position into the stake; the last one ends the challenge', async () => {
      const answer = await forced(place);
      await challenge(world, answer, [7, 0, 59]);
      const [provider, held] = [providerHolds(answer), world.balance(holder(answer))];
      const { stake } = world.provider(answer.seller);
      for (const [count, position] of [59, 7, 0].entries()) {
        const sent = await answerChallenge(world, answer, answer.prove(position));
        assert.deepEqual(
          sent.events.map(({ name }) => name),
          ['answered'],
        );
        const paid = BigInt(count + 1) * BOND;
        assert.equal(providerHolds(answer), provider + paid);
        assert.equal(world.provider(answer.seller).stake, stake + paid);
        assert.equal(world.provider(answer.seller).earned, 0n, 'a bond is not a payout');
        assert.equal(world.balance(holder(answer)), held - paid);
      }
      assert.deepEqual([challengeOf(answer)?.open, challengeOf(answer)?.bond], [[], 0n]);
      world.now += 2n * challengeWindow;
      await refused(() => slash(world, answer, 'silence'), 'ChallengeNotDue');
    });

    test('counts once for a position, and only for one that was named', async () => {
      const answer = await forced(place);
      await refused(() => answerChallenge(world, answer, answer.prove(3)), 'PositionNotOpen');
      await challenge(world, answer, [3, 4]);
      await refused(() => answerChallenge(world, answer, answer.prove(5)), 'PositionNotOpen');
      await answerChallenge(world, answer, answer.prove(3));
      await refused(() => answerChallenge(world, answer, answer.prove(3)), 'PositionNotOpen');
    });

    test('with another leaf, path or place is none', async () => {
      const answer = await forced(place);
      await challenge(world, answer, [3, 4]);
      const right = answer.prove(3);
      for (const wrong of [
        { ...right, token: 6 },
        { ...right, exact: digest('another') },
        { ...right, prefix: digest('another') },
        { ...right, salt: digest('another').subarray(0, 16) },
        { ...right, zk: digest('not zero') },
        { ...right, candidates: [[5, 1]] as const },
        { ...right, i: 4 },
        { ...right, path: right.path.slice(1) },
        { ...right, path: [...right.path].reverse() },
        answer.prove(5),
      ]) {
        await refused(() => answerChallenge(world, answer, wrong), /RootMismatch|PositionNotOpen/);
      }
      const long = { ...right, path: new Array<Uint8Array>(17).fill(digest('node')) };
      await refused(() => answerChallenge(world, answer, long), 'PathTooLong');
      await answerChallenge(world, answer, right);
    });

    test('with a committed token that was not drawn is none: the provider is slashed either way', async () => {
      const answer = await answerIn(world, place, { steps: [falseStep] });
      await challenge(world, answer, [0]);
      await refused(() => answerChallenge(world, answer, answer.prove(0)), 'TokenMismatch');
      await slash(world, answer, answer.prove(0));
    });

    test('where no program can judge the draw, shows the leaf alone', async () => {
      for (const offer of [{ extraDigest: digest('extra') }, { mode: 2, extraDigest: digest('extra') }]) {
        const answer = await answerIn(world, place, { steps: [falseStep], offer });
        await challenge(world, answer, [0]);
        await answerChallenge(world, answer, answer.prove(0));
      }
      const scored = await answerIn(world, place, { steps: [falseStep], offer: { mode: 4 }, head: { finish: 4 } });
      await challenge(world, scored, [0]);
      await answerChallenge(world, scored, scored.prove(0));
    });

    test('shows the candidates; in mode zk it must hide them', async () => {
      const hidden: Step = { ...forcedStep, candidates: null, zk: digest('commitment') };
      const proved = await answerIn(world, place, { steps: [hidden], offer: { mode: 3 } });
      await challenge(world, proved, [0]);
      await answerChallenge(world, proved, proved.prove(0));
      const kept = await answerIn(world, place, { steps: [{ ...hidden, zk: zeros(32) }], offer: { mode: 1 } });
      await challenge(world, kept, [0]);
      await refused(() => answerChallenge(world, kept, kept.prove(0)), 'CandidatesMissing');
      const shown = await answerIn(world, place, { steps: [forcedStep], offer: { mode: 3 } });
      await challenge(world, shown, [0]);
      await refused(() => answerChallenge(world, shown, shown.prove(0)), 'CandidatesMissing');
    });

    test('draws on where the answer began: a continued one has other draws', async () => {
      // Two candidates of equal weight: which one it is, the draw alone decides.
      const even: Step = {
        ...forcedStep,
        candidates: [
          [5, 0],
          [6, 0],
        ] as const,
      };
      const tokens = new Set<number>();
      for (let start = 0; start < 8; start++) {
        for (const token of [5, 6]) {
          const answer = await answerIn(world, place, { steps: [{ ...even, token }], offer: { topK: 2, start } });
          await challenge(world, answer, [0]);
          const honest = await answerChallenge(world, answer, answer.prove(0)).then(
            () => true,
            () => false,
          );
          if (honest) tokens.add(token);
          else await slash(world, answer, answer.prove(0));
        }
      }
      assert.deepEqual([...tokens].sort(), [5, 6]);
    });

    test('counts when it is due, too, until somebody slashed', async () => {
      const [late, later] = [await forced(place), await forced(place)];
      for (const answer of [late, later]) await challenge(world, answer, [3]);
      world.now += challengeWindow - 1n;
      await refused(() => slash(world, late, 'silence'), 'ChallengeNotDue');
      world.now += 1_000n;
      await answerChallenge(world, late, late.prove(3));
      await refused(() => slash(world, late, 'silence'), 'ChallengeNotDue');
      await slash(world, later, 'silence');
      await refused(() => answerChallenge(world, later, later.prove(3)), 'AccountNotInitialized');
    });

    test('of the deepest tree fits', async () => {
      const offer = { topK: 1, maxTokens: 65_536 };

      const answer = await answerIn(world, place, {
        steps,
        offer,
        head: { n: 65_536, finish: 1 },
        root: (jobId) => lastOf(jobId, 16, forcedStep).root,
      });
      await challenge(world, answer, [65_535]);
      await answerChallenge(world, answer, lastOf(answer.jobId, 16, forcedStep).proof);
    });
  });
}

describe('the time to object to a job', () => {
  test('lasts until a challenge is due, and a minute longer to slash for it', async () => {
    const answer = await forced('job');
    const { wallet } = answer.buyer;
    const { job } = answer;
    assert.ok(job);
    world.now += 299n;
    await challenge(world, answer, [3]);
    assert.equal(world.job(job)?.submitted?.releaseAt, Number(world.now + challengeWindow + margin) * 1_000);
    world.now += challengeWindow + margin;
    // While it is open, neither the client nor a stranger can confirm.
    await refused(() => world.sendAs([wallet], world.by(wallet).confirmJob(job.key)), 'ChallengeOpen');
    const stranger = world.wallet();
    await refused(() => world.send(world.by(stranger).confirmJob(job.key), [stranger]), 'ChallengeOpen');
    await answerChallenge(world, answer, answer.prove(3));
    await world.send(world.by(stranger).confirmJob(job.key), [stranger]);
  });

  test('when it is over, a challenge is too late', async () => {
    const answer = await forced('job');
    world.now += 300n;
    await refused(() => challenge(world, answer, [3]), 'CheckWindowClosed');
  });

  test('a rejection gives the bond of an open challenge back to the challenger', async () => {
    const { nodeWallet, buyer } = buyerWithNodeWallet(world);
    const answer = await forced('job', { people: { buyer } });
    const { job } = answer;
    assert.ok(job);
    await world.sendAs([nodeWallet], world.by(nodeWallet).challenge(answer.subject(), [3, 4]));
    const [client, challenger] = [world.balance(buyer.wallet.publicKey), world.balance(nodeWallet.publicKey)];
    const held = world.balance(job.key.address);
    const current = world.job(job) ?? assert.fail();
    // The client cannot take it in the challenger's place.
    const asWithout = { ...current, submitted: null };
    const taken = world.by(buyer.wallet).rejectJob(asWithout, digest('verdict'));
    await refused(() => world.sendAs([buyer.wallet], taken), 'Unauthorized');
    await world.sendAs([buyer.wallet], world.by(buyer.wallet).rejectJob(current, digest('verdict')));
    const payout = current.submitted?.payout ?? 0n;
    assert.equal(world.balance(nodeWallet.publicKey), challenger + 2n * BOND);
    assert.equal(world.balance(buyer.wallet.publicKey), client + held - payout - 2n * BOND);
  });

  test('an open job has nothing to challenge', async () => {
    const job = await world.openJob();
    const { wallet } = job.buyer;
    await refused(() => world.sendAs([wallet], world.by(wallet).challenge({ job: job.key }, [0])), 'InvalidStatus');
  });
});

describe('the time to object in a channel', () => {
  test('lasts until a challenge is due, and a minute longer to slash for it', async () => {
    const answer = await forced('channel');
    await requestClose(answer);
    const first = world.now + closeWindow;
    await challenge(world, answer, [3]);
    assert.equal(channelOf(answer).closing?.finishAt, Number(first) * 1_000, 'late enough already');
    await answerChallenge(world, answer, answer.prove(3));
    const second = await forced('channel', { channel: answer.channel ?? assert.fail() });
    world.now = first - 1n;
    await challenge(world, second, [3]);
    assert.equal(channelOf(answer).closing?.finishAt, Number(world.now + challengeWindow + margin) * 1_000);
    world.now += challengeWindow + margin;
    await refused(() => finish(answer), 'ChallengeOpen');
    await answerChallenge(world, second, second.prove(3));
    await finish(answer);
  });

  test('when it is over, a challenge is too late', async () => {
    const answer = await forced('channel');
    await requestClose(answer);
    world.now += closeWindow;
    await refused(() => challenge(world, answer, [3]), 'CloseWindowClosed');
  });

  test('an open challenge holds up closing together, too', async () => {
    const answer = await forced('channel');
    const { channel } = answer;
    assert.ok(channel);
    const { authority } = channel.seller;
    const close = () =>
      world.sendAs([authority], world.by(authority).closeChannel(channel.key, noObjection(channel, 0n, 0n)));
    await challenge(world, answer, [3]);
    assert.deepEqual([channelOf(answer).challengesOpen, channelOf(answer).challengesMade], [1, 1]);
    await refused(close, 'ChallengeOpen');
    await answerChallenge(world, answer, answer.prove(3));
    assert.deepEqual([channelOf(answer).challengesOpen, channelOf(answer).challengesMade], [0, 1]);
    await close();
  });

  test('three challenges fit into a channel, a fourth does not', async () => {
    const first = await forced('channel');
    const channel = first.channel ?? assert.fail();
    const others = [];
    for (let count = 0; count < 3; count++) others.push(await forced('channel', { channel }));
    const last = others.pop() ?? assert.fail();
    for (const answer of [first, ...others]) await challenge(world, answer, [0]);
    await refused(() => challenge(world, last, [0]), 'TooManyChallenges');
    for (const answer of [first, ...others]) await answerChallenge(world, answer, answer.prove(0));
    await refused(() => challenge(world, last, [0]), 'TooManyChallenges');
  });

  test('settling goes on while a challenge is open', async () => {
    const answer = await forced('channel');
    const { channel } = answer;
    assert.ok(channel);
    await challenge(world, answer, [0]);
    await world.sendAs([], world.by(world.wallet()).settleChannel(channel.key, totals(channel, 9n, 9n)));
    assert.equal(world.provider(answer.seller).earned, 9n);
  });
});

test('an evidence and the channel of another do not go together', async () => {
  const [answer, other] = [await forced('channel'), await forced('channel')];
  const subject = { evidence: answer.evidence ?? assert.fail(), channel: other.channel?.key ?? assert.fail() };
  const { wallet } = other.buyer;
  await refused(() => world.sendAs([wallet], world.by(wallet).challenge(subject, [0])), 'SubjectMismatch');
  await refused(
    () => world.sendAs([], world.by(wallet).answerChallenge(subject, treeOf(answer.jobId, steps).prove(0))),
    'SubjectMismatch',
  );
});
