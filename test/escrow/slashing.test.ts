import assert from 'node:assert/strict';
import { beforeEach, describe, test } from 'node:test';
import { type Keypair, SystemProgram } from '@solana/web3.js';
import type { SignedBody } from '../../src/escrow/escrow.ts';
import { concat, fromHex } from '../../src/lib/bytes.ts';
import { tag } from '../../src/protocol/digests.ts';
import vectors from '../vectors/job.json' with { type: 'json' };
import { answerIn, challenge, type Place, places, slash, type TestAnswer } from './answers.ts';
import type { HeadFields } from './layouts.ts';
import { falseStep, forcedStep, lastOf, type Step, treeOf } from './tree.ts';
import {
  BOND,
  buyerWithNodeWallet,
  digest,
  headOf,
  incinerator,
  jobIdOf,
  newNode,
  noObjection,
  refused,
  type Sent,
  SOL,
  sha256,
  signedBy,
  signedHead,
  totals,
  World,
  withSignatures,
  zeros,
} from './world.ts';

const challengeWindow = 14_400n;
const stake = 10n * SOL;

let world: World;
beforeEach(() => {
  world = new World();
});

/** What a fault costs: nine tenths of what was at risk are burnt, one tenth goes to who locked the money. */
async function assertSlashes(answer: TestAnswer, reason: string, how: () => Promise<Sent>): Promise<void> {
  const { buyer, seller, job, channel } = answer;
  const account = (job ?? channel)?.key.address ?? assert.fail();
  const released = channel === null ? 0n : (world.channel(channel)?.released ?? 0n);
  const unpaid = channel === null ? 0n : released - (world.channel(channel)?.settled ?? 0n);
  const compensation = job === null ? (channel?.key.window ?? 0n) : (world.job(job)?.submitted?.payout ?? 0n);
  const keys = [
    buyer.wallet.publicKey,
    seller.authority.publicKey,
    incinerator,
    world.providerAddress(seller),
  ] as const;
  const [funder, authority, burnt, provider] = keys.map((key) => world.balance(key)) as [
    bigint,
    bigint,
    bigint,
    bigint,
  ];
  const held = world.balance(account);
  const before = world.provider(seller);
  const { events } = await how();
  assert.equal(world.balance(buyer.wallet.publicKey), funder + held - unpaid + compensation);
  assert.equal(world.balance(seller.authority.publicKey), authority);
  assert.equal(world.balance(incinerator), burnt + 9n * compensation);
  assert.equal(world.balance(world.providerAddress(seller)), provider + unpaid - 10n * compensation);
  const after = world.provider(seller);
  assert.equal(after.stake, before.stake + unpaid - 10n * compensation);
  assert.equal(after.lockedStake, before.lockedStake - 10n * compensation);
  assert.equal(after.jobsSlashed, before.jobsSlashed + 1);
  assert.equal(after.earned, before.earned + unpaid);
  assert.equal(world.balance(account), 0n);
  assert.deepEqual(
    events.map(({ name, data }) => [name, Object.keys(data.reason as object)]),
    [[job === null ? 'channelSlashed' : 'jobSlashed', [reason]]],
  );
}

const one = (place: Place, init: Partial<Parameters<typeof answerIn>[2]> = {}) =>
  answerIn(world, place, { steps: [forcedStep], ...init, offer: { topK: 1, ...init.offer } });

