import { quoted, type RequestFields } from '../request-fields.ts';
import type { ToolChoice } from '../tools.ts';

/** Where an API has what belongs to a type: inside an object of that name, or beside it. */
export type Holder = (fields: RequestFields, type: string) => RequestFields | undefined;

/** Types of tools that the gateway offers to models. */
const offeredTypes = ['function', 'custom'];

/** Reads `tool_choice` and `parallel_tool_calls` of OpenAI's APIs. */
export function readToolChoice(fields: RequestFields, holder: Holder): ToolChoice {
  const isParallel = fields.flag('parallel_tool_calls') ?? true;
  const raw = fields.raw('tool_choice');
  if (raw === undefined || typeof raw === 'string') {
    const mode = fields.oneOf('tool_choice', ['auto', 'none', 'required']) ?? 'auto';
    return { mode, isParallel };
  }
  const choice = fields.object('tool_choice');
  const type = choice?.raw('type');
  if (choice !== undefined && type === 'allowed_tools') return { ...readAllowed(choice, holder), isParallel };
  if (choice === undefined || typeof type !== 'string' || !offeredTypes.includes(type)) {
    fields.refuse(
      'tool_choice',
      quoted(type),
      'send auto, none, required, allowed_tools, or a function or custom tool',
    );
    return { mode: 'auto', isParallel };
  }
  const name = readName(choice, type, holder);
  if (name === undefined) throw fields.bad('tool_choice', 'the name of a tool');
  return { mode: 'named', name, isParallel };
}

/** Reads `{type: "allowed_tools", mode, tools}`. Tools of types that are not offered to models don't count. */
function readAllowed(choice: RequestFields, holder: Holder): Pick<ToolChoice, 'mode' | 'allowed'> {
  const fields = holder(choice, 'allowed_tools');
  const mode = fields?.oneOf('mode', ['auto', 'required']);
  const tools = fields?.list('tools');
  if (fields === undefined || mode === undefined || tools === undefined)
    throw choice.bad('allowed_tools', 'a mode, auto or required, and a list of tools');
  const allowed = tools.flatMap((value, at) => {
    const tool = fields.item('tools', at, value);
    const type = tool.raw('type');
    if (typeof type !== 'string' || !offeredTypes.includes(type)) {
      tool.adjust('type', ` ${quoted(type)} left out`);
      return [];
    }
    const name = readName(tool, type, holder);
    if (name === undefined) throw tool.bad('name', 'the name of a tool');
    return name;
  });
  fields.done();
  choice.done();
  return { mode, allowed };
}

function readName(fields: RequestFields, type: string, holder: Holder): string | undefined {
  const named = holder(fields, type);
  const name = named?.text('name');
  named?.done();
  fields.done();
  return name;
}
