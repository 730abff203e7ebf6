import { plainJson } from '../json.ts';
import type { RequestFields } from '../request-fields.ts';
import type { Sampling } from '../sampling.ts';
import type { ToolChoice, ToolDefinition } from '../tools.ts';

/** Settings of a request that its response repeats, with OpenAI's names; what the request leaves open, filled in. */
export type RepeatedSettings = Readonly<Record<string, unknown>>;

interface ReadSettings {
  readonly tools: readonly ToolDefinition[];
  readonly choice: ToolChoice;
  readonly sampler: Sampling['inference']['sampler'];
}

/** Repeated as they came, without meaning to the gateway. */
const notes = ['user', 'safety_identifier', 'prompt_cache_key', 'prompt_cache_retention'] as const;

/** What the response repeats of a request that has been read. Tools that were left out are not repeated. */
export function repeatedSettings(fields: RequestFields, { tools, choice, sampler }: ReadSettings): RepeatedSettings {
  const names = new Set(tools.map(({ name, within }) => within?.namespace ?? name));
  const repeat = (name: string): unknown => plainJson(name, fields.raw(name) ?? null);
  const defined = (plainJson('tools', fields.raw('tools') ?? []) as readonly NamedTool[]).filter(
    ({ type, name }) => offeredTypes.has(type) && names.has(name),
  );
  const text = (repeat('text') ?? {}) as { readonly format?: object | null };
  const reasoning = (repeat('reasoning') ?? {}) as object;
  return {
    instructions: repeat('instructions'),
    max_output_tokens: repeat('max_output_tokens'),
    max_tool_calls: repeat('max_tool_calls'),
    metadata: repeat('metadata') ?? {},
    parallel_tool_calls: choice.isParallel,
    reasoning: { effort: null, summary: null, ...reasoning },
    temperature: sampler.temperature / 100,
    text: { ...text, format: text.format ?? { type: 'text' } },
    tool_choice: repeat('tool_choice') ?? 'auto',
    tools: defined.map(completed),
    top_p: sampler.topP / 100,
    ...Object.fromEntries(notes.flatMap((name) => (fields.raw(name) === undefined ? [] : [[name, repeat(name)]]))),
  };
}

interface NamedTool {
  readonly type: string;
  readonly name: string;
  /** Of a namespace. */
  readonly tools?: readonly NamedTool[];
}

const offeredTypes: ReadonlySet<string> = new Set(['function', 'custom', 'namespace']);

/** A tool with all the fields that OpenAI's types demand. */
function completed(tool: NamedTool): object {
  if (tool.type === 'custom') return { format: { type: 'text' }, ...tool };
  return { description: null, parameters: null, strict: null, ...tool };
}
