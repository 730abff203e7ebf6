import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import { fromHex } from '../../../../src/lib/bytes.ts';
import type { Answer } from '../../../../src/node/client/answer.ts';
import type { Peer } from '../../../../src/node/peer/peer.ts';
import { assess } from '../../../../src/proofs/checks.ts';
import { decodeHead, encodeHead, isFinal } from '../../../../src/proofs/head.ts';
import { type SigningKey, signBody } from '../../../../src/proofs/signing.ts';
import { inputDigestOf, jobIdHex } from '../../../../src/protocol/digests.ts';
import type { Frame } from '../../../../src/protocol/frames.ts';
import {
  type FaultCode,
  finish,
  type Head,
  kinds,
  type OpenedStep,
  type Opening,
} from '../../../../src/protocol/messages.ts';
import { startAsker } from '../../../support/asking.ts';
import { cutAt, lying, otherSeed, pastTheStop, withHeads, withOpening } from '../../../support/cheats/transcripts.ts';
import { startProvider, type TestProviderInit, testSampler } from '../../../support/market.ts';
import { testIdentity } from '../../../support/peers.ts';
import { withTamperedAnswers } from '../../../support/router.ts';
import { createScriptedEngine } from '../../../support/scripted-engine.ts';

/** Asks a cheating provider, as a client without the model. */
async function askCheat(
  context: TestContext,
  init: TestProviderInit,
  maxTokens = 40,
): Promise<{ readonly answer: Answer; readonly usable: boolean; readonly fromReceipt: readonly FaultCode[] | null }> {
  const provider = await startProvider(context, init);
  const asker = await startAsker(context, { providers: [provider] });
  const answer = await asker.ask({ sampler: { ...testSampler, maxTokens } });
  const stored = answer.receipt === null ? undefined : asker.receipts.get(answer.receipt);
  return {
    answer,
    usable: asker.reputation.standing(provider.peer.id).usable,
    fromReceipt: stored === undefined ? null : assess(stored, {}).faults,
  };
}

/** The provider is caught with this fault, named, and (unless it may be an outage) not used again. */
async function assertCaught(
  context: TestContext,
  init: TestProviderInit,
  fault: FaultCode,
  { maxTokens = 40, provable = true, ruledOut = true } = {},
): Promise<void> {
  const { answer, usable, fromReceipt } = await askCheat(context, init, maxTokens);
  assert.deepEqual(
    { result: answer.verification.result, faults: answer.verification.faults },
    { result: 'fail', faults: [fault] },
  );
  assert.equal(usable, !ruledOut);
  // Any verifier of the receipt finds the same.
  if (provable) assert.deepEqual(fromReceipt, [fault]);
}

const zeros = new Uint8Array(32);
const ones = new Uint8Array(32).fill(1);

test('draws with another seed than the client’s: sampler-mismatch', (context) =>
  assertCaught(context, { createTranscript: otherSeed }, 'sampler-mismatch'));

test('ends before maxTokens without a stop token: bad-length', (context) =>
  assertCaught(context, { createTranscript: cutAt(20) }, 'bad-length'));

test('claims that it was cancelled: bad-length', (context) =>
  assertCaught(
    context,
    {
      createTranscript: (init) =>
        withHeads((head) => (head.finish === finish.length ? { ...head, finish: finish.cancelled } : head))({
          ...init,
          offer: { ...init.offer, sampler: { ...init.offer.sampler, maxTokens: 20 } },
        }),
    },
    'bad-length',
  ));

test('claims a stop token that it did not send: bad-length', (context) =>
  assertCaught(
    context,
    {
      createTranscript: (init) =>
        withHeads((head) => (head.finish === finish.length ? { ...head, finish: finish.stopToken } : head))({
          ...init,
          offer: { ...init.offer, sampler: { ...init.offer.sampler, maxTokens: 20 } },
        }),
    },
    'bad-length',
  ));

test('continues past the stop token: bad-length', (context) =>
  assertCaught(context, { createTranscript: pastTheStop, script: { stopAfter: 10 } }, 'bad-length'));

test('continues past maxTokens: bad-length', (context) =>
  assertCaught(context, { createTranscript: cutAt(100) }, 'bad-length', { provable: false }));

