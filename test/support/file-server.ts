import { stat } from 'node:fs/promises';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { setTimeout } from 'node:timers/promises';

const storedWithinMs = 30_000;

export interface FileServer {
  readonly url: string;
  /** Range header of each request, '' if it had none. */
  readonly ranges: string[];
  close(): Promise<void>;
}

/** A web server on loopback that answers every request with `respond`; `count` numbers the requests from 0. */
export async function createFileServer(
  respond: (request: IncomingMessage, response: ServerResponse, count: number) => void,
): Promise<FileServer> {
  const ranges: string[] = [];
  const server = createServer((request, response) => {
    ranges.push(request.headers.range ?? '');
    respond(request, response, ranges.length - 1);
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/model.gguf`,
    ranges,
    async close() {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}

/** Answers like a correct server: the whole file or the requested range, with an ETag. */
export function sendFile(content: Buffer, request: IncomingMessage, response: ServerResponse, etag = '"v1"'): void {
  const range = /^bytes=(\d+)-$/.exec(request.headers.range ?? '');
  if (range === null || request.headers['if-range'] !== etag) {
    response.writeHead(200, { 'content-length': content.length, etag }).end(content);
    return;
  }
  const start = Number(range[1]);
  if (start >= content.length) response.writeHead(416, { 'content-range': `bytes */${content.length}` }).end();
  else
    response
      .writeHead(206, {
        'content-length': content.length - start,
        'content-range': `bytes ${start}-${content.length - 1}/${content.length}`,
        etag,
      })
      .end(content.subarray(start));
}

/**
 * Sends the first part of an answer of `content.length` bytes, then breaks the connection.
 * @param path of the client's file
 */
export function sendPart(
  content: Buffer,
  bytes: number,
  response: ServerResponse,
  path: string,
  etag = '"v1"',
): Promise<void> {
  response.writeHead(200, { 'content-length': content.length, etag });
  response.write(content.subarray(0, bytes));
  return breakOff(response, path, bytes);
}

/** Breaks a connection once the client has stored so many bytes of the file at `path`: it loses what it has not read. */
export async function breakOff(response: ServerResponse, path: string, bytes: number): Promise<void> {
  const isStored = async (): Promise<boolean> => ((await stat(`${path}.part`).catch(() => null))?.size ?? 0) >= bytes;
  const deadline = performance.now() + storedWithinMs;
  while (!response.destroyed && performance.now() < deadline && !(await isStored())) await setTimeout(5);
  response.destroy();
}
