import type { Receipt } from '../../src/proofs/receipt.ts';
import { testModel } from '../../test/support/models.ts';
import { median, type Scenario, spread } from '../report.ts';
import { type Market, silentObserver, withMarket } from '../support/asking.ts';
import { openBareLoop } from '../support/bare.ts';
import { benchContext } from '../support/engines.ts';
import { cpuMsOf } from '../support/serve.ts';

const rounds = 20;
const warmUp = 2;
const answerTokens = 128;
const question =
  'Write a long story about a lighthouse keeper who finds a map. Describe the sea, the people in the village and every day of the journey.';

interface Timed {
  readonly ms: number;
  /** Of whatever computed the tokens. */
  readonly cpuMs: number;
}

/** From the question to the final head, as who types `qvac ask` waits for it, on an open connection. */
async function askOnce(
  { served, client, receipts }: Market,
  seed: number,
): Promise<Timed & { readonly receipt: Receipt }> {
  const cpuBefore = await cpuMsOf(served.pid);
  const start = performance.now();
  let ms = Number.NaN;
  const delivered = (): void => void (ms = performance.now() - start);
  const answer = await client.ask(
    { messages: [{ role: 'user', content: question }], seed: BigInt(seed) },
    { ...silentObserver, delivered },
  );
  if (answer.verification.result === 'fail' || answer.receipt === null)
    throw new Error(`an answer failed: ${answer.verification.faults.join(' ')}`);
  return { ms, cpuMs: (await cpuMsOf(served.pid)) - cpuBefore, receipt: (await receipts.get(answer.receipt)).receipt };
}

async function timed(work: () => Promise<void>): Promise<Timed> {
  const cpu = process.cpuUsage();
  const start = performance.now();
  await work();
  const ms = performance.now() - start;
  const { user, system } = process.cpuUsage(cpu);
  return { ms, cpuMs: (user + system) / 1000 };
}

export const scenario: Scenario = async () => {
  const { path } = await testModel('q8_0');
  const bare = await openBareLoop(path);
  return await withMarket(
    { serve: ['--model', path, '--context', String(benchContext)], maxTokens: answerTokens },
    async (market) => {
      const [asked, looped]: readonly [Timed[], Timed[]] = [[], []];
      let receipt: Receipt | null = null;
      const loop = ({ promptTokens, tokens }: Receipt): Promise<Timed> => timed(() => bare.run(promptTokens, tokens));
      for (let seed = 0; asked.length < rounds + warmUp; seed++) {
        // The loop goes first every other time, with the tokens of the answer before: what drifts favours neither.
        const loopFirst = receipt !== null && asked.length % 2 === 1;
        const before = loopFirst && receipt !== null ? await loop(receipt) : null;
        const answer = await askOnce(market, seed);
        // An answer that ended by itself has another length.
        if (answer.receipt.tokens.length !== answerTokens) continue;
        receipt = answer.receipt;
        asked.push(answer);
        looped.push(before ?? (await loop(receipt)));
      }
      await bare.dispose();
      const [ours, theirs] = [asked.slice(warmUp), looped.slice(warmUp)];
      const ratios = ours.map(({ ms }, round) => (theirs[round]?.ms ?? Number.NaN) / ms);
      const cpuRatios = ours.map(({ cpuMs }, round) => (theirs[round]?.cpuMs ?? Number.NaN) / cpuMs);
      const rate = (times: readonly Timed[]): number[] => times.map(({ ms }) => (answerTokens * 1000) / ms);
      return [
        {
          name: 'tokens per second, ask ÷ bare loop',
          value: median(ratios),
          unit: '',
          goal: { atLeast: 0.98 },
          details: {
            model: 'q8_0',
            answerTokens,
            rounds,
            ...spread('ratio', ratios),
            ...spread('cpuRatio', cpuRatios),
            ...spread('askTokensPerSecond', rate(ours)),
            ...spread('bareTokensPerSecond', rate(theirs)),
          },
        },
      ];
    },
  );
};
