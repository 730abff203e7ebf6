/**
 * How far the directions of two vectors are apart: 1 − cosine, 0 … 2, in float64. A vector of zeros has no direction:
 * it is 0 from another one, and 1 from all others.
 */
export function cosineDistance(a: Float32Array, b: Float32Array): number {
  const [lengthA, lengthB] = [lengthOf(a), lengthOf(b)];
  if (lengthA === 0 || lengthB === 0) return lengthA === lengthB ? 0 : 1;
  let squares = 0;
  // Half the squared difference of the unit vectors: 1 − cosine itself would lose what is below 2^-53.
  for (let at = 0; at < a.length; at++) squares += ((a[at] ?? 0) / lengthA - (b[at] ?? 0) / lengthB) ** 2;
  return squares / 2;
}

/** The vector with length 1; one of zeros stays. */
export function normalised(vector: Float32Array): Float32Array {
  const length = lengthOf(vector);
  return length === 0 ? vector : vector.map((value) => value / length);
}

function lengthOf(vector: Float32Array): number {
  let squares = 0;
  for (const value of vector) squares += value * value;
  return Math.sqrt(squares);
}

/** Section 4.9: how far vectors of another class may be from the recomputed ones. */
export interface DistanceLimits {
  /** The mean of at least `minMeanVectors`. */
  readonly mean: number;
  /** Any one of them. */
  readonly single: number;
}

/** The mean of fewer says little. */
export const minMeanVectors = 8;

/** Of weights of 16 bits or more, and of coarser ones. How they came about: docs/VERIFICATION.md. */
export const fineLimits: DistanceLimits = { mean: 1e-5, single: 1e-4 };
export const coarseLimits: DistanceLimits = { mean: 3e-4, single: 1.5e-3 };
