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
import { parseExact } from '../../tools/exact-json.ts';
import { type AnswerPart, callsOf, type ToolCall, textOf } from '../../tools/parts.ts';
import { ollamaError } from './error.ts';

/** A part of an answer in Ollama's words. */
export interface OllamaParts {
  readonly text: string;
  readonly thinking: string;
  readonly calls: readonly object[];
}

/** Puts a part of an answer where the route's answers have it. */
export type OllamaContent = (parts: OllamaParts) => object;

export function ollamaEncoder(content: OllamaContent): ResponseEncoder {
  const head = (start: AnswerStart) => ({
    model: modelName(start.source),
    created_at: new Date(start.askedAt).toISOString(),
  });
  let calls = 0;
  const contentOf = (parts: readonly AnswerPart[]): object =>
    content({
      text: textOf(parts),
      thinking: textOf(parts, 'reasoning'),
      calls: callsOf(parts).map((call) => ollamaCall(call, calls++)),
    });
  const last = (end: AnswerEnd, parts: readonly AnswerPart[]) => ({
    ...head(end),
    ...contentOf(parts),
    done: true,
    done_reason: reasonOf(lastChoice(end)),
    ...counts(lastChoice(end)),
    ...trustFields(end.choices),
  });
  return {
    streamType: ndjson,
    start: () => '',
    part: (start, part) => line({ ...head(start), ...contentOf([part]), done: false }),
    // An empty piece, as clients take it; the counts have the names of llama.cpp's server.
    progress: (start, processed, total) =>
      line({ ...head(start), ...contentOf([]), done: false, prompt_progress: { processed, total } }),
    end: (end) => line(last(end, [])),
    error: (problem) => line(ollamaError(problem)),
    body: (end) => last(end, lastChoice(end).parts),
  };
}

/** Ollama passes calls on whole, with the arguments as an object. */
function ollamaCall({ id, name, arguments: json }: ToolCall, index: number): object {
  return { id: `call_${id}`, function: { index, name, arguments: parseExact(json) } };
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
