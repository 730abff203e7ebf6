import assert from 'node:assert/strict';
import { beforeEach, test } from 'node:test';
import type { Conversation } from '../../src/web/conversation.ts';
import { fakeStorage } from '../support/browser-storage.ts';

const storage = fakeStorage();
const { store } = await import('../../src/web/store.ts');

/** As much as browsers give a page, in characters. */
const room = 5_000_000;

beforeEach(() => {
  storage.texts.clear();
  storage.room = room;
});

function asked(question: string): Conversation {
  const conversation = store.create();
  conversation.title = question;
  conversation.turns.push(store.turn(conversation, 'user', question));
  store.save(conversation);
  return conversation;
}

const stored = (): readonly Conversation[] =>
  JSON.parse(storage.getItem('qvac.conversations') ?? '[]') as readonly Conversation[];

test('an answer that is longer than storage leaves the other conversations there', () => {
  const others = Array.from({ length: 20 }, (_, at) => asked(`question ${at} `.padEnd(100_000, '.')));
  const flooded = asked('how long can you get?');
  const answer = store.turn(flooded, 'assistant', '');
  flooded.turns.push(answer);
  // As an answer grows: each state is stored.
  for (let at = 0; at < 8; at++) {
    answer.content += 'x'.repeat(500_000);
    answer.reasoning = answer.content;
    store.save(flooded);
  }
  assert.deepEqual(
    stored().map(({ title }) => title),
    [flooded, ...others.toReversed()].map(({ title }) => title),
  );
  assert.equal(answer.content.length, 4_000_000);
  const kept = stored()[0]?.turns[1]?.content ?? '';
  assert.ok(kept.length <= 200_000 && kept.endsWith('…'));
  // What storage lacks is not stored again and again.
  const before = storage.getItem('qvac.conversations');
  assert.equal(store.follow(flooded), false);
  assert.equal(storage.getItem('qvac.conversations'), before);
});

test('a question of any length is stored as it was typed', () => {
  const { turns } = asked('why? '.repeat(100_000));
  assert.deepEqual(stored()[0]?.turns, turns);
});

test('a conversation that is forgotten while storage is full stays forgotten', () => {
  const forgotten = asked('forget this '.repeat(1_000));
  asked('keep this');
  storage.room = [...storage.texts.values()].reduce((sum, { length }) => sum + length, 0);
  store.remove(forgotten.id);
  assert.equal(store.isForgotten(forgotten.id), true);
  // Another tab that still shows it.
  store.save(forgotten);
  assert.deepEqual(
    stored().map(({ title }) => title),
    ['keep this'],
  );
});

test('a turn follows the last one even if the clock was set back', () => {
  const conversation = asked('what time is it?');
  const [question] = conversation.turns;
  assert.ok(question !== undefined);
  // As a reload finds a turn of a clock that was ahead.
  const later = { ...question, at: question.at + 86_400_000 };
  conversation.turns = [later];
  const answer = store.turn(conversation, 'assistant', 'noon');
  assert.ok(answer.at > later.at);
});
