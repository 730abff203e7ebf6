import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { absorb, type Conversation, nextTime, removeTurn, type Trust, type Turn } from '../../src/web/conversation.ts';

const turn = (id: string, at: number, more: Partial<Turn> = {}): Turn => ({
  id,
  at,
  role: 'user',
  content: id,
  ...more,
});
const conversation = (turns: readonly Turn[], more: Partial<Conversation> = {}): Conversation => ({
  id: 'c',
  title: 't',
  at: 0,
  turns: turns.map((each) => ({ ...each })),
  removed: [],
  ...more,
});
const ids = ({ turns }: Conversation): readonly string[] => turns.map(({ id }) => id);
const trust = (verified: Trust['verified']): Trust => ({
  tokens: 1,
  tokensPerSecond: null,
  provider: 'p',
  model: 'm',
  cost: '0',
  verified,
  receipt: 'r',
});

test('turns of both copies stay, in the order of their times', () => {
  const first = conversation([turn('q1', 1), turn('a1', 2), turn('q2', 3)]);
  const second = conversation([turn('q1', 1), turn('a1', 2), turn('q3', 4), turn('a3', 5)]);
  assert.equal(absorb(first, second), true);
  assert.deepEqual(ids(first), ['q1', 'a1', 'q2', 'q3', 'a3']);
  assert.equal(absorb(first, second), false);
});

test('a removed turn does not come back from another copy', () => {
  const mine = conversation([turn('q1', 1), turn('a1', 2)]);
  const theirs = conversation([turn('q1', 1), turn('a1', 2), turn('q2', 3)]);
  removeTurn(mine, mine.turns[1] ?? assert.fail());
  absorb(mine, theirs);
  assert.deepEqual(ids(mine), ['q1', 'q2']);
  absorb(theirs, mine);
  assert.deepEqual(ids(theirs), ['q1', 'q2']);
});

test('the further copy of a turn wins, and the object stays the same', () => {
  const stages: readonly Partial<Turn>[] = [
    { content: '' },
    { content: '', busyUntil: 5 },
    { content: 'It', busyUntil: 5 },
    { content: 'It scatters' },
    { content: 'It scatters', trust: trust('pending') },
    { content: 'It scatters', trust: trust('exact') },
  ];
  for (const [at, stage] of stages.entries())
    for (const [other, otherStage] of stages.entries()) {
      const mine = conversation([turn('a', 1, stage)]);
      const [held] = mine.turns;
      absorb(mine, conversation([turn('a', 1, otherStage)]));
      assert.equal(mine.turns[0], held);
      assert.deepEqual(mine.turns[0], turn('a', 1, stages[Math.max(at, other)]), `${at} ${other}`);
    }
});

test('copies that absorb each other in any order agree', () => {
  const turns = fc.uniqueArray(
    fc.record({
      id: fc.constantFrom(...'abcdefgh'),
      content: fc.constantFrom('', 'x', 'xy'),
      busyUntil: fc.constantFrom(1, 2),
    }),
    { selector: ({ id }) => id },
  );
  const copy = fc
    .record({ turns, removed: fc.uniqueArray(fc.constantFrom(...'abcdefgh'), { maxLength: 3 }) })
    .map(({ turns: each, removed }) =>
      conversation(
        each.map(({ id, content, busyUntil }) => turn(id, id.charCodeAt(0), { content, busyUntil })),
        { removed },
      ),
    );
  const merged = (...copies: readonly Conversation[]): object => {
    const into = conversation([]);
    for (const each of copies) absorb(into, structuredClone(each));
    return { turns: into.turns, removed: into.removed.toSorted() };
  };
  fc.assert(
    fc.property(copy, copy, copy, (a, b, c) => {
      assert.deepEqual(merged(a, b, c), merged(c, b, a));
      assert.deepEqual(merged(a, b, c), merged(b, a, c, a, b));
      const removed = new Set([a, b, c].flatMap((each) => each.removed));
      const kept = new Set([a, b, c].flatMap(ids).filter((id) => !removed.has(id)));
      assert.deepEqual(merged(a, b, c), merged(a, b, c, conversation([])));
      assert.equal((merged(a, b, c) as { turns: Turn[] }).turns.length, kept.size);
    }),
    { seed: 1 },
  );
});

test('times of turns grow even within one millisecond', () => {
  const times = [1e15, 1e15, 1e15 - 5, 1e15 + 10].map(nextTime);
  assert.deepEqual(times, [1e15, 1e15 + 1, 1e15 + 2, 1e15 + 10]);
});
