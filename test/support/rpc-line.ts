import { once } from 'node:events';
import { createServer, request } from 'node:http';
import type { AddressInfo } from 'node:net';

interface Call {
  readonly id: unknown;
  readonly method: string;
  readonly params?: readonly unknown[];
}

/** A node's reply in JSON-RPC. */
export interface RpcAnswer {
  result?: unknown;
  error?: { readonly code: number; readonly message: string; readonly data?: unknown };
}

/**
 * The fate of a request: passed on, lost before it arrives, executed with its reply lost, answered by a machine on the
 * way, or executed with another reply than the chain's.
 */
export type Fate =
  | 'pass'
  | 'lose-request'
  | 'lose-answer'
  | { readonly status: number; readonly headers?: Readonly<Record<string, string>>; readonly body?: string }
  | { readonly error: NonNullable<RpcAnswer['error']> }
  | { readonly edit: (answer: RpcAnswer) => RpcAnswer };

/** A bad line to a chain. `fate` decides by the JSON-RPC method and the number of its calls, from 1. */
export async function openRpcLine(
  target: string,
  fate: (method: string, time: number, params: readonly unknown[]) => Fate,
) {
  const seen = new Map<string, number>();
  const server = createServer((incoming, response) => {
    const parts: Buffer[] = [];
    const answer = (
      status: number,
      body: string,
      headers: Readonly<Record<string, string>> = { 'content-type': 'application/json' },
    ): void => {
      response.writeHead(status, headers);
      response.end(body);
    };
    incoming
      .on('data', (part: Buffer) => parts.push(part))
      .on('end', () => {
        const body = Buffer.concat(parts);
        const { id, method, params = [] } = JSON.parse(body.toString()) as Call;
        const time = (seen.get(method) ?? 0) + 1;
        seen.set(method, time);
        const what = fate(method, time, params);
        if (what === 'lose-request') return void response.destroy();
        if (typeof what === 'object' && 'status' in what) return answer(what.status, what.body ?? '', what.headers);
        if (typeof what === 'object' && 'error' in what)
          return answer(200, JSON.stringify({ jsonrpc: '2.0', id, error: what.error }));
        forward(target, body).then(
          (text) => {
            if (what === 'lose-answer') response.destroy();
            else answer(200, what === 'pass' ? text : JSON.stringify(what.edit(JSON.parse(text) as RpcAnswer)));
          },
          () => response.destroy(),
        );
      });
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    asked: (method: string): number => seen.get(method) ?? 0,
    async close(): Promise<void> {
      server.closeAllConnections();
      server.close();
      await once(server, 'close');
    },
  };
}

function forward(target: string, body: Buffer): Promise<string> {
  return new Promise((resolve, reject) => {
    const forwarded = request(target, { method: 'POST', headers: { 'content-type': 'application/json' } }, (answer) => {
      let text = '';
      answer
        .setEncoding('utf8')
        .on('data', (part: string) => {
          text += part;
        })
        .on('end', () => resolve(text))
        .on('error', reject);
    });
    forwarded.on('error', reject);
    forwarded.end(body);
  });
}
