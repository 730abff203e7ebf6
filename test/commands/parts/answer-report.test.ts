import assert from 'node:assert/strict';
import { test } from 'node:test';
import { report } from '../../../src/commands/parts/answer-report.ts';
import type { JobId, ModelId, PeerIdString } from '../../../src/lib/types.ts';
import type { Answer } from '../../../src/node/client/answer.ts';
import { createOutput } from '../../../src/terminal/output.ts';
import { MemorySink } from '../../support/memory-sink.ts';

const free: Answer = {
  text: 'blue',
  tokens: 2,
  finish: 0,
  provider: '12D3KooWLbTqVBYXwEdHqCwAvSGyzAmDUKRYVZmUwk3RNEWjbVEk' as PeerIdString,
  router: null,
  model: { name: 'm', quant: 'q8_0', id: 'ab'.repeat(32) as ModelId },
  earlier: [],
  atFault: null,
  level: 'full',
  verification: {
    result: 'inconclusive',
    tier: 'text',
    count: 2,
    meanTv: null,
    maxTv: null,
    rmsDq: null,
    meanMiss: null,
    faults: [],
  },
  why: null,
  receipt: 'cd'.repeat(32) as JobId,
  storeError: null,
  timing: { firstTokenMs: 1, totalMs: 2, tokensPerSecond: null },
  costLamports: 0n,
  payment: null,
  tooLate: false,
  interrupted: false,
};
const payment: NonNullable<Answer['payment']> = {
  state: 'confirmed',
  chain: 'solana:test',
  account: new Uint8Array(32),
  locked: 1n << 60n,
  paid: 60_000n,
  refunded: 40_000n,
  burnt: 0n,
  compensation: 0n,
  fees: 10_000n,
  signature: null,
  dueAt: null,
  channel: null,
};

async function told(answer: Answer): Promise<Record<string, unknown>> {
  const stdout = new MemorySink();
  await report(createOutput({ stdout, stderr: new MemorySink(), json: true }), answer, false);
  return JSON.parse(stdout.text) as Record<string, unknown>;
}

test('a free answer has a fixed JSON shape; a paid one adds the payment, and whether its check came too late', async () => {
  const shape = [
    'answer',
    'finish',
    'tokens',
    'provider',
    'router',
    'model',
    'earlier',
    'verification',
    'atFault',
    'receipt',
    'timing',
    'cost',
  ];
  assert.deepEqual(Object.keys(await told(free)), shape);
  const paid = { ...free, costLamports: 60_000n, payment };
  const [inTime, late] = [await told(paid), await told({ ...paid, tooLate: true })];
  assert.deepEqual(Object.keys(inTime), [...shape, 'payment', 'tooLate']);
  assert.deepEqual([inTime.tooLate, late.tooLate], [false, true]);
  assert.deepEqual(inTime.payment, {
    state: 'confirmed',
    by: 'job',
    chain: 'solana:test',
    account: '1'.repeat(32),
    locked: '1152921504606846976',
    paid: '60000',
    refunded: '40000',
    burnt: '0',
    compensation: '0',
    fees: '10000',
    signature: null,
    dueAt: null,
    channel: null,
  });
});
