import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import { setTimeout as pause } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { verifyCard } from '../../src/node/cards/cards.ts';
import { targetPeer } from '../../src/node/peer/addresses.ts';
import type { Peer } from '../../src/node/peer/peer.ts';
import { drawsOf, pickToken, selectCandidates } from '../../src/proofs/sampling/sampler.ts';
import { createScriptedEngine } from '../../test/support/scripted-engine.ts';
import { type Figure, median, type Scenario, spread } from '../report.ts';
import { benchInput, benchSampler, type Offerer, openBenchJob, startClient } from '../support/nodes.ts';

const rounds = 50;
const warmUpRounds = 5;
/** Jobs until both processes have compiled what they run often. */
const warmUpJobs = 300;
const warmPerRound = 5;
/** After it the two sides of a new connection have told each other who they are. */
const introducedMs = 250;
const idleMs = 20;
const seed = new Uint8Array(32);

/** A provider in a process of its own. */
async function spawnProvider(): Promise<Offerer & { stop(): void }> {
  const child = spawn(process.execPath, [fileURLToPath(new URL('../support/scripted-provider.ts', import.meta.url))], {
    stdio: ['pipe', 'pipe', 'inherit'],
  });
  const [line] = (await once(createInterface({ input: child.stdout }), 'line')) as [string];
  const { address, body, sig } = JSON.parse(line) as {
    readonly address: string;
    readonly body: string;
    readonly sig: string;
  };
  const signed = {
    body: Uint8Array.from(Buffer.from(body, 'base64')),
    sig: Uint8Array.from(Buffer.from(sig, 'base64')),
  };
  const card = verifyCard(signed, { peer: targetPeer(address), network: 'bench', now: Date.now() });
  return { address, card, stop: () => child.stdin.end() };
}

/** From the question to the first token, over the network. */
async function askedMs(client: Peer, provider: Offerer): Promise<number> {
  const start = performance.now();
  let first: number | null = null;
  const { job } = await openBenchJob(client, provider, { seed, sampler: { ...benchSampler, maxTokens: 4 } });
  for await (const frame of job.frames())
    if (frame.t === 'tokens' && frame.tokens.length > 0) first ??= performance.now() - start;
  await job.close();
  if (first === null) throw new Error('no token came');
  return first;
}

/** From the question to the first token, of the engine itself. */
async function directMs(engine: ReturnType<typeof createScriptedEngine>): Promise<number> {
  const start = performance.now();
  const session = await engine.open();
  const top = await session.prefill(engine.tokenizer.encodePrompt(benchInput).tokens, benchSampler.topK);
  const { candidates } = selectCandidates(top, benchSampler.topK);
  pickToken(candidates, benchSampler, drawsOf(seed)(0));
  const ms = performance.now() - start;
  await session.release();
  return ms;
}

export const scenario: Scenario = async () => {
  const engine = createScriptedEngine();
  const provider = await spawnProvider();
  const client = await startClient();
  const direct: number[] = [];
  const added = { cold: [] as number[], warm: [] as number[], idle: [] as number[] };
  for (let job = 0; job < warmUpJobs; job++) {
    await directMs(engine);
    await askedMs(client, provider);
  }
  for (let round = -warmUpRounds; round < rounds; round++) {
    await client.disconnect(provider.card.peer);
    await pause(idleMs);
    const own = await directMs(engine);
    const cold = (await askedMs(client, provider)) - own;
    await pause(introducedMs);
    const idle = (await askedMs(client, provider)) - own;
    const warm: number[] = [];
    for (let job = 0; job < warmPerRound; job++) warm.push((await askedMs(client, provider)) - own);
    if (round < 0) continue;
    direct.push(own);
    added.cold.push(cold);
    added.idle.push(idle);
    added.warm.push(...warm);
  }
  await client.stop();
  provider.stop();
  const figure = (name: string, values: readonly number[], atMost: number, more: Figure['details'] = {}): Figure => ({
    name,
    value: median(values),
    unit: 'ms',
    goal: { atMost },
    details: { jobs: values.length, ...spread('addedMs', values), ...more, ...spread('directMs', direct) },
  });
  return [
    figure('added to the first token, new connection', added.cold, 30),
    // One question after another; the first after a pause also waits for the processors to wake up.
    figure('added to the first token, warm connection', added.warm, 3, spread('afterPauseMs', added.idle)),
  ];
};
