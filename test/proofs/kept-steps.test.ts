import assert from 'node:assert/strict';
import { test } from 'node:test';
import { concat } from '../../src/lib/bytes.ts';
import { decodeKeptSteps } from '../../src/proofs/record/kept-steps.ts';
import { finish } from '../../src/protocol/messages.ts';
import { createScriptedJob } from '../support/scripted-job.ts';

test('what a process kept of an answer opens every step under the root of each head', () => {
  const job = createScriptedJob({ number: 3, sampler: { maxTokens: 50 } });
  job.accept();
  const pieces: Uint8Array[] = [];
  let kept = 0;
  const heads = [7, 32, 50].map((n) => {
    while (job.transcript.n < n) job.generate(1);
    pieces.push(job.transcript.keptSteps(kept));
    kept = n;
    return job.transcript.head(finish.notFinal);
  });
  const bytes = concat(...pieces);
  for (const head of heads) {
    const record = decodeKeptSteps(bytes, head.n) ?? assert.fail('the steps are gone');
    const { root, prefix } = record.committed();
    assert.deepEqual([root, prefix], [head.root, head.prefix]);
    assert.deepEqual(record.tokens, job.transcript.tokens.slice(0, head.n));
  }
  const positions = job.transcript.open(job.secret).steps.map(({ i }) => i);
  const record = decodeKeptSteps(bytes, 50) ?? assert.fail('the steps are gone');
  assert.deepEqual(
    record.steps(positions).map(({ logits: _logits, ...step }) => step),
    job.transcript.open(job.secret).steps,
  );
});

test('a step that was written in part is not there, those before it are', () => {
  const job = createScriptedJob({ number: 4, sampler: { maxTokens: 10 } });
  job.accept();
  job.generate(10);
  const bytes = job.transcript.keptSteps(0);
  for (const length of [bytes.length - 1, bytes.length - 164]) {
    assert.equal(decodeKeptSteps(bytes.subarray(0, length), 10), null);
    assert.equal(decodeKeptSteps(bytes.subarray(0, length), 9)?.tokens.length, 9);
  }
  assert.equal(decodeKeptSteps(new Uint8Array(5), 0), null);
  assert.equal(decodeKeptSteps(new Uint8Array(), 0), null);
});