function withSteps(change: (step: OpenedStep, at: number) => OpenedStep) {
  return { createTranscript: withOpening((opening) => ({ ...opening, steps: opening.steps.map(change) })) };
}
const first = (change: (step: OpenedStep) => OpenedStep) => withSteps((step, at) => (at === 0 ? change(step) : step));

test('opens with a wrong path, salt, candidate, exact, zk or prefix: bad-opening', async (context) => {
  const lies: Record<string, (step: OpenedStep) => OpenedStep> = {
    path: (step) => ({ ...step, path: step.path.map(() => zeros) }),
    'a path too short': (step) => ({ ...step, path: step.path.slice(1) }),
    salt: (step) => ({ ...step, salt: new Uint8Array(16) }),
    candidate: (step) => ({
      ...step,
      candidates: step.candidates.map(([id, q], at) => (at === 0 ? [id, q + 1] : [id, q])),
    }),
    exact: (step) => ({ ...step, exact: ones }),
    zk: (step) => ({ ...step, zk: ones }),
    prefix: (step) => ({ ...step, prefix: ones }),
    token: (step) => ({ ...step, token: step.token + 1 }),
  };
  for (const [name, lie] of Object.entries(lies))
    await context.test(name, (inner) => assertCaught(inner, first(lie), 'bad-opening'));
});

test('opens other steps than challenged, fewer, doubled, or of another root: bad-opening', async (context) => {
  const lies: Record<string, (opening: Opening) => Opening> = {
    fewer: (opening) => ({ ...opening, steps: opening.steps.slice(1) }),
    doubled: (opening) => ({
      ...opening,
      steps: opening.steps.map((step, at) => (at === 1 ? (opening.steps[0] ?? step) : step)),
    }),
    'another root': (opening) => ({ ...opening, root: ones }),
  };
  for (const [name, lie] of Object.entries(lies))
    await context.test(name, (inner) => assertCaught(inner, { createTranscript: withOpening(lie) }, 'bad-opening'));
  await context.test('other positions', (inner) =>
    assertCaught(inner, { createTranscript: lying((honest) => ({ open: () => honest.open(ones) })) }, 'bad-opening', {
      maxTokens: 200,
    }),
  );
});

test('opens nothing: silence', (context) => {
  const open = (): never => {
    throw new Error('nothing to show');
  };
  // One silence may be an outage, so it does not rule the provider out yet.
  return assertCaught(context, { createTranscript: lying(() => ({ open })) }, 'silence', {
    provable: false,
    ruledOut: false,
  });
});

test('signs a head over a tree whose tokens are not those delivered: prefix-break', (context) =>
  // Its leaves commit to a different token at step 5 than the one it sent.
  assertCaught(context, { createTranscript: swappingTranscript }, 'prefix-break'));

/** Commits in its leaves to another prefix than in its heads. */
const swappingTranscript: TestProviderInit['createTranscript'] = (init) => {
  const inner = lying(() => ({}))({ ...init, inputDigest: ones });
  const outer = lying(() => ({}))(init);
  return {
    get n() {
      return outer.n;
    },
    get tokens() {
      return outer.tokens;
    },
    get finish() {
      return outer.finish;
    },
    get candidateCount() {
      return outer.candidateCount;
    },
    next(top) {
      inner.next(top);
      return outer.next(top);
    },
    commit: () => outer.commit(),
    end(reason) {
      inner.end(reason);
      return outer.end(reason);
    },
    head: (covered) => ({ ...outer.head(covered), root: inner.head(covered).root }),
    open: (secret) => inner.open(secret),
    witnesses: (secret) => inner.witnesses(secret),
    keptSteps: (from) => inner.keptSteps(from),
  };
};

test('a head with another n, prefix, text digest, class or prompt than was sent: bad-receipt', async (context) => {
  const lies: Record<string, (head: Head) => Head> = {
    n: (head) => ({ ...head, n: head.n + 1 }),
    prefix: (head) => ({ ...head, prefix: ones }),
    'text digest': (head) => ({ ...head, textDigest: ones }),
    class: (head) => ({ ...head, execClass: ones }),
    'input digest': (head) => ({ ...head, inputDigest: ones }),
    'an inflated prompt count': (head) => ({ ...head, promptCount: head.promptCount + 100 }),
  };
  for (const [name, lie] of Object.entries(lies))
    await context.test(name, (inner) =>
      assertCaught(inner, { createTranscript: withHeads(lie) }, 'bad-receipt', { provable: false }),
    );
});

