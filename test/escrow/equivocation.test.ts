import { beforeEach, describe, test } from 'node:test';
import { concat } from '../../src/lib/bytes.ts';
import { tag } from '../../src/protocol/digests.ts';
import { answerOnce, assertSlashes, places, slash, type TestAnswer } from './answers.ts';
import type { HeadFields } from './layouts.ts';
import { digest, headOf, newNode, refused, sha256, signedBy, signedHead, World, withSignatures } from './world.ts';

let world: World;
beforeEach(() => {
  world = new World();
});

for (const place of places) {
  describe(`slash_equivocation, in a ${place}`, () => {
    const delivered: Partial<HeadFields> = { n: 38, root: digest('root') };
    const answered = () => answerOnce(world, place, { head: delivered });
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
        await assertSlashes(world, answer, 'equivocation', () => slash(world, answer, heads(answer, first, second)));
        await assertSlashes(world, other, 'equivocation', () => slash(world, other, heads(other, second, first)));
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
        await assertSlashes(world, answer, 'equivocation', () => slash(world, answer, [answer.head(given)]));
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
      await assertSlashes(world, answer, 'equivocation', () => slash(world, answer, [before]));
    });

    test('refuses what is not a head', async () => {
      const answer = await answered();
      for (const changes of [{ version: 2 }, { finish: 6 }, { finish: 254 }])
        await refused(() => slash(world, answer, [answer.head(changes)]), 'MalformedHead');
    });

    test('in every mode', async () => {
      for (const offer of [{ mode: 0 }, { mode: 2 }, { mode: 3 }, { extraDigest: digest('extra') }]) {
        const answer = await answerOnce(world, place, { offer });
        await slash(world, answer, [answer.head({ n: 2 })]);
      }
    });
  });
}
