import {
  type AnswerEnd,
  type AnswerStart,
  type ChoiceEnd,
  lastChoice,
  line,
  modelName,
  ndjson,
  type ResponseEncoder,
} from '../../answer/response-encoder.ts';
import { trustFields } from '../../answer/trust-fields.ts';
import { ollamaError } from './error.ts';

/** @param content puts a text where the route's answers have it */
export function ollamaEncoder(content: (text: string) => object): ResponseEncoder {
  const head = (start: AnswerStart) => ({
    model: modelName(start.source),
    created_at: new Date(start.askedAt).toISOString(),
  });
  const last = (end: AnswerEnd, text: string) => ({
    ...head(end),
    ...content(text),
    done: true,
    done_reason: reasonOf(lastChoice(end)),
    ...counts(lastChoice(end)),
    ...trustFields(end.choices),
  });
  return {
    streamType: ndjson,
    start: () => '',
    delta: (start, text) => line({ ...head(start), ...content(text), done: false }),
    end: (end) => line(last(end, '')),
    error: (problem) => line(ollamaError(problem)),
    body: (end) => last(end, lastChoice(end).text),
  };
}

function reasonOf({ stop, delivered }: ChoiceEnd): 'length' | 'stop' {
  return stop === null && delivered.finish === 'length' ? 'length' : 'stop';
}

/** Durations in nanoseconds. The time to the first token counts as prompt evaluation. */
function counts({ delivered: { promptTokens, tokens }, firstTokenMs, totalMs }: ChoiceEnd) {
  const nanoseconds = (ms: number): number => Math.round(ms * 1e6);
  return {
    total_duration: nanoseconds(totalMs),
    load_duration: 0,
    prompt_eval_count: promptTokens,
    prompt_eval_duration: nanoseconds(firstTokenMs),
    eval_count: tokens,
    eval_duration: nanoseconds(totalMs - firstTokenMs),
  };
}
