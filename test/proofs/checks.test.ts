import assert from 'node:assert/strict';
import { readdirSync } from 'node:fs';
import { describe, it } from 'node:test';
import { fromHex } from '../../src/lib/bytes.ts';
import { payableLamports } from '../../src/proofs/checks/payment.ts';
import { subjectOf } from '../../src/proofs/checks/subject.ts';
import { type Assessment, assess } from '../../src/proofs/checks.ts';
import { Vocabulary } from '../../src/proofs/grammar/vocabulary.ts';
import { OldReceiptError, parseReceipt, serialiseReceipt } from '../../src/proofs/receipt.ts';
import { MalformedError } from '../../src/protocol/codec.ts';
import { readVectors } from '../support/vectors.ts';

interface ReceiptVector {
  readonly about: string;
  readonly expect: {
    readonly result: string;
    readonly fault: string | null;
    readonly check: string | null;
    readonly price?: string;
  };
  readonly receipt: unknown;
  readonly vocabulary?: readonly string[];
}

const folders = ['receipts-pass', 'receipts-bad'];
const files = folders.flatMap((folder) =>
  readdirSync(new URL(`../vectors/${folder}`, import.meta.url)).map((name) => `${folder}/${name}`),
);

/** The number of the check that failed (section 4.4), null if none did. */
function failedCheck({ checks }: Assessment): string | null {
  const at = checks.findIndex(({ result }) => result === 'fail');
  return at === -1 ? null : String(at + 1);
}

describe('section 4.4: receipts, checks 1 to 4', () => {
  for (const file of files) {
    const { about, expect, receipt, vocabulary } = readVectors(file) as ReceiptVector;
    const json = JSON.stringify(receipt);
    const evidence = { vocabulary: vocabulary && new Vocabulary(vocabulary.map(fromHex)) };

    if (expect.result === 'malformed') {
      it(`${file}: ${about} Malformed.`, () => assert.throws(() => parseReceipt(json), MalformedError));
      continue;
    }

    it(`${file}: ${about}`, () => {
      const parsed = parseReceipt(json);
      assert.equal(serialiseReceipt(parsed), json);
      const assessment = assess(parsed, evidence);
      assert.equal(assessment.result, expect.result, JSON.stringify(assessment.checks));
      assert.deepEqual(assessment.faults, expect.fault === null ? [] : [expect.fault]);
      assert.equal(failedCheck(assessment), expect.check);
      assert.equal(assessment.tier, 'sampling');
      if (expect.price !== undefined) assert.equal(payableLamports(subjectOf(parsed)), BigInt(expect.price));
    });
  }

  it('reports every check in plain words, also those that were not made', () => {
    const { receipt } = readVectors('receipts-bad/prefix-break.json') as ReceiptVector;
    const { checks } = assess(parseReceipt(JSON.stringify(receipt)), {});
    assert.deepEqual(
      checks.map(({ name, result }) => `${name} ${result}`),
      ['signatures pass', 'opening fail', 'sampling skipped', 'length skipped', 'prompt skipped', 'execution skipped'],
    );
    for (const { detail } of checks) assert.match(detail, /^[a-z][^\n]{10,200}$/);
  });
});

describe('section 4.5: the text of a receipt', () => {
  const { receipts } = readVectors('receipt-text.json') as {
    receipts: readonly { what: string; receipt: string; result: string }[];
  };
  for (const { what, receipt, result } of receipts) {
    it(`${what}: ${result}`, () => {
      if (result === 'malformed') assert.throws(() => parseReceipt(receipt), MalformedError);
      else assert.equal(assess(parseReceipt(receipt), {}).result, result);
    });
  }
});

describe('section 4.5: the one form of a receipt', () => {
  const { receipt } = readVectors('receipts-pass/paid.json') as { receipt: Record<string, unknown> };
  const json = JSON.stringify(receipt);

  for (const [what, malformed] of [
    ['a key twice below the top', json.replace('"template":', '"template":"raw","template":')],
    ['a number with an exponent', json.replace('"batch":63', '"batch":63e0')],
    ['another version', json.replace('"version":1', '"version":2')],
    ['an inherited name as field', json.replace('{"version":1', '{"toString":1,"version":1')],
    ['a token that is not a u32', json.replace('"tokens":[', '"tokens":[4294967296,')],
    ['a signature of 63 bytes', JSON.stringify({ ...receipt, offerSig: Buffer.alloc(63).toString('base64url') })],
    ['no heads', JSON.stringify({ ...receipt, heads: [] })],
    ['an opening without the secret', JSON.stringify({ ...receipt, secret: null })],
    ['a signature without its message', JSON.stringify({ ...receipt, quote: null })],
    ['a settlement that is not an object', JSON.stringify({ ...receipt, settlement: [] })],
    ['a name of 31 bytes for the previous job', JSON.stringify({ ...receipt, previous: 'A'.repeat(42) })],
    [
      'deep nesting',
      JSON.stringify({ ...receipt, settlement: 0 }).replace(
        '"settlement":0',
        `"settlement":{"a":${'['.repeat(100)}${']'.repeat(100)}}`,
      ),
    ],
    ['half of it', json.slice(0, json.length / 2)],
  ] as const) {
    it(`refuses ${what}`, () => assert.throws(() => parseReceipt(malformed), MalformedError));
  }

  it('says of a receipt from before the revision that it is old', () => {
    const { ack: _ack, ackSig: _ackSig, extra: _extra, grammar: _grammar, previous: _previous, ...rest } = receipt;
    const old = JSON.stringify({ ...rest, cancel: null, cancelSig: null });
    assert.throws(() => parseReceipt(old), OldReceiptError);
    assert.throws(
      () => parseReceipt(json.replace('{"version":1', '{"cancel":null,"cancelSig":null,"version":1')),
      (error) => error instanceof MalformedError && !(error instanceof OldReceiptError),
    );
  });

  it('refuses bytes that are not UTF-8', () => {
    assert.throws(() => parseReceipt(Uint8Array.of(0x7b, 0xff, 0x7d)), MalformedError);
  });

  it('takes white space and keys in another order', () => {
    const reordered = JSON.stringify(Object.fromEntries(Object.entries(receipt).reverse()), null, 2);
    assert.deepEqual(parseReceipt(reordered), parseReceipt(json));
  });

  it('does not look into the settlement', () => {
    const settlement = { share: 0.5, list: [{ a: 1e-3 }] };
    assert.deepEqual(parseReceipt(JSON.stringify({ ...receipt, settlement })).settlement, settlement);
  });
});
