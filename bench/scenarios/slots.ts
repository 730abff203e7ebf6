import type { Engine } from '../../src/model/engine.ts';
import type { Receipt } from '../../src/proofs/receipt.ts';
import { type TestModelKind, testModel } from '../../test/support/models.ts';
import { type Figure, median, type Scenario, spread } from '../report.ts';
import { type Market, silentObserver, withMarket } from '../support/asking.ts';
import { type BareSlots, openBareSlots } from '../support/bare-slots.ts';
import { cpuMs } from '../support/cpu.ts';
import { withEngines } from '../support/engines.ts';
import { type LlamaServer, startLlamaServer } from '../support/llama-server.ts';
import { cpuMsOf } from '../support/serve.ts';

const jobCounts: readonly number[] = [1, 4, 8];
const slots = 8;
const context = 512;
const steps = 48;
const rounds = 3;
/** A `llama-server` of the same llama.cpp to compare with: `QVAC_BENCH_LLAMA_SERVER=PATH npm run bench -- slots`. */
const serverPath = process.env.QVAC_BENCH_LLAMA_SERVER;

const question = 'Write a long story about a lighthouse keeper who finds a map, and of every day of the journey.';

interface Parties {
  readonly engine: Engine;
  readonly bare: BareSlots;
  readonly market: Market;
  readonly servers: ReadonlyMap<number, LlamaServer>;
}

/** CPU milliseconds a token. */
interface Measured {
  /** Decoding alone, without the prompts. */
  readonly engine: number[];
  readonly bare: number[];
  readonly server: number[];
  /** Whole answers of the real processes. */
  readonly serve: number[];
  readonly serverWhole: number[];
}

/** Steps of as many jobs of our engine at once. */
async function engineCpu(engine: Engine, jobs: number, prompt: readonly number[]): Promise<number> {
  const sessions = await Promise.all(Array.from({ length: jobs }, () => engine.open()));
  for (const session of sessions) await session.prefill(prompt, 20);
  const { ms } = await cpuMs(() =>
    Promise.all(
      sessions.map(async (session, at) => {
        let token = 100 + at;
        for (let step = 0; step < steps; step++) token = (await session.decode(token, 20)).ids[0] ?? 0;
      }),
    ),
  );
  await Promise.all(sessions.map((session) => session.release()));
  return ms / (jobs * steps);
}

async function bareCpu(bare: BareSlots, jobs: number, prompt: readonly number[]): Promise<number> {
  await bare.prefill(jobs, prompt);
  const { ms } = await cpuMs(() => bare.decode(jobs, steps));
  return ms / (jobs * steps);
}

/** Whole answers of the `serve` process: its CPU, and the receipts. */
async function askTogether({ served, client, receipts }: Market, jobs: number, seed: number) {
  const before = await cpuMsOf(served.pid);
  const answers = await Promise.all(
    Array.from({ length: jobs }, (_, at) =>
      client.ask({ messages: [{ role: 'user', content: question }], seed: BigInt(seed * slots + at) }, silentObserver),
    ),
  );
  const ms = (await cpuMsOf(served.pid)) - before;
  const found: Receipt[] = [];
  for (const { receipt } of answers) {
    if (receipt === null) throw new Error('an answer left no receipt');
    found.push((await receipts.get(receipt)).receipt);
  }
  return { ms, receipts: found };
}

async function measure(parties: Parties, jobs: number): Promise<Measured> {
  const measured: Measured = { engine: [], bare: [], server: [], serve: [], serverWhole: [] };
  const server = parties.servers.get(jobs);
  for (let round = 0; round < rounds; round++) {
    const asked = await askTogether(parties.market, jobs, jobs * 100 + round);
    const [first] = asked.receipts;
    if (first === undefined) throw new RangeError('expected an answer');
    const { promptTokens } = first;
    const tokens = asked.receipts.reduce((sum, receipt) => sum + receipt.tokens.length, 0);
    measured.serve.push(asked.ms / tokens);
    if (server !== undefined) {
      const whole = await server.cpuMsFor(promptTokens, steps + 1);
      const prompts = await server.cpuMsFor(promptTokens, 1);
      measured.serverWhole.push(whole / (jobs * (steps + 1)));
      measured.server.push((whole - prompts) / (jobs * steps));
    }
    measured.engine.push(await engineCpu(parties.engine, jobs, promptTokens));
    measured.bare.push(await bareCpu(parties.bare, jobs, promptTokens));
  }
  return measured;
}

function ratio(name: string, ours: readonly number[], theirs: readonly number[], atMost: number | null): Figure {
  return {
    name,
    value: median(ours.map((ms, round) => ms / (theirs[round] ?? Number.NaN))),
    unit: '',
    goal: atMost === null ? null : { atMost },
    details: { ...spread('cpuMs', ours), ...spread('otherCpuMs', theirs) },
  };
}

function figuresOf(kind: TestModelKind, jobs: number, measured: Measured, alone: Measured): readonly Figure[] {
  const { engine, bare, server, serve, serverWhole } = measured;
  const what = `${jobs} ${jobs === 1 ? 'job' : 'jobs at once'}`;
  const figures = [ratio(`CPU a token, ${what}, engine ÷ binding alone, ${kind}`, engine, bare, null)];
  if (jobs > 1) figures.push(ratio(`CPU a token, ${what} ÷ 1 job, ${kind}`, engine, alone.engine, 1));
  if (server.length > 0)
    figures.push(
      ratio(`CPU a token, ${what}, engine ÷ llama-server, ${kind}`, engine, server, 1.1),
      ratio(`… whole answers of ${steps} tokens, serve ÷ llama-server, ${kind}`, serve, serverWhole, 1.1),
    );
  return figures;
}

async function withServers<Value>(
  model: string,
  work: (servers: ReadonlyMap<number, LlamaServer>) => Promise<Value>,
): Promise<Value> {
  const servers = new Map<number, LlamaServer>();
  try {
    for (const jobs of serverPath === undefined ? [] : jobCounts)
      servers.set(jobs, await startLlamaServer(serverPath ?? '', { model, slots: jobs, context }));
    return await work(servers);
  } finally {
    for (const server of servers.values()) await server.stop();
  }
}

export const scenario: Scenario = () =>
  withEngines(async (open) => {
    const figures: Figure[] = [];
    for (const kind of ['q8_0', 'q4_1'] as const) {
      const { path } = await testModel(kind);
      const engine = await open(kind, { slots, context });
      const bare = await openBareSlots(path, slots, context);
      const serve = ['--model', path, '--context', String(context), '--slots', String(slots)];
      figures.push(
        ...(await withServers(path, (servers) =>
          withMarket({ serve, maxTokens: steps }, async (market) => {
            const all: Measured[] = [];
            await measure({ engine, bare, market, servers }, 1);
            for (const jobs of jobCounts) all.push(await measure({ engine, bare, market, servers }, jobs));
            return all.flatMap((measured, at) => figuresOf(kind, jobCounts[at] ?? 0, measured, all[0] ?? measured));
          }),
        )),
      );
      await bare.dispose();
    }
    return figures;
  });
