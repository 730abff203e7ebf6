import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { QvacError } from '../../../../src/errors.ts';
import type { Answer } from '../../../../src/node/client/answer.ts';
import { assess } from '../../../../src/proofs/checks.ts';
import { signBody } from '../../../../src/proofs/signing.ts';
import { jobIdHex } from '../../../../src/protocol/digests.ts';
import { kinds, type Verdict } from '../../../../src/protocol/messages.ts';
import { decodeVerdict, encodeVerdict } from '../../../../src/protocol/validate.ts';
import { startAsker } from '../../../support/asking.ts';
import { startProvider } from '../../../support/market.ts';
import { startRouter, type TestRouterInit } from '../../../support/router.ts';
import { createScriptedEngine } from '../../../support/scripted-engine.ts';

type Context = Parameters<typeof startProvider>[0];
type Tamper = NonNullable<TestRouterInit['tamper']>;

async function askThrough(
  context: Context,
  init: TestRouterInit,
  verify: 'none' | 'sampling' | 'full' = 'full',
): Promise<Answer> {
  const provider = await startProvider(context);
  const router = await startRouter(context, { providers: [provider], engines: [createScriptedEngine()], ...init });
  const asker = await startAsker(context);
  return asker.ask({ model: 'scripted', verify, router: { target: router.address, optional: false } });
}

/** A router that signs any verdict it is given. */
function claims(change: (verdict: Verdict) => Verdict): Tamper {
  return (frame, peer) => {
    if (frame.t !== 'verdict') return [frame];
    const verdict = change(decodeVerdict(frame.body));
    return [{ t: 'verdict', ...signBody(peer.key, kinds.verdict, jobIdHex(verdict.jobId), encodeVerdict(verdict)) }];
  };
}

describe('a client, through a router', () => {
  it('reports what the router re-executed as verified, with the router’s name', async (context) => {
    const { verification, why } = await askThrough(context, {});
    assert.deepEqual([verification.result, verification.tier], ['pass', 'exact']);
    assert.match(why ?? '', /by router 12D3Koo/);
  });

  it('ignores a pass over an opening that it has not seen', async (context) => {
    const hidden: Tamper = (frame) => (frame.t === 'opening' ? [] : [frame]);
    const { verification } = await askThrough(context, { tamper: hidden });
    assert.equal(verification.result, 'inconclusive');
    assert.notEqual(verification.tier, 'exact');
  });

  it('stores the reported verdict last: the router’s if it counts, otherwise its own', async (context) => {
    const hidden: Tamper = (frame) => (frame.t === 'opening' ? [] : [frame]);
    for (const [tamper, last] of [
      [undefined, 'router'],
      [hidden, 'own'],
      [claims((verdict) => ({ ...verdict, result: 'fail', tier: 'sampling', faults: ['silence'] })), 'own'],
    ] as const) {
      const provider = await startProvider(context);
      const router = await startRouter(context, { providers: [provider], engines: [createScriptedEngine()], tamper });
      const asker = await startAsker(context);
      const { receipt, verification } = await asker.ask({
        model: 'scripted',
        verify: 'full',
        router: { target: router.address, optional: false },
      });
      const verdicts = (asker.receipts.get(receipt ?? assert.fail('no receipt'))?.verdicts ?? []).map(({ body }) =>
        decodeVerdict(body),
      );
      const { result, tier, verifier } = verdicts.at(-1) ?? assert.fail('no verdict');
      assert.deepEqual([result, tier], [verification.result, verification.tier]);
      assert.deepEqual(verifier, (last === 'own' ? asker : router).peer.key.publicKey);
      assert.equal(verdicts.length, last === 'own' ? 2 : 1);
    }
  });

  it('relies on its own verdict for what it can check itself', async (context) => {
    for (const fault of ['bad-opening', 'sampler-mismatch', 'silence', 'bad-signature'] as const) {
      const { verification } = await askThrough(context, {
        tamper: claims((verdict) => ({ ...verdict, result: 'fail', tier: 'sampling', faults: [fault] })),
      });
      assert.deepEqual([verification.result, verification.faults], ['pass', []], fault);
    }
  });

  it('fails on an answer that the provider broke off, with a receipt of what arrived', async (context) => {
    const provider = await startProvider(context, {
      script: {
        beforeStep: async (i) => {
          if (i === 5) throw new Error('out of memory');
        },
      },
    });
    const router = await startRouter(context, { providers: [provider] });
    const asker = await startAsker(context);
    await assert.rejects(
      asker.ask({ model: 'scripted', router: { target: router.address, optional: false } }),
      (error) =>
        error instanceof QvacError &&
        error.code === 'E_FAILED' &&
        /broke off after 5 tokens/.test(error.message) &&
        /receipts show/.test(error.hint ?? ''),
    );
    const [receipt = assert.fail('no receipt')] = asker.receipts.values();
    // A router does not have it opened: the secret is needed for the next provider.
    assert.deepEqual([receipt.tokens.length, assess(receipt, {}).result], [5, 'inconclusive']);
  });

  it('relies on the router’s verdict for what needs the model', async (context) => {
    for (const [tier, fault] of [
      ['text', 'prompt-mismatch'],
      ['exact', 'exact-mismatch'],
      ['statistical', 'draws-far'],
    ] as const) {
      const { verification } = await askThrough(context, {
        tamper: claims((verdict) => ({ ...verdict, result: 'fail', tier, faults: [fault] })),
      });
      assert.deepEqual([verification.result, verification.faults], ['fail', [fault]]);
    }
  });
});
