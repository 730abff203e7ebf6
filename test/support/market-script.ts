// A provider or a client in a separate process. Its one argument is a `MarketScript` in JSON; it prints {address} once
// it runs, and a client {streaming: true} when the first text arrives.
import type { TestContext } from 'node:test';
import { setTimeout } from 'node:timers/promises';
import { startAsker } from './asking.ts';
import { startProvider, testSampler } from './market.ts';
import type { MarketScript } from './market-process.ts';

const what = JSON.parse(process.argv[2] ?? '{}') as MarketScript;
// Nothing is cleaned up: the process is killed.
const context = { after: () => undefined } as unknown as TestContext;

function say(value: unknown): void {
  process.stdout.write(`${JSON.stringify(value)}\n`);
}

if (what.role === 'provider') {
  const { address } = await startProvider(context, {
    script: { beforeStep: (_i, signal) => setTimeout(what.stepMs, undefined, { signal }) },
  });
  say({ address });
} else {
  const asker = await startAsker(context, { providers: [{ address: what.address }] });
  say({ address: '' });
  await asker.ask({ sampler: { ...testSampler, maxTokens: 1_000 } }, { onText: () => say({ streaming: true }) });
}
