import { utf8 } from '../../lib/bytes.ts';
import { MalformedError } from '../../protocol/codec.ts';
import { maxToolsBytes } from '../../protocol/constants.ts';
import { parseJsonText } from '../../protocol/encoding/strict-json.ts';
import { badField } from '../problem.ts';
import { maxToolNameLength } from '../tools/constants.ts';
import { isObject } from '../tools/exact-json.ts';
import type { ForcedCalls } from '../tools/forced-calls.ts';
import type { OfferedTool } from '../tools/parts.ts';
import type { ApiCall } from './api-message.ts';
import { plainJson } from './json.ts';
import { quoted, type RequestFields } from './request-fields.ts';

/** The tools that a request offers to the model. */
export interface RequestTools {
  readonly offered: readonly OfferedTool[];
  /** JSON text for the protocol's input; null without tools. */
  readonly json: string | null;
  /** Calls that an answer may make. */
  readonly maxCalls: number;
  /** Null: the model chooses. */
  readonly forced: ForcedCalls | null;
}

/** One tool as a request defines it. */
export interface ToolDefinition extends OfferedTool {
  readonly description: string | undefined;
}

/** What a request says about the calls it wants. */
export interface ToolChoice {
  /** `required`: at least one call; `named`: one of the tool `name`. */
  readonly mode: 'auto' | 'none' | 'required' | 'named';
  readonly name?: string | undefined;
  /** Names of the only tools that may be called. @default all */
  readonly allowed?: readonly string[] | undefined;
  readonly isParallel: boolean;
}

export const noTools: RequestTools = { offered: [], json: null, maxCalls: 0, forced: null };

const namePattern = new RegExp(`^[A-Za-z0-9_.:/-]{1,${maxToolNameLength}}$`);
const maxTools = 512;
/** Calls of one answer that are passed on. */
const maxCalls = 128;

/**
 * The tools of a request as the model gets them: of those that may not be called it hears nothing.
 * @throws Problem for definitions that no template may get, and for a choice of a tool that is not there
 */
export function requestTools(
  fields: RequestFields,
  defined: readonly ToolDefinition[],
  { mode, name, allowed, isParallel }: ToolChoice,
): RequestTools {
  const names = new Set(defined.map((tool) => tool.name));
  if (names.size < defined.length) throw fields.bad('tools', 'tools of different names');
  if (defined.length > maxTools) throw fields.bad('tools', `at most ${maxTools} tools`);
  const missing = [...(name === undefined ? [] : [name]), ...(allowed ?? [])].find((each) => !names.has(each));
  if (missing !== undefined) throw fields.bad('tool_choice', `one of the tools, got ${quoted(missing)}`);
  const definitions = allowed === undefined ? defined : defined.filter((tool) => allowed.includes(tool.name));
  if (mode === 'required' && definitions.length === 0) throw fields.bad('tool_choice', 'auto or none without tools');
  if (definitions.length === 0 || mode === 'none') return noTools;
  const described = definitions.map(({ name, description, parameters }) => ({
    type: 'function',
    function: {
      name,
      ...(description === undefined ? {} : { description }),
      ...(parameters === null ? {} : { parameters }),
    },
  }));
  const json = protocolJson(fields.pathOf('tools'), described);
  if (utf8(json).length > maxToolsBytes) throw fields.bad('tools', `at most ${maxToolsBytes} bytes`);
  const offered = definitions.map((tool) => ({ ...tool, parameters: withoutBigInts(fields, tool.parameters) }));
  return {
    offered,
    json,
    maxCalls: isParallel ? maxCalls : 1,
    forced: mode === 'auto' ? null : forcedCalls(offered, name, isParallel),
  };
}

function withoutBigInts(fields: RequestFields, schema: ToolDefinition['parameters']): ToolDefinition['parameters'] {
  return schema === null ? null : (plainJson(fields.pathOf('tools'), schema) as ToolDefinition['parameters']);
}

/** @param name of the tool that must be called; undefined: any of them */
function forcedCalls(tools: readonly OfferedTool[], name: string | undefined, isParallel: boolean): ForcedCalls {
  return name === undefined
    ? { tools, isParallel }
    : { tools: tools.filter((tool) => tool.name === name), isParallel: false };
}

/** Leaves a tool out that no model here can be offered; the response's headers say so. */
export function leaveOut(tool: RequestFields, type: unknown): void {
  tool.adjust('type', ` ${quoted(type)} left out`);
  tool.ignoreRest();
}

