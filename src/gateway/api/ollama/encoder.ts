import {
  type AnswerEnd,
  type AnswerStart,
  line,
  modelName,
  ndjson,
  type ResponseEncoder,
  trustFields,
} from '../../answer/response-encoder.ts';
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
    done_reason: end.stop === null && end.delivered.finish === 'length' ? 'length' : 'stop',
    ...counts(end),
    ...trustFields(end),
  });
  return {
    streamType: ndjson,
    start: () => '',
    delta: (start, text) => line({ ...head(start), ...content(text), done: false }),
    end: (end) => line(last(end, '')),
    error: (problem) => line(ollamaError(problem)),
    body: (end) => last(end, end.text),
  };
}

/** Durations in nanoseconds. The time to the first token counts as prompt evaluation. */
function counts({ delivered: { promptTokens, tokens }, firstTokenMs, totalMs }: AnswerEnd) {
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
