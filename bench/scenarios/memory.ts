import { setTimeout as pause } from 'node:timers/promises';
import { testModel } from '../../test/support/models.ts';
import { median, rounded, type Scenario } from '../report.ts';
import { silentObserver, withMarket } from '../support/asking.ts';
import { benchContext } from '../support/engines.ts';
import { residentMemory, type Served } from '../support/serve.ts';

const [few, many] = [20, 200];
const answerTokens = 12;
const samples = 9;

/** The middle of some readings: one alone depends on when garbage was last collected. */
async function memoryOf({ pid }: Served): Promise<{ readonly all: number; readonly anonymous: number }> {
  const readings: { readonly all: number; readonly anonymous: number }[] = [];
  for (let sample = 0; sample < samples; sample++) {
    readings.push(await residentMemory(pid));
    await pause(100);
  }
  return { all: median(readings.map(({ all }) => all)), anonymous: median(readings.map(({ anonymous }) => anonymous)) };
}

export const scenario: Scenario = async () => {
  const { path } = await testModel('q4_1');
  return await withMarket(
    { serve: ['--model', path, '--context', String(benchContext)], maxTokens: answerTokens },
    async ({ served, client }) => {
      const ask = async (from: number, to: number): Promise<void> => {
        for (let job = from; job < to; job++) {
          const messages = [{ role: 'user', content: `Tell me something about the number ${job}.` }];
          const answer = await client.ask({ messages, seed: BigInt(job) }, silentObserver);
          if (answer.verification.result === 'fail')
            throw new Error(`job ${job} failed: ${answer.verification.faults.join(' ')}`);
        }
      };
      await ask(0, few);
      const before = await memoryOf(served);
      await ask(few, many);
      const after = await memoryOf(served);
      const details = {
        model: 'q4_1',
        answerTokens,
        afterFewMib: rounded(before.all),
        afterManyMib: rounded(after.all),
        anonymousAfterFewMib: rounded(before.anonymous),
        anonymousAfterManyMib: rounded(after.anonymous),
        kibPerJob: rounded(((after.all - before.all) * 1024) / (many - few)),
      };
      return [
        {
          name: `memory of serve, ${many} jobs ÷ ${few} jobs`,
          value: after.all / before.all,
          unit: '',
          goal: { atMost: 1.1 },
          details,
        },
      ];
    },
  );
};