for (const place of places) {
  describe(`slash_equivocation, in a ${place}`, () => {
    const delivered: Partial<HeadFields> = { n: 38, root: digest('root') };
    const answered = () => one(place, { head: delivered });
    const open = { n: 32, finish: 255 } as const;
    type Changes = Partial<HeadFields>;
    const heads = (answer: TestAnswer, first: Changes, second: Changes) =>
      [answer.head(first), answer.head(second)] as const;

    for (const [what, first, second] of [
      ['another inputDigest', open, { inputDigest: digest('other') }],
      ['another execClass', open, { execClass: digest('other') }],
      ['another promptCount', open, { promptCount: 22 }],
      ['two final ones that differ in the text alone', {}, { textDigest: digest('other') }],
      ['two final ones of other lengths', {}, { n: 39 }],
      ['two final ones with other endings', {}, { finish: 3 }],
      ['equal n, another root', { ...open, n: 38 }, { root: digest('other') }],
      ['equal n, another prefix', { ...open, n: 38 }, { prefix: digest('other') }],
      ['equal n, neither final, another text', open, { ...open, textDigest: digest('other') }],
      ['one that is not final beyond the final one', { ...open, n: 39 }, {}],
    ] as const) {
      test(`two heads: ${what}`, async () => {
        const [answer, other] = [await answered(), await answered()];
        await assertSlashes(answer, 'equivocation', () => slash(world, answer, heads(answer, first, second)));
        await assertSlashes(other, 'equivocation', () => slash(world, other, heads(other, second, first)));
      });
    }

    for (const [what, given] of [
      ['another length', { n: 37 }],
      ['another root', { root: digest('other') }],
      ['another text', { textDigest: digest('other') }],
      ['another prompt', { promptCount: 22 }],
      ['another ending', { finish: 2 }],
      ['not final and longer', { n: 39, finish: 255 }],
      ['not final, as long, another root', { finish: 255, root: digest('other') }],
    ] as const) {
      test(`one head against what the chain keeps: ${what}`, async () => {
        const answer = await answered();
        await assertSlashes(answer, 'equivocation', () => slash(world, answer, [answer.head(given)]));
      });
    }

    test('refuses heads that an honest provider signs one after the other', async () => {
      const answer = await answered();
      for (const [first, second] of [
        [{}, {}],
        [{ ...open, textDigest: digest('part') }, {}],
        [{ finish: 255, textDigest: digest('without the last character') }, {}],
        [
          { ...open, n: 16 },
          { ...open, textDigest: digest('part') },
        ],
      ] as const) {
        await refused(() => slash(world, answer, heads(answer, first, second)), 'HeadsAgree');
      }
      for (const given of [{}, { ...open, textDigest: digest('part') }, { finish: 255 }])
        await refused(() => slash(world, answer, [answer.head(given)]), 'HeadsAgree');
    });

    test('refuses heads of another job of the same provider', async () => {
      const answer = await answered();
      const { node } = answer.seller;
      const foreign = signedHead(node, headOf(digest('another job'), { n: 37 }));
      await refused(() => slash(world, answer, [foreign]), 'MessageMismatch');
      await refused(() => slash(world, answer, [answer.head(), foreign]), 'MessageMismatch');
      // Signed for this job, although its body names another.
      const mixed = signedBy(node, concat(tag('qvac/head/1'), answer.jobId, sha256(foreign.body)));
      const call = world.by(world.wallet()).slashEquivocation(answer.subject(), [foreign]);
      await refused(() => world.sendAs([], withSignatures(call, [mixed])), 'HeadMismatch');
    });

    test("refuses heads that the provider's node did not sign", async () => {
      const answer = await answered();
      const forger = newNode();
      const forged = signedHead(forger, headOf(answer.jobId, { n: 37 }));
      await refused(() => slash(world, answer, [forged]), 'Custom(2)');
      const subject = answer.subject();
      const peer = forger.publicKey;
      const lie =
        'job' in subject
          ? { job: { ...subject.job, peer } }
          : { evidence: { ...subject.evidence, peer }, channel: subject.channel };
      await refused(
        () => world.sendAs([], world.by(world.wallet()).slashEquivocation(lie, [forged])),
        'SignerMismatch',
      );
    });

    test('goes by the key of then, whatever the provider rotated to', async () => {
      const answer = await answered();
      const { authority } = answer.seller;
      const before = answer.head({ n: 37 });
      await world.send(world.by(authority).rotatePeer(newNode(), 1), [authority]);
      await assertSlashes(answer, 'equivocation', () => slash(world, answer, [before]));
    });

    test('refuses what is not a head', async () => {
      const answer = await answered();
      for (const changes of [{ version: 2 }, { finish: 6 }, { finish: 254 }])
        await refused(() => slash(world, answer, [answer.head(changes)]), 'MalformedHead');
    });

    test('in every mode', async () => {
      for (const offer of [{ mode: 0 }, { mode: 2 }, { mode: 3 }, { extraDigest: digest('extra') }]) {
        const answer = await one(place, { offer });
        await slash(world, answer, [answer.head({ n: 2 })]);
      }
    });
  });

  describe(`slash_sampler, in a ${place}`, () => {
    const cheat = (step: Step, init: Partial<Parameters<typeof answerIn>[2]> = {}) =>
      answerIn(world, place, { steps: [step], ...init });

    test('refuses honest steps, at every place', async () => {
      const answer = await answerIn(world, place, {
        steps: Array.from({ length: 38 }, () => forcedStep),
        offer: { topK: 1 },
      });
      for (let i = 0; i < 38; i++) await refused(() => slash(world, answer, answer.prove(i)), 'TokenFollows');
    });

    test('takes a token that was not drawn, at the first, a middle and the last place', async () => {
      for (const index of [0, 17, 37]) {
        const steps = Array.from({ length: 38 }, (_, at) => (at === index ? { ...forcedStep, token: 6 } : forcedStep));
        const answer = await answerIn(world, place, { steps, offer: { topK: 1 } });
        await assertSlashes(answer, 'sampler', () => slash(world, answer, answer.prove(index)));
      }
    });

    test('takes a greedy token that is not the best candidate', async () => {
      const offer = { temperature: 0, topK: 3 };
      const candidates = [
        [1, 10],
        [2, 20],
        [3, 20],
      ] as const;
      const answer = await cheat({ ...forcedStep, candidates, token: 3 }, { offer });
      await assertSlashes(answer, 'sampler', () => slash(world, answer, answer.prove(0)));
      const honest = await cheat({ ...forcedStep, candidates, token: 2 }, { offer });
      await refused(() => slash(world, honest, honest.prove(0)), 'TokenFollows');
    });

    test('takes a token that topP or minP leaves out, not one that they leave', async () => {
      // Two candidates of which the second has about a third of the weight of the first.
      const step = {
        ...forcedStep,
        candidates: [
          [5, 1_024],
          [6, 0],
        ] as const,
      };
      for (const cut of [{ topP: 60 }, { minP: 50 }]) {
        const offer = { topK: 2, temperature: 100, ...cut };
        const cheats = await cheat({ ...step, token: 6 }, { offer });
        await assertSlashes(cheats, 'sampler', () => slash(world, cheats, cheats.prove(0)));
        const honest = await cheat({ ...step, token: 5 }, { offer });
        await refused(() => slash(world, honest, honest.prove(0)), 'TokenFollows');
      }
    });

    test('takes candidates that no honest provider commits to', async () => {
      const offer = { topK: 2 };
      for (const candidates of [
        [[5, 0]],
        [
          [5, 0],
          [6, 0],
          [7, 0],
        ],
        [
          [6, 0],
          [5, 0],
        ],
        [
          [5, 0],
          [5, 0],
        ],
        [
          [5, 0],
          [300, 0],
        ],
        [],
      ] as const) {
        const answer = await cheat({ ...forcedStep, candidates }, { offer });
        await assertSlashes(answer, 'sampler', () => slash(world, answer, answer.prove(0)));
      }
    });

    test('judges modes 1 and 2 without extra alone', async () => {
      for (const mode of [1, 2]) {
        const answer = await cheat(falseStep, { offer: { mode } });
        await assertSlashes(answer, 'sampler', () => slash(world, answer, answer.prove(0)));
      }
      for (const [offer, head] of [
        [{ mode: 0 }, {}],
        [{ mode: 3 }, {}],
        [{ mode: 4 }, { finish: 4 }],
        [{ extraDigest: digest('extra') }, {}],
      ] as const) {
        const answer = await cheat(falseStep, { offer, head });
        await refused(() => slash(world, answer, answer.prove(0)), 'DrawsNotJudgeable');
      }
    });

    test('a leaf that hides its candidates in mode 1 shows nothing that could be judged', async () => {
      const answer = await cheat({ ...forcedStep, candidates: null });
      await refused(() => slash(world, answer, answer.prove(0)), 'CandidatesMissing');
    });

    test('refuses a step under another root, index, path or job', async () => {
      const steps = Array.from({ length: 38 }, (_, at) => (at === 5 ? falseStep : forcedStep));
      const offer = { topK: 1 };
      const answer = await answerIn(world, place, { steps, offer });
      const other = await answerIn(world, place, { steps, offer });
      const proof = answer.prove(5);
      await refused(() => slash(world, other, proof), 'RootMismatch');
      for (const wrong of [
        { ...proof, i: 6 },
        { ...proof, i: 38 },
        { ...proof, i: 2 ** 32 - 1 },
        { ...proof, path: proof.path.slice(1) },
        { ...proof, path: [...proof.path, digest('more')] },
        { ...proof, path: [...proof.path].reverse() },
        { ...proof, salt: digest('other').subarray(0, 16) },
        { ...proof, token: 298 },
        { ...proof, zk: digest('other') },
      ]) {
        await refused(() => slash(world, answer, wrong), 'RootMismatch');
      }
      const long = { ...proof, path: new Array<Uint8Array>(17).fill(digest('node')) };
      await refused(() => slash(world, answer, long), 'PathTooLong');
      await assertSlashes(answer, 'sampler', () => slash(world, answer, proof));
    });

    test('an answer of no tokens has no step', async () => {
      const answer = await cheat(falseStep, { head: { n: 0, finish: 3 } });
      await refused(() => slash(world, answer, answer.prove(0)), 'RootMismatch');
    });
  });

  describe(`slash_silence, in a ${place}`, () => {
    test('once a challenge is due, not before, and not without one', async () => {
      const [answer, unchallenged] = [await one(place), await one(place)];
      await challenge(world, answer, [0]);
      world.now += challengeWindow - 1n;
      await refused(() => slash(world, answer, 'silence'), 'ChallengeNotDue');
      await refused(() => slash(world, unchallenged, 'silence'), 'ChallengeNotDue');
      world.now += 1n;
      await assertSlashes(answer, 'silence', () => slash(world, answer, 'silence'));
    });

    test('also where only some of the positions were answered', async () => {
      const answer = await one(place, { steps: [forcedStep, forcedStep] });
      await challenge(world, answer, [0, 1]);
      await world.sendAs([], world.by(world.wallet()).answerChallenge(answer.subject(), answer.prove(1)));
      world.now += challengeWindow;
      await assertSlashes(answer, 'silence', () => slash(world, answer, 'silence'));
    });

    test('works however long ago the challenge was due', async () => {
      const answer = await one(place);
      await challenge(world, answer, [0]);
      world.now += 1_000n * challengeWindow;
      await assertSlashes(answer, 'silence', () => slash(world, answer, 'silence'));
    });
  });

  describe(`a slash, in a ${place}`, () => {
    test('leaves what other jobs and channels locked', async () => {
      const seller = await world.newSeller();
      const others = [await world.submittedJob({}, {}, { seller }), await world.submittedJob({}, {}, { seller })];
      const channel = await world.openChannel({}, { seller });
      const answer = await one(place, { people: { seller } });
      const locked = world.provider(seller).lockedStake;
      await assertSlashes(answer, 'equivocation', () => slash(world, answer, [answer.head({ n: 2 })]));
      assert.ok(world.provider(seller).lockedStake < locked);
      assert.equal(world.provider(seller).lockedStake, 2n * 9_640n + 100_000n);
      for (const { key, buyer } of others) await world.send(world.by(buyer.wallet).confirmJob(key), [buyer.wallet]);
      assert.ok(world.channel(channel));
    });

    test('happens once, whatever the reasons', async () => {
      const answer = await one(place, { steps: [falseStep] });
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
      const answer = await one(place, { people: { buyer, seller } });
      const risk = world.provider(seller).lockedStake;
      await slash(world, answer, [answer.head({ n: 2 })]);
      assert.ok(before - everything() >= (9n * risk) / 10n, 'nine tenths of what was at risk are gone');
    });

    test('reaches a wallet that was emptied', async () => {
      const answer = await one(place);
      const { wallet } = answer.buyer;
      const all = { fromPubkey: wallet.publicKey, toPubkey: incinerator, lamports: world.balance(wallet.publicKey) };
      await world.sendAs([wallet], SystemProgram.transfer(all));
      await assertSlashes(answer, 'equivocation', () => slash(world, answer, [answer.head({ n: 2 })]));
    });

    test('pays only the wallet that locked the money', async () => {
      const answer = await one(place);
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
      const [answer, other] = [await one(place), await world.newSeller()];
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
    const answer = await one('job');
    world.now += 100_000n;
    await assertSlashes(answer, 'equivocation', () => slash(world, answer, [answer.head({ n: 2 })]));
  });

  test('gives the bond of an open challenge back to the challenger alone', async () => {
    const { nodeWallet, buyer } = buyerWithNodeWallet(world);
    const answer = await one('job', { people: { buyer } });
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
    const answer = await one('job', { people: { buyer } });
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
    const answer = await one('channel');
    const channel = answer.channel ?? assert.fail();
    const settle = (committed: bigint, released: bigint) =>
      world.sendAs([], world.by(world.wallet()).settleChannel(channel.key, totals(channel, committed, released)));
    await settle(5_000n, 3_000n);
    await assertSlashes(answer, 'equivocation', () => slash(world, answer, [answer.head({ n: 2 })]));
    assert.equal(world.provider(answer.seller).earned, 3_000n);
  });

  test('is slashed while it closes, too, until somebody finished it', async () => {
    const [answer, late] = [await one('channel'), await one('channel')];
    for (const each of [answer, late]) {
      const { wallet } = each.buyer;
      await world.sendAs([wallet], world.by(wallet).requestCloseChannel(each.channel?.key ?? assert.fail()));
    }
    world.now += 20_000n;
    await assertSlashes(answer, 'equivocation', () => slash(world, answer, [answer.head({ n: 2 })]));
    await world.sendAs([], world.by(world.wallet()).finishChannel(late.channel?.key ?? assert.fail()));
    await refused(() => slash(world, late, [late.head({ n: 2 })]), 'AccountNotInitialized');
  });

  test('is not slashed while its terms are valid: opened again, one fault would be slashed again and again', async () => {
    const channel = await world.openChannel();
    const answer = await one('channel', { channel });
    await refused(() => slash(world, answer, [answer.head({ n: 2 })]), 'TermsStillValid');
    world.now += 61n;
    await slash(world, answer, [answer.head({ n: 2 })]);
    const { wallet } = channel.buyer;
    await refused(() => world.send(world.by(wallet).openChannel(channel.terms), [wallet]), 'TermsExpired');
  });

  test('that closed without objection waives all evidence', async () => {
    const answer = await one('channel');
    const channel = answer.channel ?? assert.fail();
    const { authority } = channel.seller;
    await world.sendAs([authority], world.by(authority).closeChannel(channel.key, noObjection(channel, 9n, 9n)));
    await refused(() => slash(world, answer, [answer.head({ n: 2 })]), 'AccountNotInitialized');
  });

  test('is slashed for one of several answers; the bonds in the others go back to their challengers', async () => {
    const first = await one('channel');
    const channel = first.channel ?? assert.fail();
    const second = await one('channel', { channel });
    await challenge(world, second, [0]);
    await assertSlashes(first, 'equivocation', () => slash(world, first, [first.head({ n: 2 })]));
    const { wallet } = channel.buyer;
    const before = world.balance(wallet.publicKey);
    const evidence = world.evidence(second.evidence ?? assert.fail()) ?? assert.fail();
    const held = world.balance(evidence.address);
    await world.sendAs([wallet], world.by(wallet).closeEvidence(evidence));
    assert.equal(world.balance(wallet.publicKey), before + held);
  });

  test('an empty wallet of the challenger holds up neither the slash nor the rent: the bond goes with the rent', async () => {
    const { nodeWallet, buyer } = buyerWithNodeWallet(world);
    const answer = await one('channel', { people: { buyer } });
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
    const answer = await one('channel');
    const { buyer, seller } = answer;
    const other = await world.closableChannel({}, { buyer, seller });
    const subject = { evidence: answer.evidence ?? assert.fail(), channel: other.key };
    const call = world.by(world.wallet()).slashEquivocation(subject, [answer.head({ n: 2 })]);
    await refused(() => world.sendAs([], call), 'SubjectMismatch');
  });
});

describe('the answer of the vectors', () => {
  const { paid } = vectors;
  const steps: readonly Step[] = paid.steps.map((step) => ({
    token: step.token,
    prefix: fromHex(step.prefix),
    salt: fromHex(step.salt),
    candidates: step.candidates as unknown as NonNullable<Step['candidates']>,
    exact: fromHex(step.exact),
    zk: zeros(32),
  }));

  test('has the tree that is made here', () => {
    assert.deepEqual(treeOf(fromHex(paid.jobId), steps).root, fromHex(paid.heads.at(-1)?.root ?? ''));
    assert.deepEqual(jobIdOf(fromHex(paid.offerBody)), fromHex(paid.jobId));
  });

  test('is honest step by step, and with another seed it is not', async () => {
    const own = fromHex(paid.offer.seed);
    for (const seed of [own, digest('another seed')]) {
      const { temperature, minP, topP, topK, vocab } = paid.offer;
      const offer = { seed, temperature, minP, topP, topK, vocab };
      const answer = await answerIn(world, 'channel', { steps, offer });
      const codes: string[] = [];
      for (let i = 0; i < steps.length && codes.at(-1) !== 'slashed'; i++) {
        const code = await slash(world, answer, answer.prove(i)).then(
          () => 'slashed',
          (error: { readonly code: string }) => error.code,
        );
        codes.push(code);
      }
      assert.equal(codes.at(-1), seed === own ? 'TokenFollows' : 'slashed');
      assert.ok(codes.slice(0, -1).every((code) => code === 'TokenFollows'));
    }
  });
});

test('the deepest proof of a job and of a channel', async () => {
  for (const place of places) {
    const answer = await answerIn(world, place, {
      steps: [falseStep],
      offer: { maxTokens: 65_536 },
      head: { n: 65_536, finish: 1 },
      root: (jobId) => lastOf(jobId, 16, falseStep).root,
    });
    const { proof } = lastOf(answer.jobId, 16, falseStep);
    await assertSlashes(answer, 'sampler', () => slash(world, answer, proof));
  }
});
