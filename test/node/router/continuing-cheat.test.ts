import assert from 'node:assert/strict';
import { describe, it, type TestContext } from 'node:test';
import type { PeerIdString } from '../../../src/lib/types.ts';
import type { Answer } from '../../../src/node/client/answer.ts';
import { seedOfNumber } from '../../../src/protocol/digests.ts';
import type { FaultCode } from '../../../src/protocol/messages.ts';
import { startAsker } from '../../support/asking.ts';
import { BreakPlan, breakingPeer, forgivingReputation } from '../../support/breaking.ts';
import {
  acceptingAnother,
  behindAnother,
  cheatingBehind,
  repeatingAPiece,
  skippingAnIndex,
} from '../../support/cheats/continuations.ts';
import { disguised } from '../../support/cheats/engines.ts';
import { startProvider, type TestProviderInit, testSampler } from '../../support/market.ts';
import { startRouter, type Tamper, type TestRouter, withTamperedAnswers } from '../../support/router.ts';
import { createScriptedEngine } from '../../support/scripted-engine.ts';

const sampler = { ...testSampler, maxTokens: 64 };
const seed = seedOfNumber(1n);

interface RoutedAnswer {
  readonly answer: Answer;
  /** What the person saw, and the whole answer of an honest provider. */
  readonly shown: string;
  readonly text: string;
  readonly ids: readonly PeerIdString[];
  readonly router: TestRouter;
}

/** The answer of a router whose first provider is lost after 40 tokens; then `cheat` is asked, then an honest one. */
async function askBroken(context: TestContext, cheat: TestProviderInit): Promise<RoutedAnswer> {
  const plan = new BreakPlan();
  const { tokenizer } = createScriptedEngine();
  const inits: readonly TestProviderInit[] = [{}, cheat, {}];
  const providers = await Promise.all(
    inits.map(({ wrapPeer = (peer) => peer, ...init }, at) =>
      startProvider(context, {
        offering: { tokensPerSecond: 10_000 - 3_000 * at },
        wrapPeer: (peer) => breakingPeer(wrapPeer(peer), plan, tokenizer),
        ...init,
      }),
    ),
  );
  const ids = providers.map(({ peer }) => peer.id);
  const engines = [createScriptedEngine()];
  const router = await startRouter(context, { providers, engines, reputation: forgivingReputation() });
  const asker = await startAsker(context, { providers });
  const { text } = await asker.ask({ sampler, seed, provider: ids[2], verify: 'none' });
  asker.told.length = 0;
  plan.set(seed, [40]);
  const target = { target: router.address, optional: false };
  const answer = await asker.ask({ model: 'scripted', sampler, seed, router: target });
  const shown = asker.told.flatMap((line) => (line.startsWith('text ') ? [line.slice(5)] : [])).join('');
  return { answer, shown, text, ids, router };
}

function onTheWire(tamper: Tamper): TestProviderInit {
  return { wrapPeer: (peer) => withTamperedAnswers(peer, tamper) };
}

describe('a provider that continues an answer behind a router', { concurrency: 3 }, () => {
  const cheats: readonly (readonly [what: string, cheat: TestProviderInit, fault: FaultCode])[] = [
    ['repeats its last token', cheatingBehind((before) => before.slice(0, -1)), 'sampler-mismatch'],
    ['skips a token', cheatingBehind((before) => [...before, 101]), 'sampler-mismatch'],
    [
      'answers another continuation than it accepted',
      { engine: behindAnother(createScriptedEngine(), (before) => [...before.slice(0, -1), 99]) },
      'exact-mismatch',
    ],
    [
      'computes with another model',
      { engine: disguised(createScriptedEngine({ weights: 'cheap' }), createScriptedEngine()) },
      'exact-mismatch',
    ],
  ];
  for (const [what, cheat, fault] of cheats)
    it(`and ${what} is named, the whole fails, and the one before it is not blamed`, async (context) => {
      const { answer, ids, router } = await askBroken(context, cheat);
      const { verification, atFault, earlier } = answer;
      assert.deepEqual([verification.result, verification.faults, atFault], ['fail', [fault], ids[1]]);
      assert.deepEqual([answer.provider, earlier[0]?.provider], [ids[1], ids[0]]);
      const [first, second] = ids.map((id) => router.reputation.standing(id));
      assert.deepEqual([first?.faults, second?.lastFault], [0, fault]);
    });

  const passedOver: readonly (readonly [what: string, tamper: Tamper, parts: number])[] = [
    ['skips an index', skippingAnIndex, 1],
    ['repeats a piece', repeatingAPiece(), 2],
    ['accepts another continuation', acceptingAnother, 1],
  ];
  for (const [what, tamper, parts] of passedOver)
    it(`and ${what} on the wire is passed over for the next one`, async (context) => {
      const { answer, shown, text, ids } = await askBroken(context, onTheWire(tamper));
      assert.deepEqual([shown, answer.text], [text, text]);
      assert.deepEqual([answer.provider, answer.earlier.length, answer.verification.tier], [ids[2], parts, 'exact']);
    });
});
