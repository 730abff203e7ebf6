import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { ModelId, PeerIdString } from '../../../src/lib/types.ts';
import { createAskedPrompts } from '../../../src/node/selection/asked-prompts.ts';
import { maxAskedPrompts } from '../../../src/node/selection/constants.ts';
import type { ChatMessage } from '../../../src/protocol/messages.ts';
import { inputOf } from '../../support/models/inputs.ts';

const [anna, bert] = ['12D3KooWanna', '12D3KooWbert'] as PeerIdString[] as [PeerIdString, PeerIdString];
const [one, two] = ['11', '22'] as ModelId[] as [ModelId, ModelId];

/** A conversation whose messages have 10 characters each. */
const talk = (...letters: readonly string[]): ChatMessage[] =>
  letters.map((letter, at) => ({ role: at % 2 === 0 ? 'user' : 'assistant', content: letter.repeat(10) }));

test('a conversation is known to the provider that answered its beginning, by the share of its text', () => {
  const asked = createAskedPrompts();
  asked.add(inputOf(talk('a')), anna, one);
  asked.add(inputOf(talk('a', 'b', 'c')), anna, one);
  const share = asked.shareOf(inputOf(talk('a', 'b', 'c', 'd', 'e')));
  assert.equal(share(anna, one), 0.6);
  assert.deepEqual([share(bert, one), share(anna, two)], [0, 0]);
  // The same question again, and one that was changed.
  assert.equal(asked.shareOf(inputOf(talk('a', 'b', 'c')))(anna, one), 1);
  assert.equal(asked.shareOf(inputOf(talk('a', 'b', 'x', 'y')))(anna, one), 0.5);
  assert.equal(asked.shareOf(inputOf(talk('x', 'b', 'c')))(anna, one), 0);
});

test('what is rendered before the messages belongs to the beginning', () => {
  const asked = createAskedPrompts();
  asked.add(inputOf(talk('a')), anna, one);
  assert.equal(asked.shareOf(inputOf(talk('a'), { options: { enable_thinking: false } }))(anna, one), 0);
  assert.equal(asked.shareOf(inputOf(talk('a'), { tools: '[{"type":"function"}]' }))(anna, one), 0);
});

test('the oldest conversations are forgotten first', () => {
  const asked = createAskedPrompts();
  for (let at = 0; at <= maxAskedPrompts; at++) asked.add(inputOf(talk(`${at} `)), anna, one);
  assert.equal(asked.shareOf(inputOf(talk('0 ')))(anna, one), 0);
  assert.equal(asked.shareOf(inputOf(talk('1 ')))(anna, one), 1);
});
