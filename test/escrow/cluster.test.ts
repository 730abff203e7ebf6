import assert from 'node:assert/strict';
import { describe, type TestContext, test } from 'node:test';
import idl from '../../programs/escrow/artifacts/escrow.json' with { type: 'json' };
import type { WalletKey } from '../../src/escrow/escrow.ts';
import { startLocalnet } from '../../src/escrow/localnet.ts';
import { openEscrow } from '../../src/escrow/program.ts';
import { RefusedError } from '../../src/escrow/refusal.ts';
import { temporaryHome } from '../support/home.ts';
import { openRpcLine, type RpcAnswer } from '../support/rpc-line.ts';
import { encodeOffer } from './layouts.ts';
import { digest, type Funded, jobIdOf, newNode, offerBetween, SOL, submission } from './world.ts';

// What public endpoints of a cluster do besides answering: several nodes behind one address, some of them late, that
// count requests, lose them, leave logs out, and give no lamports away.

type Fate = Parameters<typeof openRpcLine>[1];

/** A provider and a client on one chain, the client behind a line whose `fate` can change. */
async function start(context: TestContext) {
  const chain = await startLocalnet({ dir: await temporaryHome(context) });
  context.after(() => chain.stop());
  let fate: Fate = () => 'pass';
  const line = await openRpcLine(chain.rpcUrl, (...call) => fate(...call));
  context.after(() => line.close());
  const openAs = async (wallet: WalletKey, rpcUrl: string, timeoutMs: number) =>
    (await openEscrow({ rpcUrl, wallet, pollMs: 20, timeoutMs })) as Funded;
  const open = async (wallet: WalletKey, rpcUrl: string) => {
    const escrow = await openAs(wallet, rpcUrl, 60_000);
    await escrow.airdrop(20n * SOL);
    return escrow;
  };
  const buyerWallet = newNode();
  const [seller, buyer] = [await open(newNode(), chain.rpcUrl), await open(buyerWallet, line.url)];
  const [node, clientNode] = [newNode(), newNode()];
  await seller.register({ node, stake: SOL });
  const parties = { authority: seller.wallet, provider: node.publicKey, client: clientNode.publicKey };
  const now = BigInt((await seller.now()) / 1_000);
  const offer = encodeOffer(offerBetween({ ...parties, payer: buyer.wallet, now }));
  const jobId = jobIdOf(offer);
  const address = buyer.jobAddress(buyer.wallet, jobId);
  return {
    line,
    seller,
    buyer,
    address,
    /** The client's wallet, in a process that does not wait that long. */
    hasty: (timeoutMs: number) => openAs(buyerWallet, line.url, timeoutMs),
    create: (by = buyer) => by.createJob({ authority: seller.wallet, offer }),
    async submit() {
      const job = await seller.job(address);
      assert.ok(job !== null);
      const [head, ack] = submission({ jobId, buyer: { node: clientNode } });
      await seller.submitJob(job, { head, ack });
    },
    meet(next: Fate) {
      fate = next;
    },
  };
}

/** The program's own number for a refusal. */
const code = (name: string): number => idl.errors.find((error) => error.name === name)?.code ?? assert.fail(name);
const staked = async ({ seller }: { readonly seller: Funded }) => (await seller.provider(seller.wallet))?.stake ?? 0n;
const resultOf = <Value>({ result }: RpcAnswer): Value => result as Value;

/** As of a node that another node was faster than. */
const alreadyProcessed = {
  result: undefined,
  error: {
    code: -32002,
    message: 'Transaction simulation failed: This transaction has already been processed',
    data: { err: 'AlreadyProcessed', logs: [], accounts: null, unitsConsumed: 0 },
  },
};

describe('an endpoint that counts requests', () => {
  test('is waited for as it asks, whatever the request', async (context) => {
    const market = await start(context);
    market.meet((_method, time) =>
      time === 1
        ? {
            status: 429,
            headers: { 'retry-after': '0' },
            body: '{"jsonrpc":"2.0","error":{"code":429,"message":"Too many requests"}}',
          }
        : 'pass',
    );
    await market.create();
    assert.ok(await market.buyer.job(market.address));
    await market.buyer.addStake(1n, market.seller.wallet);
    assert.equal(await staked(market), SOL + 1n);
  });

  test('and never lets one through, is given up on', async (context) => {
    const market = await start(context);
    const hasty = await market.hasty(1_500);
    market.meet((method) => (method === 'sendTransaction' ? { status: 429, headers: { 'retry-after': '0' } } : 'pass'));
    await assert.rejects(market.create(hasty), { code: 'E_CHAIN' });
    assert.equal(await market.seller.job(market.address), null);
  });
});

