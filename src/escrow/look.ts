import { QvacError } from '../errors.ts';
import { anySignal } from '../lib/abort.ts';
import type { AbortOptions } from '../lib/types.ts';
import { addressText, chainOfGenesis, defaultProgramText } from './addresses.ts';

/** What an endpoint says of its chain, without a wallet and without changing anything. */
export interface ChainLook {
  /** CAIP-2 */
  readonly chain: string;
  /** Whether the escrow program is there. */
  readonly program: boolean;
  /**
   * How far the endpoint's clock is ahead of this machine's, in ms, and by how much that may be off. Null where it does
   * not
   * state the time.
   */
  readonly clock: { readonly aheadMs: number; readonly offMs: number } | null;
}

export interface ChainLookInit {
  readonly rpcUrl: string;
  /** 32 bytes. @default the program's usual address */
  readonly program?: Uint8Array | undefined;
  /** Unix milliseconds. @default Date.now */
  readonly now?: (() => number) | undefined;
}

const answerMs = 8_000;
/** More than the answers asked for take. */
const maxBytes = 100_000;

/**
 * Asks an endpoint twice. Unlike `openEscrow` it waits for seconds only, and does not mind where the program is
 * missing.
 * @throws QvacError E_CHAIN where it does not answer, or not as a Solana endpoint does; the signal's reason
 */
export async function lookAtChain(
  { rpcUrl, program, now = Date.now }: ChainLookInit,
  { signal }: AbortOptions = {},
): Promise<ChainLook> {
  const limit = AbortSignal.timeout(answerMs);
  const ask = (method: string, params: readonly unknown[]): Promise<Told> =>
    askEndpoint(rpcUrl, method, params, now, anySignal(limit, signal));
  try {
    const genesis = await ask('getGenesisHash', []);
    if (typeof genesis.result !== 'string' || genesis.result === '') throw new Error('it states no genesis hash');
    const account = await ask('getAccountInfo', [
      program === undefined ? defaultProgramText : addressText(program),
      { encoding: 'base64', dataSlice: { offset: 0, length: 0 }, commitment: 'confirmed' },
    ]);
    return { chain: chainOfGenesis(genesis.result), program: isExecutable(account.result), clock: account.clock };
  } catch (error) {
    signal?.throwIfAborted();
    throw new QvacError(
      'E_CHAIN',
      `the chain at ${new URL(rpcUrl).host} does not answer as it should (${reasonOf(error)})`,
      { hint: 'is it the endpoint of a Solana chain? --rpc names another', cause: error },
    );
  }
}

interface Told {
  readonly result: unknown;
  readonly clock: ChainLook['clock'];
}

async function askEndpoint(
  rpcUrl: string,
  method: string,
  params: readonly unknown[],
  now: () => number,
  signal: AbortSignal,
): Promise<Told> {
  const before = now();
  const response = await fetch(rpcUrl, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ jsonrpc: '2.0', id: 1, method, params }),
    signal,
    redirect: 'error',
  });
  const after = now();
  if (!response.ok) throw new Error(`HTTP ${response.status}`);
  const value = JSON.parse(await readShort(response)) as unknown;
  if (typeof value !== 'object' || value === null || !('result' in value)) throw new Error('it answers with an error');
  return { result: value.result, clock: clockOf(response.headers.get('date'), before, after) };
}

/** The Date header names the second in which the answer was made, some time between the request and its arrival. */
function clockOf(date: string | null, before: number, after: number): ChainLook['clock'] {
  const stated = Date.parse(date ?? '');
  if (Number.isNaN(stated)) return null;
  return { aheadMs: Math.round(stated + 500 - (before + after) / 2), offMs: Math.round(500 + (after - before) / 2) };
}

async function readShort(response: Response): Promise<string> {
  const chunks: Uint8Array[] = [];
  let bytes = 0;
  for await (const chunk of response.body ?? []) {
    bytes += chunk.length;
    if (bytes > maxBytes) throw new Error('it answers too much');
    chunks.push(chunk);
  }
  return Buffer.concat(chunks).toString('utf8');
}

function isExecutable(result: unknown): boolean {
  if (typeof result !== 'object' || result === null || !('value' in result)) return false;
  const { value } = result;
  return typeof value === 'object' && value !== null && 'executable' in value && value.executable === true;
}

function reasonOf(error: unknown): string {
  if (!(error instanceof Error)) return String(error).slice(0, 200);
  if (error.name === 'TimeoutError') return `nothing for ${answerMs / 1_000} s`;
  const { cause } = error;
  return (
    (cause instanceof Error
      ? 'code' in cause
        ? String(cause.code)
        : cause.message
      : error instanceof SyntaxError
        ? 'no JSON'
        : error.message
    )
      .split('\n')[0]
      ?.slice(0, 200) ?? ''
  );
}
