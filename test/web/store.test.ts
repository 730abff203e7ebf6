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

test('a conversation that another tab stores again after it was forgotten goes', () => {
  const forgotten = asked('forget this');
  asked('keep this');
  const before = storage.getItem('qvac.conversations') ?? '';
  store.remove(forgotten.id);
  for (const key of ['qvac.forgotten', 'qvac.conversations', null]) {
    // A tab that did not know of it yet.
    storage.setItem('qvac.conversations', before);
    store.changed(key);
    for (const each of [stored(), store.conversations])
      assert.deepEqual(
        each.map(({ title }) => title),
        ['keep this'],
      );
  }
  // The other tab itself, once it knows.
  const other = asked('forget this as well');
  storage.setItem('qvac.forgotten', JSON.stringify([forgotten.id, other.id]));
  asked('one more');
  assert.deepEqual(
    stored().map(({ title }) => title),
    ['one more', 'keep this'],
  );
});

test('a conversation that another tab wrote over in storage is stored again, unless it was forgotten', () => {
  const first = asked('one');
  const before = storage.getItem('qvac.conversations') ?? '';
  const second = asked('two');
  const titles = () => stored().map(({ title }) => title);
  const overwrite = (text: string) => {
    // As by a tab that did not know of the second one.
    storage.setItem('qvac.conversations', text);
    store.changed('qvac.conversations');
    return store.follow(second);
  };
  assert.equal(overwrite(before), false);
  assert.deepEqual(titles(), ['two', 'one']);
  assert.deepEqual(stored()[0]?.turns, second.turns);
  assert.deepEqual(store.conversations, stored());
  overwrite('[]');
  assert.deepEqual(titles(), ['two']);
  // It pushes nothing out, and is not stored while it is empty.
  store.follow(first);
  storage.room = [...storage.texts.values()].reduce((sum, { length }) => sum + length, 0) - 1;
  overwrite(before);
  assert.deepEqual(titles(), ['one']);
  storage.room = room;
  store.follow(store.create());
  assert.deepEqual(titles(), ['one']);
  store.remove(second.id);
  overwrite(before);
  assert.deepEqual(titles(), ['one']);
  // As after all of the page's data was cleared.
  storage.texts.clear();
  store.follow(first);
  assert.equal(storage.getItem('qvac.conversations'), null);
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
