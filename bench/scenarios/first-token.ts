import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import { setTimeout as pause } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { verifyCard } from '../../src/node/cards.ts';
import { targetPeer } from '../../src/node/addresses.ts';
import type { Peer } from '../../src/node/peer.ts';
import { drawsOf, pickToken, selectCandidates } from '../../src/proofs/sampler.ts';
import { createScriptedEngine } from '../../test/support/scripted-engine.ts';
import { median, type Scenario, spread } from '../report.ts';
import { benchInput, benchSampler, type Offerer, openBenchJob, startClient } from '../support/nodes.ts';

const rounds = 60;
const warmUp = 15;
/** After it the two sides of a new connection have told each other who they are. */
const introducedMs = 250;
const seed = new Uint8Array(32);

/** A provider in a process of its own. */
async function spawnProvider(): Promise<Offerer & { stop(): void }> {
  const child = spawn(process.execPath, [fileURLToPath(new URL('../support/scripted-provider.ts', import.meta.url))], { stdio: ['pipe', 'pipe', 'inherit'] });
  const [line] = (await once(createInterface({ input: child.stdout }), 'line')) as [string];
  const { address, body, sig } = JSON.parse(line) as { readonly address: string; readonly body: string; readonly sig: string };
  const signed = { body: Uint8Array.from(Buffer.from(body, 'base64')), sig: Uint8Array.from(Buffer.from(sig, 'base64')) };
  const card = verifyCard(signed, { peer: targetPeer(address), network: 'bench', now: Date.now() });
  return { address, card, stop: () => child.stdin.end() };
}

/** From the question to the first token, over the network. */
async function askedMs(client: Peer, provider: Offerer): Promise<number> {
  const start = performance.now();
  let first: number | null = null;
  const { job } = await openBenchJob(client, provider, { seed, sampler: { ...benchSampler, maxTokens: 4 } });
  for await (const frame of job.frames()) if (frame.t === 'tokens' && frame.tokens.length > 0) first ??= performance.now() - start;
  await job.close();
  if (first === null) throw new Error('no token came');
  return first;
}

/** From the question to the first token, of the engine itself. */
async function directMs(engine: ReturnType<typeof createScriptedEngine>): Promise<number> {
  const start = performance.now();
  const session = await engine.open();
  const top = await session.prefill(engine.tokenizer.encodePrompt(benchInput), benchSampler.topK);
  const { candidates } = selectCandidates(top, benchSampler.topK, engine.facts.vocab);
  pickToken(candidates, benchSampler, drawsOf(seed)(0));
  const ms = performance.now() - start;
  await session.release();
  return ms;
}

export const scenario: Scenario = async () => {
  const engine = createScriptedEngine();
  const provider = await spawnProvider();
  const client = await startClient();
  const times = { direct: [] as number[], cold: [] as number[], warm: [] as number[] };
  for (let round = -warmUp; round < rounds; round++) {
    await client.disconnect(provider.card.peer);
    await pause(50);
    const direct = await directMs(engine);
    const cold = await askedMs(client, provider);
    await pause(introducedMs);
    const warm = await askedMs(client, provider);
    if (round < 0) continue;
    times.direct.push(direct);
    times.cold.push(cold);
    times.warm.push(warm);
  }
  await client.stop();
  provider.stop();
  const added = (values: readonly number[]): number[] => values.map((value, round) => value - (times.direct[round] ?? Number.NaN));
  const figure = (name: string, values: readonly number[], atMost: number) => ({ name, value: median(added(values)), unit: 'ms', goal: { atMost }, details: { rounds, ...spread('addedMs', added(values)), ...spread('directMs', times.direct) } });
  return [figure('added to the first token, new connection', times.cold, 30), figure('added to the first token, warm connection', times.warm, 3)];
};
