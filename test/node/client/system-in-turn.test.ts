import assert from 'node:assert/strict';
import { test } from 'node:test';
import { systemInTurn } from '../../../src/protocol/input/system-in-turn.ts';
import { startAsker } from '../../support/asking.ts';
import { startProvider } from '../../support/market.ts';
import { inputOf } from '../../support/models/inputs.ts';
import { startRouter } from '../../support/router.ts';
import { createScriptedEngine } from '../../support/scripted-engine.ts';

const input = inputOf([
  { role: 'system', content: 'Be brief.' },
  { role: 'user', content: 'Why is the sky blue?' },
]);
const merged = [{ role: 'user', content: 'Be brief.\n\nWhy is the sky blue?' }];

test('a system message goes into the first turn for a card that says so, and the answer is checked as asked', async (context) => {
  const plain = await startProvider(context);
  const without = await startProvider(context, { offering: { can: [systemInTurn] } });
  const asker = await startAsker(context, { providers: [plain, without], engines: [createScriptedEngine()] });
  for (const [provider, messages] of [
    [plain, input.messages],
    [without, merged],
  ] as const) {
    const answer = await asker.ask({ input, provider: provider.address });
    assert.deepEqual([answer.verification.result, answer.verification.tier], ['pass', 'exact']);
    const [receipt] = provider.receipts.values();
    assert.deepEqual(receipt?.input?.messages, messages);
  }
});

test('a router puts it there, too, and its client expects that', async (context) => {
  const provider = await startProvider(context, { offering: { can: [systemInTurn] } });
  const engines = [createScriptedEngine()];
  const router = await startRouter(context, { providers: [provider], engines });
  const asker = await startAsker(context, { engines });
  const answer = await asker.ask({ input, model: 'scripted', router: { target: router.address, optional: false } });
  assert.deepEqual([answer.router, answer.verification.tier], [router.peer.id, 'exact']);
  const [kept] = asker.receipts.values();
  assert.deepEqual(kept?.input?.messages, merged);
});
