import { ackStop, finish } from '../../protocol/codes.ts';
import { FaultError } from '../fault.ts';
import { AnswerText } from '../text/answer-text.ts';
import { StopTexts } from '../text/stop-texts.ts';
import type { Finding } from './check-run.ts';
import type { Evidence } from './evidence.ts';
import { AllowedTokens, usableVocabulary } from './mask.ts';
import { counted, type Subject } from './subject.ts';

/**
 * Check 4 (section 4.4): the answer ends where section 4.1 says, for the reason that the final head gives.
 * @throws FaultError `bad-length`
 */
export function checkLength(subject: Subject, evidence: Evidence): Finding {
  if (subject.isScore) return checkScoredLength(subject);
  checkTokens(subject);
  checkReason(subject);
  checkStopTexts(subject, evidence);
  return { result: 'pass', detail: `${reasons[subject.head.finish]} after ${counted(subject.head.n, 'token')}` };
}

const reasons: Readonly<Record<number, string>> = {
  [finish.stopToken]: "ends with the model's stop token",
  [finish.length]: 'ends at the number of tokens asked for',
  [finish.cancelled]: 'ends as the client stopped it',
  [finish.brokenOff]: 'was broken off',
  [finish.stopText]: 'ends at a stop text, or as the grammar allows nothing more',
};

function badLength(detail: string): FaultError {
  return new FaultError('bad-length', detail);
}

function checkScoredLength({ head, offer }: Subject): Finding {
  const { maxTokens } = offer.sampler;
  if (head.finish !== finish.scored || head.n !== maxTokens)
    throw badLength(`a score job of ${counted(maxTokens, 'token')} ends with ${head.n} and finish ${head.finish}`);
  return { result: 'pass', detail: `all ${counted(maxTokens, 'token')} were scored` };
}

/** `maxTokens`, and no stop token but the last, which the final head then names. */
function checkTokens({ receipt, offer, head }: Subject): void {
  const { maxTokens, stops } = offer.sampler;
  const { tokens } = receipt;
  const n = tokens.length;
  if (n > maxTokens) throw badLength(`${counted(n, 'token')}, ${maxTokens} were the most`);
  const stopAt = tokens.findIndex((token) => stops.includes(token));
  if (stopAt !== -1 && stopAt < n - 1) throw badLength(`the answer goes on after the stop token at ${stopAt}`);
  if (stopAt !== -1 && head.finish !== finish.stopToken)
    throw badLength('the last token is a stop token, the final head does not say so');
  if (stopAt === -1 && head.finish === finish.stopToken)
    throw badLength('the final head says stop token, the last token is not one');
  if (head.finish !== finish.stopToken && (n === maxTokens) !== (head.finish === finish.length))
    throw badLength(`${n} of ${counted(maxTokens, 'token')}, which is not what the final head says`);
}

/** What else must be there for the reason that the final head gives. */
function checkReason({ receipt, head, ack, settings }: Subject): void {
  const { finish: reason } = head;
  if (reason === finish.scored) throw badLength('the final head says scored, the job is not a score job');
  if (reason === finish.cancelled && ack?.stop !== ackStop.cancel)
    throw badLength('the final head says cancelled, the client did not stop the answer');
  if (reason === finish.stopText && settings.stopTexts === undefined && receipt.grammar === null)
    throw badLength('the final head says stop text, the offer names neither stop texts nor a grammar');
}

/** Stop texts and the end of a grammar: exactly with the bytes of the tokens, else as far as the text shows. */
function checkStopTexts(subject: Subject, evidence: Evidence): void {
  const bytesOf = textBytesOf(subject, evidence);
  const completedAt = bytesOf === null ? null : firstCompleted(subject, bytesOf);
  if (completedAt === null) checkTextAlone(subject);
  else checkCompleted(subject, completedAt, evidence);
}

/** The bytes that the tokens add to this answer's text; null if they are not known. */
function textBytesOf(subject: Subject, { vocabulary }: Evidence): ((id: number) => Uint8Array) | null {
  const usable = usableVocabulary(subject, vocabulary);
  if (usable === null) return null;
  return subject.settings.markers ? usable.markedBytes(subject.offer.sampler.stops) : (id) => usable.bytesOf(id);
}

/** The first of the job's own tokens that completes a stop text; −1 if none does. */
function firstCompleted({ continuation, receipt, settings }: Subject, bytesOf: (id: number) => Uint8Array): number {
  if (settings.stopTexts === undefined) return -1;
  const stopTexts = new StopTexts(settings.stopTexts);
  const text = new AnswerText(bytesOf);
  for (const token of continuation) stopTexts.completes(text.push(token));
  return receipt.tokens.findIndex((token) => stopTexts.completes(text.push(token)));
}

function checkCompleted(subject: Subject, completedAt: number, evidence: Evidence): void {
  const { head } = subject;
  const last = head.n - 1;
  if (completedAt !== -1 && completedAt < last)
    throw badLength(`the answer goes on after the stop text completed at ${completedAt}`);
  const endsHere = completedAt !== -1;
  if (endsHere && head.finish !== finish.stopText && head.finish !== finish.length)
    throw badLength('the last token completes a stop text, the final head does not say so');
  if (head.finish === finish.stopText && !endsHere && allowsMore(subject, evidence))
    throw badLength('the final head says stop text, but none is completed and the answer could go on');
}

/** Whether some token is allowed after the answer; true without a grammar, false if it is not known. */
function allowsMore(subject: Subject, { vocabulary }: Evidence): boolean {
  const allowed = new AllowedTokens(subject, vocabulary);
  for (const token of subject.answer) allowed.next(token);
  return (allowed.count(1) ?? 0) > 0;
}

/** Without the bytes: from the answer's start the job's text is the whole text. */
function checkTextAlone({ receipt, offer, head, settings }: Subject): void {
  if (offer.start > 0 || settings.stopTexts === undefined) return;
  const isFound = settings.stopTexts.some((stop) => receipt.text.includes(stop));
  if (head.finish === finish.stopToken && isFound)
    throw badLength('the text holds a stop text, the final head says stop token');
  if (head.finish === finish.stopText && !isFound && receipt.grammar === null)
    throw badLength('the final head says stop text, the text holds none');
}