describe('an endpoint with bad moments', () => {
  for (const [name, fate] of [
    [
      'a page of a proxy instead of an answer',
      { status: 502, headers: { 'content-type': 'text/html' }, body: '<html>Bad Gateway</html>' },
    ],
    [
      'a node that is behind',
      { error: { code: -32005, message: 'Node is behind by 42 slots', data: { numSlotsBehind: 42 } } },
    ],
    ['a node that fails', { error: { code: -32603, message: 'Internal error' } }],
  ] as const) {
    test(name, async (context) => {
      const market = await start(context);
      market.meet((_method, time) => (time <= 2 ? fate : 'pass'));
      await market.create();
      assert.equal((await market.buyer.job(market.address))?.amount, 1_068n);
    });
  }
});

test('an error that does not speak of the transaction leaves open whether it was executed', async (context) => {
  const market = await start(context);
  const executed = (message: string): void =>
    market.meet((method) =>
      method === 'sendTransaction'
        ? { edit: ({ result: _result, ...answer }) => ({ ...answer, error: { code: -32000, message } }) }
        : 'pass',
    );
  executed('upstream request timed out');
  await market.buyer.addStake(1n, market.seller.wallet);
  assert.equal(await staked(market), SOL + 1n);
  executed('the plan of this endpoint has no such requests');
  await assert.rejects(market.create(), { code: 'E_CHAIN', message: /the plan of this endpoint/ });
  assert.ok(await market.seller.job(market.address));
});

describe('several nodes behind one address', () => {
  test('a job that was seen is not taken for one that has ended by a node that does not know it yet', async (context) => {
    const market = await start(context);
    await market.create();
    assert.ok(await market.buyer.job(market.address));
    let late = 0;
    market.meet((method, _time, params) => {
      if (method !== 'getAccountInfo') return 'pass';
      const { minContextSlot } = (params[1] ?? {}) as { readonly minContextSlot?: number };
      if (minContextSlot === undefined)
        return {
          edit: ({ result: _result, ...answer }) => ({ ...answer, result: { context: { slot: 1 }, value: null } }),
        };
      return late++ < 2 ? { error: { code: -32016, message: 'Minimum context slot has not been reached' } } : 'pass';
    });
    assert.ok(await market.buyer.job(market.address));
    assert.equal(late, 3);
  });

  test('a transaction that a late node does not know of is not signed anew', async (context) => {
    const market = await start(context);
    const unknownUntilLookedAt = 3;
    let looked = 0;
    market.meet((method) => {
      if (method === 'getEpochInfo')
        return {
          edit: (answer) => ({ ...answer, result: { ...resultOf<object>(answer), blockHeight: 10_000_000_000 } }),
        };
      // Once after it was found too old, and a few times more.
      if (
        method !== 'getSignatureStatuses' ||
        (market.line.asked('getEpochInfo') > 0 && looked++ >= unknownUntilLookedAt)
      )
        return 'pass';
      return { edit: (answer) => ({ ...answer, result: { context: { slot: 1 }, value: [null] } }) };
    });
    await market.buyer.addStake(1n, market.seller.wallet);
    assert.equal(await staked(market), SOL + 1n);
    assert.ok(market.line.asked('getEpochInfo') > 0, 'it was looked whether it is too old');
  });

  test('one that no node knows of once it is too old is signed anew', async (context) => {
    const market = await start(context);
    let sent = 0;
    market.meet((method) => {
      if (method === 'sendTransaction' && sent++ < 1) return 'lose-request';
      if (method === 'getEpochInfo')
        return {
          edit: (answer) => ({ ...answer, result: { ...resultOf<object>(answer), blockHeight: 10_000_000_000 } }),
        };
      return 'pass';
    });
    await market.buyer.addStake(1n, market.seller.wallet);
    assert.equal(await staked(market), SOL + 1n);
    assert.ok(market.line.asked('getLatestBlockhash') >= 2);
  });

  test('one that a proxy passed on to two nodes is executed once', async (context) => {
    const market = await start(context);
    let sent = 0;
    market.meet((method) =>
      method === 'sendTransaction' && sent++ < 1 ? { edit: (answer) => ({ ...answer, ...alreadyProcessed }) } : 'pass',
    );
    await market.create();
    assert.ok(await market.buyer.job(market.address));
    sent = 0;
    await market.buyer.addStake(1n, market.seller.wallet);
    assert.equal(await staked(market), SOL + 1n);
  });

  test('two calls that are the same at the same moment are both executed', async (context) => {
    const market = await start(context);
    await Promise.all([1, 2].map(() => market.buyer.addStake(1n, market.seller.wallet)));
    assert.equal(await staked(market), SOL + 2n);
  });

  test('a node that does not know the blockhash yet', async (context) => {
    const market = await start(context);
    const error = {
      code: -32002,
      message: 'Transaction simulation failed: Blockhash not found',
      data: { err: 'BlockhashNotFound', logs: [], accounts: null, unitsConsumed: 0 },
    };
    let sent = 0;
    market.meet((method) => (method === 'sendTransaction' && sent++ < 3 ? { error } : 'pass'));
    await market.buyer.addStake(1n, market.seller.wallet);
    assert.equal(await staked(market), SOL + 1n);
  });
});

