import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { QvacError } from '../../../src/errors.ts';
import type { Peer } from '../../../src/node/peer/peer.ts';
import { assess } from '../../../src/proofs/checks.ts';
import { FaultError } from '../../../src/proofs/fault.ts';
import { decodeHead, encodeHead, isFinal } from '../../../src/proofs/head.ts';
import { signBody } from '../../../src/proofs/signing.ts';
import { jobIdHex, jobIdOf } from '../../../src/protocol/digests.ts';
import type { Frame, FrameOf } from '../../../src/protocol/frames.ts';
import { type FaultCode, finish, type Head, kinds, modes, type Opening } from '../../../src/protocol/messages.ts';
import { decodeOpening, encodeOpening } from '../../../src/protocol/validate.ts';
import { startProvider, type TestProvider, type TestProviderInit } from '../../support/market.ts';
import {
  askRouter,
  code,
  receiveAnswer,
  startRouter,
  type TestAnswer,
  type TestRouter,
  withTamperedAnswers,
} from '../../support/router.ts';
import { createScriptedEngine, type ScriptedInit } from '../../support/scripted-engine.ts';

type Context = Parameters<typeof startProvider>[0];

/** A cheat that claims to be the fastest, so that it is chosen first. */
function startCheat(context: Context, init: TestProviderInit): Promise<TestProvider> {
  return startProvider(context, { offering: { tokensPerSecond: 1_000_000 }, ...init });
}

/** A provider whose frames are changed after it made them, and signed again with its own key. */
function onTheWire(change: (frame: Frame, peer: Peer) => readonly Frame[]): TestProviderInit {
  return { wrapPeer: (peer) => withTamperedAnswers(peer, (frame) => change(frame, peer)) };
}

function signedHead(peer: Peer, head: Head): Frame {
  const body = encodeHead(head);
  return { t: 'head', ...signBody(peer.key, kinds.head, jobIdHex(head.jobId), body) };
}

function onOpening(change: (opening: Opening) => Opening): TestProviderInit {
  return onTheWire((frame, peer) => {
    if (frame.t !== 'opening') return [frame];
    const honest = decodeOpening(frame.body);
    if (honest.v !== 1) throw new Error('an opening of mode zk');
    const opening = change(honest);
    return [{ t: 'opening', ...signBody(peer.key, kinds.opening, jobIdHex(opening.jobId), encodeOpening(opening)) }];
  });
}

async function expectVerdict(answer: TestAnswer, fault: FaultCode): Promise<void> {
  assert.deepEqual([answer.verdict?.verdict.result, answer.verdict?.verdict.faults], ['fail', [fault]]);
  assert.equal(answer.refused, null);
}

/** After its fault `cheat` is not used: another provider is, or else none. */
async function expectShunned(
  context: Context,
  router: TestRouter,
  cheat: TestProvider,
  other: TestProvider | null,
): Promise<void> {
  const standing = router.reputation.standing(cheat.peer.id);
  assert.equal(standing.usable, false);
  if (other === null)
    await assert.rejects(
      receiveAnswer(await askRouter(context, router)),
      (error) => code('E_NO_PROVIDER')(error) && /failed verification/.test((error as Error).message),
    );
  else {
    const { picked, receipt } = await receiveAnswer(await askRouter(context, router));
    assert.deepEqual(picked, [other.peer.id]);
    const answered = await router.events.until(
      'answered',
      60_000,
      ({ jobId }) => jobId === jobIdOf(receipt.offer.body),
    );
    assert.deepEqual(
      answered.considered.find(({ peer }) => peer === cheat.peer.id),
      { peer: cheat.peer.id, why: 'standing', detail: standing.reason },
    );
  }
}

