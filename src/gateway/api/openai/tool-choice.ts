import { quoted, type RequestFields } from '../request-fields.ts';
import type { ToolChoice } from '../tools.ts';

/**
 * Reads `tool_choice` and `parallel_tool_calls` of OpenAI's APIs.
 * @param nameHolder the object of a choice that names a function
 */
export function readToolChoice(
  fields: RequestFields,
  nameHolder: (choice: RequestFields) => RequestFields | undefined,
): ToolChoice {
  const isParallel = fields.flag('parallel_tool_calls') ?? true;
  const raw = fields.raw('tool_choice');
  if (raw === undefined || typeof raw === 'string') {
    const mode = fields.oneOf('tool_choice', ['auto', 'none', 'required']) ?? 'auto';
    return { mode, isParallel };
  }
  const choice = fields.object('tool_choice');
  const type = choice?.raw('type');
  if (choice === undefined || type !== 'function') {
    fields.refuse('tool_choice', quoted(type), 'send auto or none');
    return { mode: 'auto', isParallel };
  }
  const name = nameHolder(choice)?.text('name');
  if (name === undefined) throw fields.bad('tool_choice', 'the name of a function');
  return { mode: 'named', name, isParallel };
}
