import assert from 'node:assert/strict';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { type Receipt, serialiseReceipt } from '../../src/proofs/receipt.ts';
import { runInProcess } from '../support/cli.ts';
import { temporaryHome } from '../support/home.ts';
import { openTestJob, receiveAll, startProvider } from '../support/market.ts';
import { startRouter } from '../support/router.ts';
import { createScriptedEngine, type ScriptedInit } from '../support/scripted-engine.ts';

type Context = Parameters<typeof startProvider>[0];

interface Printed {
  readonly result: string;
  readonly tier: string;
  readonly checks: readonly { readonly name: string; readonly result: string; readonly detail: string }[];
}

/** `qvac verify --auditor` on the answer of a provider that runs `script`. */
async function audit(
  context: Context,
  script: ScriptedInit,
  challenged = true,
): Promise<{ readonly code: number; readonly printed: Printed }> {
  const home = await temporaryHome(context);
  const provider = await startProvider(context, { script });
  const { job, secret } = await openTestJob(context, provider);
  await receiveAll(job);
  if (challenged) await job.challenge(secret);
  const receipt: Receipt = job.received.receipt([]);
  const file = join(home, 'receipt.json');
  await writeFile(file, serialiseReceipt(receipt));
  const auditor = await startRouter(context, { engines: [createScriptedEngine()] });
  const { code, stdout, stderr } = await runInProcess([
    'verify',
    file,
    '--json',
    '--auditor',
    auditor.address,
    '--home',
    home,
    '--private',
    'test',
    '--no-mdns',
  ]);
  assert.notEqual(stdout, '', stderr);
  return { code, printed: JSON.parse(stdout) as Printed };
}

describe('qvac verify --auditor', () => {
  it('adds the verdict of a router that recomputed the answer', async (context) => {
    const { code, printed } = await audit(context, {});
    assert.deepEqual([code, printed.result, printed.tier], [0, 'pass', 'exact']);
    assert.deepEqual([printed.checks.at(-1)?.name, printed.checks.at(-1)?.result], ['audit', 'pass']);
  });

  it('fails if the auditor finds a worse model', async (context) => {
    const { code, printed } = await audit(context, { damage: 0.5 });
    assert.deepEqual([code, printed.result], [6, 'fail']);
    assert.match(printed.checks.at(-1)?.detail ?? '', /exact-mismatch/);
  });

  it('leaves an answer without an opening inconclusive', async (context) => {
    const { printed } = await audit(context, {}, false);
    assert.equal(printed.result, 'inconclusive');
  });
});
