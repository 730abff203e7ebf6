import type { Receipt } from '../../../proofs/receipt.ts';
import type { FinishedJob } from './job-run.ts';

/** The provider's own receipt of a job, before any challenge (section 4.5). */
export function receiptOf({ admission, transcript, text, vectors, finalSigned, ack }: FinishedJob): Receipt {
  return {
    input: admission.input,
    extra: admission.extra,
    grammar: admission.grammar,
    offer: admission.offerSigned,
    quote: admission.quote?.signed ?? null,
    exec: admission.exec,
    promptTokens: admission.prompt.tokens,
    tokens: transcript.tokens,
    text,
    ...(vectors === undefined ? {} : { vectors }),
    ack,
    heads: [finalSigned],
    secret: null,
    opening: null,
    verdicts: [],
    previous: null,
    settlement: null,
  };
}
