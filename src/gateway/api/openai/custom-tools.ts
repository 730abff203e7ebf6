import { utf8 } from '../../../lib/bytes.ts';
import type { TextForm } from '../../../protocol/grammar/compile/calls.ts';
import type { ApiCall } from '../api-message.ts';
import { quoted, type RequestFields } from '../request-fields.ts';
import { readToolName, type ToolDefinition } from '../tools.ts';

/** Bytes of a tool's grammar; the rules made of it have a limit of their own. */
const maxDefinitionBytes = 65_536;
const anyText: TextForm = { syntax: 'any', definition: '' };

/**
 * Reads a tool that takes a text instead of an object. Models know functions alone, so it becomes one with the only
 * parameter `input`.
 * @param fields the object that has its `name`, `description` and `format`
 * @param grammarHolder the object in `format` that has the grammar
 */
export function readCustomTool(
  fields: RequestFields,
  grammarHolder: (format: RequestFields) => RequestFields | undefined,
): ToolDefinition {
  const name = readToolName(fields);
  const description = fields.text('description');
  const text = readTextForm(fields, grammarHolder);
  fields.done();
  const { syntax, definition } = text;
  const form = syntax === 'any' ? '' : ` A text of this ${syntax === 'lark' ? 'Lark grammar' : syntax}:\n${definition}`;
  const input = { type: 'string', description: `The whole input, as plain text.${form}` };
  const parameters = { type: 'object', properties: { input }, required: ['input'], additionalProperties: false };
  return { name, description, parameters, text };
}

/** Reads the name and the text of an earlier call of such a tool. */
export function readCustomCall(fields: RequestFields): Omit<ApiCall, 'id'> {
  const call = { name: readToolName(fields), arguments: JSON.stringify({ input: fields.text('input') ?? '' }) };
  fields.done();
  return call;
}

function readTextForm(
  fields: RequestFields,
  grammarHolder: (format: RequestFields) => RequestFields | undefined,
): TextForm {
  const format = fields.object('format');
  const type = format?.text('type') ?? 'text';
  if (format === undefined || type === 'text') {
    format?.done();
    return anyText;
  }
  if (type !== 'grammar') {
    format.refuse('type', quoted(type), 'send text or grammar');
    format.ignoreRest();
    return anyText;
  }
  const grammar = grammarHolder(format);
  const syntax = grammar?.oneOf('syntax', ['lark', 'regex']);
  const definition = grammar?.text('definition');
  if (grammar === undefined || syntax === undefined || definition === undefined)
    throw format.bad('grammar', 'a grammar of the syntax lark or regex');
  if (utf8(definition).length > maxDefinitionBytes)
    throw grammar.bad('definition', `at most ${maxDefinitionBytes} bytes`);
  grammar.done();
  format.done();
  return { syntax, definition };
}
