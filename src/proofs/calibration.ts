/** Thresholds of section 6, in millionths. */
export interface Limits {
  /** Root mean square over at least 8 opened steps; over fewer it is inconclusive. */
  readonly rmsDq: number;
  /** The same over fewer than 8. */
  readonly rmsDqFew: number;
  /** Mean miss over at least 32 steps, at least 128 steps, and at temperature 0 over at least 16. */
  readonly meanMiss32: number;
  readonly meanMiss128: number;
  readonly meanMissGreedy: number;
  /** Mean total variation over at least 8 opened steps. */
  readonly meanTv: number;
}

/** A schedule that gives a class's bits: the provider's with no other job in the calls, or one run in blocks of `batch`. */
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
export const defaultLimits: Limits = { rmsDq: 300_000, rmsDqFew: 500_000, meanMiss32: 12_000, meanMiss128: 8_000, meanMissGreedy: 50_000, meanTv: 100_000 };

/** @throws MalformedError for any other form than the one that `serialiseCalibration` writes */
export function parseCalibration(_file: Uint8Array): Calibration {
  throw new Error('not yet');
}

/** The file's text. Its digest is `sha256` of its UTF-8 bytes. */
export function serialiseCalibration(_calibration: Calibration): string {
  throw new Error('not yet');
}
