import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { fromHex } from '../../src/lib/bytes.ts';
import { assess } from '../../src/proofs/checks.ts';
import { encodeHead } from '../../src/proofs/head.ts';
import { parseReceipt, serialiseReceipt } from '../../src/proofs/receipt.ts';
import { FaultError } from '../../src/proofs/received.ts';
import { candDigest, leafOf, noZk, prefixAfter, prefixesAt } from '../../src/proofs/sampling/step.ts';
import { signBody, signingKeyFromSeed } from '../../src/proofs/signing.ts';
import { MalformedError } from '../../src/protocol/codec.ts';
import { inputDigestOf, textDigestOf } from '../../src/protocol/digests.ts';
import { grammarDigestOf, parseGrammar } from '../../src/protocol/grammar/rules.ts';
import { ackStop, type FaultCode, finish, type Head, kinds } from '../../src/protocol/messages.ts';
import { encodeOpening } from '../../src/protocol/validate.ts';
import {
  client,
  createScriptedJob,
  provider,
  renderedTokens,
  type ScriptedJob,
  vocabulary,
} from '../support/scripted-job.ts';

fc.configureGlobal({ seed: 1 });

/** No stop token comes, so that the answer has its full length. */
const endless = { stops: [] } as const;

function acceptedJob(number = 1): ScriptedJob {
  const job = createScriptedJob({ number, sampler: endless });
  job.accept();
  return job;
}

function assertFault(fault: FaultCode, act: () => unknown): void {
  assert.throws(act, (error: unknown) => error instanceof FaultError && error.fault === fault);
}

/** A head with some fields changed, well signed. */
function changedHead(job: ScriptedJob, changes: Partial<Head>): ReturnType<ScriptedJob['signHead']> {
  const head = job.transcript.head(finish.notFinal);
  return signBody(provider, kinds.head, job.jobId, encodeHead({ ...head, ...changes }));
}

