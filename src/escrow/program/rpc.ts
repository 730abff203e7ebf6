import { Connection, SendTransactionError } from '@solana/web3.js';
import { QvacError } from '../../errors.ts';
import { delay, raceSignal } from '../../lib/abort.ts';
import type { AbortOptions } from '../../lib/types.ts';

const requestTimeoutMs = 15_000;
/** Between attempts of one request. */
const pausesMs = [100, 500, 2_000] as const;
/** Where an endpoint asks for patience (429) and does not say how much of it. */
const patienceMs = [500, 1_000, 2_000] as const;
const maxPatienceMs = 10_000;
/** More than the accounts of a hundred thousand providers take. */
const maxAnswerBytes = 64 * 2 ** 20;

/** A chain's JSON-RPC endpoint. */
export interface Rpc {
  readonly connection: Connection;
  /** Does `request`, again after a failure of the network. @throws QvacError E_CHAIN; the signal's reason */
  call<Value>(request: (connection: Connection) => Promise<Value>, options?: AbortOptions): Promise<Value>;
  /** `error` as it is where it says something about the request, else as E_CHAIN. */
  failure(error: unknown): unknown;
  /**
   * The newest slot that this process has seen. Behind one URL there are often several nodes, some of them late: what
   * is read later must not be older, or a job that was there would be taken for one that is settled.
   */
  readonly newestSlot: number;
  saw(slot: number): void;
}

export function openRpc(url: string): Rpc {
  const where = new URL(url).host;
  const connection = new Connection(url, {
    commitment: 'confirmed',
    // It would write to the terminal and wait on its own.
    disableRetryOnRateLimit: true,
    fetch: (input, init) => patientFetch(input as string, init as RequestInit) as never,
  });
  let newestSlot = 0;
  const failure = (error: unknown): unknown => {
    if (error instanceof QvacError) return error;
    const why = reasonOf(error);
    return new QvacError('E_CHAIN', `the chain at ${where} does not answer as it should (${why})`, {
      hint: 'qvac doctor; --rpc names another endpoint',
      cause: error,
    });
  };
  return {
    connection,
    failure,
    get newestSlot() {
      return newestSlot;
    },
    saw(slot) {
      newestSlot = Math.max(newestSlot, slot);
    },
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

/** Again, after a while, where there were too many requests: such a one was not looked at. */
async function patientFetch(url: string, init: RequestInit): Promise<Response> {
  for (const pauseMs of patienceMs) {
    const response = await fetch(url, { ...init, signal: AbortSignal.timeout(requestTimeoutMs) });
    if (response.status !== 429) return bounded(response);
    await response.body?.cancel();
    const asked = Number(response.headers.get('retry-after') ?? Number.NaN) * 1_000;
    await delay(asked >= 0 ? Math.min(asked, maxPatienceMs) : pauseMs);
  }
  return bounded(await fetch(url, { ...init, signal: AbortSignal.timeout(requestTimeoutMs) }));
}

/** The same answer, which fails once it is larger than any honest one. */
function bounded(response: Response): Response {
  let bytes = 0;
  const counter = new TransformStream<Uint8Array, Uint8Array>({
    transform(chunk, controller) {
      bytes += chunk.length;
      if (bytes > maxAnswerBytes) controller.error(new Error('it answers too much'));
      else controller.enqueue(chunk);
    },
  });
  return new Response(response.body?.pipeThrough(counter) ?? null, response);
}

function reasonOf(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  if (error instanceof SendTransactionError) return (error.transactionError.message.split('\n')[0] ?? '').slice(0, 200);
  const { cause } = error;
  const code = cause instanceof Error && 'code' in cause ? String(cause.code) : undefined;
  return (code ?? error.message).split('\n')[0]?.slice(0, 200) ?? '';
}

/** JSON-RPC errors of a node that is late or overloaded, by their codes. */
const lateCodes: ReadonlySet<unknown> = new Set([-32004, -32005, -32014, -32016, -32603, 429]);

/** The same in the texts of errors. */
const lateWords: readonly RegExp[] = [
  /fetch failed|TimeoutError/i,
  /(^|: )(429|5\d\d) /,
  /node is (behind|unhealthy)|minimum context slot|too many requests|internal error/i,
  /timed out|timeout|unable to complete request/i,
];

/** Failures of the way there, or of a node that is not ready, not of what was asked. */
export function isTransient(error: unknown): boolean {
  if (!(error instanceof Error)) return false;
  if (error.name === 'TimeoutError' || ('code' in error && lateCodes.has(error.code))) return true;
  // Some of the library's methods keep no more of an error than its text.
  return lateWords.some((words) => words.test(error.message));
}