describe('a provider that cheats behind an honest router', () => {
  const models: readonly (readonly [cheat: string, script: ScriptedInit, fault: FaultCode])[] = [
    ['runs a worse model in the declared class', { damage: 1 }, 'exact-mismatch'],
    ['runs a slightly worse model in the declared class', { damage: 0.01 }, 'exact-mismatch'],
    ['runs a worse model in another class', { damage: 1, exec: { batch: 31 } }, 'distribution-far'],
  ];
  for (const [cheat, script, fault] of models) {
    it(`and ${cheat} is caught by re-execution, and no longer used`, async (context) => {
      const provider = await startCheat(context, { script });
      const honest = await startProvider(context);
      const router = await startRouter(context, { providers: [provider, honest], engines: [createScriptedEngine()] });
      const answer = await receiveAnswer(await askRouter(context, router, { verify: 'full' }));
      assert.deepEqual(answer.picked, [provider.peer.id]);
      await expectVerdict(answer, fault);
      assert.equal(assess(answer.receipt, {}).result, 'pass', 'only the model can tell');
      await expectShunned(context, router, provider, honest);
    });
  }

  it('is caught without an opening, too, by the redraw', async (context) => {
    const provider = await startCheat(context, { script: { damage: 1 } });
    const router = await startRouter(context, { providers: [provider], engines: [createScriptedEngine()] });
    const answer = await receiveAnswer(await askRouter(context, router, { verify: 'full', mode: modes.none }));
    await expectVerdict(answer, 'exact-mismatch');
    await expectShunned(context, router, provider, null);
  });

  it('accepts another prompt than it was sent: prompt-mismatch', async (context) => {
    const engine = createScriptedEngine();
    const tokenizer = {
      ...engine.tokenizer,
      encodePrompt: (input: Parameters<typeof engine.tokenizer.encodePrompt>[0]) =>
        engine.tokenizer.encodePrompt({
          ...input,
          messages: [{ role: 'system', content: 'be brief' }, ...input.messages],
        }),
    };
    const provider = await startCheat(context, {
      engine: { ...engine, exec: engine.exec, slots: engine.slots, selfTest: engine.selfTest, tokenizer },
    });
    const honest = await startProvider(context);
    const router = await startRouter(context, { providers: [provider, honest], engines: [createScriptedEngine()] });
    // Seen before its first token, so that another provider answers.
    const answer = await receiveAnswer(await askRouter(context, router));
    assert.deepEqual(answer.picked, [provider.peer.id, honest.peer.id]);
    assert.equal(answer.verdict?.verdict.result, 'pass');
    assert.equal(router.reputation.standing(provider.peer.id).lastFault, 'prompt-mismatch');
    await expectShunned(context, router, provider, honest);
  });

  const openings: readonly (readonly [cheat: string, init: TestProviderInit, fault: FaultCode])[] = [
    [
      'a path that leads elsewhere',
      onOpening((opening) => ({
        ...opening,
        steps: opening.steps.map((step) => ({ ...step, path: step.path.map((node) => node.map((byte) => byte ^ 1)) })),
      })),
      'bad-opening',
    ],
    [
      'other steps than were challenged',
      onOpening((opening) => ({ ...opening, steps: opening.steps.slice(1) })),
      'bad-opening',
    ],
    [
      'other candidates',
      onOpening((opening) => ({
        ...opening,
        steps: opening.steps.map((step) => ({
          ...step,
          candidates: step.candidates.map(([id, q]) => [id, q + 1] as const),
        })),
      })),
      'bad-opening',
    ],
  ];
  for (const [cheat, init, fault] of openings) {
    it(`opens ${cheat}: the client finds the fault itself`, async (context) => {
      const provider = await startCheat(context, init);
      const router = await startRouter(context, { providers: [provider] });
      const answer = await receiveAnswer(await askRouter(context, router));
      await expectVerdict(answer, fault);
      assert.deepEqual(assess(answer.receipt, {}).faults, [fault]);
      await expectShunned(context, router, provider, null);
    });
  }
});

describe('a provider that breaks a rule in the middle of its answer', () => {
  const cheats: readonly (readonly [cheat: string, init: TestProviderInit, check: (error: unknown) => boolean])[] = [
    [
      'signs two heads that contradict each other: both reach the client',
      onTheWire((frame, peer) =>
        frame.t === 'head' && !isFinal(decodeHead(frame.body))
          ? [frame, signedHead(peer, { ...decodeHead(frame.body), root: new Uint8Array(32) })]
          : [frame],
      ),
      (error) => error instanceof FaultError && error.fault === 'equivocation',
    ],
    [
      'sends another text than it signs',
      onTheWire((frame) => (frame.t === 'tokens' ? [{ ...frame, text: `${frame.text}!` }] : [frame])),
      (error) => error instanceof FaultError && error.fault === 'bad-receipt',
    ],
    [
      'changes a token that it has sent',
      onTheWire((frame) =>
        frame.t === 'tokens'
          ? [{ ...frame, tokens: frame.tokens.map((token) => (token + 1) % 256) } satisfies FrameOf<'tokens'>]
          : [frame],
      ),
      (error) => error instanceof FaultError,
    ],
    [
      'ends as if it had been cancelled',
      onTheWire((frame, peer) =>
        frame.t === 'head' && decodeHead(frame.body).finish === finish.length
          ? [signedHead(peer, { ...decodeHead(frame.body), finish: finish.cancelled })]
          : [frame],
      ),
      (error) => error instanceof QvacError && error.code === 'E_TRUNCATED',
    ],
  ];
  for (const [cheat, init, check] of cheats) {
    it(cheat, async (context) => {
      const provider = await startCheat(context, init);
      const router = await startRouter(context, { providers: [provider] });
      await assert.rejects(receiveAnswer(await askRouter(context, router)), check);
      const ended = await router.events.until('failed');
      assert.equal(ended.code, 'failed');
      await expectShunned(context, router, provider, null);
    });
  }
});
