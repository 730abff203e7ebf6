import assert from 'node:assert/strict';
import { createServer, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { describe, it, type TestContext } from 'node:test';
import { startLocalnet } from '../../src/escrow/localnet.ts';
import { lookAtChain } from '../../src/escrow/look.ts';
import { temporaryHome } from '../support/home.ts';

const genesis = 'EtWTRABZaYq6iMfeYKouRu166VU2xqa1wcaWoxPkrZBG';

async function endpoint(
  context: TestContext,
  answer: (method: string, response: ServerResponse) => void,
): Promise<string> {
  const server = createServer((request, response) => {
    void request
      .toArray()
      .then((chunks: readonly Buffer[]) =>
        answer((JSON.parse(Buffer.concat(chunks).toString('utf8')) as { readonly method: string }).method, response),
      );
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  context.after(() => {
    server.closeAllConnections();
    server.close();
  });
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}/secret?key=hidden`;
}

const tell = (response: ServerResponse, result: unknown): unknown =>
  response.end(JSON.stringify({ jsonrpc: '2.0', id: 1, result }));
const honest = (method: string, response: ServerResponse): unknown =>
  tell(response, method === 'getGenesisHash' ? genesis : { context: { slot: 1 }, value: { executable: true } });

describe('a look at a chain', () => {
  it('tells which it is, and whether the program is there', async (context) => {
    const chain = await startLocalnet({ dir: await temporaryHome(context) });
    context.after(() => chain.stop());
    const { chain: id, program } = await lookAtChain({ rpcUrl: chain.rpcUrl });
    assert.deepEqual([id, program], [chain.chain, true]);
    assert.equal((await lookAtChain({ rpcUrl: chain.rpcUrl, program: new Uint8Array(32).fill(7) })).program, false);
  });

  it('compares the clocks, as far as a whole second tells', async (context) => {
    const now = Date.UTC(2026, 0, 1);
    const rpcUrl = await endpoint(context, (method, response) => {
      response.setHeader('date', new Date(now + 90_000).toUTCString());
      honest(method, response);
    });
    const { chain, clock } = await lookAtChain({ rpcUrl, now: () => now });
    assert.deepEqual([chain, clock], ['solana:EtWTRABZaYq6iMfeYKouRu166VU2xqa1', { aheadMs: 90_500, offMs: 500 }]);
    const silent = await endpoint(context, (method, response) => {
      response.sendDate = false;
      honest(method, response);
    });
    assert.equal((await lookAtChain({ rpcUrl: silent })).clock, null);
  });

  it('takes anything else for no chain, and names neither path nor key of the endpoint', async (context) => {
    for (const [answer, why] of [
      [(_method, response) => response.writeHead(500).end(), /HTTP 500/],
      [(_method, response) => response.end('<html>'), /no JSON/],
      [(_method, response) => response.end('null'), /an error/],
      [(_method, response) => response.end('{"error":{"code":-1}}'), /an error/],
      [(_method, response) => tell(response, { a: 1 }), /no genesis hash/],
      [(_method, response) => response.end(`"${'x'.repeat(1_000_000)}"`), /too much/],
      [(_method, response) => response.writeHead(302, { location: 'http://127.0.0.1:1/' }).end(), /./],
      [(_method, response) => response.destroy(), /./],
    ] as const satisfies readonly (readonly [(method: string, response: ServerResponse) => unknown, RegExp])[]) {
      await assert.rejects(
        lookAtChain({ rpcUrl: await endpoint(context, answer) }),
        (error: Error & { readonly code?: string }) =>
          error.code === 'E_CHAIN' && why.test(error.message) && !/secret|hidden/.test(error.message),
      );
    }
    const hanging = await endpoint(context, () => undefined);
    const stop = new AbortController();
    const looking = lookAtChain({ rpcUrl: hanging }, { signal: stop.signal });
    stop.abort(new Error('enough'));
    await assert.rejects(looking, /enough/);
  });
});
