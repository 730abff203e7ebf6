import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Config } from '../../../src/config.ts';
import { QvacError } from '../../../src/errors.ts';
import type { Engine } from '../../../src/model/engine.ts';
import type { Peer } from '../../../src/node/peer/peer.ts';
import { assess } from '../../../src/proofs/checks.ts';
import { parseReceipt, serialiseReceipt } from '../../../src/proofs/receipt.ts';
import { dimensionsOf, embedInput, embedSampler } from '../../../src/protocol/embedding.ts';
import type { VectorsFrame } from '../../../src/protocol/frames.ts';
import { encodeExtra } from '../../../src/protocol/messages/extra.ts';
import { modes } from '../../../src/protocol/messages.ts';
import { askAtAgreedPrice } from '../../../src/sdk/client/price-consent.ts';
import { startAsker } from '../../support/asking.ts';
import { openTestJob, receiveAll, startProvider } from '../../support/market.ts';
import {
  createScriptedEmbedder,
  type ScriptedEmbedderInit,
  scriptedDimensions,
} from '../../support/scripted-embedder.ts';
import { createScriptedEngine } from '../../support/scripted-engine.ts';

const texts = ['hello', 'привет', '', 'hello'];

async function vectorsOf(engine: Engine, of: readonly string[]): Promise<readonly Float32Array[]> {
  const vectors: Float32Array[] = [];
  for (const text of of) {
    const { tokens } = engine.tokenizer.encodePrompt(embedInput([text]));
    vectors.push((await engine.embed?.(tokens)) ?? assert.fail());
  }
  return vectors;
}

test('texts become the vectors of the model, verified bit for bit where it is here', async (context) => {
  const provider = await startProvider(context, { engine: createScriptedEmbedder() });
  const own = createScriptedEmbedder();
  const asker = await startAsker(context, { providers: [provider], engines: [own] });
  const { vectors, jobs, promptTokens } = await asker.embed(texts);
  assert.deepEqual(vectors, await vectorsOf(own, texts));
  const [{ verification, receipt, tokens, atFault, why }] = jobs;
  assert.deepEqual(
    [verification.result, verification.tier, verification.count, tokens, atFault, why],
    ['pass', 'exact', 4, 4, null, null],
  );
  assert.equal(
    promptTokens,
    texts.reduce((sum, text) => sum + Buffer.byteLength(text) + 2, 0),
  );
  assert.equal((await provider.events.until('job-verdict')).result, 'pass');
  const stored = asker.receipts.get(receipt ?? ('' as never)) ?? assert.fail();
  assert.notEqual(stored.opening, null);
  assert.deepEqual(parseReceipt(serialiseReceipt(stored)), stored);
  assert.deepEqual(assess(stored, {}).faults, []);
  // The provider keeps one of its own.
  const theirs = provider.receipts.get(receipt ?? ('' as never));
  assert.deepEqual(theirs?.vectors, stored.vectors);
});

test('without the model nothing is said about the numbers; another class is compared by direction', async (context) => {
  const provider = await startProvider(context, { engine: createScriptedEmbedder() });
  const without = await startAsker(context, { providers: [provider] });
  const unchecked = (await without.embed(texts)).jobs[0];
  assert.deepEqual([unchecked.verification.result, unchecked.verification.tier], ['inconclusive', 'sampling']);
  assert.match(unchecked.why ?? '', /model is not on this machine/);
  const engines = [createScriptedEmbedder({ exec: { kernels: 'others' } })];
  const other = await startAsker(context, { providers: [provider], engines });
  const near = (await other.embed(texts)).jobs[0];
  assert.deepEqual([near.verification.result, near.verification.tier], ['pass', 'statistical']);
});

test('a provider of other numbers is caught, in its own class and in another', async (context) => {
  for (const [exec, fault] of [
    [{}, 'exact-mismatch'],
    [{ kernels: 'others' }, 'vectors-far'],
  ] as const) {
    const provider = await startProvider(context, { engine: createScriptedEmbedder({ damage: 0.2 }) });
    const asker = await startAsker(context, { providers: [provider], engines: [createScriptedEmbedder({ exec })] });
    const { vectors, jobs } = await asker.embed(texts);
    assert.equal(vectors, null);
    assert.deepEqual([jobs[0].verification.result, jobs[0].verification.faults], ['fail', [fault]]);
    assert.equal(jobs[0].atFault, provider.peer.id);
  }
});

