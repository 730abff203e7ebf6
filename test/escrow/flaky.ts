import { once } from 'node:events';
import { createServer, request } from 'node:http';
import type { AddressInfo } from 'node:net';

/** What becomes of a request: passed on, lost before it arrives, or executed with its answer lost. */
export type Fate = 'pass' | 'lose-request' | 'lose-answer';

/** A bad line to a chain. `fate` decides by the JSON-RPC method and how often it was asked for, from 1. */
export async function openFlakyLine(target: string, fate: (method: string, time: number) => Fate) {
  const seen = new Map<string, number>();
  const server = createServer((incoming, response) => {
    const parts: Buffer[] = [];
    incoming.on('data', (part: Buffer) => parts.push(part)).on('end', () => {
      const body = Buffer.concat(parts);
      const { method } = JSON.parse(body.toString()) as { method: string };
      const time = (seen.get(method) ?? 0) + 1;
      seen.set(method, time);
      const what = fate(method, time);
      if (what === 'lose-request') return void response.destroy();
      const forwarded = request(target, { method: 'POST', headers: { 'content-type': 'application/json' } }, (answer) => {
        if (what === 'lose-answer') {
          answer.resume().on('end', () => response.destroy());
          return;
        }
        response.writeHead(answer.statusCode ?? 502, { 'content-type': 'application/json' });
        answer.pipe(response);
      });
      forwarded.on('error', () => response.destroy());
      forwarded.end(body);
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
