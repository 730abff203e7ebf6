import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { fromHex, toHex } from '../../src/lib/bytes.ts';
import type { Evidence } from '../../src/proofs/checks/evidence.ts';
import { assess } from '../../src/proofs/checks.ts';
import { coarseLimits, cosineDistance, fineLimits, normalised } from '../../src/proofs/embedding/distance.ts';
import { bytesOfVector, vectorLeaf, vectorOfBytes, vectorTreeOf } from '../../src/proofs/embedding/vectors.ts';
import { FaultError } from '../../src/proofs/fault.ts';
import { decodeHead } from '../../src/proofs/head.ts';
import { parseReceipt, type Receipt, serialiseReceipt } from '../../src/proofs/receipt.ts';
import { signBody } from '../../src/proofs/signing.ts';
import { challengePositions } from '../../src/proofs/tree/challenge.ts';
import { MalformedError } from '../../src/protocol/codec.ts';
import { inputDigestOf, requestDigestOf } from '../../src/protocol/digests.ts';
import { encodeInput, parseInput } from '../../src/protocol/input/input.ts';
import { promptTokenBound } from '../../src/protocol/input/prompt-bound.ts';
import { decodeExtra, encodeExtra, extraDigestOf } from '../../src/protocol/messages/extra.ts';
import { type FaultCode, kinds } from '../../src/protocol/messages.ts';
import { decodeOpening, encodeOpening } from '../../src/protocol/validate.ts';
import { createEmbedJob, embedDimensions, honestVector } from '../support/embed-job.ts';
import { provider } from '../support/scripted-job.ts';
import { readVectors } from '../support/vectors.ts';

fc.configureGlobal({ seed: 1 });

interface EmbedVectors {
  readonly jobs: readonly {
    readonly jobId: string;
    readonly modelId: string;
    readonly dimensions: number;
    readonly texts: readonly (readonly number[])[];
    readonly vectors: readonly string[];
    readonly inputDigest: string;
    readonly leaves: readonly { readonly input: string; readonly values: string; readonly leaf: string }[];
    readonly root: string;
    readonly secret: string;
    readonly count: number;
    readonly positions: readonly number[];
    readonly opening: string;
  }[];
  readonly extras: readonly { readonly embed: number; readonly extra: string; readonly digest: string }[];
  readonly badExtra: readonly { readonly about: string; readonly extra: string }[];
  readonly requests: readonly {
    readonly input: unknown;
    readonly cbor: string;
    readonly requestDigest: string;
    readonly bound: number;
  }[];
  readonly badInputs: readonly { readonly about: string; readonly input: unknown }[];
  readonly distances: readonly { readonly a: string; readonly b: string; readonly distance: number }[];
}

const vectors = readVectors('embed.json') as EmbedVectors;

describe('section 4.9: the vectors of an independent reference', () => {
  it('has the leaves, roots, positions and openings of every job', () => {
    for (const job of vectors.jobs) {
      const [jobId, modelId] = [fromHex(job.jobId), fromHex(job.modelId)];
      const values = fromHex(job.vectors.join(''));
      const counts = job.texts.map(({ length }) => length);
      const tree = vectorTreeOf({ jobId, modelId }, { counts, values }, job.dimensions, job.texts.flat());
      assert.equal(toHex(inputDigestOf(modelId, job.texts.flat())), job.inputDigest);
      for (const [i, { input, values: digest, leaf }] of job.leaves.entries())
        assert.equal(toHex(vectorLeaf(jobId, { i, input: fromHex(input), values: fromHex(digest) })), leaf);
      assert.equal(toHex(tree.root()), job.root);
      const positions = challengePositions(tree.root(), fromHex(job.secret), tree.n, job.count);
      assert.deepEqual(positions, job.positions);
      const opening = { v: 3, jobId, root: tree.root(), vectors: tree.open(positions) } as const;
      assert.equal(toHex(encodeOpening(opening)), job.opening);
      assert.deepEqual(decodeOpening(fromHex(job.opening)), opening);
    }
  });

  it('keeps the bits of every number', () => {
    for (const bytes of vectors.jobs.flatMap((job) => job.vectors.map(fromHex)))
      assert.deepEqual(bytesOfVector(vectorOfBytes(bytes)), bytes);
  });

  it('encodes extra and input, and refuses every bad one', () => {
    for (const { embed, extra, digest } of vectors.extras) {
      assert.equal(toHex(encodeExtra({ embed })), extra);
      assert.deepEqual(decodeExtra(fromHex(extra), 10), { embed });
      assert.equal(toHex(extraDigestOf(fromHex(extra)) ?? new Uint8Array()), digest);
    }
    for (const { about, extra } of vectors.badExtra)
      assert.throws(() => decodeExtra(fromHex(extra), 10), MalformedError, about);
    for (const { input, cbor, requestDigest, bound } of vectors.requests) {
      const parsed = parseInput(input);
      assert.equal(toHex(encodeInput(parsed)), cbor);
      assert.equal(toHex(requestDigestOf(parsed)), requestDigest);
      assert.equal(promptTokenBound(parsed), bound);
    }
    for (const { about, input } of vectors.badInputs) assert.throws(() => parseInput(input), MalformedError, about);
  });

  it('measures how far directions are apart', () => {
    for (const { a, b, distance } of vectors.distances) {
      const found = cosineDistance(vectorOfBytes(fromHex(a)), vectorOfBytes(fromHex(b)));
      assert.ok(Math.abs(found - distance) <= 1e-12, `${found} instead of ${distance}`);
    }
  });
});

