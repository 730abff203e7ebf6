import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { addressText } from '../../src/escrow/addresses.ts';
import { openEscrow } from '../../src/escrow/program.ts';
import { systemClock } from '../../src/lib/clock.ts';
import { silentLogger } from '../../src/lib/log.ts';
import type { Answer } from '../../src/node/client/answer.ts';
import { ask } from '../../src/node/client/ask.ts';
import { createDiscovery } from '../../src/node/discovery/discovery.ts';
import { createReceiptStore } from '../../src/node/home/receipt-store.ts';
import type { PayPolicy } from '../../src/node/payment/channel/channels.ts';
import { createEscrowPayments } from '../../src/node/payment/escrow-payments.ts';
import { createReputation } from '../../src/node/selection/reputation.ts';
import { createLocalVerifier } from '../../src/node/verification/local-verifier.ts';
import { signingKeyFromSeed } from '../../src/proofs/signing.ts';
import { startProgram } from '../../test/support/binary.ts';
import { openRpcLine } from '../../test/support/rpc-line.ts';
import { silentObserver } from './asking.ts';
import { benchInput, benchSampler, startClient } from './nodes.ts';
import { spawnPart } from './processes.ts';
import { benchNetwork, cpuMsOf } from './serve.ts';

/** One answer as its reader and its provider see it, ms. */
export interface TimedAnswer {
  readonly answer: Answer;
  readonly firstTokenMs: number;
  /** From the final head to the end of the settlement. */
  readonly settledMs: number;
}

/** A chain, a provider that is paid and one that is free, each a process of its own, and a client in this one. */
export interface PaidMarket {
  readonly rpcUrl: string;
  /** base58 addresses of the two wallets. */
  readonly wallets: readonly string[];
  ask(who: 'paid' | 'free'): Promise<TimedAnswer>;
  /** Closes the client's channels together with their providers. */
  closeChannels(): Promise<void>;
  readonly addresses: Readonly<Record<'paid' | 'free', string>>;
  /** A folder that goes with the market. */
  readonly home: string;
}

const lamports = 1_000_000_000_000n;

export interface PaidMarketInit {
  /** How long the client's endpoint takes to confirm a transaction, as one of a cluster does, ms. @default at once */
  readonly confirmMs?: number | undefined;
  /** @default job */
  readonly pay?: PayPolicy | undefined;
  /** Answers that the paid provider writes at once. @default 1 */
  readonly slots?: number | undefined;
}

export async function withPaidMarket<Value>(
  { confirmMs = 0, pay = 'job', slots = 1 }: PaidMarketInit,
  work: (market: PaidMarket) => Promise<Value>,
): Promise<Value> {
  const home = await mkdtemp(join(tmpdir(), 'qvac-bench-paid-'));
  const chain = await spawnPart<{ readonly rpcUrl: string }>('embedded-chain.ts', [join(home, 'chain')]);
  const { rpcUrl } = chain.told;
  const [paid, free] = await Promise.all([
    spawnPart<{ readonly address: string; readonly wallet: string }>('paid-provider.ts', [rpcUrl, String(slots)]),
    spawnPart<{ readonly address: string }>('scripted-provider.ts'),
  ]);
  const line = confirmMs === 0 ? null : await slowLine(rpcUrl, confirmMs);
  try {
    const addresses = { paid: paid.told.address, free: free.told.address };
    return await withClient(home, { rpcUrl: line?.url ?? rpcUrl, pay }, addresses, (client) =>
      work({ rpcUrl, wallets: [client.wallet, paid.told.wallet], ...client, addresses, home }),
    );
  } finally {
    await Promise.all([paid.stop(), free.stop(), line?.close()]);
    await chain.stop();
    await rm(home, { recursive: true, force: true });
  }
}

/** An endpoint that knows of no transaction before it is confirmed. */
function slowLine(rpcUrl: string, confirmMs: number): ReturnType<typeof openRpcLine> {
  let sentAt = Number.NEGATIVE_INFINITY;
  return openRpcLine(rpcUrl, (method) => {
    if (method === 'sendTransaction') sentAt = performance.now();
    if (method !== 'getSignatureStatuses' || performance.now() - sentAt >= confirmMs) return 'pass';
    return { edit: (answer) => ({ ...answer, result: { context: { slot: 1 }, value: [null] } }) };
  });
}

