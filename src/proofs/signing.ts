/** An Ed25519 identity that can sign. The secret never leaves it. */
export interface SigningKey {
  /** Raw 32 bytes. */
  readonly publicKey: Uint8Array;
  /** 64-byte signature over `message`. */
  sign(message: Uint8Array): Uint8Array;
}
