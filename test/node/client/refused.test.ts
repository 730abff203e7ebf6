import assert from 'node:assert/strict';
import { test } from 'node:test';
import { QvacError } from '../../../src/errors.ts';
import { startAsker } from '../../support/asking.ts';
import { startProvider, testInput } from '../../support/market.ts';
import { startBadProvider } from '../../support/router.ts';

const longInput = { ...testInput, messages: [{ role: 'user', content: 'a'.repeat(1_000_000) }] };

test('a prompt of 1 MB is refused in one line, and costs an honest provider nothing', async (context) => {
  const provider = await startProvider(context);
  const asker = await startAsker(context, { providers: [provider] });
  for (let time = 0; time < 3; time++) {
    await assert.rejects(asker.ask({ input: longInput }), (error) => error instanceof QvacError && error.exitCode === 4 && /longer than the context/.test(error.message) && /shorten/.test(error.hint ?? '') && !error.message.includes('\n'));
  }
  assert.equal(asker.reputation.standing(provider.peer.id).aborted, 0);
  assert.equal((await asker.ask()).provider, provider.peer.id);
});

test('a provider that refuses what surely fits breaks off, whatever it says', async (context) => {
  const provider = await startBadProvider(context, async (stream) => {
    await stream.read(['offer']);
    await stream.write({ t: 'error', code: 'bad-offer', message: 'too long' });
  });
  const asker = await startAsker(context, { providers: [provider] });
  await assert.rejects(asker.ask(), QvacError);
  assert.ok(asker.reputation.standing(provider.peer.id).aborted > 0);
});