/** From the start of a `qvac ask` to the first text that it prints. */
export async function coldFirstToken(
  { home, rpcUrl, addresses }: PaidMarket,
  who: 'paid' | 'free',
): Promise<{ readonly ms: number /** Of that process until then. */; readonly cpuMs: number }> {
  const start = performance.now();
  const child = startProgram(
    [
      'ask',
      ...benchNetwork,
      '--rpc',
      rpcUrl,
      '--provider',
      addresses[who],
      '--max-price',
      '0.01sol',
      '--max-tokens',
      '8',
      '--verify',
      'sampling',
      'Why is the sky blue?',
    ],
    { home: join(home, 'asking') },
  );
  child.stdin.end();
  let first: Promise<{ readonly ms: number; readonly cpuMs: number }> | null = null;
  child.stdout.once('data', () => {
    const ms = performance.now() - start;
    first = cpuMsOf(child.pid ?? 0).then((cpuMs) => ({ ms, cpuMs }));
  });
  child.stderr.resume();
  const [code] = (await once(child, 'close')) as [number | null];
  if (code !== 0 || first === null) throw new Error(`qvac ask ended with exit code ${String(code)}`);
  return first;
}

type Client = { readonly wallet: string } & Pick<PaidMarket, 'ask' | 'closeChannels'>;

/** What `qvac ask` is made of, with a wallet. */
async function withClient<Value>(
  home: string,
  { rpcUrl, pay }: { readonly rpcUrl: string; readonly pay: PayPolicy },
  addresses: Readonly<Record<'paid' | 'free', string>>,
  work: (client: Client) => Promise<Value>,
): Promise<Value> {
  const peer = await startClient();
  const parts = { peer, clock: systemClock, logger: silentLogger };
  const discovery = createDiscovery(parts);
  await discovery.start();
  const escrow = await openEscrow({ rpcUrl, wallet: signingKeyFromSeed(randomBytes(32)), pollMs: 50 });
  await escrow.airdrop(lamports);
  const payments = createEscrowPayments(
    {
      openEscrow: async () => escrow,
      channels: {
        peer,
        reach: async () => undefined,
        clock: systemClock,
        dir: join(home, 'channels'),
        policy: { pay, maxDepositLamports: lamports / 100n, isShared: true },
      },
      logger: silentLogger,
    },
    { dir: join(home, 'locked') },
  );
  const none = (): Promise<never> => Promise.reject(new Error('no model is here'));
  const verifier = createLocalVerifier({
    find: async () => null,
    openEngine: none,
    openTokenizer: none,
    calibration: async () => null,
    logger: silentLogger,
  });
  const components = {
    ...parts,
    discovery,
    payments,
    verifier,
    reputation: createReputation(parts, { path: null }),
    receipts: createReceiptStore(join(home, 'receipts')),
    key: peer.key,
  };
  const init = {
    input: benchInput,
    model: 'scripted',
    sampler: { ...benchSampler, maxTokens: 8 },
    seed: new Uint8Array(32),
    verify: 'sampling',
    maxPrice: 10_000_000,
    timeoutMs: 60_000,
  } as const;
  try {
    return await work({
      wallet: addressText(escrow.wallet ?? new Uint8Array()),
      async ask(who) {
        const start = performance.now();
        let [first, delivered] = [Number.NaN, Number.NaN];
        const observer = {
          ...silentObserver,
          text: () => void (Number.isNaN(first) && (first = performance.now())),
          delivered: () => void (delivered = performance.now()),
        };
        const answer = await ask(components, { ...init, provider: addresses[who] }, observer);
        return { answer, firstTokenMs: first - start, settledMs: performance.now() - delivered };
      },
      async closeChannels() {
        const { channels } = await payments.open({});
        for (const { channel } of (await channels?.list()) ?? []) await channels?.close(channel.id);
      },
    });
  } finally {
    await payments.stop();
    await discovery.stop();
    await peer.stop();
  }
}
