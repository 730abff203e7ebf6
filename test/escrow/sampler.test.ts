import assert from 'node:assert/strict';
import { beforeEach, describe, test } from 'node:test';
import { fromHex } from '../../src/lib/bytes.ts';
import vectors from '../vectors/job.json' with { type: 'json' };
import { answerIn, assertSlashes, places, slash } from './answers.ts';
import { falseStep, forcedStep, lastOf, type Step, treeOf } from './tree.ts';
import { digest, jobIdOf, refused, World, zeros } from './world.ts';

let world: World;
beforeEach(() => {
  world = new World();
});

for (const place of places) {
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
        await assertSlashes(world, answer, 'sampler', () => slash(world, answer, answer.prove(index)));
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
      await assertSlashes(world, answer, 'sampler', () => slash(world, answer, answer.prove(0)));
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
        await assertSlashes(world, cheats, 'sampler', () => slash(world, cheats, cheats.prove(0)));
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
        await assertSlashes(world, answer, 'sampler', () => slash(world, answer, answer.prove(0)));
      }
    });

    test('judges modes 1 and 2 without extra alone', async () => {
      for (const mode of [1, 2]) {
        const answer = await cheat(falseStep, { offer: { mode } });
        await assertSlashes(world, answer, 'sampler', () => slash(world, answer, answer.prove(0)));
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
      await assertSlashes(world, answer, 'sampler', () => slash(world, answer, proof));
    });

    test('an answer of no tokens has no step', async () => {
      const answer = await cheat(falseStep, { head: { n: 0, finish: 3 } });
      await refused(() => slash(world, answer, answer.prove(0)), 'RootMismatch');
    });
  });
}

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
    await assertSlashes(world, answer, 'sampler', () => slash(world, answer, proof));
  }
});
