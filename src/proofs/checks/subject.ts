import { decodeReceipt, type Receipt, type ReceiptContents } from '../receipt.ts';
import { drawsOf } from '../sampler.ts';

/** What the checks look at: a receipt, its messages decoded, and the draws that its seed gives. */
export interface Subject extends ReceiptContents {
  readonly receipt: Receipt;
  /** The draw of step `i` from the offer's seed. */
  readonly draw: (i: number) => bigint;
}

/** @throws MalformedError where the receipt is malformed */
export function subjectOf(receipt: Receipt): Subject {
  const contents = decodeReceipt(receipt);
  return { ...contents, receipt, draw: drawsOf(contents.offer.seed) };
}

/** `1 token`, `2 tokens`. */
export function counted(count: number, noun: string): string {
  return `${count} ${noun}${count === 1 ? '' : 's'}`;
}
