import type { TestContext } from 'node:test';
import { seedOfNumber } from '../../src/protocol/digests.ts';
import { startAsker } from '../../test/support/asking.ts';
import { BreakPlan, breakingPeer, forgivingReputation } from '../../test/support/breaking.ts';
import { startProvider, type TestProvider, testSampler } from '../../test/support/market.ts';
import { startMarketProcess } from '../../test/support/market-process.ts';
import { createScriptedEngine } from '../../test/support/scripted-engine.ts';
import { type Figure, median, type Scenario, spread } from '../report.ts';

const kills = Number(process.env.QVAC_BENCH_KILLS ?? 1_000);
const freezes = 5;
const seeds = 8;
const sampler = { ...testSampler, maxTokens: 64 };

/** What the supports of the tests need of a test: what they start ends with `work`. */
async function withContext<Value>(work: (context: TestContext) => Promise<Value>): Promise<Value> {
  const endings: (() => unknown)[] = [];
  const context = { after: (end: () => unknown) => void endings.push(end) } as unknown as TestContext;
  try {
    return await work(context);
  } finally {
    for (const end of endings.toReversed()) await end();
  }
}

/** Answers whose provider is killed after each number of tokens in turn, on real nodes in this process. */
function killFigures(): Promise<readonly Figure[]> {
  return withContext(async (context) => {
    let brokeAt = 0;
    const plan = new BreakPlan(() => (brokeAt = performance.now()));
    const providers: TestProvider[] = [];
    for (const tokensPerSecond of [10_000, 1_000]) {
      const engine = createScriptedEngine();
      const wrapPeer = (peer: TestProvider['peer']): TestProvider['peer'] => breakingPeer(peer, plan, engine.tokenizer);
      const provider = { perSecond: 1e6, burst: 1e6 };
      providers.push(await startProvider(context, { engine, offering: { tokensPerSecond }, wrapPeer, provider }));
    }
    const asker = await startAsker(context, { providers, reputation: forgivingReputation() });
    const whole: string[] = [];
    for (let seed = 0; seed < seeds; seed++)
      whole.push((await asker.ask({ sampler, seed: seedOfNumber(BigInt(seed)), verify: 'none' })).text);
    const pausesMs: number[] = [];
    let astray = 0;
    for (let time = 0; time < kills; time++) {
      const seed = seedOfNumber(BigInt(time % seeds));
      plan.set(seed, [1 + (time % (sampler.maxTokens - 1))]);
      brokeAt = 0;
      let next = 0;
      const onText = (): void => {
        // What had been sent before may still arrive.
        if (next === 0 && isLost(asker.told)) next = performance.now();
      };
      asker.told.length = 0;
      const { text, tokens } = await asker.ask({ sampler, seed, verify: 'none' }, { onText });
      const isWhole = text === whole[time % seeds] && text === shown(asker.told);
      astray += isWhole ? Math.abs(tokens - sampler.maxTokens) : sampler.maxTokens;
      pausesMs.push(next - brokeAt);
    }
    return [
      {
        name: 'continue: tokens lost or doubled',
        value: astray + plan.left,
        unit: 'tokens',
        goal: { atMost: 0 },
        details: { kills },
      },
      {
        name: 'continue: from a broken stream to the next token',
        value: median(pausesMs),
        unit: 'ms',
        goal: { atMost: 1_000 },
        details: spread('pauseMs', pausesMs),
      },
    ];
  });
}

function isLost(told: readonly string[]): boolean {
  return told.some((line) => line.startsWith('broke off'));
}

function shown(told: readonly string[]): string {
  return told.flatMap((line) => (line.startsWith('text ') ? [line.slice(5)] : [])).join('');
}

/** The process of the provider is stopped in the middle of its answer, so that neither frames nor pings come. */
async function freezeFigure(): Promise<Figure> {
  const pausesMs: number[] = [];
  for (let time = 0; time < freezes; time++)
    await withContext(async (context) => {
      const lost = await startMarketProcess(context, { role: 'provider', stepMs: 20 });
      const second = await startProvider(context, { offering: { tokensPerSecond: 1 } });
      const asker = await startAsker(context, { providers: [lost, second] });
      let [frozenAt, nextAt] = [0, 0];
      const onText = (): void => {
        if (frozenAt === 0) {
          lost.child.kill('SIGSTOP');
          frozenAt = performance.now();
        } else if (nextAt === 0 && isLost(asker.told)) nextAt = performance.now();
      };
      await asker.ask({ sampler, verify: 'none' }, { onText });
      pausesMs.push(nextAt - frozenAt);
    });
  return {
    name: 'continue: from a frozen process to the next token',
    value: median(pausesMs),
    unit: 'ms',
    goal: { atMost: 5_000 },
    details: spread('pauseMs', pausesMs),
  };
}

/** A provider that is lost in the middle of an answer, which another one continues (protocol section 4.6). */
export const scenario: Scenario = async () => [...(await killFigures()), await freezeFigure()];
