import { messageOf, QvacError, toError } from '../../errors.ts';
import type { AbortOptions } from '../../lib/types.ts';
import { checkInput } from '../job/bad-input.ts';
import type { Answer, AskObserver } from './answer.ts';
import type { AskComponents, AskInit } from './ask-init.ts';
import { askTogether } from './consensus/ask-together.ts';
import { askInTurn } from './direct/ask-in-turn.ts';
import { interruptedFinishMs } from './finish.ts';
import { PartedAnswer } from './parted-answer.ts';
import { Question } from './question.ts';
import { askThroughRouter } from './routed/ask-through-router.ts';
import { reachRouter } from './routed/reach-router.ts';

/**
 * Asks one question: selects a provider, receives and checks the answer, and stores its receipt.
 *
 * ```ts
 * const answer = await ask(components, { input, model: 'smollm2-135m', sampler, seed: null, verify: null, maxPrice: 0,
 * timeoutMs: 600_000 }, observer, { signal });
 * ```
 * @param options `signal` stops it: what was delivered until then is settled, stored and returned as interrupted
 * @throws QvacError with the reason that no provider answered, or that an answer broke off and none continued it
 * (E_TRUNCATED, E_TIMEOUT, E_FAILED)
 */
export async function ask(
  components: AskComponents,
  init: AskInit,
  observer: AskObserver,
  options: AbortOptions = {},
): Promise<Answer> {
  const question = new Question(components, init, observer, options);
  const { selectionLog } = question;
  checkInput(init.input);
  try {
    const answer = init.consensus === true ? await askTogether(question) : await askForOne(question);
    await selectionLog.end(failureOf(answer));
    return answer;
  } catch (error) {
    await selectionLog.end(messageOf(error));
    throw error;
  }
}

/** One answer: through the router that the person wants, if it can be reached, else from a provider itself. */
async function askForOne(question: Question): Promise<Answer> {
  const { components, init, observer, options } = question;
  const note = (line: string): void => observer.note(line);
  const router = await reachRouter(components.discovery, init.router ?? null, note, options);
  const parted = new PartedAnswer(init.input, question.extra);
  try {
    const last = router === null ? await askInTurn(question, parted) : await askThroughRouter(question, router, parted);
    return await parted.whole(last);
  } catch (error) {
    return endUnfinished(question, parted, toError(error));
  }
}

/** @throws `error` if nothing was shown; else as `PartedAnswer.unfinished` */
async function endUnfinished({ observer, options }: Question, parted: PartedAnswer, error: Error): Promise<Answer> {
  if (parted.last === null || !(error instanceof QvacError)) throw error;
  if (options.signal?.aborted === true) {
    await parted.settled(interruptedFinishMs);
    throw error;
  }
  if (error !== parted.last.error) observer.note(`no other provider continues the answer: ${error.message}`);
  return parted.unfinished(parted.last.error);
}

/** Why an answer without a receipt has none; null for one with a receipt. */
function failureOf({ receipt, provider, why, verification }: Answer): string | null {
  return receipt === null ? `${provider} failed a check: ${why ?? verification.faults.join(', ')}` : null;
}
