import { quoted, type RequestFields } from '../request-fields.ts';
import { leaveOut, readDefinition, type ToolChoice, type ToolDefinition } from '../tools.ts';

/** Reads `tools`. A tool that Anthropic's servers run is left out, and the response's headers say so. */
export function readTools(fields: RequestFields): readonly ToolDefinition[] {
  return (fields.list('tools') ?? []).flatMap((value, at) => {
    const tool = fields.item('tools', at, value);
    const type = tool.raw('type') ?? 'custom';
    if (type !== 'custom') {
      leaveOut(tool, type);
      return [];
    }
    const definition = readDefinition(tool, 'input_schema');
    tool.done();
    return [definition];
  });
}

/** Reads `tool_choice`, which also says whether calls may be parallel. */
export function readToolChoice(fields: RequestFields): ToolChoice {
  const choice = fields.object('tool_choice');
  if (choice === undefined) return { mode: 'auto', isParallel: true };
  const type = choice.oneOf('type', ['auto', 'none', 'any', 'tool']);
  if (type === undefined) throw choice.bad('type', 'auto, none, any or tool');
  const name = choice.text('name');
  const isParallel = choice.flag('disable_parallel_tool_use') !== true;
  choice.done();
  if (type === 'any') return { mode: 'required', isParallel };
  if (type !== 'tool') return { mode: type, isParallel };
  if (name === undefined) throw fields.bad('tool_choice', `the name of a tool, got ${quoted(name)}`);
  return { mode: 'named', name, isParallel };
}
