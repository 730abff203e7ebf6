import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { fromHex, toHex } from '../../src/lib/bytes.ts';
import { candidatesOf, isProvable, type ZkElements, zkDigest, zkElements } from '../../src/proofs/zk/commitment.ts';
import { fieldOrder, isFieldElement } from '../../src/proofs/zk/field.ts';
import { poseidon } from '../../src/proofs/zk/poseidon.ts';
import { cutDistance, packedSettings, packedTokens, publicInputOf } from '../../src/proofs/zk/public-input.ts';
import type { Candidate } from '../../src/protocol/messages.ts';
import { readVectors } from '../support/vectors.ts';

interface Settings {
  readonly temperature: number;
  readonly minP: number;
  readonly topK: number;
  readonly vocab: number;
}

interface Step {
  readonly token: number;
  readonly r: string;
  readonly zk: string;
  readonly salt: string;
  readonly candidates: readonly Candidate[];
}

interface Vectors {
  readonly order: string;
  readonly poseidon: readonly { inputs: readonly string[]; output: string }[];
  readonly steps: readonly {
    about: string;
    count: number;
    candidates: readonly Candidate[];
    salt: string;
    e0: string;
    e1: string;
    e2: string;
    zk: string;
  }[];
  readonly notBelow: readonly string[];
  readonly cuts: readonly { temperature: number; minP: number; D: number }[];
  readonly proofs: readonly (Settings & {
    about: string;
    D: number;
    opened: number;
    steps: readonly Step[];
    p0: string;
    tk: readonly string[];
    pi: string;
  })[];
  readonly bad: readonly (Settings & Step & { why: string; elements?: readonly string[] })[];
  readonly close: readonly (Settings & Step & { why: string })[];
}

const vectors = readVectors('zk.json') as Vectors;

function isStepProvable(settings: Settings, step: Step, candidates: readonly Candidate[] = step.candidates): boolean {
  return isProvable({
    sampler: { ...settings, topP: 100 },
    candidates,
    salt: fromHex(step.salt),
    zk: fromHex(step.zk),
    token: step.token,
    draw: BigInt(step.r),
  });
}

describe('section 4.8: Poseidon', () => {
  it('has the field of BN254', () => assert.equal(fieldOrder, BigInt(vectors.order)));

  for (const { inputs, output } of vectors.poseidon)
    it(`hashes ${inputs.length} elements to ${output.slice(0, 8)}`, () =>
      assert.equal(poseidon(inputs.map(BigInt)), BigInt(output)));

  it('refuses other numbers of elements, and integers beyond the field', () => {
    assert.throws(() => poseidon([1n, 2n]), RangeError);
    assert.throws(() => poseidon([1n, 2n, 3n, fieldOrder]), RangeError);
  });
});

describe('section 4.8: commitments', () => {
  for (const { about, count, candidates, salt, e0, e1, e2, zk } of vectors.steps) {
    it(`commits to ${about}`, () => {
      const elements = zkElements(candidates);
      assert.deepEqual(elements, [e0, e1, e2].map(BigInt));
      assert.equal(toHex(zkDigest(elements, fromHex(salt))), zk);
      assert.ok(isFieldElement(fromHex(zk)));
      const decoded = candidatesOf(elements, count);
      assert.deepEqual(
        decoded?.map(([id]) => id),
        candidates.map(([id]) => id),
      );
      assert.deepEqual(zkElements(decoded ?? []), elements);
    });
  }

  for (const hex of vectors.notBelow)
    it(`refuses ${hex.slice(0, 8)}…, which is not a field element`, () =>
      assert.equal(isFieldElement(fromHex(hex)), false));
});

describe('section 4.8: the statement', () => {
  for (const { temperature, minP, D } of vectors.cuts)
    it(`cuts at ${D} with temperature ${temperature}, minP ${minP}`, () =>
      assert.equal(cutDistance(temperature, minP), D));

  for (const { about, steps, opened, p0, tk, pi, D, ...settings } of vectors.proofs) {
    const drawn = steps.map(({ token, zk, r }) => ({
      token,
      zk: fromHex(zk),
      draw: settings.temperature === 0 ? 0n : BigInt(r),
    }));
    it(`makes the public input of ${about}`, () => {
      assert.equal(cutDistance(settings.temperature, settings.minP), D);
      assert.equal(packedSettings(settings), BigInt(p0));
      assert.deepEqual(packedTokens(drawn), tk.map(BigInt));
      assert.equal(publicInputOf(settings, drawn), BigInt(pi));
      assert.equal(publicInputOf(settings, drawn.slice(0, opened)), BigInt(pi));
    });

    it(`can prove every step of ${about}`, () => {
      for (const step of steps) assert.ok(isStepProvable(settings, step));
    });
  }

  for (const { why, elements, ...step } of vectors.bad) {
    it(`cannot prove: ${why}`, () => {
      const count = Math.min(step.topK, step.vocab);
      const candidates =
        elements === undefined ? step.candidates : candidatesOf(elements.map(BigInt) as unknown as ZkElements, count);
      if (elements !== undefined)
        assert.equal(toHex(zkDigest(elements.map(BigInt) as unknown as ZkElements, fromHex(step.salt))), step.zk);
      assert.equal(candidates !== null && isStepProvable(step, step, candidates), false);
    });
  }

  for (const { why, ...step } of vectors.close) it(`may prove: ${why}`, () => assert.ok(isStepProvable(step, step)));
});
