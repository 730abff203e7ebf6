import { QvacError } from '../../errors.ts';
import { mergeSystem } from '../../protocol/input/system-in-turn.ts';
import type { ChatMessage, Input } from '../../protocol/messages.ts';
import type { Tokenizer } from '../engine.ts';

/** What a model's file can do with its prompts, found by rendering short conversations. */
export interface TemplateAbilities {
  /** Turns of a user and an assistant. Without, the model only goes on with raw text. */
  readonly chat: boolean;
  /**
   * Where the text of a system message goes: a message of its own, or the first turn of the user (`mergeSystem`), since
   * the template refuses such a message or leaves it out.
   */
  readonly system: 'message' | 'first turn' | 'nowhere';
  /** Messages of the role `developer`. */
  readonly developer: boolean;
  /** Tools, calls of them and their results. */
  readonly tools: boolean;
  /** Goes on with an answer that the last message begins. */
  readonly prefill: boolean;
  /** The template fails without a date. */
  readonly needsDate: boolean;
  /** Tells what is missing between two texts. */
  readonly gaps: boolean;
}

const words = {
  system: 'probe of the system',
  first: 'first probe of the user',
  answer: 'probe of the assistant',
  second: 'second probe of the user',
  tool: 'probe_tool',
  argument: 'probe of an argument',
  result: 'probe of a result',
} as const;

const first: ChatMessage = { role: 'user', content: words.first };
const turns: readonly ChatMessage[] = [
  first,
  { role: 'assistant', content: words.answer },
  { role: 'user', content: words.second },
];
// Some templates take ids of nine letters and digits alone.
const callId = 'probe0001';
const calls: readonly ChatMessage[] = [
  first,
  {
    role: 'assistant',
    content: '',
    tool_calls: [{ id: callId, name: words.tool, arguments: JSON.stringify({ text: words.argument }) }],
  },
  { role: 'tool', content: words.result, tool_call_id: callId },
];
const tools = JSON.stringify([
  {
    type: 'function',
    function: {
      name: words.tool,
      description: 'a probe',
      parameters: { type: 'object', properties: { text: { type: 'string' } } },
    },
  },
]);

/** A conversation with a call of a tool: its rendering shows how a model writes calls. */
export const callProbe = { messages: calls, tools, tool: words.tool, argument: words.argument } as const;

/**
 * Renders conversations with and without a system message, of one and of two turns, and looks for every text in them.
 */
export function probeTemplate(tokenizer: Pick<Tokenizer, 'encodePrompt' | 'decode'>): TemplateAbilities {
  /** Whether the rendering shows all of `texts`, in that order. */
  function shows(messages: readonly ChatMessage[], texts: readonly string[], change: Partial<Input>): boolean {
    try {
      const input: Input = { ...empty, messages, ...change };
      const rendering = tokenizer.decode(tokenizer.encodePrompt(input).tokens);
      let from = 0;
      return texts.every((text) => {
        const at = rendering.indexOf(text, from);
        from = at + text.length;
        return at >= 0;
      });
    } catch (error) {
      if (error instanceof QvacError && (error.code === 'E_BAD_INPUT' || error.code === 'E_CONTEXT')) return false;
      throw error;
    }
  }
  const turnTexts = [words.first, words.answer, words.second];
  const needsDate = !shows(turns, turnTexts, {}) && shows(turns, turnTexts, { date: '2026-01-01' });
  const date = needsDate ? '2026-01-01' : null;
  const chat = shows([first], [words.first], { date }) && shows(turns, turnTexts, { date });
  const withSystem = (role: string): readonly ChatMessage[] => [{ role, content: words.system }, ...turns];
  const merged = mergeSystem({ ...empty, messages: withSystem('system') });
  const callTexts = [words.first, words.argument, words.result];
  return {
    chat,
    system: shows(withSystem('system'), [words.system, ...turnTexts], { date })
      ? 'message'
      : chat && shows(merged.messages, [words.system, ...turnTexts], { date })
        ? 'first turn'
        : 'nowhere',
    developer: shows(withSystem('developer'), [words.system, ...turnTexts], { date }),
    tools: shows([first], [words.tool], { date, tools }) && shows(calls, callTexts, { date, tools }),
    prefill: chat && shows(turns.slice(0, 2), [words.first, words.answer], { date }),
    needsDate,
    gaps: shows([user(words.first), user(words.second)], [words.first, words.second], { template: 'fim' }),
  };
}

function user(content: string): ChatMessage {
  return { role: 'user', content };
}

const empty: Input = { messages: [], template: 'gguf', options: {}, tools: null, date: null, continuation: [] };
