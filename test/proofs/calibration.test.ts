import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { toHex, utf8 } from '../../src/lib/bytes.ts';
import {
  type Calibration,
  defaultLimits,
  parseCalibration,
  serialiseCalibration,
} from '../../src/proofs/calibration.ts';
import { MalformedError } from '../../src/protocol/codec.ts';
import { sha256 } from '../../src/protocol/digests.ts';
import { readVectors } from '../support/vectors.ts';

interface Vectors {
  readonly good: readonly { value: Calibration; file: string; digest: string }[];
  readonly bad: readonly { what: string; file: string }[];
}

const vectors = readVectors('calibration.json') as Vectors;

describe('section 6: calibration files', () => {
  for (const { value, file, digest } of vectors.good) {
    it(`reads and writes ${digest.slice(0, 8)}`, () => {
      assert.deepEqual(parseCalibration(utf8(file)), value);
      assert.equal(serialiseCalibration(value), file);
      assert.equal(toHex(sha256(utf8(file))), digest);
    });
  }

  for (const { what, file } of vectors.bad) {
    it(`does not use ${what}`, () => assert.throws(() => parseCalibration(utf8(file)), MalformedError));
  }

  it('has the limits of the table without a file', () => {
    assert.deepEqual(vectors.good[0]?.value.limits, defaultLimits);
  });
});
