/** base64url without padding (RFC 4648 section 5). */
export function toBase64Url(bytes: Uint8Array): string {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString('base64url');
}

/** Bytes of base64url. @throws RangeError for padding, other characters or stray bits */
export function fromBase64Url(text: string): Uint8Array {
  const bytes = Uint8Array.from(Buffer.from(text, 'base64url'));
  if (toBase64Url(bytes) !== text) throw new RangeError('expected base64url without padding');
  return bytes;
}
