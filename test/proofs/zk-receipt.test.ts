import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { type Assessment, assess } from '../../src/proofs/checks.ts';
import type { Receipt } from '../../src/proofs/receipt.ts';
import { signBody } from '../../src/proofs/signing.ts';
import { zkPublicInput } from '../../src/proofs/zk/public-input.ts';
import { zkSystem } from '../../src/protocol/constants.ts';
import { finish, kinds, modes, type ZkOpening } from '../../src/protocol/messages.ts';
import { encodeOpening } from '../../src/protocol/validate.ts';
import { createScriptedJob, provider, type ScriptedJob } from '../support/scripted-job.ts';

const circuit = new Uint8Array(32).fill(6);

/** A whole job in mode zk, without a prover: a proof is the number of its public input. */
function provedJob(changes: Partial<ZkOpening> = {}): { readonly job: ScriptedJob; readonly receipt: Receipt } {
  const job = createScriptedJob({
    number: 7,
    count: 20,
    sampler: { stops: [], maxTokens: 60 },
    offer: { mode: modes.zk },
  });
  job.accept();
  while (job.generate(32) === null) job.received.addHead(job.signHead(finish.notFinal));
  job.end(finish.length);
  const steps = job.transcript.witnesses(job.secret).map(({ step }) => step);
  const opening: ZkOpening = {
    v: 2,
    jobId: Buffer.from(job.jobId, 'hex'),
    root: job.transcript.head(finish.length).root,
    circuit,
    system: zkSystem,
    steps,
    proofs: [0, 16].map((from) => Buffer.from(`${zkPublicInput(job.offer, steps.slice(from, from + 16))}`)),
    ...changes,
  };
  const signed = signBody(provider, kinds.opening, job.jobId, encodeOpening(opening));
  job.received.setOpening(signed, job.secret);
  return { job, receipt: job.received.receipt([]) };
}

const zk = {
  circuit,
  verify: (proof: Uint8Array, publicInput: bigint): boolean => Buffer.from(proof).toString() === `${publicInput}`,
};

const summary = ({ result, faults, count }: Assessment): unknown => [result, faults, count];

describe('section 4.8: receipts of mode zk', () => {
  it('pass if each proof holds for the public input that the receiver makes', () => {
    const { receipt } = provedJob();
    assert.deepEqual(summary(assess(receipt, { zk })), ['pass', [], 20]);
  });

  it('are inconclusive without a verifier', () => {
    const { receipt } = provedJob();
    assert.deepEqual(summary(assess(receipt, {})), ['inconclusive', [], 20]);
  });

  const honest = provedJob();

  for (const [what, changes, fault] of [
    ['another system', { system: 'another' }, 'bad-opening'],
    ['another circuit', { circuit: new Uint8Array(32) }, 'bad-opening'],
    ['a proof too few', { proofs: [new Uint8Array()] }, 'bad-opening'],
    ['a proof of other steps', { proofs: [new Uint8Array(), new Uint8Array()] }, 'bad-proof'],
  ] as const) {
    it(`fail for ${what}`, () => {
      const { receipt } = provedJob(changes);
      assert.deepEqual(assess(receipt, { zk }).faults, [fault]);
    });
  }

  it('fail for an opening that shows the candidates', () => {
    const { job, receipt } = honest;
    const plain = signBody(provider, kinds.opening, job.jobId, encodeOpening(job.transcript.open(job.secret)));
    assert.deepEqual(assess({ ...receipt, opening: plain }, { zk }).faults, ['bad-opening']);
  });

  it('are drawn again without any comparison of candidates', () => {
    const { job, receipt } = honest;
    const steps = receipt.tokens.map((_, at) => job.top(at));
    const statistical = assess(receipt, { zk, replay: { tier: 'statistical', execClass: circuit, steps } });
    assert.deepEqual([statistical.result, statistical.meanTv, statistical.meanMiss], ['pass', null, 0]);
    const exact = assess(receipt, { zk, replay: { tier: 'exact', execClass: circuit, steps } });
    assert.deepEqual([exact.result, exact.faults], ['pass', []]);
  });
});
