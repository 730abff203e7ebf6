import assert from 'node:assert/strict';
import { test } from 'node:test';
import { raceSignal } from '../../../../src/lib/abort.ts';
import { embedProtocol } from '../../../../src/protocol/constants.ts';
import { requestDigestOf } from '../../../../src/protocol/digests.ts';
import { embedInput, embedSampler } from '../../../../src/protocol/embedding.ts';
import { extraDigestOf } from '../../../../src/protocol/messages/extra.ts';
import { quotedLamports } from '../../../../src/protocol/messages/quote.ts';
import { modes, payFrom } from '../../../../src/protocol/messages.ts';
import { encodeExtra } from '../../../../src/protocol/validate.ts';
import { startPaidProvider } from '../../../support/paid.ts';
import { startChain } from '../../../support/payments.ts';
import { openRawChannel } from '../../../support/raw-channel.ts';
import { makeOffer, underQuote } from '../../../support/raw-offer.ts';
import { paidQuote, signAck } from '../../../support/raw-paid-job.ts';
import { createScriptedEmbedder, scriptedDimensions } from '../../../support/scripted-embedder.ts';

test('an acknowledgement before the accept, whose totals nothing could be compared with, ends the job', async (context) => {
  const chain = await startChain(context);
  const look = Promise.withResolvers<void>();
  context.after(() => look.resolve());
  const { provider } = await startPaidProvider(context, chain, {
    engine: createScriptedEmbedder(),
    payouts: { sweepMs: 3_600_000 },
    wrap: (escrow) => ({
      ...escrow,
      async channel(address, options) {
        await raceSignal(look.promise, options?.signal);
        return escrow.channel(address, options);
      },
    }),
  });
  const channel = await openRawChannel(context, { provider, buyer: await chain.wallet() });
  const { peer } = channel;
  const texts = ['one text', 'another'];
  const input = embedInput(texts);
  const extra = encodeExtra({ embed: scriptedDimensions });
  const model = provider.model();
  const request = {
    requestDigest: requestDigestOf(input),
    mode: modes.none,
    pay: payFrom.channel,
    promptTokens: 100,
    maxTokens: 2,
  };
  const signed = await paidQuote(provider, peer, request);
  const raw = makeOffer(
    provider,
    peer,
    {
      ...underQuote(signed),
      mode: modes.none,
      sampler: { ...embedSampler(2), vocab: model.vocab, stops: model.stops, extra: extraDigestOf(extra) },
      payment: { pay: payFrom.channel, account: channel.id, amountLamports: quotedLamports(signed.quote) },
    },
    { input, extra },
  );
  const stream = await peer.open(provider.address, embedProtocol);
  context.after(() => stream.abort(new Error('over')));
  await stream.write({ t: 'offer', ...raw.signed, input, extra, grammar: null });
  await stream.write({ t: 'ack', ...signAck(peer.key, raw, 0, { account: channel.id }) });
  // The channel is still looked for: its totals would count for nothing, and all vectors would be sent.
  const frame = await stream.read(['accept', 'error'], { signal: AbortSignal.timeout(30_000) });
  assert.deepEqual(frame, { t: 'error', code: 'bad-frame', message: 'a frame broke the protocol' });
});
