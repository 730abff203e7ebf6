import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { assess } from '../../../src/proofs/checks.ts';
import { startProvider } from '../../support/market.ts';
import { askRouter, receiveAnswer, startRouter } from '../../support/router.ts';
import { createScriptedEngine } from '../../support/scripted-engine.ts';

describe('an honest router', () => {
  it('passes an answer on, has it opened, re-executes it and signs what it found', async (context) => {
    const provider = await startProvider(context);
    const router = await startRouter(context, { providers: [provider], engines: [createScriptedEngine()] });
    const question = await askRouter(context, router, { verify: 'full' });
    const answer = await receiveAnswer(question);

    assert.deepEqual(answer.picked, [provider.peer.id]);
    assert.equal(answer.refused, null);
    assert.equal(answer.receipt.tokens.length, 40);
    assert.equal(answer.verdict?.verdict.result, 'pass');
    assert.equal(answer.verdict.verdict.tier, 'exact');
    assert.equal(assess(answer.receipt, {}).result, 'pass');
    assert.equal(router.reputation.standing(provider.peer.id).verified > 0.9, true);
  });
});
