import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { GrammarTooCostly } from '../../src/proofs/grammar/work.ts';
import { drawAt, pickToken } from '../../src/proofs/sampling/sampler.ts';
import { createTranscript, type TranscriptInit } from '../../src/proofs/transcript.ts';
import { isProvable } from '../../src/proofs/zk/commitment.ts';
import { parseGrammar } from '../../src/protocol/grammar/rules.ts';
import { finish, modes } from '../../src/protocol/messages.ts';
import { createScriptedJob } from '../support/scripted-job.ts';

/** A transcript's init that no grammar ends. */
function initOf(): Omit<TranscriptInit, 'matcher'> {
  const { jobId, offer, inputDigest } = createScriptedJob({ number: 1, sampler: { stops: [] } });
  return {
    jobId,
    offer,
    settings: {},
    continuation: [],
    inputDigest,
    promptCount: 5,
    execClass: offer.execClass,
    jobSecret: new Uint8Array(32),
    bytesOf: () => new Uint8Array(),
  };
}

describe('transcript', () => {
  it('commits to the same steps at whatever time', () => {
    const { top, transcript: eager } = createScriptedJob({ number: 1 });
    const { transcript: late } = createScriptedJob({ number: 1 });
    const { transcript: mixed } = createScriptedJob({ number: 1 });
    for (let i = 0; i < 40; i++) {
      for (const transcript of [eager, late, mixed]) assert.equal(transcript.next(top(i)).token, transcript.tokens[i]);
      eager.commit();
      if (i % 7 === 0) mixed.commit();
    }
    eager.commit();
    assert.deepEqual(late.head(finish.notFinal), eager.head(finish.notFinal));
    assert.deepEqual(mixed.head(finish.notFinal), eager.head(finish.notFinal));
    const secret = new Uint8Array(32).fill(7);
    assert.deepEqual(late.open(secret), eager.open(secret));
  });

  it('ends after a stop text, before a stop that the client sends', () => {
    const { transcript, top } = createScriptedJob({
      number: 1,
      settings: { stopTexts: ['a'] },
      sampler: { stops: [] },
    });
    const texts: string[] = [];
    while (transcript.finish === null) texts.push(transcript.next(top(transcript.n)).text);
    assert.equal(transcript.finish, finish.stopText);
    assert.match(texts.at(-1) ?? '', /a/);
    assert.doesNotMatch(texts.slice(0, -1).join(''), /a/);
    assert.throws(() => transcript.next(top(transcript.n)));
  });

  it('ends where its grammar allows nothing more, before the first token perhaps', () => {
    const rules = parseGrammar([
      [
        [
          [32, 32],
          [97, 122],
        ],
      ],
    ]);
    const { transcript, top } = createScriptedJob({ number: 1, grammar: rules, sampler: { stops: [] } });
    assert.equal(transcript.next(top(0)).finish, finish.stopText);
    const continued = createScriptedJob({ number: 1, grammar: rules, sampler: { stops: [] }, continuation: [11] });
    assert.equal(continued.transcript.finish, finish.stopText);
    assert.equal(continued.transcript.n, 0);
  });

  it('breaks off if its grammar costs too much from a token on', () => {
    const { top } = createScriptedJob({ number: 1, sampler: { stops: [] } });
    const matcher = {
      isWhole: false,
      allows: () => true,
      accept(): boolean {
        if (transcript.n === 3) throw new GrammarTooCostly();
        return true;
      },
      allowedUpTo: (most: number) => Array.from({ length: most }, (_, id) => id),
    };
    const transcript = createTranscript({ ...initOf(), matcher });
    for (let at = 0; at < 3; at++) assert.equal(transcript.next(top(at)).finish, at < 2 ? null : finish.brokenOff);
    assert.equal(transcript.head(finish.brokenOff).n, 3);
  });

  it('draws a continued answer as it would have gone on', () => {
    const whole = createScriptedJob({ number: 2, settings: { presence: 300, frequency: -40 } });
    whole.finish();
    for (const at of [1, 7, 20]) {
      const { tokens } = whole.received;
      const { offer } = createScriptedJob({ number: 2 });
      const rest = createScriptedJob({
        number: 2,
        settings: { presence: 300, frequency: -40 },
        continuation: tokens.slice(0, at),
        sampler: { maxTokens: offer.sampler.maxTokens - at },
      });
      rest.finish();
      assert.deepEqual(rest.received.tokens, tokens.slice(at));
    }
  });

  it('has witnesses in mode zk whose draws can be proved', () => {
    const { transcript, top, offer } = createScriptedJob({ number: 3, offer: { mode: modes.zk } });
    while (transcript.finish === null) transcript.next(top(transcript.n));
    const witnesses = transcript.witnesses(new Uint8Array(32).fill(1));
    assert.equal(witnesses.length, Math.min(16, transcript.n));
    for (const { step, salt, candidates } of witnesses) {
      const { i, token, zk } = step;
      const draw = drawAt(offer.seed, i);
      assert.ok(isProvable({ sampler: offer.sampler, candidates, salt, zk, token, draw }), `step ${i}`);
      assert.equal(pickToken(candidates, offer.sampler, draw), token);
    }
  });

  it('refuses fewer logits than candidates', () => {
    const { transcript } = createScriptedJob({ number: 1 });
    assert.equal(transcript.candidateCount, 20);
    assert.throws(() => transcript.next({ ids: Uint32Array.of(1), logits: Float32Array.of(1) }), RangeError);
  });
});
