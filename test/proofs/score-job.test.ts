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
import { client, createScriptedJob, renderedTokens, type ScriptedJob } from '../support/scripted-job.ts';

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
  });
  for (const [at, token] of tokens.entries()) transcript.add(token, model(at));
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
