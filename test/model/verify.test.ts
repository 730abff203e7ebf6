import assert from 'node:assert/strict';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { fromHex, utf8 } from '../../src/lib/bytes.ts';
import type { Engine, EngineInit, EngineSession } from '../../src/model/engine.ts';
import { openEngine } from '../../src/model/llama.ts';
import { gatherEvidence } from '../../src/model/verify.ts';
import { type Calibration, defaultLimits, serialiseCalibration } from '../../src/proofs/calibration.ts';
import { assess } from '../../src/proofs/checks.ts';
import { createGrammarMatcher } from '../../src/proofs/grammar/grammar-matcher.ts';
import { encodeHead } from '../../src/proofs/head.ts';
import type { Receipt } from '../../src/proofs/receipt.ts';
import { createReceived } from '../../src/proofs/received.ts';
import { signBody, signingKeyFromSeed } from '../../src/proofs/signing.ts';
import { createTranscript } from '../../src/proofs/transcript.ts';
import { execClassOf, inputDigestOf, jobIdOf, requestDigestOf, sha256 } from '../../src/protocol/digests.ts';
import { grammarDigestOf } from '../../src/protocol/grammar/rules.ts';
import { extraDigestOf } from '../../src/protocol/messages/extra.ts';
import {
  type Exec,
  type ExtraSettings,
  type GrammarRules,
  type Input,
  kinds,
  modes,
  type Offer,
  payFrom,
} from '../../src/protocol/messages.ts';
import { encodeExtra, encodeOffer, encodeOpening } from '../../src/protocol/validate.ts';
import { chat } from '../support/models/inputs.ts';
import { type TestModel, tinyModel } from '../support/models.ts';

const client = signingKeyFromSeed(sha256(utf8('client')));
const provider = signingKeyFromSeed(sha256(utf8('provider')));
const secret = sha256(utf8('secret'));
const input = chat('the time of which we can see '.repeat(12));

const noTerms: Offer['terms'] = {
  promptTokens: 0,
  priceJobLamports: 0n,
  priceInLamports: 0n,
  priceOutLamports: 0n,
  grace: 0,
  deliverWithinS: 0,
};

interface Job {
  readonly maxTokens?: number;
  /** Tokens of the answer before this job. */
  readonly continuation?: readonly number[];
  readonly settings?: ExtraSettings;
  readonly grammar?: GrammarRules;
  readonly input?: Input;
  readonly temperature?: number;
}

/** One honest job on a real engine, without a network. */
async function receiptOf(engine: Engine, job: Job = {}): Promise<Receipt> {
  const { maxTokens = 40, continuation = [], grammar = null, temperature = 100 } = job;
  const { facts, exec, tokenizer } = engine;
  const asked: Input = { ...(job.input ?? input), continuation };
  const { tokens: promptTokens, renderingCount, tail } = tokenizer.encodePrompt(asked);
  const modelId = fromHex(facts.id);
  const settings: ExtraSettings = {
    ...job.settings,
    ...(grammar === null ? {} : { grammar: grammarDigestOf(grammar), vocabDigest: tokenizer.vocabulary.digest }),
  };
  const extra = encodeExtra(settings);
  const { vocab, stops } = facts;
  const offer: Offer = {
    version: 1,
    client: client.publicKey,
    provider: provider.publicKey,
    modelId,
    execClass: execClassOf(exec),
    requestDigest: requestDigestOf(asked),
    quote: null,
    seed: sha256(utf8('seed')),
    sampler: { temperature, minP: 0, topP: 100, topK: 20, maxTokens, vocab, stops, extra: extraDigestOf(extra) },
    challenge: { commit: sha256(secret), count: 16 },
    mode: modes.merkle,
    start: continuation.length,
    payment: { pay: payFrom.nothing, account: new Uint8Array(32), amountLamports: 0n },
    terms: noTerms,
    issuedAt: 1_790_000_000_000n,
    expiresAt: 1_790_000_060_000n,
    nonce: new Uint8Array(16),
  };
  const body = encodeOffer(offer);
  const jobId = jobIdOf(body);
  const offerSigned = signBody(client, kinds.offer, jobId, body);
  const inputDigest = inputDigestOf(modelId, promptTokens);
  const matcher = grammar && createGrammarMatcher({ rules: grammar, vocabulary: tokenizer.vocabulary, stops });
  const transcript = createTranscript({
    jobId,
    offer,
    settings,
    continuation,
    inputDigest,
    promptCount: promptTokens.length,
    execClass: offer.execClass,
    jobSecret: sha256(utf8('salts')),
    bytesOf: (token) => (settings.markers === true ? tokenizer.markedBytesOf(token) : tokenizer.bytesOf(token)),
    matcher,
  });
  const received = createReceived({
    offer,
    offerSigned,
    quote: null,
    exec,
    input: asked,
    continuation,
    extra,
    grammar,
  });
  received.accept({ promptTokens, inputDigest, tail });
  const session = await engine.open();
  const options = { allowed: matcher };
  let text = '';
  let top = await session.prefill(promptTokens.slice(0, renderingCount), 20, { continuation, ...options });
  for (;;) {
    const drawn = transcript.next(top);
    text += drawn.text;
    if (drawn.finish !== null) break;
    top = await session.decode(drawn.token, 20, options);
  }
  await session.release();
  const reason = transcript.finish ?? assert.fail();
  text += transcript.end(reason);
  received.addTokens({ i: 0, tokens: transcript.tokens, text });
  received.addHead(signBody(provider, kinds.head, jobId, encodeHead(transcript.head(reason))));
  received.setOpening(signBody(provider, kinds.opening, jobId, encodeOpening(transcript.open(secret))), secret);
  return received.receipt([]);
}

