import { mkdtemp, rm } from 'node:fs/promises';
import { type IncomingMessage, request } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { InferenceClient, InferenceRequest } from '../../src/gateway/answer/inference-client.ts';
import { createNetworkInferenceClient } from '../../src/gateway/answer/network-inference-client.ts';
import { createGateway, type Gateway } from '../../src/gateway/gateway.ts';
import { loadAssets } from '../../src/gateway/page/assets.ts';
import { systemClock } from '../../src/lib/clock.ts';
import { silentLogger } from '../../src/lib/log.ts';
import { createDiscovery } from '../../src/node/discovery/discovery.ts';
import { createReceiptStore } from '../../src/node/home/receipt-store.ts';
import { createReputation } from '../../src/node/selection/reputation.ts';
import { createLocalVerifier } from '../../src/node/verification/local-verifier.ts';
import { testModel } from '../../test/support/models.ts';
import { createScriptedEngine, type ScriptedInit } from '../../test/support/scripted-engine.ts';
import { type Figure, median, type Scenario, spread } from '../report.ts';
import { benchInput, benchSampler, startClient, startProvider } from '../support/nodes.ts';
import { startServe } from '../support/serve.ts';

const rounds = 40;
const warmUp = 10;
const streams = 100;
const streamTokens = 64;
const paints = 7;
const modelRounds = 16;
const modelTokens = 64;
const never = new AbortController().signal;
const token = 'bench-token';

interface Market {
  readonly inference: InferenceClient;
  readonly gateway: Gateway;
}

/** Scripted providers in this process. */
async function withProviders<Value>(
  scripts: readonly ScriptedInit[],
  work: (market: Market) => Promise<Value>,
): Promise<Value> {
  const providers = await Promise.all(scripts.map((script) => startProvider(createScriptedEngine(script))));
  try {
    return await withGateway(
      providers.map(({ address }) => address),
      work,
    );
  } finally {
    await Promise.all(providers.map((provider) => provider.stop()));
  }
}

/** A gateway in this process, with the inference that it uses. */
async function withGateway<Value>(
  addresses: readonly string[],
  work: (market: Market) => Promise<Value>,
): Promise<Value> {
  const home = await mkdtemp(join(tmpdir(), 'qvac-bench-'));
  const peer = await startClient();
  const components = { peer, clock: systemClock, logger: silentLogger };
  const discovery = createDiscovery(components);
  await discovery.start();
  for (const address of addresses) await discovery.get(address);
  const reputation = createReputation(components, { path: null });
  const none = (): Promise<never> => Promise.reject(new Error('no model is here'));
  const verifier = createLocalVerifier({
    find: async () => null,
    openEngine: none,
    openTokenizer: none,
    calibration: async () => null,
    logger: silentLogger,
  });
  const receipts = createReceiptStore(join(home, 'receipts'));
  const inference = createNetworkInferenceClient({
    ...components,
    discovery,
    reputation,
    verifier,
    receipts,
    key: peer.key,
    router: async () => null,
  });
  const defaults = {
    model: null,
    provider: null,
    system: null,
    temperature: 0.7,
    topK: 20,
    minP: 0.05,
    topP: 1,
    maxTokens: 128,
    verify: 'none',
    referees: null,
    mostReferees: 0,
    maxPrice: 0,
    timeoutMs: 600_000,
  } as const;
  const gateway = createGateway(
    {
      inference,
      market: discovery,
      experience: reputation,
      receipts,
      wallets: null,
      assets: await loadAssets(),
      clock: systemClock,
      logger: silentLogger,
    },
    { port: 0, token, defaults, version: '0', network: 'bench', limits: { rate: { perSecond: 1e6, burst: 1e6 } } },
  );
  await gateway.start();
  try {
    return await work({ inference, gateway });
  } finally {
    await gateway.stop();
    await discovery.stop();
    await peer.stop();
    await rm(home, { recursive: true, force: true });
  }
}

interface Timed {
  readonly firstMs: number;
  readonly wholeMs: number;
}

/** As `qvac ask` asks. */
async function ask({ inference }: Market, maxTokens: number): Promise<Timed> {
  const question: InferenceRequest = {
    input: benchInput,
    model: 'scripted',
    provider: null,
    sampler: { ...benchSampler, maxTokens },
    extra: {},
    seed: 1n,
    verify: 'none',
    referees: null,
    maxPrice: 0,
    wallet: null,
    pay: null,
    maxDeposit: null,
    consent: null,
    timeoutMs: 600_000,
    logits: false,
  };
  const start = performance.now();
  let firstMs = Number.NaN;
  await inference.complete(
    question,
    {
      accepted() {},
      delivered() {},
      text: () => void (Number.isNaN(firstMs) && (firstMs = performance.now() - start)),
    },
    { requestId: '0'.repeat(24), stop: never },
  );
  return { firstMs, wholeMs: performance.now() - start };
}

/** The same over HTTP, streamed. */
async function askHttp({ gateway }: Market, maxTokens: number): Promise<Timed> {
  const start = performance.now();
  const response = await new Promise<IncomingMessage>((resolve, reject) => {
    const sent = request(
      {
        host: '127.0.0.1',
        port: gateway.port,
        path: '/v1/chat/completions',
        method: 'POST',
        headers: { host: '127.0.0.1' },
      },
      resolve,
    );
    sent.on('error', reject);
    sent.end(
      JSON.stringify({
        model: 'scripted',
        messages: benchInput.messages,
        max_tokens: maxTokens,
        seed: 1,
        stream: true,
      }),
    );
  });
  let firstMs = Number.NaN;
  let text = '';
  for await (const part of response.setEncoding('utf8')) {
    text += String(part);
    if (Number.isNaN(firstMs) && text.includes('"content":"') && text.split('\n\n').length > 2)
      firstMs = performance.now() - start;
  }
  if (!text.endsWith('data: [DONE]\n\n')) throw new Error(`not whole: ${text.slice(-300)}`);
  return { firstMs, wholeMs: performance.now() - start };
}

