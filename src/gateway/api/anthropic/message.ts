import type { ApiCall, ApiMessage } from '../api-message.ts';
import { readContent } from '../content.ts';
import { quoted, type RequestFields } from '../request-fields.ts';
import { readArguments, readToolName } from '../tools.ts';

/** One message as it is read: its blocks, sorted. */
interface Blocks {
  readonly texts: string[];
  readonly thoughts: string[];
  readonly calls: ApiCall[];
  readonly results: ApiMessage[];
}

/**
 * Reads one message of `POST /v1/messages`. Results of tools stand inside a message of the user; they become messages
 * of their own, in front of what the user says.
 */
export function readMessage(message: RequestFields): readonly ApiMessage[] {
  const role = message.oneOf('role', ['user', 'assistant', 'system']);
  if (role === undefined) throw message.bad('role', 'user, assistant or system');
  const raw = message.raw('content');
  if (!Array.isArray(raw)) return [{ role, content: message.text('content') ?? '' }];
  const blocks: Blocks = { texts: [], thoughts: [], calls: [], results: [] };
  for (const [at, value] of raw.entries()) readBlock(message.item('content', at, value), blocks);
  const { texts, thoughts, calls, results } = blocks;
  const content = texts.join('');
  if (results.length > 0 && content === '') return results;
  const reasoning = thoughts.length === 0 || role !== 'assistant' ? undefined : thoughts.join('\n');
  return [...results, { role, content, reasoning, calls: role === 'assistant' ? calls : undefined }];
}

function readBlock(block: RequestFields, { texts, thoughts, calls, results }: Blocks): void {
  const type = block.raw('type');
  switch (type) {
    case 'text':
      texts.push(needed(block, 'text'));
      break;
    case 'thinking':
      thoughts.push(block.text('thinking') ?? '');
      break;
    case 'redacted_thinking':
      block.ignoreRest();
      break;
    case 'tool_use':
      calls.push({ id: needed(block, 'id'), name: readToolName(block), arguments: readArguments(block, 'input') });
      break;
    case 'tool_result':
      results.push({
        role: 'tool',
        content: readContent(block, 'content', ['text']),
        callId: needed(block, 'tool_use_id'),
      });
      break;
    default:
      block.refuse('type', quoted(type));
      block.ignoreRest();
  }
  block.done();
}

function needed(block: RequestFields, name: string): string {
  const text = block.text(name);
  if (text === undefined) throw block.bad(name, 'text');
  return text;
}
