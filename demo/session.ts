import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { sol } from '../src/terminal/format.ts';
import { type ChainRecord, type RecordSource, readRecord } from './chain-record.ts';
import type { NodeReady } from './processes.ts';

/** A conversation that is paid from one channel. */
const turns = ['Name three colours.', 'Name three more.', 'Which one is the sky?'] as const;

/** Longest time for the end of a channel, ms. */
const closedMs = 60_000;
const pollMs = 250;
/** The channel cannot be closed before its terms have expired, a minute after the opening; play time can be moved. */
const termsLifeS = 61;

export interface SessionInit {
  readonly source: RecordSource;
  readonly provider: NodeReady;
  readonly model: string;
  readonly maxPrice: string;
  /** JSON-RPC endpoint of the market's chain. */
  readonly rpcUrl: string;
  /** QVAC_HOME of the client that chats. */
  readonly home: string;
  readonly say: (text: string) => void;
}

/** Chats with the provider itself, from a channel. @returns the record of the provider once the channel is closed */
export async function chat({
  source,
  provider,
  model,
  maxPrice,
  rpcUrl,
  home,
  say,
}: SessionInit): Promise<ChainRecord> {
  const { processes, qvac, signal, flags } = source;
  const before = await readRecord(source);
  const address = provider.addrs[0] ?? provider.peer;
  say(`$ qvac chat --provider ${provider.peer.slice(0, 8)}… --pay channel --max-price ${maxPrice}`);
  const asking = ['--bootstrap', address, '--provider', address, '--model', model, '--verify', 'sampling'];
  const paying = ['--pay', 'channel', '--max-price', maxPrice, '--max-tokens', '32'];
  const code = await processes.show(qvac, ['chat', ...flags, ...asking, ...paying], { home, signal }, lines(turns));
  if (code !== 0) throw new Error(`qvac chat exited with code ${code}`);
  await call(rpcUrl, 'qvac_warp', [termsLifeS]);
  const deadline = performance.now() + closedMs;
  for (;;) {
    const record = await readRecord(source);
    if (record.earned > before.earned) return record;
    if (performance.now() >= deadline) throw new Error(`no channel was closed within ${closedMs / 1_000} s`);
    await delay(pollMs, undefined, { signal });
  }
}

const lines = (texts: readonly string[]): string => texts.map((text) => `${text}\n`).join('');

/** The wallets of these homes, whose lamports are counted. */
export async function openPurse(
  { processes, qvac, signal }: Pick<RecordSource, 'processes' | 'qvac' | 'signal'>,
  rpcUrl: string,
  homes: readonly string[],
): Promise<() => Promise<bigint>> {
  const addresses = await Promise.all(
    homes.map(async (home) => {
      const { stdout } = await processes.quietly(qvac, ['wallet', 'show', '--json'], { home, signal });
      return (JSON.parse(stdout) as { readonly address: string }).address;
    }),
  );
  return async () => {
    const balances = await Promise.all(
      addresses.map(async (address) => {
        const { value } = (await call(rpcUrl, 'getBalance', [address])) as { readonly value: number };
        return BigInt(value);
      }),
    );
    return balances.reduce((sum, balance) => sum + balance, 0n);
  };
}

/** What was paid for answers, and what the network took of both sides beside it. */
export function billLine(how: string, answers: string, earned: bigint, spent: bigint): string {
  return `bill by ${how}: ${answers}, ${sol(earned)} paid, ${sol(spent - earned)} of fees`;
}

export function chatHome(home: string): string {
  return join(home, 'demo', 'chat');
}

export const chatTurns = turns.length;

async function call(rpcUrl: string, method: string, params: readonly unknown[]): Promise<unknown> {
  const response = await fetch(rpcUrl, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ jsonrpc: '2.0', id: 1, method, params }),
  });
  return ((await response.json()) as { readonly result?: unknown }).result;
}
