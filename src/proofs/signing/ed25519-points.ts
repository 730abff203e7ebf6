/** The field's prime, 2^255 − 19 (RFC 8032 section 5.1). */
const prime = 2n ** 255n - 19n;

/** `y` of a point of order 8 (the other is its negative). */
const orderEightY = 0x05fc536d880238b13933c6d305acdfd5f098eff289f4c345b027b2c28f95e826n;

/** `y` of every point whose order divides the cofactor 8. */
const smallOrderYs = new Set([0n, 1n, prime - 1n, orderEightY, prime - orderEightY]);

/**
 * Whether 32 bytes are a point's one encoding and the point is not of small order. They need not be on the curve: that
 * is the verification's part.
 *
 * Only the points with y = 1 and y = −1 have x = 0, where the sign bit would be a second encoding; both are of small
 * order.
 */
export function isStrictPoint(bytes: Uint8Array): boolean {
  let y = 0n;
  for (let at = 24; at >= 0; at -= 8)
    y = (y << 64n) | new DataView(bytes.buffer, bytes.byteOffset + at, 8).getBigUint64(0, true);
  y &= (1n << 255n) - 1n;
  return y < prime && !smallOrderYs.has(y);
}