describe('section 4: what the receiver checks as it comes', () => {
  it('takes an honest job of any kind, whose receipt passes', () => {
    const sampler = fc.record({
      temperature: fc.nat(200),
      minP: fc.nat(100),
      topP: fc.integer({ min: 1, max: 100 }),
      topK: fc.integer({ min: 1, max: 20 }),
      maxTokens: fc.integer({ min: 1, max: 100 }),
      vocab: fc.integer({ min: 1, max: 400 }),
      stops: fc.constantFrom([], [0]),
    });
    fc.assert(
      fc.property(
        fc.nat(),
        sampler,
        fc.integer({ min: 2, max: 32 }),
        fc.boolean(),
        (number, settings, count, quoted) => {
          const job = createScriptedJob({ number, sampler: settings, count, quote: quoted ? {} : null });
          const receipt = job.finish().receipt([]);
          const { vocab, stops } = job.offer.sampler;
          const steps = receipt.tokens.map((_, i) => job.top(i));
          const prompt = { promptTokens: job.promptTokens, vocab, stops, text: receipt.text };
          for (const tier of ['exact', 'statistical'] as const) {
            const assessment = assess(receipt, { prompt, replay: { tier, execClass: job.offer.execClass, steps } });
            // One opened step is too few for statistics.
            assert.equal(
              assessment.result,
              tier === 'statistical' && assessment.count < 2 ? 'inconclusive' : 'pass',
              JSON.stringify(assessment.checks),
            );
            assert.equal(assessment.tier, tier);
          }
        },
      ),
      { numRuns: 40 },
    );
  });

  it('refuses an input digest that is not that of the prompt tokens', () => {
    const job = createScriptedJob({ number: 1 });
    assertFault('bad-receipt', () =>
      job.received.accept({ promptTokens: [...renderedTokens, 9], inputDigest: job.inputDigest, tail: '' }),
    );
  });

  it('refuses more prompt tokens than were quoted', () => {
    const job = createScriptedJob({ number: 1, quote: {} });
    const inflated = [...renderedTokens, 9];
    assertFault('bad-receipt', () =>
      job.received.accept({
        promptTokens: inflated,
        inputDigest: inputDigestOf(job.offer.modelId, inflated),
        tail: '',
      }),
    );
  });

  for (const [what, act] of [
    ['tokens before the accept', ({ received }) => received.addTokens({ i: 0, tokens: [1], text: '' })],
    ['a head before the accept', (job) => job.received.addHead(job.signHead(finish.notFinal))],
  ] as const satisfies readonly (readonly [string, (job: ScriptedJob) => void])[]) {
    it(`refuses ${what}`, () => assert.throws(() => act(createScriptedJob({ number: 1 })), MalformedError));
  }

  for (const [what, act] of [
    ['a second accept', (job) => job.accept()],
    ['tokens that leave one out', ({ received, n }) => received.addTokens({ i: n + 1, tokens: [1], text: '' })],
    ['tokens that come twice', ({ received }) => received.addTokens({ i: 0, tokens: [1], text: '' })],
    [
      'a head of another length',
      ({ received }) => received.addHead({ body: new Uint8Array(201), sig: new Uint8Array(64) }),
    ],
    [
      'more text than a receipt holds',
      ({ received, n }) => {
        for (let at = 0; at < 100; at++) received.addTokens({ i: n, tokens: [], text: 'x'.repeat(60_000) });
      },
    ],
  ] as const satisfies readonly (readonly [string, (job: ScriptedJob & { n: number }) => void])[]) {
    it(`refuses ${what}`, () => {
      const job = acceptedJob();
      job.generate(32);
      assert.throws(() => act({ ...job, n: job.received.n }), MalformedError);
    });
  }

  for (const [what, fault, headOf] of [
    [
      'signed by another key',
      'bad-signature',
      (job) => signBody(client, kinds.head, job.jobId, job.signHead(finish.notFinal).body),
    ],
    [
      'signed as another kind',
      'bad-signature',
      (job) => signBody(provider, kinds.opening, job.jobId, job.signHead(finish.notFinal).body),
    ],
    ['of another job', 'bad-receipt', () => finishedOther().signHead(finish.notFinal)],
    ['over one token more', 'bad-receipt', (job) => changedHead(job, { n: 33 })],
    ['over other tokens', 'bad-receipt', (job) => changedHead(job, { prefix: new Uint8Array(32) })],
    ['over another text', 'bad-receipt', (job) => changedHead(job, { textDigest: new Uint8Array(32) })],
    ['over another prompt', 'bad-receipt', (job) => changedHead(job, { inputDigest: new Uint8Array(32) })],
    ['over a longer prompt', 'bad-receipt', (job) => changedHead(job, { promptCount: 6 })],
    ['of another execution class', 'bad-receipt', (job) => changedHead(job, { execClass: new Uint8Array(32) })],
  ] as const satisfies readonly (readonly [
    string,
    FaultCode,
    (job: ScriptedJob) => ReturnType<ScriptedJob['signHead']>,
  ])[]) {
    it(`refuses a head ${what}: ${fault}`, () => {
      const job = acceptedJob();
      job.generate(32);
      assertFault(fault, () => job.received.addHead(headOf(job)));
    });
  }

  it('names equivocation where an earlier head says otherwise', () => {
    for (const changes of [
      { root: new Uint8Array(32) },
      { execClass: new Uint8Array(32) },
      { promptCount: 6 },
      { textDigest: new Uint8Array(32) },
    ]) {
      const job = acceptedJob();
      job.generate(32);
      job.received.addHead(job.signHead(finish.notFinal));
      assertFault('equivocation', () => job.received.addHead(changedHead(job, changes)));
    }
  });

  it('keeps a second final head as proof', () => {
    const job = createScriptedJob({ number: 4, sampler: endless });
    job.finish();
    assertFault('equivocation', () =>
      job.received.addHead(changedHead(job, { finish: 1, textDigest: new Uint8Array(32) })),
    );
    const assessment = assess(job.received.receipt([]), {});
    assert.deepEqual([assessment.result, assessment.faults], ['fail', ['equivocation']]);
  });

  it('takes a final head with the same n after a stop', () => {
    const job = acceptedJob();
    job.generate(32);
    job.received.addHead(job.signHead(finish.notFinal));
    job.received.setAck(job.ack(32, ackStop.cancel));
    job.end(finish.cancelled);
    assert.equal(job.received.final?.finish, finish.cancelled);
    assert.deepEqual(assess(job.received.receipt([]), {}).faults, []);
  });

  it('has a receipt of what the newest head covers if the answer was cut off', () => {
    const job = acceptedJob();
    job.generate(32);
    const covered = job.received.text;
    job.received.addHead(job.signHead(finish.notFinal));
    job.generate(9);
    assert.equal(job.received.n, 41);
    const receipt = job.received.receipt([]);
    assert.deepEqual([receipt.tokens.length, receipt.text], [32, covered]);
    const assessment = assess(receipt, {});
    assert.deepEqual([assessment.result, assessment.faults], ['inconclusive', []]);
  });

  it('takes a job that continues an answer, and names the job before', () => {
    const before = acceptedJob(6);
    before.generate(20);
    before.end(finish.brokenOff);
    const { tokens, text } = before.received;
    const job = createScriptedJob({ number: 6, sampler: endless, continuation: tokens, previous: before.jobId });
    job.finish();
    const receipt = job.received.receipt([]);
    assert.equal(receipt.previous, before.jobId);
    assert.equal(assess(receipt, {}).result, 'pass', JSON.stringify(assess(receipt, {}).checks));
    const whole = createScriptedJob({ number: 6, sampler: { ...endless, maxTokens: 84 } });
    whole.finish();
    assert.equal(text + job.received.text, whole.received.text);
  });

  it('refuses a prompt that does not end with the continuation', () => {
    const job = createScriptedJob({ number: 6, continuation: [7, 8, 9] });
    const promptTokens = [...renderedTokens, 7, 8, 10];
    assertFault('bad-receipt', () =>
      job.received.accept({ promptTokens, inputDigest: inputDigestOf(job.offer.modelId, promptTokens), tail: '' }),
    );
  });

  it('follows an answer with a grammar, whose receipt passes with the vocabulary', () => {
    const rules = parseGrammar([[[1], [1, 0]], [[[32, 32], 2]], [[[97, 122]], [[48, 57], 2]]]);
    const job = createScriptedJob({ number: 2, grammar: rules, sampler: { ...endless, maxTokens: 40 } });
    const receipt = job.finish().receipt([]);
    assert.deepEqual(assess(receipt, { vocabulary }).faults, []);
    assert.equal(assess(receipt, { vocabulary }).result, 'pass');
    assert.equal(assess(receipt, {}).result, 'inconclusive');
    assert.deepEqual(parseReceipt(serialiseReceipt(receipt)), receipt);
  });

  it('names a step without a candidate, also where its grammar cannot be followed', () => {
    const anything = parseGrammar([[[[0x20, 0x10_ffff], 0], []]]);
    const job = createScriptedJob({ number: 4, sampler: endless, grammar: anything });
    const [token, salt, jobId] = [5, new Uint8Array(16), fromHex(job.jobId)];
    const step = { i: 0, token, prefix: job.inputDigest, exact: new Uint8Array(32), zk: noZk };
    const root = leafOf({ jobId, ...step, cand: candDigest(jobId, 0, salt, []) });
    const { received } = job;
    job.accept();
    received.addTokens({ i: 0, tokens: [token], text: '' });
    const prefix = prefixAfter(job.inputDigest, token);
    received.addHead(changedHead(job, { n: 1, root, prefix, finish: finish.length }));
    const opening = encodeOpening({ v: 1, jobId, root, steps: [{ ...step, salt, candidates: [], path: [] }] });
    received.setOpening(signBody(provider, kinds.opening, job.jobId, opening), job.secret);
    assert.deepEqual(assess(received.receipt([]), {}).faults, ['mask-break']);
  });

  it('says of an answer whose grammar costs too much from its start that it could not be followed', () => {
    const last = 60;
    const nullable = Array.from({ length: last }, (_, at) => [
      ...Array.from({ length: last - at - 1 }, (_, next) => [at + 2 + next]),
      [[0x61, 0x62]],
      [],
    ]);
    const costly = parseGrammar([Array.from({ length: 400 }, (_, at) => [1, [100 + at, 100 + at]]), ...nullable]);
    const settings = { grammar: grammarDigestOf(costly), vocabDigest: vocabulary.digest };
    const job = createScriptedJob({ number: 3, sampler: endless, settings });
    const receipt = { ...job.finish().receipt([]), grammar: costly };
    const { result, checks } = assess(receipt, { vocabulary });
    assert.equal(result, 'inconclusive');
    assert.match(checks.find(({ name }) => name === 'sampling')?.detail ?? '', /costs too much to follow/);
  });

  it('keeps what comes after a stop token, so that the head over it proves the fault', () => {
    const job = createScriptedJob({
      number: 1,
      sampler: { vocab: 60, stops: [0, 8, 16, 24, 32, 40, 48, 56], maxTokens: 200 },
    });
    job.accept();
    while (job.transcript.finish === null) job.transcript.next(job.top(job.transcript.n));
    const tokens = [...job.transcript.tokens, 1, 1];
    const prefix = prefixesAt(job.inputDigest, tokens, [tokens.length]).get(tokens.length) ?? assert.fail();
    job.received.addTokens({ i: 0, tokens, text: '' });
    const textDigest = textDigestOf('');
    job.received.addHead(changedHead(job, { n: tokens.length, prefix, textDigest, finish: finish.cancelled }));
    assert.deepEqual(assess(job.received.receipt([]), {}).faults, ['bad-length']);
  });

  it('does not take tokens without end', () => {
    const job = acceptedJob();
    const tokens = Array.from({ length: 32 }, () => 1);
    for (let i = 0; i < 96; i += 32) job.received.addTokens({ i, tokens, text: '' });
    assertFault('bad-length', () => job.received.addTokens({ i: 96, tokens: [1], text: '' }));
  });

  it('refuses an opening that the provider did not sign, and one of another job', () => {
    const job = createScriptedJob({ number: 2 });
    job.finish();
    const body = encodeOpening(job.transcript.open(job.secret));
    assertFault('bad-signature', () =>
      job.received.setOpening(signBody(client, kinds.opening, job.jobId, body), job.secret),
    );
    const other = finishedOther();
    assertFault('bad-receipt', () =>
      job.received.setOpening(other.received.openingSigned ?? assert.fail(), job.secret),
    );
    assert.throws(
      () => job.received.setOpening({ body: new Uint8Array(3), sig: new Uint8Array(64) }, job.secret),
      MalformedError,
    );
  });

  it('gets no pass for an opening of another form than the job has', () => {
    const job = createScriptedJob({ number: 2 });
    const received = job.finish();
    const { root } = received.final ?? assert.fail();
    const vectors = [{ i: 0, input: root, values: root, path: [] }];
    const body = encodeOpening({ v: 3, jobId: fromHex(job.jobId), root, vectors });
    received.setOpening(signBody(provider, kinds.opening, job.jobId, body), job.secret);
    const { result, faults } = assess(received.receipt([]), {});
    assert.deepEqual({ result, faults }, { result: 'fail', faults: ['bad-opening'] });
  });

  it('has no receipt before the first head', () => {
    const job = acceptedJob();
    job.generate(32);
    assert.equal(job.received.head, null);
    assert.throws(() => job.received.receipt([]));
  });
});

function finishedOther(): ScriptedJob {
  const job = createScriptedJob({ number: 99, sampler: endless });
  job.finish();
  return job;
}

describe('section 4: the signer of a head', () => {
  it('is the provider that the offer names', () => {
    const stranger = signingKeyFromSeed(new Uint8Array(32).fill(5));
    const job = createScriptedJob({ number: 1, sampler: endless, offer: { provider: stranger.publicKey } });
    job.accept();
    job.generate(32);
    assertFault('bad-signature', () => job.received.addHead(job.signHead(finish.notFinal)));
  });
});
