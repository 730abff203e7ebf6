import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { ComputeBudgetProgram } from '@solana/web3.js';
import idl from '../../programs/escrow/artifacts/escrow.json' with { type: 'json' };
import { answerIn, type Place, places } from './answers.ts';
import { readyInstructions } from './ready.ts';
import { falseStep, forcedStep, lastOf, type Step } from './tree.ts';
import { headOf, jobIdOf, type Sent, signedHead, World, zeros } from './world.ts';

// What has to fit into a transaction of 1,232 bytes with a priority fee, and run within the compute units that a
// priority fee is paid for.

const maxBytes = 1_232;
const maxUnits = 60_000;
const priority = [
  ComputeBudgetProgram.setComputeUnitLimit({ units: maxUnits }),
  ComputeBudgetProgram.setComputeUnitPrice({ microLamports: 1 }),
];

function assertFits({ bytes, units }: Sent): void {
  assert.ok(bytes <= maxBytes, `${bytes} bytes`);
  assert.ok(units <= maxUnits, `${units} compute units`);
}

/** Twenty or forty candidates of which the first one takes all of the weight. */
const shown = (count: number): Step['candidates'] =>
  Array.from({ length: count }, (_, id) => [id, id === 0 ? 100_000 : -100_000] as const);

test('every instruction, with a priority fee', async () => {
  for (const { title, prepare } of readyInstructions) {
    const { world, instruction, first, signers } = await prepare(new World());
    const payer = signers.length === 0 ? [world.wallet()] : signers;
    const sent = await world.send([...priority, ...first, instruction], payer);
    assert.ok(sent.bytes <= maxBytes, `${title}: ${sent.bytes} bytes`);
    assert.ok(sent.units <= maxUnits, `${title}: ${sent.units} compute units`);
  }
  assert.ok(idl.instructions.length <= readyInstructions.length);
});

test('an evidence of an offer with eight stops', async () => {
  const world = new World();
  const channel = await world.openChannel();
  const offer = world.channelOffer(channel, { stops: [0, 1, 2, 3, 5, 8, 13, 299] });
  const { wallet } = channel.buyer;
  const head = signedHead(channel.seller.node, headOf(jobIdOf(offer)));
  assertFits(await world.send([...priority, world.by(wallet).createEvidence(channel.key, offer, head)], [wallet]));
});

test('a job with an offer of eight stops', async () => {
  const world = new World();
  const job = await world.openJob({ stops: [0, 1, 2, 3, 5, 8, 13, 299] });
  assert.ok(world.job(job));
});

/** An answer of 2^depth tokens of which the last one is `step`. */
async function deepAnswer(world: World, place: Place, depth: number, step: Step, mode: number) {
  const answer = await answerIn(world, place, {
    steps: [step],
    offer: { mode, topK: mode === 4 ? 40 : 20, maxTokens: 65_536, temperature: 100 },
    head: { n: 2 ** depth, finish: mode === 4 ? 4 : 0 },
    root: (jobId) => lastOf(jobId, depth, step).root,
  });
  return { answer, proof: lastOf(answer.jobId, depth, step).proof };
}

for (const place of places) {
  describe(`of an answer in a ${place}`, () => {
    for (const [what, depth, step, mode] of [
      ['20 candidates at depth 16', 16, { ...forcedStep, token: 0, candidates: shown(20) }, 1],
      ['40 candidates of a score job at depth 14', 14, { ...forcedStep, token: 0, candidates: shown(40) }, 4],
      ['a proved step at depth 16', 16, { ...forcedStep, candidates: null, zk: zeros(32).fill(7) }, 3],
    ] as const) {
      test(`the answer with ${what}`, async () => {
        const world = new World();
        const { answer, proof } = await deepAnswer(world, place, depth, step, mode);
        const { wallet } = answer.buyer;
        await world.send(world.by(wallet).challenge(answer.subject(), [proof.i]), [wallet]);
        const { authority } = answer.seller;
        assertFits(
          await world.send([...priority, world.by(authority).answerChallenge(answer.subject(), proof)], [authority]),
        );
      });
    }

    test('the proof of a false draw at depth 16', async () => {
      const world = new World();
      const step = { ...falseStep, token: 19, candidates: shown(20) };
      const { answer, proof } = await deepAnswer(world, place, 16, step, 1);
      assertFits(await world.sendAs([], ...priority, world.by(world.wallet()).slashSampler(answer.subject(), proof)));
    });

    test('the proof of two heads', async () => {
      const world = new World();
      const answer = await answerIn(world, place, { steps: [forcedStep] });
      const heads = [answer.head({ n: 2 }), answer.head({ n: 3 })] as const;
      assertFits(
        await world.sendAs([], ...priority, world.by(world.wallet()).slashEquivocation(answer.subject(), heads)),
      );
    });
  });
}
