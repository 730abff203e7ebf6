import type { Receipt } from '../../../proofs/receipt.ts';
import type { FinishedJob } from './job-run.ts';

/** The provider's own receipt of a job, before any challenge (section 4.5). */
export function receiptOf({ admission, transcript, text, finalSigned, cancel }: FinishedJob): Receipt {
  return {
    input: admission.input,
    offer: admission.offerSigned,
    quote: admission.quote?.signed ?? null,
    exec: admission.exec,
    promptTokens: admission.promptTokens,
    tokens: transcript.tokens,
    text,
    cancel,
    heads: [finalSigned],
    secret: null,
    opening: null,
    verdicts: [],
    settlement: null,
  };
}