/** A provider whose node changes what it sends. */
function tampering(tamper: (frame: Frame, key: SigningKey) => readonly Frame[]): TestProviderInit {
  return { wrapPeer: (peer: Peer) => withTamperedAnswers(peer, (frame) => tamper(frame, peer.key)) };
}

function signHead(head: Head, key: SigningKey): Frame {
  return { t: 'head', ...signBody(key, kinds.head, jobIdHex(head.jobId), encodeHead(head)) };
}

test('a head signed by another key: bad-signature', async (context) => {
  const { signingKey } = await testIdentity();
  await assertCaught(
    context,
    tampering((frame) => (frame.t === 'head' ? [signHead(decodeHead(frame.body), signingKey)] : [frame])),
    'bad-signature',
    { provable: false },
  );
});

test('a head of another job: bad-receipt', (context) =>
  assertCaught(
    context,
    tampering((frame, key) =>
      frame.t === 'head' ? [signHead({ ...decodeHead(frame.body), jobId: ones }, key)] : [frame],
    ),
    'bad-receipt',
    { provable: false },
  ));

test('tokens or text changed after they were committed to: bad-receipt', async (context) => {
  const changed = (change: (frame: Extract<Frame, { t: 'tokens' }>) => Frame) =>
    tampering((frame) => (frame.t === 'tokens' && frame.i === 0 ? [change(frame)] : [frame]));
  await context.test('a token', (inner) =>
    assertCaught(
      inner,
      changed((frame) => ({ ...frame, tokens: frame.tokens.map((token) => token ^ 1) })),
      'bad-receipt',
      { provable: false },
    ),
  );
  await context.test('the text', (inner) =>
    assertCaught(
      inner,
      changed((frame) => ({ ...frame, text: `${frame.text}!` })),
      'bad-receipt',
      { provable: false },
    ),
  );
});

test('more prompt tokens accepted than were quoted: bad-receipt', async (context) => {
  const engine = createScriptedEngine();
  const promptTokens = new Array<number>(2_000).fill(1);
  const padded = {
    t: 'accept',
    promptTokens,
    inputDigest: inputDigestOf(fromHex(engine.facts.id), promptTokens),
    tail: '',
  } as const;
  const provider = await startProvider(context, {
    engine,
    offering: { priceIn: 100, priceOut: 100 },
    ...tampering((frame) => (frame.t === 'accept' ? [padded] : [frame])),
  });
  const asker = await startAsker(context, { providers: [provider] });
  const { verification, costLamports } = await asker.ask({ maxPrice: 1_000 });
  assert.deepEqual({ faults: verification.faults, costLamports }, { faults: ['bad-receipt'], costLamports: 0n });
});

test('two heads that cannot both be honest: equivocation, each kind', async (context) => {
  const again = (change: (head: Head) => Head, when: (head: Head) => boolean) =>
    tampering((frame, key) => {
      if (frame.t !== 'head') return [frame];
      const head = decodeHead(frame.body);
      return when(head) ? [frame, signHead(change(head), key)] : [frame];
    });
  const running = (head: Head): boolean => !isFinal(head);
  const final = isFinal;
  const kindsOfIt: Record<string, readonly [init: TestProviderInit, provable: boolean]> = {
    'another root at the same n': [again((head) => ({ ...head, root: ones }), running), false],
    'another prefix at the same n': [again((head) => ({ ...head, prefix: ones }), running), false],
    'another text at the same n': [again((head) => ({ ...head, textDigest: ones }), running), false],
    'another prompt count': [again((head) => ({ ...head, promptCount: head.promptCount + 1 }), running), false],
    'another input': [again((head) => ({ ...head, inputDigest: ones }), running), false],
    'another class': [again((head) => ({ ...head, execClass: ones }), running), false],
    'two final heads': [again((head) => ({ ...head, finish: finish.stopToken }), final), true],
    'two final roots': [again((head) => ({ ...head, root: ones }), final), true],
    'a longer one that is not final': [
      again((head) => ({ ...head, n: head.n + 5, finish: finish.notFinal }), final),
      true,
    ],
  };
  for (const [name, [init, provable]] of Object.entries(kindsOfIt))
    await context.test(name, (inner) => assertCaught(inner, init, 'equivocation', { provable }));
});
