import type { Exec, Input, Signed } from '../protocol/messages.ts';

/** Section 4.5: everything about one finished job, for anyone to check. Bodies are the signed bytes. */
export interface Receipt {
  /** Null where the prompt is private. */
  readonly input: Input | null;
  readonly offer: Signed;
  readonly quote: Signed | null;
  /** The map of the offer's execClass, from the provider's card. */
  readonly exec: Exec | null;
  readonly promptTokens: readonly number[];
  readonly tokens: readonly number[];
  readonly text: string;
  readonly cancel: Signed | null;
  /** The final one first, then any that conflicts with it. */
  readonly heads: readonly Signed[];
  /** 32 bytes; there with every opening. */
  readonly secret: Uint8Array | null;
  readonly opening: Signed | null;
  readonly verdicts: readonly Signed[];
  /** Of the escrow; any JSON object. */
  readonly settlement: Readonly<Record<string, unknown>> | null;
}

/** @throws MalformedError */
export function parseReceipt(_json: Uint8Array | string): Receipt {
  throw new Error('not yet');
}

/** One line of JSON. */
export function serialiseReceipt(_receipt: Receipt): string {
  throw new Error('not yet');
}
