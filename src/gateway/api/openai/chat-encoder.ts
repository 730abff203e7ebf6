import {
  type AnswerEnd,
  type AnswerStart,
  event,
  modelName,
  type ResponseEncoder,
  sse,
  trustFields,
} from '../../answer/response-encoder.ts';
import { openaiError } from './error.ts';
import { chatLogprobs } from './logprobs.ts';

/** OpenAI's `usage`. It includes tokens that arrived after a stop text: they are paid for. */
export function openaiUsage({ delivered }: AnswerEnd) {
  const { promptTokens, tokens } = delivered;
  return { prompt_tokens: promptTokens, completion_tokens: tokens, total_tokens: promptTokens + tokens };
}

export function openaiFinish({ delivered, stop }: AnswerEnd): 'stop' | 'length' {
  return stop === null && delivered.finish === 'length' ? 'length' : 'stop';
}

/** The last events of a stream: the closing chunk, the usage if asked for, and the end mark. */
export function lastEvents(
  end: AnswerEnd,
  chunk: (choices: readonly unknown[], more?: object) => string,
  last: unknown,
  includeUsage: boolean,
): string {
  const done = 'data: [DONE]\n\n';
  if (!includeUsage) return `${chunk([last], trustFields(end))}${done}`;
  return `${chunk([last])}${chunk([], { usage: openaiUsage(end), ...trustFields(end) })}${done}`;
}

export function chatEncoder(includeUsage: boolean, topLogprobs: number | null): ResponseEncoder {
  const chunk = (start: AnswerStart, choices: readonly unknown[], more: object = {}): string =>
    event({ ...head(start, 'chat.completion.chunk'), choices, ...(includeUsage ? { usage: null } : {}), ...more });
  const choice = (delta: object, finish: string | null, logprobs: unknown = null) => ({
    index: 0,
    delta,
    logprobs,
    finish_reason: finish,
  });
  const logprobsOf = ({ steps }: AnswerEnd): unknown =>
    topLogprobs === null || steps === null ? null : chatLogprobs(steps, topLogprobs);
  return {
    streamType: sse,
    start: (start) => chunk(start, [choice({ role: 'assistant', content: '', refusal: null }, null)]),
    delta: (start, text) => chunk(start, [choice({ content: text }, null)]),
    end: (end) =>
      lastEvents(
        end,
        (choices, more) => chunk(end, choices, more),
        choice({}, openaiFinish(end), logprobsOf(end)),
        includeUsage,
      ),
    error: (problem) => event(openaiError(problem)),
    body: (end) => ({
      ...head(end, 'chat.completion'),
      choices: [
        {
          index: 0,
          message: { role: 'assistant', content: end.text, refusal: null },
          logprobs: logprobsOf(end),
          finish_reason: openaiFinish(end),
        },
      ],
      usage: openaiUsage(end),
    }),
  };
}

function head(start: AnswerStart, object: string) {
  return {
    id: `chatcmpl-${start.id}`,
    object,
    created: Math.floor(start.askedAt / 1_000),
    model: modelName(start.source),
  };
}
