import { FaultError } from '../fault.ts';
import type { Finding } from './check-run.ts';
import type { PromptEvidence } from './evidence.ts';
import { isSameList } from './same-list.ts';
import type { Subject } from './subject.ts';

/**
 * Check 5 (section 4.4): the prompt is what the input renders to with this model, the text is what the tokens say.
 * @throws FaultError `prompt-mismatch` or `text-mismatch`
 */
export function checkPrompt({ receipt, offer, isScore }: Subject, prompt: PromptEvidence): Finding {
  const { vocab, stops } = offer.sampler;
  if (prompt.promptTokens === null)
    throw new FaultError('prompt-mismatch', 'the input had to be refused: it cannot be rendered for this model');
  if (!isSameList(prompt.promptTokens, receipt.promptTokens))
    throw new FaultError('prompt-mismatch', 'the model was given another prompt than the input renders to');
  if (prompt.vocab !== vocab || !isSameList(prompt.stops, stops))
    throw new FaultError('prompt-mismatch', 'the vocabulary or the stop tokens are not the model’s');
  // A referee may say nothing of the text.
  const isUnsaid = isScore && receipt.text === '';
  if (!isUnsaid && receipt.text !== prompt.text)
    throw new FaultError('text-mismatch', 'the text is not what the tokens say');
  return { result: 'pass', detail: 'the prompt is what the input renders to; the text is what the tokens say' };
}
