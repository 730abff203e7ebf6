import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { resolveConfig } from '../../src/config.ts';
import { silentLogger } from '../../src/lib/log.ts';
import type { AskObserver } from '../../src/node/client/answer.ts';
import { createReceiptStore, type ReceiptStore } from '../../src/node/home/receipt-store.ts';
import { type Client, openClient } from '../../src/sdk/client.ts';
import { type Served, startServe } from './serve.ts';

export const silentObserver: AskObserver = {
  sending() {},
  picked() {},
  text() {},
  turned() {},
  note() {},
  checking() {},
};

export interface MarketInit {
  /** Flags of `serve`. */
  readonly serve: readonly string[];
  readonly maxTokens: number;
}

export interface Market {
  readonly served: Served;
  readonly client: Client;
  /** The client's. */
  readonly receipts: ReceiptStore;
}

/** A real `serve` process, and in this process what `qvac ask --provider` is made of, connected to it. */
export async function withMarket<Value>(
  { serve, maxTokens }: MarketInit,
  work: (market: Market) => Promise<Value>,
): Promise<Value> {
  const home = await mkdtemp(join(tmpdir(), 'qvac-bench-'));
  const served = await startServe(join(home, 'provider'), serve);
  const config = await resolveConfig({
    home: join(home, 'client'),
    environment: {},
    flags: {
      private: 'bench',
      mdns: false,
      bootstrap: [served.address],
      provider: served.address,
      verify: 'sampling',
      maxTokens,
    },
  });
  const client = await openClient({ config, logger: silentLogger });
  try {
    return await work({ served, client, receipts: createReceiptStore(config.home.receipts) });
  } finally {
    await client.stop();
    await served.stop();
    await rm(home, { recursive: true, force: true });
  }
}
