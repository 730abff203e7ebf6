import {
  type AnswerStart,
  type ChoiceEnd,
  event,
  lastChoice,
  modelName,
  type ResponseEncoder,
  sse,
} from '../../answer/response-encoder.ts';
import { badField } from '../../problem.ts';
import { textOf } from '../../tools/parts.ts';
import { readResponseFormat } from '../answer-format.ts';
import {
  type ApiRequest,
  maxTokensRange,
  type RequestDefaults,
  readChoices,
  readExtension,
  readModel,
} from '../completion-request.ts';
import { gapInputOf, rawInputOf } from '../conversation.ts';
import { fieldTable } from '../field-table.ts';
import { RequestFields } from '../request-fields.ts';
import { readSampling } from '../sampling.ts';
import { readIncludeUsage } from './chat.ts';
import { lastEvents, openaiFinish, openaiUsage } from './chat-encoder.ts';
import { openaiError } from './error.ts';
import { completionLogprobs } from './logprobs.ts';

/** Reads `POST /v1/completions`: the model continues a text, without its chat template. @throws Problem */
export function readCompletion(body: unknown, defaults: RequestDefaults): ApiRequest {
  const fields = RequestFields.of(body, fieldTable['/v1/completions']);
  const topLogprobs = fields.whole('logprobs', 0, 20) ?? null;
  const includeUsage = readIncludeUsage(fields);
  const maxTokens = fields.whole('max_tokens', ...maxTokensRange);
  const rules = readResponseFormat(fields);
  const prompt = readPrompt(fields);
  const suffix = fields.text('suffix') ?? '';
  const sampling = readSampling({ fields, maxTokens, stop: 'stop', penalties: true, bias: true, rules }, defaults);
  const request = {
    inference: {
      input: suffix === '' ? rawInputOf(prompt) : gapInputOf(prompt, suffix),
      model: readModel(fields, defaults),
      ...sampling.inference,
      timeoutMs: defaults.timeoutMs,
      logits: topLogprobs !== null,
      ...readExtension(fields, defaults),
    },
    choices: readChoices(fields),
    stream: fields.flag('stream') ?? false,
    stops: sampling.stops,
    tools: null,
    topLogprobs,
    adjusted: fields.adjusted,
  };
  fields.finish();
  return { kind: 'completion', request, encoder: completionEncoder(includeUsage, topLogprobs) };
}

function readPrompt(fields: RequestFields): string {
  const raw = fields.raw('prompt');
  if (Array.isArray(raw)) {
    const [only] = raw as readonly unknown[];
    if (raw.length === 1 && typeof only === 'string' && only.isWellFormed()) return only;
    fields.refuse('prompt', raw.every((item) => typeof item === 'string') ? 'with several texts' : 'as token ids');
    return '';
  }
  const prompt = fields.text('prompt');
  if (prompt === undefined) throw badField('prompt', 'prompt: expected text');
  return prompt;
}

function completionEncoder(includeUsage: boolean, topLogprobs: number | null): ResponseEncoder {
  const chunk = (start: AnswerStart, choices: readonly unknown[], more: object = {}): string =>
    event({ ...head(start), choices, ...(includeUsage ? { usage: null } : {}), ...more });
  const choice = (index: number, text: string, finish: string | null = null, logprobs: unknown = null) => ({
    index,
    text,
    logprobs,
    finish_reason: finish,
  });
  const closing = (end: ChoiceEnd, text: string) => choice(end.index, text, openaiFinish(end), logprobsOf(end));
  const logprobsOf = ({ steps }: ChoiceEnd): unknown =>
    topLogprobs === null || steps === null ? null : completionLogprobs(steps, topLogprobs);
  return {
    streamType: sse,
    start: () => '',
    part: (start, part, index) => chunk(start, [choice(index, textOf([part]))]),
    choiceEnd: (start, end) => chunk(start, [closing(end, '')]),
    end: (end) =>
      lastEvents(end, (choices, more) => chunk(end, choices, more), closing(lastChoice(end), ''), includeUsage),
    error: (problem) => event(openaiError(problem)),
    body: (end) => ({
      ...head(end),
      choices: end.choices.map((one) => closing(one, textOf(one.parts))),
      usage: openaiUsage(end),
    }),
  };
}

function head(start: AnswerStart) {
  return {
    id: `cmpl-${start.id}`,
    object: 'text_completion',
    created: Math.floor(start.askedAt / 1_000),
    model: modelName(start.source),
  };
}