/** A provider whose `vectors` frames are changed on their way out. */
async function startCheat(
  context: Parameters<typeof startProvider>[0],
  change: (frame: VectorsFrame) => VectorsFrame,
  init: ScriptedEmbedderInit = {},
) {
  const wrapPeer = (peer: Peer): Peer =>
    new Proxy(peer, {
      get(target, name) {
        if (name !== 'handle') {
          const value: unknown = Reflect.get(target, name, target);
          return typeof value === 'function' ? value.bind(target) : value;
        }
        const handle: Peer['handle'] = (protocol, handler, options) =>
          target.handle(
            protocol,
            (stream) =>
              handler({
                ...stream,
                remote: stream.remote,
                read: stream.read.bind(stream),
                readRaw: stream.readRaw.bind(stream),
                close: stream.close.bind(stream),
                abort: stream.abort.bind(stream),
                write: (frame, writing) => stream.write(frame.t === 'vectors' ? change(frame) : frame, writing),
              }),
            options,
          );
        return handle;
      },
    });
  return startProvider(context, { engine: createScriptedEmbedder(init), wrapPeer });
}

test('vectors that are not under the root, too few, too many or no numbers are named at once', async (context) => {
  const cases: readonly (readonly [fault: string, change: (frame: VectorsFrame) => VectorsFrame])[] = [
    ['root-mismatch', (frame) => ({ ...frame, values: Uint8Array.from(frame.values).reverse() })],
    ['bad-vectors', (frame) => ({ ...frame, values: frame.values.slice(4) })],
    ['bad-vectors', (frame) => ({ ...frame, counts: [...frame.counts, 1], values: Buffer.alloc(5 * 32) })],
    ['bad-vectors', (frame) => ({ ...frame, values: Uint8Array.from(frame.values).fill(0xff, 0, 4) })],
    ['bad-receipt', (frame) => ({ ...frame, counts: frame.counts.slice(1), values: frame.values.slice(32) })],
  ];
  for (const [fault, change] of cases) {
    const cheat = await startCheat(context, change);
    const asker = await startAsker(context, { providers: [cheat] });
    const { vectors, jobs } = await asker.embed(texts);
    assert.equal(vectors, null);
    assert.deepEqual([jobs[0].verification.result, jobs[0].verification.faults], ['fail', [fault]]);
    assert.equal(asker.reputation.standing(cheat.peer.id).usable, false);
  }
});

test('another provider of the model takes the place of one that cheats or fails', async (context) => {
  const failing = createScriptedEmbedder({ embedding: () => Promise.reject(new Error('broken')) });
  const honest = await startProvider(context, { engine: createScriptedEmbedder(), offering: { tokensPerSecond: 1 } });
  const cheat = await startCheat(context, (frame) => ({ ...frame, values: frame.values.slice(4) }));
  const broken = await startProvider(context, { engine: failing });
  const own = createScriptedEmbedder();
  const asker = await startAsker(context, { providers: [cheat, broken, honest], engines: [own] });
  const { vectors, jobs } = await asker.embed(texts);
  assert.deepEqual(vectors, await vectorsOf(own, texts));
  assert.equal(jobs[0].provider, honest.peer.id);
  assert.ok(asker.told.includes(`turned ${cheat.peer.id}`) && asker.told.includes(`turned ${broken.peer.id}`));
});

test('many texts are embedded in several jobs by one model file, within one price', async (context) => {
  const provider = await startProvider(context, { engine: createScriptedEmbedder() });
  const own = createScriptedEmbedder();
  const asker = await startAsker(context, { providers: [provider], engines: [own] });
  const many = Array.from({ length: 130 }, (_, at) => `text ${at}`);
  const { vectors, jobs } = await asker.embed(many);
  assert.deepEqual(vectors, await vectorsOf(own, many));
  assert.deepEqual(
    jobs.map(({ tokens, verification }) => [tokens, verification.tier, verification.count]),
    [
      [64, 'exact', 64],
      [64, 'exact', 64],
      [2, 'exact', 2],
    ],
  );
});

test('a price above the limit that only a later job meets asks for no consent, which would pay the earlier ones again', async (context) => {
  const provider = await startProvider(context, {
    engine: createScriptedEmbedder({ context: 4_096 }),
    offering: { priceJob: 10, priceIn: 1_000 },
  });
  const asker = await startAsker(context, { providers: [provider] });
  const many = [...Array.from({ length: 64 }, () => 'a'), 'b'.repeat(2_000)];
  let asked = 0;
  const consent = async (): Promise<boolean> => true;
  const settings = { pay: 'auto' } as Config['settings'];
  const embedding = askAtAgreedPrice(
    { settings } as Config,
    consent,
    (agreed) => {
      asked += 1;
      return asker.embed(many, { maxPrice: 1_000, ...agreed });
    },
    {},
  );
  await assert.rejects(
    embedding,
    (error) =>
      error instanceof QvacError &&
      error.code === 'E_TOO_DEAR' &&
      /^64 of 65 texts were embedded, for 0 lamports: /.test(error.message),
  );
  assert.deepEqual([asked, provider.receipts.size], [1, 1]);
});

