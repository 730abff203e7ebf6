import assert from 'node:assert/strict';
import { beforeEach, test } from 'node:test';
import { fakeStorage } from '../support/browser-storage.ts';

const storage = fakeStorage();
const { deposits } = await import('../../src/web/deposits.ts');

beforeEach(() => {
  storage.texts.clear();
  storage.room = Infinity;
});

const about = { channel: 'aa', provider: 'p', payee: 'w' } as const;
const opening = {
  ...about,
  kind: 'channel_open',
  deposit: '1000',
  client: 'c',
  chain: 'x',
  expiresAt: 0,
  rent: '0',
} as const;
const topUp = { ...about, kind: 'channel_top_up', amount: '500', deposit: '0' } as const;

test('adds up what was signed for a channel, of its own provider only', () => {
  assert.equal(deposits.in('aa', 'p'), null);
  deposits.sign(opening);
  deposits.sign(topUp);
  assert.deepEqual([deposits.in('aa', 'p'), deposits.in('aa', 'q'), deposits.in('bb', 'p')], [1_500n, null, null]);
});

test('an opening that is signed again does not take back what was added', () => {
  for (const purpose of [opening, topUp, opening]) deposits.sign(purpose);
  assert.equal(deposits.in('aa', 'p'), 1_500n);
});

test('conversations make room for a deposit, the oldest first', () => {
  storage.setItem('qvac.conversations', JSON.stringify(['new', 'old'].map((title) => title.padEnd(500))));
  storage.room = storage.getItem('qvac.conversations')?.length ?? 0;
  deposits.sign(opening);
  assert.equal(deposits.in('aa', 'p'), 1_000n);
  assert.equal(storage.getItem('qvac.conversations'), JSON.stringify(['new'.padEnd(500)]));
  storage.room = 10;
  assert.throws(() => deposits.sign(topUp), /no room to note the deposit.*Nothing was sent/);
});
