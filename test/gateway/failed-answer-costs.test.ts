import assert from 'node:assert/strict';
import { test } from 'node:test';
import { QvacError } from '../../src/errors.ts';
import { withFailedAnswerCosts } from '../../src/gateway/answer/failed-answer-costs.ts';
import type {
  ClientPayments,
  EscrowHold,
  EscrowWallet,
  LockOrder,
  Settlement,
} from '../../src/node/payment/payments.ts';

const order = { offer: { payment: { amountLamports: 100n } } } as unknown as LockOrder;

/** Payments whose `lock` is given, and the failed costs that they report. */
async function start(
  lock: () => Promise<Partial<EscrowHold>>,
): Promise<{ readonly paying: EscrowWallet; readonly lost: Promise<bigint>[] }> {
  const lost: Promise<bigint>[] = [];
  const paying = { lock } as unknown as EscrowWallet;
  const payments: ClientPayments = {
    start: async () => undefined,
    stop: async () => undefined,
    open: async () => paying,
  };
  return { paying: await withFailedAnswerCosts(payments, (lamports) => lost.push(lamports)).open(), lost };
}

const ended = (end: Partial<Settlement> | null) => async (): Promise<Partial<EscrowHold>> => ({
  abandon: async () => (end === null ? null : ({ paid: 0n, burnt: 0n, ...end } as Settlement)),
  settle: async () => ({}) as Settlement,
});

test('a failed answer costs what was burnt or paid; if unknown, all that was locked', async () => {
  for (const [end, cost] of [
    [{ state: 'declined' }, 0n],
    [{ state: 'rejected', burnt: 40n }, 40n],
    [{ state: 'confirmed', paid: 30n }, 30n],
    [null, 100n],
  ] as const) {
    const { paying, lost } = await start(ended(end));
    await (await paying.lock(order)).abandon();
    assert.deepEqual(await Promise.all(lost), [cost]);
  }
});

test('a complete answer or a refused transaction costs nothing extra; an unknown outcome does', async () => {
  const whole = await start(ended(null));
  await (await whole.paying.lock(order)).settle({} as never);
  assert.deepEqual(whole.lost, []);
  const failing = async (code: 'E_ESCROW' | 'E_CHAIN'): Promise<readonly bigint[]> => {
    const { paying, lost } = await start(() => Promise.reject(new QvacError(code, 'no')));
    await assert.rejects(paying.lock(order), { code });
    return Promise.all(lost);
  };
  assert.deepEqual([await failing('E_ESCROW'), await failing('E_CHAIN')], [[], [100n]]);
});
