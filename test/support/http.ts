import { once } from 'node:events';
import { type IncomingMessage, request } from 'node:http';
import { connect, type Socket } from 'node:net';
import type { TestContext } from 'node:test';
import type { TestGateway } from './gateway.ts';

/** Sends a request with exactly these headers; `fetch` adds some of its own. */
export async function send(
  { gateway }: TestGateway,
  path: string,
  headers: Readonly<Record<string, string>>,
  body: string | null = null,
  method = body === null ? 'GET' : 'POST',
): Promise<{ readonly status: number; readonly headers: IncomingMessage['headers']; readonly text: string }> {
  const sent = request({
    host: '127.0.0.1',
    port: gateway.port,
    path,
    method,
    headers: { host: `127.0.0.1:${gateway.port}`, ...headers },
  });
  sent.end(body ?? undefined);
  const [response] = (await once(sent, 'response')) as [IncomingMessage];
  const parts = await response.setEncoding('utf8').toArray();
  return { status: response.statusCode ?? 0, headers: response.headers, text: parts.join('') };
}

/** Opens a connection and sends nothing. */
export async function openSocket(context: TestContext, { gateway }: TestGateway): Promise<Socket> {
  const socket = connect({ host: '127.0.0.1', port: gateway.port });
  socket.on('error', () => undefined);
  context.after(() => socket.destroy());
  await once(socket, 'connect');
  return socket;
}

/** Sends these bytes and returns everything that arrives until the other side closes. */
export async function sendRaw(context: TestContext, started: TestGateway, text: string): Promise<string> {
  const socket = await openSocket(context, started);
  socket.write(text);
  return (await socket.setEncoding('utf8').toArray()).join('');
}

/** The status of each response in `text`. */
export const statusesIn = (text: string): readonly string[] =>
  [...text.matchAll(/HTTP\/1\.1 (\d{3}) /g)].map(([, status]) => status ?? '');
