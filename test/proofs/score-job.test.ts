import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { utf8 } from '../../src/lib/bytes.ts';
import { assess } from '../../src/proofs/checks.ts';
import { encodeHead } from '../../src/proofs/head.ts';
import { decodeReceipt, type Receipt } from '../../src/proofs/receipt.ts';
import { createReceived } from '../../src/proofs/received.ts';
import { compareWithReferee } from '../../src/proofs/score/compare.ts';
import { judgeReferees, withJudgement } from '../../src/proofs/score/referees.ts';
import { createScoreTranscript } from '../../src/proofs/score/score-transcript.ts';
import { signBody, signingKeyFromSeed } from '../../src/proofs/signing.ts';
import { MalformedError } from '../../src/protocol/codec.ts';
import { inputDigestOf, jobIdOf, requestDigestOf, sha256 } from '../../src/protocol/digests.ts';
import { kinds, modes, type Offer } from '../../src/protocol/messages.ts';
import { encodeOffer, encodeScoreOpening } from '../../src/protocol/validate.ts';
import { client, createScriptedJob, renderedTokens, type ScriptedJob, vocabulary } from '../support/scripted-job.ts';

const referee = signingKeyFromSeed(sha256(utf8('referee')));

/** The score job of an answer by a referee that runs `model`. */
function scoreOf(job: ScriptedJob, answer: Receipt, model: (at: number) => ReturnType<ScriptedJob['top']>): Receipt {
  const { input, tokens } = answer;
  assert.ok(input !== null);
  const scoreInput = { ...input, continuation: tokens };
  const secret = sha256(utf8('score'));
  const offer: Offer = {
    ...decodeReceipt(answer).offer,
    provider: referee.publicKey,
    requestDigest: requestDigestOf(scoreInput),
    mode: modes.score,
    seed: secret,
    challenge: { commit: sha256(secret), count: 16 },
    sampler: {
      ...job.offer.sampler,
      temperature: 100,
      minP: 0,
      topP: 100,
      topK: job.offer.sampler.topK + 20,
      maxTokens: tokens.length,
    },
    start: 0,
  };
  const body = encodeOffer(offer);
  const jobId = jobIdOf(body);
  const inputDigest = inputDigestOf(offer.modelId, renderedTokens);
  const received = createReceived({
    offer,
    offerSigned: signBody(client, kinds.offer, jobId, body),
    quote: null,
    exec: answer.exec,
    input: scoreInput,
    continuation: tokens,
  });
  received.accept({ promptTokens: renderedTokens, inputDigest, tail: '' });
  assert.throws(() => received.addTokens({ i: tokens.length, tokens: [1], text: '' }), MalformedError);
  const transcript = createScoreTranscript({
    jobId,
    offer,
    inputDigest,
    promptCount: renderedTokens.length,
    execClass: offer.execClass,
    jobSecret: sha256(utf8('salts')),
    matcher: null,
    bytesOf: (token) => vocabulary.bytesOf(token),
    markedBytesOf: (token) => (token === 7 ? utf8('<x>') : vocabulary.bytesOf(token)),
  });
  for (const [at, token] of tokens.entries()) {
    const text = transcript.add(token, model(at)) + (at === tokens.length - 1 ? transcript.end() : '');
    received.addTokens({ i: 0, tokens: [], text });
  }
  received.addHead(signBody(referee, kinds.head, jobId, encodeHead(transcript.head())));
  received.setOpening(signBody(referee, kinds.score, jobId, encodeScoreOpening(transcript.open())), secret);
  return received.receipt([]);
}

describe('section 4.7: a score job from offer to receipt', () => {
  const job = createScriptedJob({ number: 5, sampler: { stops: [], vocab: 23, maxTokens: 40 } });
  const answer = job.finish().receipt([]);
  const base = assess(answer, {});

  it('gives the exact tier for an honest answer of the same class', () => {
    const score = scoreOf(job, answer, (at) => job.top(at));
    assert.equal(assess(score, {}).result, 'pass', JSON.stringify(assess(score, {}).checks));
    const comparison = compareWithReferee(answer, score);
    assert.deepEqual([comparison?.result, comparison?.tier], ['pass', 'exact']);
    const judgement = judgeReferees([comparison]);
    const { result, tier, faults } = withJudgement(base, judgement);
    assert.deepEqual([result, tier, faults], ['pass', 'exact', []]);
  });

  it('tells another text than the tokens say, and stops that are not the model’s', () => {
    const score = scoreOf(job, answer, (at) => job.top(at));
    const found = (other: Receipt, textBefore?: string): readonly unknown[] => {
      const comparison = compareWithReferee(other, score, { textBefore });
      return [comparison?.result, comparison?.fault, comparison?.tier];
    };
    assert.deepEqual(found({ ...answer, text: `${answer.text}!` }), ['fail', 'text-mismatch', 'text']);
    assert.deepEqual(found({ ...answer, text: '' }), ['fail', 'text-mismatch', 'text']);
    assert.deepEqual(found(answer), ['pass', null, 'exact']);
    const offer = encodeOffer({ ...job.offer, sampler: { ...job.offer.sampler, stops: [1] } });
    const otherStops = { ...answer, offer: { ...answer.offer, body: offer } };
    assert.deepEqual(found(otherStops), ['fail', 'prompt-mismatch', 'text']);
  });

  it('compares the text of an answer’s last part, and blames nobody for another text before it', () => {
    const whole = scoreOf(job, answer, (at) => job.top(at));
    const { tokens } = answer;
    const before = tokens.slice(0, 24);
    const last = createScriptedJob({
      number: 5,
      sampler: { stops: [], vocab: 23, maxTokens: 16 },
      continuation: before,
      offer: { seed: job.offer.seed },
    });
    const part = last.finish().receipt([]);
    assert.deepEqual([...before, ...part.tokens], tokens);
    const textBefore = answer.text.slice(0, answer.text.length - part.text.length);
    const found = (text: string, shown?: string): readonly unknown[] => {
      const comparison = compareWithReferee({ ...part, text }, whole, { textBefore: shown });
      return [comparison?.result, comparison?.fault];
    };
    assert.deepEqual(found(part.text, textBefore), ['pass', null]);
    assert.deepEqual(found(part.text), ['pass', null]);
    assert.deepEqual(found(`${part.text}!`, textBefore), ['fail', 'text-mismatch']);
    assert.deepEqual(found(part.text, `${textBefore}!`), ['inconclusive', null]);
    assert.deepEqual(found(part.text.slice(2), textBefore), ['fail', 'text-mismatch']);
  });

  it('tells another model by its numbers', () => {
    const score = scoreOf(job, answer, (at) => job.top(at + 1));
    const comparison = compareWithReferee(answer, score);
    assert.deepEqual([comparison?.result, comparison?.fault], ['fail', 'exact-mismatch']);
    assert.ok(comparison !== null);
    const second = { ...comparison, referee: client.publicKey };
    const { result, faults } = withJudgement(base, judgeReferees([comparison, second]));
    assert.deepEqual([result, faults], ['fail', ['exact-mismatch']]);
    assert.equal(withJudgement(base, judgeReferees([comparison])).result, 'inconclusive');
  });
});
