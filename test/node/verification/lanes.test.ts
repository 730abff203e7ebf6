import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { answerWith } from '../../../bench/support/local-job.ts';
import { silentLogger } from '../../../src/lib/log.ts';
import type { Engine, EngineSession } from '../../../src/model/engine.ts';
import { createTurns } from '../../../src/node/verification/turns.ts';
import { createVerifier } from '../../../src/node/verification/verifier.ts';
import type { Receipt } from '../../../src/proofs/receipt.ts';
import { createScriptedEngine, type ScriptedEngine } from '../../support/scripted-engine.ts';

const sampler = { temperature: 70, minP: 5, topP: 100, topK: 20 };

function answer(claimed: Engine, question: string): Promise<Receipt> {
  return answerWith(claimed, { claimed, question, sampler: { ...sampler, maxTokens: 8 }, number: 1 });
}

/** `engine`, whose re-executions of prompts beyond 1,024 tokens wait until `open` is called. */
function gated(engine: ScriptedEngine): { readonly engine: Engine; readonly begun: Promise<void>; open(): void } {
  const [begun, opened] = [Promise.withResolvers<void>(), Promise.withResolvers<void>()];
  const held = new Proxy(engine, {
    get(target, key) {
      if (key !== 'open') return Reflect.get(target, key, target) as unknown;
      return async (...given: Parameters<Engine['open']>): Promise<EngineSession> => {
        const session = await target.open(...given);
        return {
          ...session,
          async replay(rendering, ...rest) {
            if (rendering.length > 1_024) {
              begun.resolve();
              await opened.promise;
            }
            return await session.replay(rendering, ...rest);
          },
        };
      };
    },
  });
  return { engine: held, begun: begun.promise, open: () => opened.resolve() };
}

describe('the places of re-executions', () => {
  it('keep one for short answers, and go first come first served otherwise', async () => {
    const turns = createTurns(3);
    const order: string[] = [];
    const take = async (name: string, isShort: boolean): Promise<() => void> => {
      const give = await turns.take(isShort);
      order.push(name);
      return give;
    };
    const [one, two] = [await take('long 1', false), await take('long 2', false)];
    const third = take('long 3', false);
    const short = await take('short 1', true);
    const another = take('short 2', true);
    two();
    await third;
    short();
    await another;
    assert.deepEqual(order, ['long 1', 'long 2', 'short 1', 'long 3', 'short 2']);
    one();
    one();
    // Given back twice counts once: two places are taken, and a long one is free.
    await take('long 4', false);
    let isTaken = false;
    void turns.take(true).then(() => (isTaken = true));
    await new Promise((resolve) => setImmediate(resolve));
    assert.equal(isTaken, false);
  });

  it('lose who leaves the line', async () => {
    const turns = createTurns(1);
    const give = await turns.take(false);
    const leaving = new AbortController();
    const gone = turns.take(false, { signal: leaving.signal });
    const next = turns.take(true);
    leaving.abort(new Error('gone'));
    await assert.rejects(gone, /gone/);
    give();
    (await next)();
    await assert.rejects(turns.take(true, { signal: AbortSignal.abort(new Error('before')) }), /before/);
  });
});

describe('a verifier', () => {
  it('checks a short answer while a long check is under way', async () => {
    const { engine, begun, open } = gated(createScriptedEngine({ slots: 2 }));
    const verifier = createVerifier({ models: [{ engine, calibration: null }], logger: silentLogger });
    const [long, short] = [await answer(engine, 'long '.repeat(300)), await answer(engine, 'short')];
    let isLongDone = false;
    const longCheck = verifier.check(long, 'full').then((found) => {
      isLongDone = true;
      return found;
    });
    await begun;
    const found = await verifier.check(short, 'full');
    assert.deepEqual([found.result, found.tier, isLongDone], ['pass', 'exact', false]);
    open();
    assert.equal((await longCheck).tier, 'exact');
  });

  it('gives its place back if a check is given up', async () => {
    const { engine, begun, open } = gated(createScriptedEngine({ slots: 1 }));
    const verifier = createVerifier({ models: [{ engine, calibration: null }], logger: silentLogger });
    const long = await answer(engine, 'long '.repeat(300));
    const [first, impatient] = [verifier.check(long, 'full'), new AbortController()];
    await begun;
    const second = verifier.check(long, 'full', { until: impatient.signal });
    impatient.abort();
    assert.equal((await second).result, 'inconclusive');
    open();
    assert.equal((await first).result, 'pass');
    assert.equal((await verifier.check(long, 'full')).result, 'pass');
  });
});
