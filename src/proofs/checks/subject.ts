import { modes } from '../../protocol/messages.ts';
import { decodeReceipt, type Receipt, type ReceiptContents } from '../receipt.ts';
import { AnswerDraws } from '../sampling/draws.ts';

/** What the checks look at: a receipt, its messages decoded, and the answer that its job ends or scores. */
export interface Subject extends ReceiptContents {
  readonly receipt: Receipt;
  readonly isScore: boolean;
  /** Its head covers vectors instead of tokens (section 4.9). */
  readonly isEmbedding: boolean;
  /** Tokens of the answer before this job: those with which the prompt ends. */
  readonly continuation: readonly number[];
  /** Tokens of the whole answer: the continuation, then the job's own. */
  readonly answer: readonly number[];
  /** Steps, or vectors, that were opened. */
  readonly openedCount: number;
}

/** @throws MalformedError if the receipt is malformed */
export function subjectOf(receipt: Receipt): Subject {
  const contents = decodeReceipt(receipt);
  const { offer, opening, zkOpening, scoreOpening, vectorOpening } = contents;
  const { promptTokens, tokens } = receipt;
  // More than there are is a fault that check 1 finds.
  const continuation = offer.start === 0 ? [] : promptTokens.slice(Math.max(0, promptTokens.length - offer.start));
  return {
    ...contents,
    receipt,
    isScore: offer.mode === modes.score,
    isEmbedding: contents.settings.embed !== undefined,
    continuation,
    answer: [...continuation, ...tokens],
    openedCount: vectorOpening?.vectors.length ?? (opening ?? zkOpening ?? scoreOpening)?.steps.length ?? 0,
  };
}

/** The draws of the receipt's answer, from its first token. */
export function drawsOfAnswer({ offer, settings }: Subject): AnswerDraws {
  return new AnswerDraws({ seed: offer.seed, weighing: offer.sampler, extra: settings });
}

/** `1 token`, `2 tokens`. */
export function counted(count: number, noun: string): string {
  return `${count} ${noun}${count === 1 ? '' : 's'}`;
}
