import assert from 'node:assert/strict';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import type { Engine } from '../../src/model/engine.ts';
import { openEngine } from '../../src/model/llama.ts';
import { createRunFiles } from '../../src/node/home/run-files.ts';
import { disguised } from '../support/cheats/engines.ts';
import { runInProcess } from '../support/cli.ts';
import { temporaryHome } from '../support/home.ts';
import { startProvider } from '../support/market.ts';
import { type TestModel, tinyModel } from '../support/models.ts';
import { providerPayments, startChain } from '../support/payments.ts';
import { startRouter, type TestRouter } from '../support/router.ts';

// Before `qvac ask` rejects an answer for a numeric fault, it asks the auditor that the person names, or the router of
// the home. Real models.

interface Market {
  /** The model in question; its file is here. */
  readonly model: TestModel;
  /** An engine with that model. */
  readonly right: () => Promise<Engine>;
  /** An engine with another model of the same shape that claims to be that model. */
  readonly wrong: () => Promise<Engine>;
  /** Runs `qvac ask` on a paid provider with the wrong model. */
  ask(flags: readonly string[]): Promise<Asked>;
  readonly home: string;
}

interface Asked {
  readonly code: number;
  readonly stderr: string;
  readonly verification: { readonly result: string; readonly tier: string; readonly faults: readonly string[] };
  readonly payment: { readonly state: string; readonly paid: string; readonly burnt: string };
  /** Verdicts in the stored receipt. */
  readonly verdicts: readonly (readonly [verifier: string, result: string])[];
}

async function startMarket(context: TestContext): Promise<Market> {
  const [chain, home, model, other] = await Promise.all([
    startChain(context),
    temporaryHome(context),
    tinyModel({ kind: 'q8_0' }),
    tinyModel({ kind: 'q8_0', seed: 2 }),
  ]);
  const cacheDir = join(home, 'cache');
  const open = async ({ path, id, name }: TestModel): Promise<Engine> => {
    const engine = await openEngine({ modelPath: path, modelId: id, name, cacheDir, threads: 1, slots: 1, gpu: 'off' });
    context.after(() => engine.dispose());
    return engine;
  };
  const right = (): Promise<Engine> => open(model);
  const wrong = async (): Promise<Engine> => disguised(await open(other), await open(model));
  const provider = await startProvider(context, {
    engine: await wrong(),
    offering: { priceIn: 1_000, priceOut: 20_000 },
    payments: async (peer) => (await providerPayments(context, chain, peer)).payments,
  });
  const flags = [
    '--home',
    home,
    '--private',
    'test',
    '--no-mdns',
    '--rpc',
    chain.rpcUrl,
    '--threads',
    '1',
    '--gpu',
    'off',
    '--json',
  ];
  return {
    model,
    right,
    wrong,
    home,
    async ask(more) {
      const { code, stdout, stderr } = await runInProcess([
        'ask',
        ...flags,
        '--provider',
        provider.address,
        '--model',
        model.path,
        '--max-tokens',
        '8',
        '--max-price',
        '0.01sol',
        ...more,
        'hello',
      ]);
      const answer = JSON.parse(stdout) as Pick<Asked, 'verification' | 'payment'> & { readonly receipt: string };
      const receipt = JSON.parse(
        (await runInProcess(['receipts', 'show', answer.receipt, '--home', home, '--json'])).stdout,
      ) as { readonly verdicts: readonly { readonly verifier: string; readonly result: string }[] };
      return { ...answer, code, stderr, verdicts: receipt.verdicts.map(({ verifier, result }) => [verifier, result]) };
    },
  };
}

const auditorIn = (context: TestContext, engine: Engine): Promise<TestRouter> =>
  startRouter(context, { engines: [engine] });

test('a numeric fault that --auditor confirms is rejected', { timeout: 240_000 }, async (context) => {
  const { right, ask } = await startMarket(context);
  const auditor = await auditorIn(context, await right());
  const { code, stderr, verification, payment, verdicts } = await ask(['--auditor', auditor.address]);
  assert.deepEqual(
    [code, verification.result, verification.tier, verification.faults],
    [6, 'fail', 'exact', ['exact-mismatch']],
    stderr,
  );
  assert.deepEqual([payment.state, payment.paid, BigInt(payment.burnt) > 0n], ['rejected', '0', true]);
  assert.deepEqual([verdicts.length, verdicts[0], verdicts[1]?.[1]], [2, [auditor.peer.id, 'fail'], 'fail']);
});

test('a numeric fault that --auditor does not find is not rejected: the provider is paid', {
  timeout: 240_000,
}, async (context) => {
  const { wrong, ask } = await startMarket(context);
  const auditor = await auditorIn(context, await wrong());
  const { code, stderr, verification, payment, verdicts } = await ask(['--auditor', auditor.address]);
  assert.deepEqual([code, verification.result, verification.faults], [0, 'inconclusive', []], stderr);
  assert.deepEqual([payment.state, BigInt(payment.paid) > 0n, payment.burnt], ['confirmed', true, '0']);
  assert.deepEqual([verdicts.length, verdicts[0], verdicts[1]?.[1]], [2, [auditor.peer.id, 'pass'], 'inconclusive']);
});

test('without --auditor the router of the home is asked if it runs', { timeout: 240_000 }, async (context) => {
  const { wrong, ask, home, model } = await startMarket(context);
  const router = await auditorIn(context, await wrong());
  await createRunFiles(join(home, 'run')).write({
    role: 'router',
    peer: router.peer.id,
    addrs: [router.address],
    network: 'test',
    models: [model.id],
    startedAt: Date.now(),
  });
  const { verification, payment, verdicts, stderr } = await ask([]);
  assert.deepEqual(
    [verification.result, payment.state, verdicts.length, verdicts[0]],
    ['inconclusive', 'confirmed', 2, [router.peer.id, 'pass']],
    stderr,
  );
});
