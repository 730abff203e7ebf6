import assert from 'node:assert/strict';
import { test } from 'node:test';
import { createQuotes } from '../../../src/node/provider/admission/quotes.ts';
import { signingKeyFromSeed } from '../../../src/proofs/signing.ts';
import { sha256 } from '../../../src/protocol/digests.ts';
import { modes, payFrom, type Quote, type Signed } from '../../../src/protocol/messages.ts';

const key = signingKeyFromSeed(new Uint8Array(32).fill(1));
const clientOf = (name: number): Uint8Array => new Uint8Array(32).fill(name);

function termsOf(client: Uint8Array): Omit<Quote, 'v' | 'peer' | 'issuedAt' | 'expiresAt' | 'nonce'> {
  const digest = new Uint8Array(32);
  const counts = { promptTokens: 100, maxTokens: 100, grace: 64, deliverWithin: 600 };
  const prices = { priceJob: 0, priceIn: 1, priceOut: 1 };
  const about = { client, modelId: digest, requestDigest: digest, execClass: digest, mode: modes.merkle, pay: null };
  return { ...about, ...counts, ...prices };
}

test('strangers that hold all open quotes shut no client out, and each has a limit', () => {
  const quotes = createQuotes({ clock: { now: () => 1_000_000 }, key }, { max: 8, maxPerClient: 4 });
  const issue = (client: number): Signed => quotes.issue(termsOf(clientOf(client)), payFrom.nothing);
  const isOpen = ({ body }: Signed): boolean => quotes.find(sha256(body)) !== null;
  const first = [1, 2, 3, 4].map(() => issue(1));
  assert.throws(() => issue(1), { code: 'busy' });
  const second = [1, 2, 3, 4].map(() => issue(2));
  const honest = [issue(3), issue(4), issue(5)];
  assert.ok(honest.every(isOpen));
  assert.deepEqual([first.filter(isOpen).length, second.filter(isOpen).length], [2, 3]);
  // The oldest ones went.
  assert.deepEqual(first.map(isOpen), [false, false, true, true]);
  // Nobody takes a place of somebody who holds no more.
  for (const client of [6, 7, 8]) issue(client);
  assert.throws(() => issue(9), { code: 'busy' });
});
