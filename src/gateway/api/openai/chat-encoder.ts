import {
  type AnswerEnd,
  type AnswerStart,
  type ChoiceEnd,
  event,
  lastChoice,
  modelName,
  type ResponseEncoder,
  sse,
  tokenCounts,
} from '../../answer/response-encoder.ts';
import { trustFields } from '../../answer/trust-fields.ts';
import { type AnswerPart, callsOf, type ToolCall, textOf } from '../../tools/parts.ts';
import { openaiError } from './error.ts';
import { chatLogprobs } from './logprobs.ts';

/** OpenAI's `usage`: the prompt once, the tokens of all answers. */
export function openaiUsage(end: AnswerEnd) {
  const { promptTokens, tokens } = tokenCounts(end);
  return { prompt_tokens: promptTokens, completion_tokens: tokens, total_tokens: promptTokens + tokens };
}

export function openaiFinish({ delivered, stop, parts }: ChoiceEnd): 'stop' | 'length' | 'tool_calls' {
  if (stop === null && delivered.finish === 'length') return 'length';
  return callsOf(parts).length > 0 ? 'tool_calls' : 'stop';
}

/** The last events of a stream: the closing chunk, the usage if asked for, and the end mark. */
export function lastEvents(
  end: AnswerEnd,
  chunk: (choices: readonly unknown[], more?: object) => string,
  last: unknown,
  includeUsage: boolean,
): string {
  const done = 'data: [DONE]\n\n';
  const trust = trustFields(end.choices);
  if (!includeUsage) return `${chunk([last], trust)}${done}`;
  return `${chunk([last])}${chunk([], { usage: openaiUsage(end), ...trust })}${done}`;
}

export function chatEncoder(includeUsage: boolean, topLogprobs: number | null): ResponseEncoder {
  const chunk = (start: AnswerStart, choices: readonly unknown[], more: object = {}): string =>
    event({ ...head(start, 'chat.completion.chunk'), choices, ...(includeUsage ? { usage: null } : {}), ...more });
  const choice = (index: number, delta: object, finish: string | null = null, logprobs: unknown = null) => ({
    index,
    delta,
    logprobs,
    finish_reason: finish,
  });
  const closing = (end: ChoiceEnd) => choice(end.index, {}, openaiFinish(end), logprobsOf(end));
  const logprobsOf = ({ steps }: ChoiceEnd): unknown =>
    topLogprobs === null || steps === null ? null : chatLogprobs(steps, topLogprobs);
  const calls = new Map<number, number>();
  const deltaOf = (part: AnswerPart, index: number): object => {
    if (part.kind !== 'call') return { [part.kind === 'text' ? 'content' : 'reasoning_content']: part.text };
    const at = calls.get(index) ?? 0;
    calls.set(index, at + 1);
    return { tool_calls: [{ index: at, ...chatCall(part.call) }] };
  };
  return {
    streamType: sse,
    start: (start, count) =>
      Array.from({ length: count }, (_, index) =>
        chunk(start, [choice(index, { role: 'assistant', content: '', refusal: null })]),
      ).join(''),
    part: (start, part, index) => chunk(start, [choice(index, deltaOf(part, index))]),
    choiceEnd: (start, end) => chunk(start, [closing(end)]),
    end: (end) => lastEvents(end, (choices, more) => chunk(end, choices, more), closing(lastChoice(end)), includeUsage),
    error: (problem) => event(openaiError(problem)),
    body: (end) => ({
      ...head(end, 'chat.completion'),
      choices: end.choices.map((one) => ({
        index: one.index,
        message: messageOf(one),
        logprobs: logprobsOf(one),
        finish_reason: openaiFinish(one),
      })),
      usage: openaiUsage(end),
    }),
  };
}

function messageOf({ parts }: ChoiceEnd) {
  const [text, reasoning, calls] = [textOf(parts), textOf(parts, 'reasoning'), callsOf(parts)];
  return {
    role: 'assistant',
    content: text === '' && calls.length > 0 ? null : text,
    ...(reasoning === '' ? {} : { reasoning_content: reasoning }),
    ...(calls.length === 0 ? {} : { tool_calls: calls.map(chatCall) }),
    refusal: null,
  };
}

function chatCall({ id, name, arguments: json, input }: ToolCall) {
  return input === undefined
    ? { id: `call_${id}`, type: 'function', function: { name, arguments: json } }
    : { id: `call_${id}`, type: 'custom', custom: { name, input } };
}

function head(start: AnswerStart, object: string) {
  return {
    id: `chatcmpl-${start.id}`,
    object,
    created: Math.floor(start.askedAt / 1_000),
    model: modelName(start.source),
  };
}