/** What a verifier that holds the model adds. */
function evidenceOf(
  receipt: Receipt,
  tier: 'exact' | 'statistical',
  vectorOf: (i: number) => Float32Array | null = honestVector,
): Evidence {
  const { counts = [] } = receipt.vectors ?? {};
  return {
    prompt: {
      promptTokens: receipt.promptTokens,
      vocab: 300,
      stops: [0],
      text: '',
      texts: { counts, dimensions: embedDimensions },
    },
    recomputed: {
      tier,
      execClass: new Uint8Array(32),
      vectors: counts.map((_, i) => vectorOf(i)),
      limits: fineLimits,
    },
  };
}

function scaled(i: number, by: number): Float32Array {
  return honestVector(i).map((value) => value * by);
}

describe('section 4.9: the checks of an embedding job', () => {
  it('passes an honest job only once it was recomputed, and its receipt survives as text', () => {
    const receipt = createEmbedJob().receipt();
    assert.deepEqual(parseReceipt(serialiseReceipt(receipt)), receipt);
    const unchecked = assess(receipt, {});
    assert.deepEqual([unchecked.result, unchecked.tier, unchecked.count], ['inconclusive', 'sampling', 3]);
    const { recomputed, ...tokenizer } = evidenceOf(receipt, 'exact');
    assert.deepEqual([assess(receipt, tokenizer).result, assess(receipt, tokenizer).tier], ['inconclusive', 'text']);
    const exact = assess(receipt, { ...tokenizer, recomputed });
    assert.deepEqual([exact.result, exact.tier, exact.count, exact.faults], ['pass', 'exact', 3, []]);
    const near = assess(
      receipt,
      evidenceOf(receipt, 'statistical', (i) => scaled(i, 1.5)),
    );
    assert.deepEqual([near.result, near.tier], ['pass', 'statistical'], JSON.stringify(near.checks));
  });

  it('counts the vectors that were recomputed', () => {
    const receipt = createEmbedJob().receipt();
    const some = assess(
      receipt,
      evidenceOf(receipt, 'exact', (i) => (i === 1 ? null : honestVector(i))),
    );
    assert.deepEqual([some.result, some.count], ['pass', 2]);
    const none = assess(
      receipt,
      evidenceOf(receipt, 'exact', () => null),
    );
    assert.deepEqual([none.result, none.tier], ['inconclusive', 'text']);
  });

  const found = (receipt: Receipt, evidence: Evidence = {}): readonly FaultCode[] => assess(receipt, evidence).faults;
  const one = (i: number, at: number, value: number): Float32Array =>
    honestVector(i).map((honest, index) => (i === 1 && index === at ? value : honest));

  it('names numbers that are not those of the model', () => {
    const receipt = createEmbedJob().receipt();
    const lastBit = (i: number): Float32Array => one(i, 2, (honestVector(1)[2] ?? 0) * (1 + 2 ** -22));
    assert.deepEqual(found(receipt, evidenceOf(receipt, 'exact', lastBit)), ['exact-mismatch']);
    assert.deepEqual(found(receipt, evidenceOf(receipt, 'statistical', lastBit)), []);
    assert.deepEqual(
      found(
        receipt,
        evidenceOf(receipt, 'statistical', (i) => honestVector(i + 1)),
      ),
      ['vectors-far'],
    );
    // One vector alone, though the mean is within its limit.
    const limits = { mean: 1, single: fineLimits.single };
    const evidence = evidenceOf(receipt, 'statistical', (i) => one(i, 2, (honestVector(1)[2] ?? 0) + 0.05));
    assert.ok(evidence.recomputed !== undefined);
    const alone = { ...evidence, recomputed: { ...evidence.recomputed, limits } };
    assert.deepEqual(found(receipt, alone), ['vectors-far']);
  });

  it('tells a zero of one sign from the other where bits count', () => {
    const receipt = createEmbedJob({ vectorOf: (i) => one(i, 0, 0) }).receipt();
    assert.deepEqual(
      found(
        receipt,
        evidenceOf(receipt, 'exact', (i) => one(i, 0, -0)),
      ),
      ['exact-mismatch'],
    );
  });

  it('names vectors that are not those under the root, or belong to other tokens', () => {
    const honest = createEmbedJob().receipt();
    const { vectors: given } = honest;
    assert.ok(given !== undefined);
    const values = Uint8Array.from(given.values);
    values[5] = (values[5] ?? 0) ^ 1;
    assert.deepEqual(found({ ...honest, vectors: { ...given, values } }), ['root-mismatch']);
    const [first = 0, second = 0, ...rest] = given.counts;
    assert.deepEqual(found({ ...honest, vectors: { ...given, counts: [first + 1, second - 1, ...rest] } }), [
      'root-mismatch',
    ]);
    assert.deepEqual(found({ ...honest, vectors: { ...given, counts: [first + 1, second, ...rest] } }), [
      'bad-vectors',
    ]);
    assert.deepEqual(found({ ...honest, vectors: { ...given, counts: given.counts.slice(1) } }), ['bad-vectors']);
    assert.deepEqual(found({ ...honest, vectors: { ...given, values: values.slice(4) } }), ['bad-vectors']);
  });

  it('names an opening that does not match', () => {
    const opened = (change: Parameters<ReturnType<typeof createEmbedJob>['opening']>[0]): Receipt => {
      const job = createEmbedJob({ texts: Array.from({ length: 9 }, (_, i) => `text ${i}`), count: 4 });
      const receipt = job.receipt();
      return { ...receipt, opening: job.opening(change) };
    };
    assert.deepEqual(found(opened(undefined)), []);
    assert.deepEqual(found(opened((list) => list.slice(1))), ['bad-opening']);
    assert.deepEqual(found(opened((list) => list.map((each) => ({ ...each, values: each.input })))), ['bad-opening']);
    assert.deepEqual(found(opened((list) => list.map((each) => ({ ...each, path: each.path.slice(1) })))), [
      'bad-opening',
    ]);
    const job = createEmbedJob();
    const receipt = job.receipt();
    const jobId = fromHex(job.jobId);
    const { root } = decodeHead(receipt.heads[0]?.body ?? assert.fail());
    const ofAnswer = signBody(provider, kinds.opening, job.jobId, encodeOpening({ v: 1, jobId, root, steps: [] }));
    assert.deepEqual(found({ ...receipt, opening: ofAnswer }), ['bad-opening']);
  });

  it('names tokens that are not those of the texts, and a model of another length', () => {
    const receipt = createEmbedJob().receipt();
    const { prompt } = evidenceOf(receipt, 'exact');
    assert.ok(prompt?.texts !== undefined);
    const others = [
      { ...prompt, promptTokens: null },
      { ...prompt, promptTokens: [...receipt.promptTokens].reverse() },
      { ...prompt, texts: { ...prompt.texts, dimensions: 5 } },
      { ...prompt, texts: { ...prompt.texts, counts: [...prompt.texts.counts].reverse() } },
    ];
    for (const other of others) assert.deepEqual(found(receipt, { prompt: other }), ['prompt-mismatch']);
  });

  it('names an offer whose settings are not neutral', () => {
    const receipt = createEmbedJob({ offer: { mode: 1 } }).receipt();
    assert.deepEqual(found(receipt), ['bad-receipt']);
  });

  it('names a job that ends before its last text', () => {
    const job = createEmbedJob();
    const { sampler } = createEmbedJob().offer;
    const short = createEmbedJob({ offer: { sampler: { ...sampler, maxTokens: 4 } } }).receipt();
    assert.deepEqual(found({ ...short, input: null }), ['bad-length']);
    assert.deepEqual(found(job.receipt()), []);
  });

  it('takes no receipt that mixes vectors and an answer', () => {
    const receipt = createEmbedJob().receipt();
    for (const other of [
      { ...receipt, vectors: undefined },
      { ...receipt, text: 'a' },
      { ...receipt, tokens: [1] },
    ])
      assert.throws(() => assess(other, {}), MalformedError);
  });
});