test('a text that is too long is refused by name, or cut where the model ends if asked for', async (context) => {
  const provider = await startProvider(context, { engine: createScriptedEmbedder() });
  const own = createScriptedEmbedder();
  const long = 'x'.repeat(400);
  for (const engines of [[own], []]) {
    const asker = await startAsker(context, { providers: [provider], engines });
    await assert.rejects(
      asker.embed(['a', long]),
      (error) =>
        error instanceof QvacError && /text 2 has 402 tokens, scripted-embed takes at most 64/.test(error.message),
    );
    assert.equal(asker.reputation.standing(provider.peer.id).usable, true);
    const { vectors } = await asker.embed(['a', long], { truncate: true });
    assert.deepEqual(vectors, await vectorsOf(own, ['a', 'x'.repeat(62)]));
  }
});

test('a chat is not sent to a model that embeds, nor texts to one that answers', async (context) => {
  const embedder = await startProvider(context, { engine: createScriptedEmbedder() });
  const chat = await startProvider(context, { engine: createScriptedEngine() });
  const asker = await startAsker(context, { providers: [embedder, chat] });
  assert.equal((await asker.ask()).provider, chat.peer.id);
  assert.equal((await asker.embed(['a'])).jobs[0].provider, embedder.peer.id);
  await assert.rejects(asker.ask({ model: 'scripted-embed' }), /scripted-embed.*it embeds texts, and answers nothing/);
  await assert.rejects(asker.embed(['a'], { model: 'scripted' }), /scripted.*it answers, and does not embed texts/);
  assert.equal(dimensionsOf(embedder.model()), scriptedDimensions);
  assert.equal(dimensionsOf(chat.model()), null);
});

test('a provider refuses offers that are not what an embedding job is', async (context) => {
  const provider = await startProvider(context, { engine: createScriptedEmbedder() });
  const chat = await startProvider(context, { engine: createScriptedEngine() });
  const honest = {
    input: embedInput(['a', 'b']),
    sampler: embedSampler(2),
    extra: encodeExtra({ embed: scriptedDimensions }),
    mode: modes.none,
  };
  const refused = async (
    change: Partial<Parameters<typeof openTestJob>[2]>,
    words: RegExp,
    to = provider,
  ): Promise<void> => {
    const { job } = await openTestJob(context, to, { ...honest, ...change });
    await assert.rejects(receiveAll(job), words);
  };
  const { job } = await openTestJob(context, provider, honest);
  await receiveAll(job);
  assert.equal(job.received.final?.n, 2);
  await refused({ extra: encodeExtra({ embed: 9 }) }, /vectors of 9 numbers, the model’s have 8/);
  await refused({ sampler: embedSampler(3) }, /3 vectors for 2 texts/);
  await refused({ sampler: { ...embedSampler(2), temperature: 70 } }, /neutral settings/);
  await refused({ mode: modes.merkle }, /mode merkle is not served/);
  await refused({ input: embedInput(['a', 'b'], 65) }, /cut at 64 tokens at most/);
  await refused({ extra: new Uint8Array() }, /not the one for such an offer/);
  await refused({ input: { ...embedInput(['a']), template: 'raw' } }, /not the one for such an offer/);
  await refused({}, /answers, and does not embed texts|vocab or stops differ/, chat);
  const many = Array.from({ length: 257 }, () => 'a');
  await refused({ input: embedInput(many), sampler: embedSampler(257) }, /a job has at most 256/);
});

test('stopping ends the work of the provider, and costs nothing', async (context) => {
  const stop = new AbortController();
  const ended = Promise.withResolvers<void>();
  const engine = createScriptedEmbedder({
    async embedding(vector, signal) {
      signal?.addEventListener('abort', () => ended.resolve());
      stop.abort();
      await ended.promise;
      return vector;
    },
  });
  const provider = await startProvider(context, { engine });
  const asker = await startAsker(context, { providers: [provider] });
  await assert.rejects(asker.embed(texts, {}, { signal: stop.signal }), { code: 'E_INTERRUPTED' });
  await ended.promise;
  assert.equal(asker.receipts.size, 0);
});
