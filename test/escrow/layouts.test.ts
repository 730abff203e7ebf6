import assert from 'node:assert/strict';
import { test } from 'node:test';
import { fromHex, toHex } from '../../src/lib/bytes.ts';
import acks from '../vectors/ack.json' with { type: 'json' };
import channels from '../vectors/channel.json' with { type: 'json' };
import heads from '../vectors/head.json' with { type: 'json' };
import offers from '../vectors/offer.json' with { type: 'json' };
import prices from '../vectors/price.json' with { type: 'json' };
import { encodeAck, encodeHead, encodeOffer, encodeTerms, fullPriceOf } from './layouts.ts';

// The bodies that these tests are made with are those of the protocol.

const wide = new Set([
  'issuedAt',
  'expiresAt',
  'validUntil',
  'amount',
  'priceJob',
  'priceIn',
  'priceOut',
  'committed',
  'released',
  'deposit',
  'window',
]);

/** The fields of a vector: bytes from hex, u64 from decimal text. */
function fieldsOf<Fields>(fields: Readonly<Record<string, unknown>>): Fields {
  const value = (name: string, raw: unknown): unknown =>
    typeof raw !== 'string' ? raw : wide.has(name) ? BigInt(raw) : fromHex(raw);
  return Object.fromEntries(Object.entries(fields).map(([name, raw]) => [name, value(name, raw)])) as Fields;
}

test('offers', () => {
  for (const { what, fields, body } of offers.offers) assert.equal(toHex(encodeOffer(fieldsOf(fields))), body, what);
});

test('acknowledgements', () => {
  for (const { fields, body } of acks.acks) assert.equal(toHex(encodeAck(fieldsOf(fields))), body);
});

test('heads', () => {
  for (const { body, sig: _sig, ...fields } of heads.heads) assert.equal(toHex(encodeHead(fieldsOf(fields))), body);
});

test('channel terms', () => {
  for (const { fields, body } of channels.terms) assert.equal(toHex(encodeTerms(fieldsOf(fields))), body);
});

test('amounts', () => {
  for (const { amount, score, ...fields } of prices.amounts)
    assert.equal(
      fullPriceOf({ ...fieldsOf<Parameters<typeof fullPriceOf>[0]>(fields), mode: score ? 4 : 1 }),
      BigInt(amount),
    );
});