/** Both ways in turns, each first every other time: what drifts favours neither. */
async function both(
  market: Market,
  maxTokens: number,
  round: number,
): Promise<{ readonly direct: Timed; readonly http: Timed }> {
  if (round % 2 === 0) {
    const direct = await ask(market, maxTokens);
    return { direct, http: await askHttp(market, maxTokens) };
  }
  const http = await askHttp(market, maxTokens);
  return { direct: await ask(market, maxTokens), http };
}

async function firstToken(): Promise<readonly Figure[]> {
  return withProviders([{}], async (market) => {
    const added: number[] = [];
    for (let round = -warmUp; round < rounds; round++) {
      const { direct, http } = await both(market, 4, round);
      if (round >= 0) added.push(http.firstMs - direct.firstMs);
    }
    return [
      {
        name: 'gateway: added to the first token',
        value: median(added),
        unit: 'ms',
        goal: { atMost: 5 },
        details: { rounds, ...spread('addedMs', added) },
      },
    ];
  });
}

/** With a real model in a process of its own. */
async function throughput(): Promise<readonly Figure[]> {
  const home = await mkdtemp(join(tmpdir(), 'qvac-bench-'));
  const { path } = await testModel('q4_1');
  const served = await startServe(home, ['--model', path, '--name', 'scripted']);
  try {
    return await withGateway([served.address], async (market) => {
      const ratios: number[] = [];
      for (let round = -2; round < modelRounds; round++) {
        const { direct, http } = await both(market, modelTokens, round);
        if (round >= 0) ratios.push(direct.wholeMs / http.wholeMs);
      }
      return [
        {
          name: 'gateway: tokens per second ÷ without it',
          value: median(ratios),
          unit: '',
          goal: { atLeast: 0.98 },
          details: { rounds: modelRounds, tokens: modelTokens, ...spread('ratio', ratios) },
        },
      ];
    });
  } finally {
    await served.stop();
    await rm(home, { recursive: true, force: true });
  }
}

/** Many streams at once, each whole; what they take of memory while they run. */
async function crowd(): Promise<readonly Figure[]> {
  return withProviders(
    Array.from({ length: 2 }, () => ({ slots: streams / 2, queue: streams / 2 })),
    async (market) => {
      await askHttp(market, streamTokens);
      globalThis.gc?.();
      const before = process.memoryUsage().rss;
      let most = before;
      const timer = setInterval(() => (most = Math.max(most, process.memoryUsage().rss)), 50);
      const results = await Promise.allSettled(Array.from({ length: streams }, () => askHttp(market, streamTokens)));
      clearInterval(timer);
      const failed = results.filter(({ status }) => status === 'rejected');
      const reason = failed[0]?.status === 'rejected' ? String(failed[0].reason).slice(0, 200) : null;
      const figures: readonly Figure[] = [
        {
          name: `gateway: streams of ${streams} at once that failed`,
          value: failed.length,
          unit: '',
          goal: { atMost: 0 },
          details: { tokens: streamTokens, reason },
        },
        {
          name: 'gateway: memory for 100 streams, provider included',
          value: (most - before) / 2 ** 20,
          unit: 'MiB',
          goal: { atMost: 300 },
          details: { streams },
        },
      ];
      return figures;
    },
  );
}

/** From the click to something on the screen, in a real browser. */
async function paint(): Promise<readonly Figure[]> {
  const folder = await mkdtemp(join(tmpdir(), 'qvac-chromium-'));
  process.env.TMPDIR = folder;
  const [{ default: chromium }, { chromium: playwright }] = await Promise.all([
    import('@sparticuz/chromium'),
    import('playwright-core'),
  ]);
  const browser = await playwright.launch({
    executablePath: await chromium.executablePath(),
    args: ['--no-sandbox', '--disable-gpu'],
    headless: true,
  });
  try {
    return await withProviders([{}], async ({ gateway }) => {
      const times: number[] = [];
      for (let round = -1; round < paints; round++) {
        const page = await browser.newPage();
        await page.goto(`${gateway.url}/#token=${token}`);
        await page.locator('#prompt').waitFor();
        const ms = await page.evaluate<number>(
          'new Promise((resolve) => new PerformanceObserver((list) => { for (const entry of list.getEntries()) if (entry.name === "first-contentful-paint") resolve(entry.startTime); }).observe({ type: "paint", buffered: true }))',
        );
        if (round >= 0) times.push(ms);
        await page.close();
      }
      return [
        {
          name: 'page: first paint from loopback',
          value: median(times),
          unit: 'ms',
          goal: null,
          details: { rounds: paints, ...spread('ms', times) },
        },
      ];
    });
  } finally {
    await browser.close();
    await rm(folder, { recursive: true, force: true });
  }
}

export const scenario: Scenario = async () => [
  ...(await firstToken()),
  ...(await throughput()),
  ...(await crowd()),
  ...(await paint()),
];
