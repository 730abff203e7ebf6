import { QvacError } from '../../errors.ts';
import type { ChatMessage, Input } from '../../protocol/messages.ts';
import { type TokenTable, tokenTypes } from './token-bytes.ts';

/**
 * Tells an input that cannot fit into the context before rendering and tokenising take their time, which grows faster
 * than its length.
 */
export interface Bounds {
  /** @throws QvacError E_CONTEXT */
  checkInput(input: Input): void;
  /** @param pieces what is to be tokenised. @throws QvacError E_CONTEXT */
  checkPieces(pieces: readonly string[]): void;
}

/** @param context tokens */
export function createBounds(table: TokenTable, context: number): Bounds {
  let longest = 1;
  const special: string[] = [];
  for (let token = 0; token < table.size; token++) {
    const text = table.textOf(token) ?? '';
    longest = Math.max(longest, Buffer.byteLength(text));
    if (text !== '' && (table.typeOf(token) === tokenTypes.control || table.typeOf(token) === tokenTypes.userDefined))
      special.push(text);
  }
  // No token stands for more than `longest` bytes, so a longer text has more tokens than the context holds.
  const maxBytes = context * longest;
  const pattern =
    special.length === 0
      ? null
      : new RegExp(
          special
            .sort((a, b) => b.length - a.length)
            .map(escapeRegExp)
            .join('|'),
          'gu',
        );
  const refuse = (): never => {
    throw new QvacError('E_CONTEXT', `the prompt cannot fit into the context of ${context} tokens`, {
      hint: 'shorten it, or use a model with a larger context',
    });
  };
  return {
    checkInput({ messages, continuation }) {
      const bytes = messages.reduce((sum, message) => sum + bytesOfMessage(message), 0);
      if (messages.length + continuation.length > context || bytes > maxBytes) refuse();
    },
    checkPieces(pieces) {
      let [count, bytes] = [0, 0];
      for (const piece of pieces) {
        bytes += Buffer.byteLength(piece);
        if (bytes > maxBytes) refuse();
        if (pattern !== null) for (const _ of piece.matchAll(pattern)) if (++count > context) refuse();
      }
    },
  };
}

/** Of the texts that every template shows. */
function bytesOfMessage({ content, reasoning_content: reasoning = '' }: ChatMessage): number {
  return Buffer.byteLength(content) + Buffer.byteLength(reasoning);
}

function escapeRegExp(text: string): string {
  return text.replace(/[.*+?^${}()|[\]\\]/g, '\\$&');
}
