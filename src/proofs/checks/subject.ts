import { decodeReceipt } from '../receipt.ts';
import type { Receipt, ReceiptContents } from '../receipt.ts';
import { prefixChain } from '../step.ts';

/** What the checks look at: a receipt, its messages decoded, and the chain over its tokens. */
export interface Subject extends ReceiptContents {
  readonly receipt: Receipt;
  /** `prefix_0 … prefix_n` from the final head's input digest over all tokens. */
  readonly chain: readonly Uint8Array[];
}

/** @throws MalformedError where the receipt is malformed */
export function subjectOf(receipt: Receipt): Subject {
  const contents = decodeReceipt(receipt);
  return { ...contents, receipt, chain: prefixChain(contents.final.inputDigest, receipt.tokens) };
}

/** `1 token`, `2 tokens`. */
export function counted(count: number, noun: string): string {
  return `${count} ${noun}${count === 1 ? '' : 's'}`;
}
