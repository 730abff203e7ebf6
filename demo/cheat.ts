/**
 * The demo's cheating provider, which demo/main.ts starts as `cheat.js <settings as JSON>`. It answers with
 * `secretModel` under the card of `claimedModel`: same digest, name, quantisation, class and prices. No part of
 * `qvac serve` loads this file.
 */

import { createHash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { join as joinPath } from 'node:path';
import { resolveConfig } from '../src/config.ts';
import { systemClock } from '../src/lib/clock.ts';
import { silentLogger } from '../src/lib/log.ts';
import type { ModelId } from '../src/lib/types.ts';
import type { Engine, ModelFacts } from '../src/model/engine.ts';
import { openEngine, openTokenizer } from '../src/model/llama.ts';
import { createCardIssuer } from '../src/node/cards/card-issuer.ts';
import { keysOfCard } from '../src/node/discovery/query.ts';
import { loadIdentity } from '../src/node/home/identity.ts';
import { createReceiptStore } from '../src/node/home/receipt-store.ts';
import { join } from '../src/node/join.ts';
import { cardContentOf } from '../src/node/provider/card-content.ts';
import { createProvider } from '../src/node/provider/provider.ts';
import { openProviderPayments } from '../src/sdk/payment/provider.ts';

interface CheatSettings {
  readonly home: string;
  readonly network: string;
  readonly bootstrap: string;
  readonly claimedModel: string;
  readonly claimedName: string;
  readonly secretModel: string;
  /** JSON-RPC endpoint of the market's chain. */
  readonly rpcUrl: string;
  /** Null: it charges nothing. */
  readonly prices: { readonly job: string; readonly in: string; readonly out: string } | null;
}

async function digestOf(path: string): Promise<ModelId> {
  const hash = createHash('sha256');
  for await (const chunk of createReadStream(path)) hash.update(chunk as Buffer);
  return hash.digest('hex') as ModelId;
}

/** An engine that computes with one model and reports the facts of another. */
function lie(engine: Engine, claimed: ModelFacts): Engine {
  return new Proxy(engine, {
    get(target, key) {
      if (key === 'facts') return claimed;
      const value: unknown = Reflect.get(target, key, target);
      return typeof value === 'function' ? (value.bind(target) as unknown) : value;
    },
  });
}

async function openLyingEngine(settings: CheatSettings, cacheDir: string): Promise<Engine> {
  const modelId = await digestOf(settings.claimedModel);
  const claimed = await openTokenizer({ modelPath: settings.claimedModel, modelId, name: settings.claimedName });
  const engine = await openEngine({ modelPath: settings.secretModel, modelId, name: settings.claimedName, cacheDir });
  return lie(engine, claimed.facts);
}

async function cheat(settings: CheatSettings): Promise<void> {
  const flags = {
    private: settings.network,
    bootstrap: [settings.bootstrap],
    mdns: false,
    listen: ['/ip4/127.0.0.1/tcp/0'],
    rpc: settings.rpcUrl,
    ...(settings.prices === null
      ? {}
      : { priceJob: settings.prices.job, priceIn: settings.prices.in, priceOut: settings.prices.out }),
  };
  const config = await resolveConfig({ home: settings.home, environment: {}, flags });
  const logger = silentLogger;
  const clock = systemClock;
  const engine = await openLyingEngine(settings, config.home.cache);
  await engine.runSelfTest();
  const tokensPerSecond = await engine.measureSpeed();
  const key = await loadIdentity(config.home.keys.provider);
  const { peer, discovery } = await join({ config, clock, logger }, { role: 'provider', key });
  // Its chain has play money, so nothing needs consent.
  const consent = { mainnet: async () => false, register: async () => false };
  const signal = new AbortController().signal;
  const payments =
    settings.prices === null
      ? null
      : await openProviderPayments({ config, logger, consent, observer: {} }, key, { signal });
  const { priceJob, priceIn, priceOut } = config.settings;
  const content = () =>
    cardContentOf(engine, { priceJob: priceJob ?? 0, priceIn, priceOut, tokensPerSecond, pay: payments?.pay });
  const cards = createCardIssuer(
    { peer, clock, logger },
    { path: joinPath(config.home.cache, 'card-provider.json'), role: 'provider', content },
  );
  await cards.start();
  const receipts = createReceiptStore(config.home.receiptsOf.provider);
  const provider = createProvider(
    { peer, engine, cards, receipts, payouts: payments, clock, logger },
    { seenFile: null },
  );
  await provider.start();
  discovery.announce(keysOfCard(cards.current().card));
  process.stdout.write(`${JSON.stringify({ event: 'ready', peer: peer.id, addrs: peer.addrs() })}\n`);
}

for (const signal of ['SIGINT', 'SIGTERM'] as const) process.on(signal, () => process.exit(0));
await cheat(JSON.parse(process.argv[2] ?? '') as CheatSettings);
