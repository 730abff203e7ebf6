import assert from 'node:assert/strict';
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