describe('section 4.9: what the receiver checks as it comes', () => {
  const fault = (code: FaultCode, act: () => unknown): void =>
    assert.throws(act, (error: unknown) => error instanceof FaultError && error.fault === code);
  const accepted = (init: Parameters<typeof createEmbedJob>[0] = {}) => {
    const job = createEmbedJob(init);
    job.accept();
    return job;
  };

  it('takes vectors in any division into frames', () => {
    const texts = Array.from({ length: 7 }, (_, i) => `text ${i}`);
    fc.assert(
      fc.property(fc.subarray([1, 2, 3, 4, 5, 6]), (cuts) => {
        const job = accepted({ texts });
        const ends = [...cuts, texts.length];
        for (const [at, end] of ends.entries()) job.send(ends[at - 1] ?? 0, end);
        job.received.addHead(job.head());
        assert.deepEqual(assess(job.received.receipt([]), {}).faults, []);
      }),
    );
  });

  it('names a wrong count, a wrong length, NaN and infinities', () => {
    const job = accepted();
    job.send();
    fault('bad-vectors', () => job.received.addVectors({ i: 3, counts: [1], values: new Uint8Array(16) }));
    for (const length of [0, 12, 20, 3])
      fault('bad-vectors', () => accepted().received.addVectors({ i: 0, counts: [4], values: new Uint8Array(length) }));
    for (const value of [Number.NaN, Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY])
      fault('bad-vectors', () => accepted({ vectorOf: (i) => honestVector(i).fill(value, 3) }).send());
    for (const counts of [
      [0, 4, 9],
      [4, 10, 99],
      [4, 10, 0],
    ])
      fault('bad-vectors', () =>
        accepted().received.addVectors({ i: 0, counts, values: new Uint8Array(16 * counts.length) }),
      );
  });

  it('names a head over other vectors, and one over a part of the texts', () => {
    const job = accepted();
    job.send();
    fault('root-mismatch', () => job.received.addHead(job.head({ root: new Uint8Array(32) })));
    const short = accepted();
    short.send(0, 2);
    fault('bad-receipt', () => short.received.addHead(short.head()));
  });

  it('refuses frames out of order', () => {
    const job = createEmbedJob();
    assert.throws(() => job.send(), MalformedError);
    job.accept();
    assert.throws(() => job.send(1), MalformedError);
    assert.throws(() => job.received.addVectors({ i: 0, counts: [], values: new Uint8Array() }), MalformedError);
    assert.throws(() => job.received.addTokens({ i: 0, tokens: [1], text: 'a' }), MalformedError);
  });
});

describe('vectors on their way out', () => {
  it('have length 1, but for one of zeros', () => {
    const length = (vector: Float32Array): number => Math.sqrt(vector.reduce((sum, value) => sum + value * value, 0));
    fc.assert(
      fc.property(fc.array(fc.float({ min: -100, max: 100, noNaN: true }), { minLength: 1 }), (values) => {
        const vector = Float32Array.from(values);
        const whole = length(normalised(vector));
        assert.ok(length(vector) < 1e-20 || Math.abs(whole - 1) < 1e-5, `${whole}`);
      }),
    );
    assert.deepEqual(normalised(new Float32Array(3)), new Float32Array(3));
    assert.ok(coarseLimits.mean > fineLimits.mean);
  });
});
