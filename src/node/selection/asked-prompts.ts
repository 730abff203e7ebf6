import { createHash } from 'node:crypto';
import type { ModelId, PeerIdString } from '../../lib/types.ts';
import type { Input } from '../../protocol/messages.ts';
import { maxAskedPrompts, maxAskedTurns } from './constants.ts';

/** How much of a prompt a provider was asked before, 0 … 1: what it may have kept of it. */
export type KnownShare = (peer: PeerIdString, model: ModelId) => number;

/**
 * Which conversations this node asked which provider, as digests in memory: the provider that answered the last turn
 * may have kept the prompt, and need not compute it again.
 */
export interface AskedPrompts {
  add(input: Input, peer: PeerIdString, model: ModelId): void;
  shareOf(input: Input): KnownShare;
}

/** A conversation that a provider was asked, by the digests of its first 1, 2, … messages. */
interface Asked {
  readonly key: string;
  readonly beginnings: ReadonlySet<string>;
}

export function createAskedPrompts(): AskedPrompts {
  const asked: Asked[] = [];
  return {
    add(input, peer, model) {
      const beginnings = beginningsOf(input).map(({ digest }) => digest);
      asked.push({ key: `${peer} ${model}`, beginnings: new Set(beginnings.slice(-maxAskedTurns)) });
      if (asked.length > maxAskedPrompts) asked.shift();
    },
    shareOf(input) {
      const beginnings = beginningsOf(input);
      const whole = beginnings.at(-1)?.length ?? 0;
      return (peer, model) => {
        const known = asked.filter(({ key }) => key === `${peer} ${model}`);
        const longest = beginnings.findLast(({ digest }) => known.some((each) => each.beginnings.has(digest)));
        return longest === undefined || whole === 0 ? 0 : longest.length / whole;
      };
    },
  };
}

/** Digest and length in characters of the first 1, 2, … messages, with what is rendered before them. */
function beginningsOf({ messages, tools, template, options }: Input): readonly Beginning[] {
  let digest = digestOf('', { tools, template, options });
  let length = tools?.length ?? 0;
  return messages.map((message) => {
    digest = digestOf(digest, message);
    length += message.content.length;
    return { digest, length };
  });
}

interface Beginning {
  readonly digest: string;
  readonly length: number;
}

function digestOf(before: string, value: object): string {
  return createHash('sha256')
    .update(`${before} ${JSON.stringify(value)}`)
    .digest('base64');
}
