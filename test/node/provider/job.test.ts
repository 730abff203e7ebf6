import assert from 'node:assert/strict';
import { test } from 'node:test';
import { openTestJob, receiveAll, startProvider } from '../../support/market.ts';

test('an honest provider answers, with heads, and opens what is challenged', async (context) => {
  const provider = await startProvider(context);
  const { job, secret } = await openTestJob(context, provider, { sampler: { temperature: 70, minP: 5, topK: 20, maxTokens: 100 } });
  const frames: string[] = [];
  for await (const frame of job.frames()) frames.push(frame.t);
  const { received } = job;
  assert.equal(received.n, 100);
  assert.equal(received.final?.finish, 1);
  assert.equal(frames.filter((type) => type === 'head').length, 4);
  assert.equal(received.text, provider.engine.tokenizer.decode(received.tokens));
  await job.challenge(secret);
  assert.notEqual(received.openingSigned, null);
});
