/** The best raw logits after one prefix, before any sampler: parallel arrays, in no promised order. */
export interface TopLogits {
  /** Token ids, distinct. At least `min(topK, vocab)` of the largest, and every id that ties with the last of them. */
  readonly ids: Uint32Array;
  /** float32 logits of `ids`. */
  readonly logits: Float32Array;
}