describe('an endpoint that leaves the log out', () => {
  const isRefusal = (refusal: string) => (error: unknown) =>
    error instanceof RefusedError && error.refusal === refusal && error.hint !== undefined;

  test('of what it refuses to send', async (context) => {
    const market = await start(context);
    await market.create();
    market.meet((method) =>
      method !== 'sendTransaction'
        ? 'pass'
        : {
            edit({ error, ...answer }) {
              assert.ok(error !== undefined);
              return {
                ...answer,
                error: {
                  code: error.code,
                  message: `Transaction simulation failed: Error processing Instruction 0: custom program error: 0x${code('DeliveryPending').toString(16)}`,
                },
              };
            },
          },
    );
    const job = await market.buyer.job(market.address);
    assert.ok(job !== null);
    await assert.rejects(market.buyer.refundJob(job), isRefusal('DeliveryPending'));
  });

  test('of what failed on the chain', async (context) => {
    const market = await start(context);
    await market.create();
    await market.submit();
    const job = await market.buyer.job(market.address);
    assert.ok(job !== null);
    market.meet((method) => {
      if (method === 'sendTransaction') return { edit: (answer) => answer };
      if (method === 'getTransaction')
        return { edit: ({ result: _result, ...answer }) => ({ ...answer, result: null }) };
      if (method !== 'getSignatureStatuses') return 'pass';
      return {
        edit: (answer) => ({
          ...answer,
          result: {
            context: { slot: 1 },
            value: [
              {
                slot: 1,
                confirmations: 0,
                confirmationStatus: 'confirmed',
                err: { InstructionError: [0, { Custom: code('InvalidStatus') }] },
                status: { Err: 1 },
              },
            ],
          },
        }),
      };
    });
    await assert.rejects(market.buyer.confirmJob(job), isRefusal('InvalidStatus'));
  });
});

describe('a network that gives no lamports away', () => {
  test('says so, and where else to get some', async (context) => {
    const { buyer, meet } = await start(context);
    for (const fate of [
      { error: { code: -32601, message: 'Method not found' } },
      { status: 429, headers: { 'retry-after': '0' } },
      { error: { code: -32603, message: 'Internal error' } },
    ]) {
      meet((method) => (method === 'requestAirdrop' ? fate : 'pass'));
      await assert.rejects(
        buyer.airdrop(SOL),
        (error: { readonly code?: string; readonly hint?: string }) =>
          error.code === 'E_CHAIN' && /faucet/.test(error.hint ?? ''),
      );
    }
    for (const none of [0n, -1n, 2n ** 64n]) await assert.rejects(buyer.airdrop(none), { code: 'E_USAGE' });
  });

  test('although it promised some', async (context) => {
    const { hasty, meet } = await start(context);
    const buyer = await hasty(500);
    meet((method) =>
      method === 'getBalance'
        ? { edit: (answer) => ({ ...answer, result: { context: { slot: 1 }, value: 5 } }) }
        : 'pass',
    );
    await assert.rejects(buyer.airdrop(SOL), { code: 'E_CHAIN', message: /did not come within/ });
  });
});

test('a wallet that signs something else is found out before anything is sent', async (context) => {
  const { line } = await start(context);
  const wallet = newNode();
  const escrow = await openEscrow({
    rpcUrl: line.url,
    wallet: { publicKey: wallet.publicKey, sign: () => wallet.sign(digest('something else')) },
  });
  const before = line.asked('sendTransaction');
  await assert.rejects(escrow.addStake(1n, wallet.publicKey), { code: 'E_KEY' });
  assert.equal(line.asked('sendTransaction'), before);
});
