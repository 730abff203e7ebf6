import type { Logger } from '../../lib/log.ts';
import { RpcError, rpcCodes } from './rpc-params.ts';

export type Methods = Readonly<Record<string, (params: unknown) => unknown>>;

/** Most requests in one batch. */
const maxBatch = 100;

type Answer = { readonly jsonrpc: '2.0'; readonly id: unknown } & (
  | { readonly result: unknown }
  | { readonly error: { readonly code: number; readonly message: string; readonly data?: unknown } }
);

/** Answers a JSON-RPC 2.0 text, single or batch. Never throws. Null where nothing is to be answered. */
export function answer(text: string, methods: Methods, logger: Logger): string | null {
  let request: unknown;
  try {
    request = JSON.parse(text);
  } catch {
    return JSON.stringify(failed(null, new RpcError(rpcCodes.parse, 'Parse error'), logger));
  }
  if (!Array.isArray(request)) return textOf(answerOne(request, methods, logger));
  if (request.length === 0 || request.length > maxBatch)
    return JSON.stringify(
      failed(null, new RpcError(rpcCodes.request, `Invalid request: a batch of 1 to ${maxBatch}`), logger),
    );
  const answers = request.map((one) => answerOne(one, methods, logger)).filter((one) => one !== null);
  return answers.length === 0 ? null : JSON.stringify(answers);
}

const textOf = (value: Answer | null): string | null => (value === null ? null : JSON.stringify(value));

function answerOne(request: unknown, methods: Methods, logger: Logger): Answer | null {
  if (typeof request !== 'object' || request === null || !('method' in request) || typeof request.method !== 'string')
    return failed(null, new RpcError(rpcCodes.request, 'Invalid request'), logger);
  const id = 'id' in request ? request.id : undefined;
  try {
    const method = Object.hasOwn(methods, request.method) ? methods[request.method] : undefined;
    if (method === undefined) throw new RpcError(rpcCodes.method, `Method not found: ${request.method.slice(0, 60)}`);
    const result = method('params' in request ? request.params : []);
    // Without an id it is a notification.
    return id === undefined ? null : { jsonrpc: '2.0', id, result };
  } catch (error) {
    return failed(id ?? null, error, logger);
  }
}

function failed(id: unknown, error: unknown, logger: Logger): Answer {
  if (error instanceof RpcError) {
    const { code, message, data } = error;
    return { jsonrpc: '2.0', id, error: { code, message, ...(data === undefined ? {} : { data }) } };
  }
  logger.error('the embedded chain failed', {
    error: error instanceof Error ? (error.stack ?? error.message) : String(error),
  });
  return { jsonrpc: '2.0', id, error: { code: rpcCodes.internal, message: 'Internal error' } };
}
