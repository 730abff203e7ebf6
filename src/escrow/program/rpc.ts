import { Connection } from '@solana/web3.js';
import { QvacError } from '../../errors.ts';
import { delay, raceSignal } from '../../lib/abort.ts';
import type { AbortOptions } from '../../lib/types.ts';

const requestTimeoutMs = 15_000;
/** Between attempts of one request. */
const pausesMs = [100, 500, 2_000] as const;

/** A chain's JSON-RPC endpoint. */
export interface Rpc {
  readonly connection: Connection;
  /** Does `request`, again after a failure of the network. @throws QvacError E_CHAIN; the signal's reason */
  call<Value>(request: (connection: Connection) => Promise<Value>, options?: AbortOptions): Promise<Value>;
  /** `error` as it is where it says something about the request, else as E_CHAIN. */
  failure(error: unknown): unknown;
}

export function openRpc(url: string): Rpc {
  const where = new URL(url).host;
  const connection = new Connection(url, {
    commitment: 'confirmed',
    // It would write to the terminal and wait on its own.
    disableRetryOnRateLimit: true,
    fetch: (input, init) => fetch(input as string, { ...(init as RequestInit), signal: AbortSignal.timeout(requestTimeoutMs) }) as never,
  });
  const failure = (error: unknown): unknown => {
    if (error instanceof QvacError) return error;
    const why = reasonOf(error);
    return new QvacError('E_CHAIN', `the chain at ${where} does not answer as it should (${why})`, { hint: 'qvac doctor; --rpc names another endpoint', cause: error });
  };
  return {
    connection,
    failure,
    async call(request, { signal } = {}) {
      for (const pauseMs of pausesMs) {
        try {
          return await raceSignal(request(connection), signal);
        } catch (error) {
          signal?.throwIfAborted();
          if (!isTransient(error)) throw failure(error);
        }
        await delay(pauseMs, signal);
      }
      try {
        return await raceSignal(request(connection), signal);
      } catch (error) {
        signal?.throwIfAborted();
        throw failure(error);
      }
    },
  };
}

function reasonOf(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  const { cause } = error;
  const code = cause instanceof Error && 'code' in cause ? String(cause.code) : undefined;
  return (code ?? error.message).split('\n')[0]?.slice(0, 200) ?? '';
}

/** Failures of the way there, not of what was asked. */
export function isTransient(error: unknown): boolean {
  if (!(error instanceof Error)) return false;
  if (error.name === 'TimeoutError' || error.message.includes('fetch failed')) return true;
  return /^(429|5\d\d) /.test(error.message);
}