/**
 * Reads the tools of OpenAI's chat completions and Ollama: `{type: "function", function: {…}}`.
 * @param readOther reads a tool of another type; null: it is left out
 */
export function readFunctions(
  fields: RequestFields,
  readOther: (tool: RequestFields, type: unknown) => ToolDefinition | null = () => null,
): readonly ToolDefinition[] {
  return (fields.list('tools') ?? []).flatMap((value, at) => {
    const tool = fields.item('tools', at, value);
    const type = tool.raw('type') ?? 'function';
    if (type !== 'function') {
      const other = readOther(tool, type);
      if (other === null) leaveOut(tool, type);
      return other ?? [];
    }
    const described = tool.object('function');
    if (described === undefined) throw tool.bad('function', 'a JSON object');
    const definition = readDefinition(described, 'parameters');
    described.done();
    tool.done();
    return [definition];
  });
}

/**
 * Reads the calls of an earlier answer in the same APIs.
 * @param readOther reads the name and arguments of a call of another type; null: it is refused
 */
export function readCalls(
  message: RequestFields,
  readOther: (call: RequestFields, type: unknown) => Omit<ApiCall, 'id'> | null = () => null,
): readonly ApiCall[] {
  return (message.list('tool_calls') ?? []).flatMap((value, at) => {
    const call = message.item('tool_calls', at, value);
    const id = call.text('id');
    const type = call.raw('type') ?? 'function';
    if (type !== 'function') {
      const other = readOther(call, type);
      if (other !== null) return { id, ...other };
      call.refuse('type', quoted(type), 'tools other than functions are not offered');
      call.ignoreRest();
      return [];
    }
    const made = call.object('function');
    if (made === undefined) throw call.bad('function', 'a JSON object');
    const read = { id, name: readToolName(made), arguments: readArguments(made, 'arguments') };
    made.done();
    call.done();
    return [read];
  });
}

/** Reads the name, description and parameters of a function. */
export function readDefinition(fields: RequestFields, parametersField: string): ToolDefinition {
  const name = readToolName(fields);
  const description = fields.text('description');
  const parameters = fields.raw(parametersField);
  if (parameters !== undefined && !isObject(parameters)) throw fields.bad(parametersField, 'a JSON schema');
  return { name, description, parameters: parameters ?? null };
}

/** @param field that holds it */
export function readToolName(fields: RequestFields, field = 'name'): string {
  const name = fields.text(field);
  if (name === undefined || !namePattern.test(name))
    throw fields.bad(field, `1 to ${maxToolNameLength} letters, digits and _ . : / -`);
  return name;
}

/**
 * The arguments of an earlier call: an object, or the JSON text of one. Null and an empty text count as an empty one.
 * @returns JSON text as the protocol's input takes it
 */
export function readArguments(fields: RequestFields, name: string): string {
  const raw = fields.raw(name);
  const value = typeof raw === 'string' && raw.trim() !== '' ? parsedArguments(raw) : (raw ?? '');
  if (typeof value === 'string') return '{}';
  if (!isObject(value)) throw fields.bad(name, 'the JSON of an object');
  return protocolJson(fields.pathOf(name), value);
}

/** Null if `text` is not JSON. */
function parsedArguments(text: string): unknown {
  const keepDigits = (_key: string, value: unknown, context?: { readonly source?: string }): unknown => {
    const source = context?.source ?? '';
    return typeof value === 'number' && /^-?\d+$/.test(source) && !Number.isSafeInteger(value) ? source : value;
  };
  try {
    const value = JSON.parse(text, keepDigits) as unknown;
    return typeof value === 'string' ? null : value;
  } catch {
    return null;
  }
}

/**
 * JSON text for the protocol's input (section 2), which takes numbers as `JSON.stringify` writes them only: a whole
 * number that a double cannot hold becomes a text, so that the model still sees all its digits.
 * @throws Problem for a lone surrogate or values nested too deep
 */
function protocolJson(path: string, value: unknown): string {
  const writable = (_key: string, each: unknown): unknown =>
    typeof each === 'bigint' ? (Number.isSafeInteger(Number(each)) ? Number(each) : String(each)) : each;
  try {
    const text = JSON.stringify(value, writable);
    parseJsonText(text);
    return text;
  } catch (error) {
    if (error instanceof RangeError) throw badField(path, `${path}: nested too deep`);
    if (error instanceof MalformedError) throw badField(path, `${path}: ${error.message}`);
    throw error;
  }
}
