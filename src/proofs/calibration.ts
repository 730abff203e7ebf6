import * as v from 'valibot';
import { equalBytes, fromUtf8, utf8 } from '../lib/bytes.ts';
import { MalformedError } from '../protocol/codec.ts';
import { sha256 } from '../protocol/digests.ts';
import { isAscending, natural } from '../protocol/messages/fields.ts';
import { validated } from '../protocol/validate.ts';

/** Thresholds of section 6, in millionths. */
export interface Limits {
  /** Root mean square over at least 8 opened steps; over fewer it is inconclusive. */
  readonly rmsDq: number;
  /** The same over fewer than 8, from which on it fails. */
  readonly rmsDqFew: number;
  /** Mean miss over at least 32 steps, at least 128 steps, and at temperature 0 over at least 16. */
  readonly meanMiss32: number;
  readonly meanMiss128: number;
  readonly meanMissGreedy: number;
  /** Mean total variation over at least 8 opened steps. */
  readonly meanTv: number;
}

/**
 * A schedule that gives a class's bits: the provider's with no other job in the calls, or one run in blocks of `batch`.
 */
export type SameBits = 'alone' | 'prefill';

/** Section 6: measured limits of one model. Digests in lower-case hex. */
export interface Calibration {
  readonly version: 1;
  readonly modelId: string;
  readonly limits: Limits;
  readonly sameBits: Readonly<Record<string, readonly SameBits[]>>;
  readonly evidence: { readonly jobs: number; readonly steps: number; readonly classes: readonly string[] };
}

/** The table of section 6. */
export const defaultLimits: Limits = {
  rmsDq: 300_000,
  rmsDqFew: 500_000,
  meanMiss32: 12_000,
  meanMiss128: 8_000,
  meanMissGreedy: 50_000,
  meanTv: 100_000,
};

const digestHex = v.pipe(v.string(), v.regex(/^[0-9a-f]{64}$/));

const schedules = v.pipe(
  v.array(v.picklist(['alone', 'prefill'])),
  v.minLength(1),
  v.check((names) => isAscending(names), 'expected ascending schedules'),
);

const calibration = v.strictObject({
  version: v.literal(1),
  modelId: digestHex,
  limits: v.strictObject({
    rmsDq: natural,
    rmsDqFew: natural,
    meanMiss32: natural,
    meanMiss128: natural,
    meanMissGreedy: natural,
    meanTv: natural,
  }),
  sameBits: v.record(digestHex, schedules),
  evidence: v.strictObject({
    jobs: natural,
    steps: natural,
    classes: v.pipe(
      v.array(digestHex),
      v.check((classes) => isAscending(classes), 'expected ascending classes'),
    ),
  }),
});

/** A calibration as the checks take it: its limits, and the digest that a verdict names. */
export function limitsOf(calibration: Calibration | null): {
  readonly digest: Uint8Array;
  readonly limits: Calibration['limits'];
} | null {
  return calibration && { digest: sha256(utf8(serialiseCalibration(calibration))), limits: calibration.limits };
}

/**
 * The calibration in a file's bytes.
 * @throws MalformedError for any other form than the one that `serialiseCalibration` writes
 */
export function parseCalibration(file: Uint8Array): Calibration {
  let value: unknown;
  try {
    value = JSON.parse(fromUtf8(file));
  } catch (error) {
    throw new MalformedError('calibration: not JSON', { cause: error });
  }
  const parsed = validated(calibration, value, 'calibration');
  if (!equalBytes(utf8(serialiseCalibration(parsed)), file))
    throw new MalformedError('calibration: not in its one form');
  return parsed;
}

/** The file's text: one line without a line feed. Its digest is `sha256` of its UTF-8 bytes. */
export function serialiseCalibration({ modelId, limits, sameBits, evidence }: Calibration): string {
  const { rmsDq, rmsDqFew, meanMiss32, meanMiss128, meanMissGreedy, meanTv } = limits;
  const classes = Object.entries(sameBits).sort(([a], [b]) => (a < b ? -1 : 1));
  return JSON.stringify({
    version: 1,
    modelId,
    limits: { rmsDq, rmsDqFew, meanMiss32, meanMiss128, meanMissGreedy, meanTv },
    sameBits: Object.fromEntries(classes.map(([execClass, schedules]) => [execClass, [...schedules].sort()])),
    evidence: { jobs: evidence.jobs, steps: evidence.steps, classes: [...evidence.classes].sort() },
  });
}
