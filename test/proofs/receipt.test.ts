import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { assess } from '../../src/proofs/checks.ts';
import { parseReceipt, type Receipt, serialiseReceipt } from '../../src/proofs/receipt.ts';
import { signBody, verifyBody } from '../../src/proofs/signing.ts';
import { verdictOf } from '../../src/proofs/verdict.ts';
import { MalformedError } from '../../src/protocol/codec.ts';
import { kinds } from '../../src/protocol/messages.ts';
import { decodeVerdict, encodeVerdict } from '../../src/protocol/validate.ts';
import { client, createScriptedJob } from '../support/scripted-job.ts';

/** A finished job's receipt with the client's verdict in it. */
function signedReceipt(number: number): Receipt {
  const job = createScriptedJob({ number, quote: {}, settings: { presence: 100 } });
  job.received.setAck(job.ack(1));
  const unsigned = job.finish().receipt([]);
  const body = encodeVerdict(verdictOf(assess(unsigned, {}), unsigned, client.publicKey, 1_790_000_000_500));
  return job.received.receipt([signBody(client, kinds.verdict, job.jobId, body)]);
}

fc.configureGlobal({ seed: 1 });

describe('section 4.5: receipts', () => {
  it('come back from their file', () => {
    fc.assert(
      fc.property(fc.nat(), (number) => {
        const receipt = signedReceipt(number);
        assert.deepEqual(parseReceipt(serialiseReceipt(receipt)), receipt);
        assert.equal(assess(receipt, {}).result, 'pass');
      }),
      { numRuns: 10 },
    );
  });

  it('never pass as another claim if one bit of the file is changed', () => {
    const receipt = signedReceipt(1);
    const file = Buffer.from(serialiseReceipt(receipt));
    fc.assert(
      fc.property(fc.nat(8 * file.length - 1), (bit) => {
        const changed = Buffer.from(file);
        changed[bit >> 3] = (changed[bit >> 3] ?? 0) ^ (1 << (bit & 7));
        const claim = claimOf(changed);
        if (claim !== null) assert.equal(claim, claimOf(file), `bit ${bit}`);
      }),
      { numRuns: 1_500 },
    );
  });

  it('fail or are malformed if a bit of any signed part is changed', () => {
    const receipt = signedReceipt(1);
    const parts: readonly ((bytes: (whole: Uint8Array) => Uint8Array) => Receipt)[] = [
      (change) => ({ ...receipt, offer: { ...receipt.offer, body: change(receipt.offer.body) } }),
      (change) => ({ ...receipt, offer: { ...receipt.offer, sig: change(receipt.offer.sig) } }),
      (change) => ({ ...receipt, quote: receipt.quote && { ...receipt.quote, body: change(receipt.quote.body) } }),
      (change) => ({ ...receipt, heads: receipt.heads.map((head) => ({ ...head, body: change(head.body) })) }),
      (change) => ({ ...receipt, heads: receipt.heads.map((head) => ({ ...head, sig: change(head.sig) })) }),
      (change) => ({
        ...receipt,
        opening: receipt.opening && { ...receipt.opening, body: change(receipt.opening.body) },
      }),
      (change) => ({
        ...receipt,
        opening: receipt.opening && { ...receipt.opening, sig: change(receipt.opening.sig) },
      }),
      (change) => ({
        ...receipt,
        verdicts: receipt.verdicts.map((verdict) => ({ ...verdict, body: change(verdict.body) })),
      }),
      (change) => ({ ...receipt, ack: receipt.ack && { ...receipt.ack, body: change(receipt.ack.body) } }),
      (change) => ({ ...receipt, extra: change(receipt.extra) }),
      (change) => ({ ...receipt, secret: receipt.secret && change(receipt.secret) }),
    ];
    fc.assert(
      fc.property(fc.constantFrom(...parts), fc.nat(), (part, bit) => {
        const altered = part((whole) =>
          whole.map((byte, at) => (at === (bit >> 3) % whole.length ? byte ^ (1 << (bit & 7)) : byte)),
        );
        try {
          assert.equal(assess(altered, {}).result, 'fail');
        } catch (error) {
          assert.ok(error instanceof MalformedError);
        }
      }),
      { numRuns: 600 },
    );
  });
});

/** All that a passing receipt says, null if the file does not pass. The settlement and the previous job are not signed. */
function claimOf(file: Uint8Array): string | null {
  try {
    const receipt = parseReceipt(file);
    return assess(receipt, {}).result === 'fail'
      ? null
      : serialiseReceipt({ ...receipt, previous: null, settlement: null });
  } catch (error) {
    assert.ok(error instanceof MalformedError);
    return null;
  }
}

describe('section 4.4: verdicts', () => {
  it('say what was found, signed for this job', () => {
    const receipt = signedReceipt(3);
    const assessment = assess(receipt, {});
    const job = createScriptedJob({ number: 3, quote: {}, settings: { presence: 100 } });
    const [signed] = receipt.verdicts;
    assert.ok(signed !== undefined);
    assert.ok(verifyBody(client.publicKey, kinds.verdict, job.jobId, signed));
    const verdict = decodeVerdict(signed.body);
    assert.deepEqual(
      [verdict.result, verdict.tier, verdict.count, verdict.faults],
      ['pass', 'sampling', assessment.count, []],
    );
    assert.deepEqual(verdict.verifier, client.publicKey);
    assert.equal(verdict.at, 1_790_000_000_500);
    assert.deepEqual(
      [verdict.execClass, verdict.calibration, verdict.meanMiss, verdict.referees],
      [null, null, null, []],
    );
  });
});
