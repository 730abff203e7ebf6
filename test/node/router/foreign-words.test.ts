import assert from 'node:assert/strict';
import { it } from 'node:test';
import { ownWordsOf, QvacError } from '../../../src/errors.ts';
import { startAsker } from '../../support/asking.ts';
import { testInput } from '../../support/market.ts';
import { askRouter, receiveAnswer, startBadProvider, startRouter } from '../../support/router.ts';

const secret = 'the-prompt-nobody-may-log';

it('the log form of an error omits quoted words of other peers', () => {
  assert.equal(ownWordsOf(new QvacError('E_FAILED', `it said: ${secret}`, { quoted: secret })), 'it said: …');
  assert.equal(ownWordsOf(new QvacError('E_FAILED', 'own words', { quoted: '' })), 'own words');
  assert.equal(ownWordsOf(new Error('own words')), 'own words');
  assert.equal(ownWordsOf('text'), 'text');
});

for (const code of ['bad-input', 'internal', 'bad-offer']) {
  it(`a provider that repeats the prompt in its ${code} cannot put it into the log of a router`, async (context) => {
    const echo = await startBadProvider(context, async (stream) => {
      await stream.read(['offer']);
      await stream.write({ t: 'error', code, message: `I was asked: ${secret}` });
    });
    const router = await startRouter(context, { providers: [echo] });
    const input = { ...testInput, messages: [{ role: 'user', content: secret }] };
    const failed = await receiveAnswer(await askRouter(context, router, { input })).catch((error: unknown) => error);
    assert.ok(failed instanceof QvacError);
    assert.match(failed.message, new RegExp(secret), 'the client receives the whole message');
    const { event, ...told } = await router.events.until('failed');
    assert.equal(event, 'failed');
    assert.doesNotMatch(JSON.stringify(told), new RegExp(secret));
    assert.doesNotMatch(ownWordsOf(failed), new RegExp(secret));
  });
}

it('a direct client receives the whole message, too', async (context) => {
  const echo = await startBadProvider(context, async (stream) => {
    await stream.read(['offer']);
    await stream.write({ t: 'error', code: 'bad-input', message: `I was asked: ${secret}` });
  });
  const asker = await startAsker(context, { providers: [echo] });
  await assert.rejects(
    asker.ask({ model: 'scripted' }),
    (error: unknown) =>
      error instanceof QvacError && error.message.includes(secret) && !ownWordsOf(error).includes(secret),
  );
});