/** An engine that writes down how its sessions are used. */
function watched(engine: Engine, change: Partial<Engine> = {}): Engine & { readonly calls: string[] } {
  const calls: string[] = [];
  const watchSession = (session: EngineSession): EngineSession => ({
    prefill: (...args) => (calls.push('prefill'), session.prefill(...args)),
    decode: (...args) => (calls.push('decode'), session.decode(...args)),
    replay: (...args) => (calls.push(args[3]?.schedule ?? 'prefill'), session.replay(...args)),
    release: () => session.release(),
  });
  return {
    facts: engine.facts,
    tokenizer: engine.tokenizer,
    device: engine.device,
    exec: engine.exec,
    selfTest: engine.selfTest,
    slots: engine.slots,
    scoreSlots: engine.scoreSlots,
    runSelfTest: (options) => engine.runSelfTest(options),
    reproduces: (exec, options) => engine.reproduces?.(exec, options) ?? Promise.resolve([]),
    measureSpeed: (options) => engine.measureSpeed(options),
    open: async (options) => watchSession(await engine.open(options)),
    dispose: () => engine.dispose(),
    ...change,
    calls,
  };
}

describe('what a model shows about a receipt', () => {
  let cacheDir = '';
  let model: TestModel;
  let engine: Engine;
  let receipt: Receipt;
  const open = (init: Partial<EngineInit> = {}): Promise<Engine> =>
    openEngine({ modelPath: model.path, modelId: model.id, cacheDir, threads: 1, context: 512, ...init });
  before(async () => {
    cacheDir = await mkdtemp(join(tmpdir(), 'qvac-verify-'));
    model = await tinyModel({ kind: 'q8_0' });
    engine = await open();
    receipt = await receiptOf(engine);
  });
  after(async () => {
    await engine.dispose();
    await rm(cacheDir, { recursive: true });
  });

  it('is the prompt and the text where only the tokenizer is there', async () => {
    const evidence = await gatherEvidence({ tokenizer: engine.tokenizer }, receipt);
    assert.deepEqual(evidence.prompt?.promptTokens, receipt.promptTokens);
    assert.equal(evidence.prompt?.text, receipt.text);
    assert.equal(evidence.replay, undefined);
    assert.deepEqual([assess(receipt, evidence).result, assess(receipt, evidence).tier], ['pass', 'text']);
  });

  it("is exact on the provider's own schedule before the self-test, and in blocks after it", async () => {
    const alone = watched(engine);
    const before = assess(receipt, await gatherEvidence({ engine: alone }, receipt));
    assert.deepEqual([before.result, before.tier], ['pass', 'exact']);
    assert.deepEqual(alone.calls, ['alone']);
    const { sameBits } = await engine.runSelfTest();
    const tested = watched(engine);
    const after = assess(receipt, await gatherEvidence({ engine: tested }, receipt));
    assert.deepEqual([after.result, after.tier], ['pass', 'exact']);
    if (sameBits.includes('prefill')) assert.deepEqual(tested.calls, ['prefill']);
  });

  it('is of the whole answer for a job that continues one', async () => {
    const first = await receiptOf(engine, { maxTokens: 20 });
    const second = await receiptOf(engine, { maxTokens: 20, continuation: first.tokens });
    // Who goes on draws what the first one would have drawn.
    assert.deepEqual([...first.tokens, ...second.tokens], receipt.tokens);
    assert.equal(first.text + second.text, receipt.text);
    const evidence = await gatherEvidence({ engine }, second);
    assert.equal(evidence.replay?.steps.length, receipt.tokens.length);
    const { result, tier } = assess(second, evidence);
    assert.deepEqual([result, tier], ['pass', 'exact']);
  });

  it('finds an altered continuation', async () => {
    const continuation = receipt.tokens.slice(0, 20).map((token, at) => (at === 7 ? (token + 1) % 256 : token));
    const altered = await receiptOf(engine, { maxTokens: 10, continuation });
    assert.notEqual(assess(altered, await gatherEvidence({ engine }, altered)).result, 'pass');
  });

  describe('with a grammar', () => {
    // Letters and blanks, at least eight, then a full stop.
    const grammar: GrammarRules = [[[1, 1, 1, 1, 1, 1, 1, 1, 2]], [[[97, 122, 32, 32]]], [[1, 2], [[46, 46]]]];

    it('is drawn from the allowed tokens, and computed again among them', async () => {
      const theirs = await receiptOf(engine, { maxTokens: 24, grammar });
      assert.match(theirs.text, /^[a-z ]+\.?$/);
      const evidence = await gatherEvidence({ engine }, theirs);
      assert.ok(evidence.replay?.steps.every((step) => step !== null));
      const { result, tier, checks } = assess(theirs, evidence);
      assert.deepEqual([result, tier], ['pass', 'exact'], JSON.stringify(checks));
    });

    it('is not known from where an answer leaves it', async () => {
      const theirs = await receiptOf(engine, { maxTokens: 24, grammar });
      const capital = 65;
      const tokens = theirs.tokens.map((token, at) => (at === 10 ? capital : token));
      const altered = { ...theirs, tokens, text: engine.tokenizer.decode(tokens) };
      const { replay } = await gatherEvidence({ engine }, altered);
      assert.deepEqual(
        replay?.steps.map((step) => step === null),
        tokens.map((_, at) => at > 10),
      );
    });

    it('refuses a continuation outside of it', async () => {
      const plain = await receiptOf(engine, { maxTokens: 4, continuation: [65, 66] });
      const evidence = await gatherEvidence({ engine }, { ...plain, grammar });
      assert.equal(evidence.prompt?.promptTokens, null);
      assert.equal(evidence.replay, undefined);
    });
  });

  it('shows the texts of control tokens where the job asked for them', async () => {
    const marked = await receiptOf(engine, { maxTokens: 40, settings: { markers: true }, temperature: 200 });
    const evidence = await gatherEvidence({ tokenizer: engine.tokenizer }, marked);
    assert.equal(evidence.prompt?.text, marked.text);
    const tokens = [...marked.tokens.slice(0, -1), 508];
    const shown = await gatherEvidence({ tokenizer: engine.tokenizer }, { ...marked, tokens });
    assert.ok(shown.prompt?.text.endsWith('<|im_start|>'));
  });

  it('is exact for a class of more sequences where a test of that class says so', async () => {
    const wide = await open({ slots: 3 });
    try {
      const theirs = await receiptOf(wide);
      const schedules = (await engine.reproduces?.(wide.exec)) ?? [];
      const { result, tier } = assess(theirs, await gatherEvidence({ engine }, theirs));
      assert.deepEqual([result, tier], ['pass', schedules.length > 0 ? 'exact' : 'statistical']);
    } finally {
      await wide.dispose();
    }
  });

  it('is statistical for any other class', async () => {
    const other = await open({ batch: 48 });
    try {
      const theirs = await receiptOf(other);
      const evidence = await gatherEvidence({ engine }, theirs);
      assert.equal(evidence.replay?.tier, 'statistical');
      // More than the 20 candidates, to tell a token that fell out of them by a hair from one that never was near.
      for (const step of evidence.replay?.steps ?? []) assert.ok(step !== null && step.ids.length >= 40);
      assert.deepEqual(evidence.replay?.execClass, execClassOf(engine.exec));
      assert.equal(evidence.replay?.steps.length, theirs.tokens.length);
      assert.notEqual(assess(theirs, evidence).tier, 'exact');
    } finally {
      await other.dispose();
    }
  });

  it('never is exact by the word of a receipt whose map is not its class', async () => {
    const disguised: Receipt = { ...receipt, exec: { ...engine.exec, kernels: 'another' } as Exec };
    const evidence = await gatherEvidence({ engine }, disguised);
    assert.equal(evidence.replay?.tier, 'exact', 'the offer names our class all the same');
    assert.deepEqual(assess(disguised, evidence).faults, ['bad-receipt']);
    const without = await gatherEvidence({ engine }, { ...receipt, exec: null });
    assert.equal(without.replay?.tier, 'exact');
  });

  it('uses the schedules of a calibration for its own class, and its limits', async () => {
    const hex = Buffer.from(execClassOf(engine.exec)).toString('hex');
    const calibration: Calibration = {
      version: 1,
      modelId: engine.facts.id,
      limits: { ...defaultLimits, rmsDq: 1 },
      sameBits: { [hex]: ['alone'] },
      evidence: { jobs: 1, steps: 1, classes: [hex] },
    };
    const alone = watched(engine);
    const evidence = await gatherEvidence({ engine: alone, calibration }, receipt);
    assert.deepEqual(alone.calls, ['alone']);
    assert.deepEqual(evidence.calibration, {
      digest: sha256(utf8(serialiseCalibration(calibration))),
      limits: calibration.limits,
    });
  });

  it('takes the word of an engine without a test of classes only for its own', async () => {
    for (const [selfTest, calls] of [
      [null, 'alone'],
      [{ exec: engine.exec, sameBits: ['prefill'] as const }, 'prefill'],
    ] as const) {
      const plain = watched(engine, { selfTest, reproduces: undefined as never });
      assert.equal((await gatherEvidence({ engine: plain }, receipt)).replay?.tier, 'exact');
      assert.ok(plain.calls.includes(calls));
    }
    const shared = watched(engine, {
      selfTest: null,
      exec: { ...engine.exec, sequences: 2 },
      reproduces: undefined as never,
    });
    assert.equal((await gatherEvidence({ engine: shared }, receipt)).replay?.tier, 'statistical');
  });

  it('spares the re-execution where the cheaper checks fail, and of a private prompt', async () => {
    const idle = watched(engine);
    const otherPrompt: Input = { ...input, messages: [{ role: 'user', content: 'which?' }] };
    assert.equal((await gatherEvidence({ engine: idle }, { ...receipt, input: otherPrompt })).replay, undefined);
    assert.equal((await gatherEvidence({ engine: idle }, { ...receipt, text: `${receipt.text}!` })).replay, undefined);
    assert.equal(
      (
        await gatherEvidence(
          { engine: idle },
          { ...receipt, tokens: [...receipt.tokens, 1_000_000], text: receipt.text },
        )
      ).replay,
      undefined,
    );
    const hidden = await gatherEvidence({ engine: idle }, { ...receipt, input: null });
    assert.deepEqual([hidden.prompt, hidden.replay], [undefined, undefined]);
    assert.deepEqual(idle.calls, []);
  });

  it('tells an input that had to be refused', async () => {
    const forged: Input = { ...input, messages: [{ role: 'stranger', content: 'x' }] };
    assert.equal((await gatherEvidence({ engine }, { ...receipt, input: forged })).prompt?.promptTokens, null);
  });

  it('refuses another model, a job beyond the context, and stops where it should', async () => {
    const other = await openEngine({
      modelPath: (await tinyModel()).path,
      modelId: (await tinyModel()).id,
      cacheDir,
      threads: 1,
      context: 512,
    });
    await assert.rejects(gatherEvidence({ engine: other }, receipt), { code: 'E_NO_MODEL' });
    await other.dispose();
    const small = await open({ context: 256 });
    await assert.rejects(gatherEvidence({ engine: small }, receipt), { code: 'E_CONTEXT' });
    await small.dispose();
    await assert.rejects(
      gatherEvidence({ engine }, receipt, { signal: AbortSignal.abort(new Error('enough')) }),
      /enough/,
    );
    assert.equal(engine.slots.used, 0);
  });

  it('finds an altered token at once, wherever it is', async () => {
    const tokens = [...receipt.tokens];
    tokens[20] = ((tokens[20] ?? 0) + 1) % 300;
    const altered = { ...receipt, tokens, text: engine.tokenizer.decode(tokens) };
    assert.equal(assess(altered, await gatherEvidence({ engine }, altered)).result, 'fail');
  });
});
