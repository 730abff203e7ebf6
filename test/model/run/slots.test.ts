import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { createSlots, queueFor } from '../../../src/model/run/slots.ts';

describe('slots with a line in front', () => {
  it('serves the line in order', async () => {
    const slots = createSlots(2, () => 8);
    await Promise.all([slots.take(), slots.take()]);
    const order: string[] = [];
    const third = slots.take().then(() => order.push('third'));
    const fourth = slots.take().then(() => order.push('fourth'));
    assert.deepEqual([slots.used, slots.waiting], [2, 2]);
    slots.give();
    await third;
    assert.deepEqual([slots.used, slots.waiting], [2, 1]);
    slots.give();
    await fourth;
    assert.deepEqual(order, ['third', 'fourth']);
    slots.give();
    assert.deepEqual([slots.used, slots.waiting], [1, 0]);
  });

  it('is busy where the line is full', async () => {
    const slots = createSlots(1, () => 1);
    await slots.take();
    const waiting = slots.take();
    await assert.rejects(slots.take(), { code: 'E_BUSY' });
    slots.give();
    await waiting;
    assert.deepEqual([slots.used, slots.waiting], [1, 0]);
  });

  it('lets who waits leave, and nobody else', async () => {
    const slots = createSlots(1, () => 4);
    await slots.take();
    const leaving = new AbortController();
    const gone = slots.take({ signal: leaving.signal });
    const staying = slots.take();
    leaving.abort(new Error('gone'));
    await assert.rejects(gone, /gone/);
    assert.equal(slots.waiting, 1);
    slots.give();
    await staying;
    await assert.rejects(slots.take({ signal: leaving.signal }), /gone/);
  });

  it('sends the line away when it closes', async () => {
    const slots = createSlots(1, () => 4);
    await slots.take();
    const waiting = slots.take();
    slots.close(new Error('shut'));
    await assert.rejects(waiting, /shut/);
    assert.equal(slots.waiting, 0);
  });

  it('has a line as long as a client is patient', async () => {
    // 600 s, 256 tokens an answer.
    assert.deepEqual([queueFor(25.6, 1), queueFor(25.6, 4)], [60, 120]);
    assert.deepEqual([queueFor(0.5, 4), queueFor(100_000, 1)], [8, 256]);
    let most = 0;
    const slots = createSlots(0, () => most);
    const before = slots.take();
    most = 1;
    const waiting = slots.take();
    slots.close(new Error('shut'));
    await Promise.all([assert.rejects(before, { code: 'E_BUSY' }), assert.rejects(waiting, /shut/)]);
  });
});
