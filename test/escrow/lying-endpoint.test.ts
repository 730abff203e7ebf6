import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { type TestContext, test } from 'node:test';
import { startLocalnet } from '../../src/escrow/localnet.ts';
import { openEscrow } from '../../src/escrow/program.ts';
import { temporaryHome } from '../support/home.ts';
import { openRpcLine, type RpcAnswer } from '../support/rpc-line.ts';
import { newNode, SOL } from './world.ts';

/** What an endpoint that means harm may put into its answers: it must end as its own fault, never as a crash. */

async function start(context: TestContext) {
  const chain = await startLocalnet({ dir: await temporaryHome(context) });
  context.after(() => chain.stop());
  let edit: ((method: string, answer: RpcAnswer) => RpcAnswer) | null = null;
  const line = await openRpcLine(chain.rpcUrl, (method) => ({ edit: (answer) => edit?.(method, answer) ?? answer }));
  context.after(() => line.close());
  const node = newNode();
  const escrow = await openEscrow({ rpcUrl: line.url, wallet: newNode(), pollMs: 20 });
  await escrow.airdrop(2n * SOL);
  await escrow.register({ node, stake: SOL });
  return {
    escrow,
    url: line.url,
    wallet: escrow.wallet ?? assert.fail('it has no wallet'),
    lie: (next: typeof edit) => {
      edit = next;
    },
  };
}

const accountWith =
  (data: Uint8Array) =>
  (method: string, answer: RpcAnswer): RpcAnswer => {
    if (method !== 'getAccountInfo') return answer;
    const { context, value } = answer.result as {
      readonly context: unknown;
      readonly value: Readonly<Record<string, unknown>> | null;
    };
    return {
      ...answer,
      result: {
        context,
        value: value === null ? null : { ...value, data: [Buffer.from(data).toString('base64'), 'base64'] },
      },
    };
  };

test('an account that holds something else, less, or nothing', async (context) => {
  const { escrow, wallet, lie } = await start(context);
  for (const data of [new Uint8Array(0), new Uint8Array(7), new Uint8Array(166).fill(7), new Uint8Array(166)]) {
    lie(accountWith(data));
    await assert.rejects(escrow.provider(wallet), { code: 'E_CHAIN' });
  }
});

test('a balance, a rent or a time that is none', async (context) => {
  const { escrow, lie } = await start(context);
  lie(accountWith(new Uint8Array(7)));
  await assert.rejects(escrow.now(), { code: 'E_CHAIN' });
  lie((method, answer) =>
    method === 'getBalance'
      ? { ...answer, result: { context: { slot: 1 }, value: 1.5 } }
      : method === 'getMinimumBalanceForRentExemption'
        ? { ...answer, result: 1.5 }
        : answer,
  );
  await assert.rejects(escrow.balance(), { code: 'E_CHAIN' });
  await assert.rejects(escrow.rent(347), { code: 'E_CHAIN' });
});

test('a blockhash or a genesis hash that is none', async (context) => {
  const { escrow, url, lie } = await start(context);
  for (const blockhash of ['no base58: 0OIl', 'abc', '']) {
    lie((method, answer) =>
      method === 'getLatestBlockhash'
        ? { ...answer, result: { context: { slot: 1 }, value: { blockhash, lastValidBlockHeight: 1 } } }
        : answer,
    );
    await assert.rejects(escrow.withdraw(1n), { code: 'E_CHAIN' });
  }
  lie((method, answer) => (method === 'getGenesisHash' ? { ...answer, result: 'no base58: 0OIl' } : answer));
  await assert.rejects(openEscrow({ rpcUrl: url }), { code: 'E_CHAIN' });
});

test('an error instead of the rent', async (context) => {
  const { escrow, lie } = await start(context);
  lie((method, { result: _result, ...answer }) =>
    method === 'getMinimumBalanceForRentExemption'
      ? { ...answer, error: { code: -32601, message: 'Method not found' } }
      : { result: _result, ...answer },
  );
  await assert.rejects(escrow.rent(347), { code: 'E_CHAIN' });
});

test('an answer without an end', async (context) => {
  const piece = Buffer.alloc(1 << 20, ' ');
  let sent = 0;
  const server = createServer((_request, response) => {
    response.writeHead(200, { 'content-type': 'application/json' });
    const more = (): void => {
      while (!response.destroyed && response.write(piece)) sent += piece.length;
      sent += piece.length;
      response.once('drain', more);
    };
    more();
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  context.after(() => {
    server.closeAllConnections();
    server.close();
  });
  const rpcUrl = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  await assert.rejects(openEscrow({ rpcUrl }), { code: 'E_CHAIN', message: /too much/ });
  assert.ok(sent < 512 * 2 ** 20, `${sent} bytes were taken`);
});
