import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { createScriptedJob } from '../support/scripted-job.ts';

describe('transcript', () => {
  it('commits to the same steps whenever it is told to', () => {
    const { top, transcript: eager } = createScriptedJob({ number: 1 });
    const { transcript: late } = createScriptedJob({ number: 1 });
    const { transcript: mixed } = createScriptedJob({ number: 1 });
    for (let i = 0; i < 40; i++) {
      for (const transcript of [eager, late, mixed]) assert.equal(transcript.next(top(i)).token, transcript.tokens[i]);
      eager.commit();
      if (i % 7 === 0) mixed.commit();
    }
    eager.commit();
    const covered = { text: 'text', finish: 255 } as const;
    assert.deepEqual(late.head(covered), eager.head(covered));
    assert.deepEqual(mixed.head(covered), eager.head(covered));
    const secret = new Uint8Array(32).fill(7);
    assert.deepEqual(late.open(secret), eager.open(secret));
  });
});
