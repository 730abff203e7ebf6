import { FaultError } from '../fault.ts';
import type { Finding } from './check-run.ts';
import { counted, type Subject } from './subject.ts';

/**
 * Check 4 (section 4.4): the answer ends where section 4.1 says, for the reason that the final head gives.
 * @throws FaultError `bad-length`
 */
export function checkLength({ receipt, offer, final, cancel }: Subject): Finding {
  const { maxTokens, stops } = offer.sampler;
  const { tokens } = receipt;
  const n = tokens.length;
  const stopAt = tokens.findIndex((token) => stops.includes(token));
  if (n > maxTokens) throw new FaultError('bad-length', `${counted(n, 'token')}, ${maxTokens} were the most`);
  if (stopAt !== -1 && stopAt < n - 1)
    throw new FaultError('bad-length', `the answer goes on after the stop token at ${stopAt}`);
  const isStopped = stopAt !== -1;
  if (final.finish === 0) {
    if (!isStopped) throw new FaultError('bad-length', 'the final head says stop token, the last token is none');
    return { result: 'pass', detail: `ends with the model's stop token after ${counted(n, 'token')}` };
  }
  if (isStopped) throw new FaultError('bad-length', 'the last token is a stop token, the final head does not say so');
  if (final.finish === 1) {
    if (n !== maxTokens) throw new FaultError('bad-length', `the final head says ${maxTokens} tokens, there are ${n}`);
    return { result: 'pass', detail: `ends at the ${counted(maxTokens, 'token')} asked for` };
  }
  if (n >= maxTokens)
    throw new FaultError('bad-length', `the final head says cancelled, all ${counted(n, 'token')} are there`);
  if (cancel === null) throw new FaultError('bad-length', 'the final head says cancelled, the client did not cancel');
  if (cancel.n > n)
    throw new FaultError(
      'bad-length',
      `the client had ${counted(cancel.n, 'token')} when it cancelled, the final head covers ${n}`,
    );
  return { result: 'pass', detail: `ends after ${counted(n, 'token')}, as the client cancelled` };
}
