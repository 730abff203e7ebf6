import assert from 'node:assert/strict';
import { beforeEach, describe, test } from 'node:test';
import { verifySignatures } from '../../src/escrow/program/ed25519.ts';
import { fromHex } from '../../src/lib/bytes.ts';
import job from '../vectors/job.json' with { type: 'json' };
import { leafOf, pathOf, rootOf } from './tree.ts';
import {
  delivered,
  digest,
  headOf,
  incinerator,
  newNode,
  refused,
  type SamplerProof,
  SOL,
  sha256,
  signedCancel,
  signedHead,
  type TestJob,
  World,
} from './world.ts';

let world: World;
beforeEach(() => {
  world = new World();
});

/** Whatever the reason: the amount and as much again to the client, the rest of the stake at risk destroyed. */
async function assertSlashes(
  job: TestJob,
  slash: () => Promise<{
    readonly events: readonly { readonly name: string; readonly data: Record<string, unknown> }[];
  }>,
  reason: string,
) {
  const { amount } = job.terms;
  const [client, payee, burnt] = [job.buyer.wallet.publicKey, job.seller.authority.publicKey, incinerator].map((key) =>
    world.balance(key),
  );
  const [account, provider] = [
    world.balance(job.address),
    world.balance(world.provider(job.seller.authority.publicKey)),
  ];
  const { events } = await slash();
  assert.equal(world.balance(job.buyer.wallet.publicKey), (client ?? 0n) + account + amount);
  assert.equal(world.balance(job.seller.authority.publicKey), payee);
  assert.equal(world.balance(incinerator), (burnt ?? 0n) + 9n * amount);
  assert.equal(world.balance(world.provider(job.seller.authority.publicKey)), provider - 10n * amount);
  const record = world.readProvider(job.seller.authority.publicKey);
  assert.deepEqual([record.stake, record.lockedStake].map(String), [String(10n * SOL - 10n * amount), '0']);
  assert.equal(record.jobsSlashed, 1);
  assert.equal(world.readJob(job.address), null);
  assert.deepEqual(
    events.map(({ name, data }) => [name, Object.keys(data.reason as object)]),
    [['jobSlashed', [reason]]],
  );
}

describe('slash_equivocation', () => {
  const open = { n: 32, finish: 255 } as const;

  const slash = async (
    job: TestJob,
    first: Uint8Array,
    second: Uint8Array,
    options: { readonly node?: typeof job.seller.node } = {},
  ) => {
    const node = options.node ?? job.seller.node;
    const signatures = [first, second].map((body) => signedHead(node, job.terms.jobId, body));
    return world.send(
      [verifySignatures(signatures), await world.slashEquivocation(job, first, second)],
      [world.wallet()],
    );
  };

  for (const [name, first, second] of [
    ['other inputDigest', open, { inputDigest: digest('other') }],
    ['other execClass', open, { execClass: digest('other') }],
    ['other promptCount', open, { promptCount: 24 }],
    ['two final heads that differ in the text alone', {}, { textDigest: digest('other') }],
    ['two final heads with other numbers of tokens', {}, { n: 39 }],
    ['equal n, other root', { ...open, n: 38 }, { root: digest('other') }],
    ['equal n, other prefix', { ...open, n: 38 }, { prefix: digest('other') }],
    ['equal n, neither final, other text', open, { ...open, textDigest: digest('other') }],
    ['one that is not final beyond the final one', { ...open, n: 39 }, {}],
  ] as const) {
    test(name, async () => {
      const [job, other] = [await world.submittedJob(), await world.submittedJob()];
      await assertSlashes(job, () => slash(job, headOf(job, first), headOf(job, second)), 'equivocation');
      await assertSlashes(other, () => slash(other, headOf(other, second), headOf(other, first)), 'equivocation');
    });
  }

  test('heads that an honest provider signs one after the other', async () => {
    const job = await world.submittedJob();
    const final = headOf(job);
    await refused(() => slash(job, final, final), 'SameHead');
    await refused(() => slash(job, headOf(job, { ...open, textDigest: digest('part') }), final), 'HeadsAgree');
    await refused(
      () => slash(job, headOf(job, { finish: 255, textDigest: digest('without the last character') }), final),
      'HeadsAgree',
    );
    await refused(
      () => slash(job, headOf(job, { ...open, n: 16 }), headOf(job, { ...open, textDigest: digest('part') })),
      'HeadsAgree',
    );
  });

  test('a head of another job of the same provider', async () => {
    const job = await world.submittedJob();
    const other = await world.submittedJob(undefined, {}, { seller: job.seller });
    const [own, foreign] = [headOf(job), headOf(other, { n: 39 })];
    await refused(() => slash(job, own, foreign), 'MessageMismatch');
    const signatures = [
      signedHead(job.seller.node, job.terms.jobId, own),
      signedHead(job.seller.node, other.terms.jobId, foreign),
    ];
    await refused(
      async () =>
        world.send([verifySignatures(signatures), await world.slashEquivocation(job, own, foreign)], [world.wallet()]),
      'MessageMismatch',
    );
  });

  test('heads by another key, also one that the provider rotated to', async () => {
    const job = await world.submittedJob();
    await refused(() => slash(job, headOf(job), headOf(job, { n: 39 }), { node: newNode() }), 'SignerMismatch');
  });

  test('what is no head', async () => {
    const job = await world.submittedJob();
    const broken = headOf(job);
    broken[0] = 2;
    await refused(() => slash(job, headOf(job), broken), 'MalformedHead');
    const ending = headOf(job);
    ending[201] = 3;
    await refused(() => slash(job, headOf(job), ending), 'MalformedHead');
  });

  test('a job that is open, or settled already', async () => {
    const job = await world.openJob();
    await refused(() => slash(job, headOf(job), headOf(job, { n: 39 })), 'InvalidStatus');
    world.send([await world.submit(job)], [job.seller.authority]);
    world.send([await world.confirm(job)], [job.buyer.wallet]);
    await refused(() => slash(job, headOf(job), headOf(job, { n: 39 })), 'AccountNotInitialized');
  });

  test('after the window, as long as nobody claimed', async () => {
    const job = await world.submittedJob();
    world.now += 10_000n;
    await assertSlashes(job, () => slash(job, headOf(job), headOf(job, { n: 39 })), 'equivocation');
  });

  test('fits into a transaction', async () => {
    const job = await world.submittedJob();
    const { bytes } = await slash(job, headOf(job), headOf(job, { n: 39 }));
    assert.ok(bytes <= 1232, `${bytes} bytes`);
  });
});

describe('slash_head_mismatch', () => {
  const slash = async (job: TestJob, head: Uint8Array) =>
    world.send(
      [
        verifySignatures([signedHead(job.seller.node, job.terms.jobId, head)]),
        await world.slashHeadMismatch(job, head),
      ],
      [world.wallet()],
    );

  for (const [name, signed] of [
    ['another number of tokens', { n: 37 }],
    ['another root', { root: digest('other') }],
    ['another text', { textDigest: digest('other') }],
    ['another prompt', { promptCount: 22 }],
    ['another ending', { finish: 2 }],
  ] as const) {
    test(`${name} signed than submitted`, async () => {
      const job = await world.submittedJob();
      await assertSlashes(job, () => slash(job, headOf(job, signed)), 'headMismatch');
    });
  }

  test('the head that was submitted', async () => {
    const job = await world.submittedJob();
    await refused(() => slash(job, headOf(job)), 'SameHead');
    await refused(
      () => slash(job, headOf(job, { prefix: digest('not submitted'), execClass: digest('neither') })),
      'SameHead',
    );
  });

  test('a head that is not final', async () => {
    const job = await world.submittedJob();
    await refused(() => slash(job, headOf(job, { n: 32, finish: 255 })), 'HeadNotFinal');
  });

  test('a head of another job', async () => {
    const job = await world.submittedJob();
    const other = await world.submittedJob(undefined, {}, { seller: job.seller });
    const head = headOf(other, { n: 37 });
    await refused(() => slash(job, head), 'MessageMismatch');
    await refused(
      async () =>
        world.send(
          [
            verifySignatures([signedHead(job.seller.node, other.terms.jobId, head)]),
            await world.slashHeadMismatch(job, head),
          ],
          [world.wallet()],
        ),
      'MessageMismatch',
    );
  });

  test('a head of this job under the id of another kind of message', async () => {
    const job = await world.submittedJob();
    const head = headOf(job, { n: 37 });
    const asCancel = signedHead(job.seller.node, job.terms.jobId, head);
    const message = Uint8Array.from(asCancel.message);
    message.set(Buffer.from('qvac/open/1\0'), 0);
    const signature = { key: job.seller.node.publicKey, message, signature: job.seller.node.sign(message) };
    await refused(
      async () =>
        world.send([verifySignatures([signature]), await world.slashHeadMismatch(job, head)], [world.wallet()]),
      'MessageMismatch',
    );
  });

  test('a job that is open', async () => {
    const job = await world.openJob();
    await refused(() => slash(job, headOf(job, { n: 37 })), 'InvalidStatus');
  });
});

describe('slash_sampler', () => {
  const jobId = fromHex(job.jobId);
  const sampler = {
    temperature: job.params.temperature,
    minP: job.params.minP,
    topK: job.params.topK,
    vocab: job.params.vocab,
  };
  const honest: readonly SamplerProof['step'][] = job.steps.map((step) => ({
    token: step.token,
    prefix: fromHex(step.prefix),
    salt: fromHex(step.salt),
    candidates: step.candidates as unknown as SamplerProof['step']['candidates'],
    exact: fromHex(step.exact),
    zk: null,
  }));
  const leaves = job.steps.map(({ leaf }) => fromHex(leaf));
  const terms = { jobId, sampler, seed: fromHex(job.offer.seed.hex) };

  /** A job whose tree has `steps`, and the proof of each of them. */
  async function answer(steps: readonly SamplerProof['step'][], changes: Partial<TestJob['terms']> = {}) {
    const own = steps.map((step, index) => leafOf(changes.jobId ?? jobId, index, step));
    const submitted = await world.submittedJob(
      { ...delivered, root: rootOf(own), tokenCount: own.length },
      { ...terms, ...changes },
    );
    const prove = (index: number): SamplerProof => ({
      index,
      step: steps[index] as SamplerProof['step'],
      path: pathOf(index, own),
    });
    return { job: submitted, prove };
  }

  const slash = async (submitted: TestJob, proof: SamplerProof) =>
    world.send([await world.slashSampler(submitted, proof)], [world.wallet()]);
  const altered = (index: number, change: Partial<SamplerProof['step']>) =>
    honest.map((step, at) => (at === index ? { ...step, ...change } : step));

  test('the tree here is the one of the vectors', () => {
    assert.deepEqual(
      honest.map((step, index) => leafOf(jobId, index, step)),
      leaves,
    );
  });

  test('an honest step, at every place', async () => {
    const { job: submitted, prove } = await answer(honest);
    for (const index of honest.keys()) await refused(() => slash(submitted, prove(index)), 'TokenFollows');
  });

  test('a token that was not drawn, at the first, a middle and the last place', async () => {
    for (const index of [0, 17, 37]) {
      const other = honest[index]?.candidates.find(([id]) => id !== honest[index]?.token)?.[0] ?? 0;
      const { job: submitted, prove } = await answer(altered(index, { token: other }));
      await assertSlashes(submitted, () => slash(submitted, prove(index)), 'sampler');
    }
  });

  test('honest steps drawn with another seed', async () => {
    const { job: submitted, prove } = await answer(honest, { seed: digest('other') });
    const outcomes = await Promise.all(
      [...honest.keys()].map((index) =>
        slash(submitted, prove(index)).then(
          () => 'slashed',
          (error: { code: string }) => error.code,
        ),
      ),
    );
    assert.equal(outcomes.filter((outcome) => outcome === 'slashed').length, 1, 'once');
  });

  test('greedy: not the best candidate', async () => {
    const step = {
      ...(honest[0] as SamplerProof['step']),
      candidates: [
        [1, 10],
        [2, 20],
        [3, 20],
      ] as const,
    };
    const greedy = { sampler: { temperature: 0, minP: 0, topK: 3, vocab: 300 } };
    const cheat = await answer([{ ...step, token: 3 }], greedy);
    await assertSlashes(cheat.job, () => slash(cheat.job, cheat.prove(0)), 'sampler');
    const honestly = await answer([{ ...step, token: 2 }], greedy);
    await refused(() => slash(honestly.job, honestly.prove(0)), 'TokenFollows');
  });

  test('candidates that no honest provider commits to', async () => {
    const [step] = honest as [SamplerProof['step']];
    const first = step.candidates[0] as readonly [number, number];
    for (const candidates of [
      step.candidates.slice(1),
      [...step.candidates].reverse(),
      [first, ...step.candidates.slice(0, 19)],
      [...step.candidates.slice(0, 19), [300, 0] as const],
      [],
    ]) {
      const { job: submitted, prove } = await answer(altered(0, { candidates }));
      await assertSlashes(submitted, () => slash(submitted, prove(0)), 'sampler');
    }
  });

  test('a step under another root, index, path or job', async () => {
    const cheat = altered(5, { token: 299 });
    const { job: submitted, prove } = await answer(cheat);
    const proof = prove(5);
    const other = await answer(honest);
    await refused(() => slash(other.job, proof), 'RootMismatch');
    await refused(() => slash(submitted, { ...proof, index: 6 }), 'RootMismatch');
    await refused(() => slash(submitted, { ...proof, path: proof.path.slice(1) }), 'RootMismatch');
    await refused(() => slash(submitted, { ...proof, path: [...proof.path, digest('more')] }), 'RootMismatch');
    await refused(() => slash(submitted, { ...proof, path: [...proof.path].reverse() }), 'RootMismatch');
    await refused(
      () => slash(submitted, { ...proof, step: { ...proof.step, salt: new Uint8Array(16) } }),
      'RootMismatch',
    );
    await refused(() => slash(submitted, { ...proof, step: { ...proof.step, token: 298 } }), 'RootMismatch');
    const foreign = await answer(cheat, { jobId: digest('another job') });
    await refused(() => slash(foreign.job, proof), 'RootMismatch');
    await refused(() => slash(submitted, { ...proof, index: 38 }), 'RootMismatch');
    await refused(() => slash(submitted, { ...proof, index: 2 ** 32 - 1 }), 'RootMismatch');
    await assertSlashes(submitted, () => slash(submitted, proof), 'sampler');
  });

  test('an over-long path', async () => {
    const { job: submitted, prove } = await answer(altered(5, { token: 299, candidates: [] }));
    await refused(
      () => slash(submitted, { ...prove(5), path: new Array<Uint8Array>(21).fill(digest('node')) }),
      'PathTooLong',
    );
  });

  test('an answer of no tokens has no step', async () => {
    const [step] = honest as [SamplerProof['step']];
    const submitted = await world.openJob(terms);
    const empty = { ...delivered, root: leafOf(jobId, 0, step), tokenCount: 0, finish: 2, cancelN: 0 };
    world.send(
      [verifySignatures([signedCancel(submitted.buyer.node, jobId, 0)]), await world.submit(submitted, empty)],
      [submitted.seller.authority],
    );
    await refused(() => slash(submitted, { index: 0, step, path: [] }), 'RootMismatch');
  });

  test('the deepest tree fits into a transaction', async () => {
    // 2^20 tokens: the path of the last one, without the leaves that it does not need.
    const step = { ...(honest[0] as SamplerProof['step']), token: 299 };
    const index = 2 ** 20 - 1;
    const path = Array.from({ length: 20 }, (_, level) => digest(`level ${level}`));
    const root = path.reduce((right, left) => sha256(Uint8Array.of(1), left, right), leafOf(jobId, index, step));
    const submitted = await world.submittedJob(
      { ...delivered, root, tokenCount: 2 ** 20, finish: 1 },
      { ...terms, maxTokens: 2 ** 20 },
    );
    const { bytes, units } = world.send([await world.slashSampler(submitted, { index, step, path })], [world.wallet()]);
    assert.ok(bytes <= 1232, `${bytes} bytes`);
    assert.ok(units <= 60_000, `${units} compute units: a priority fee is paid for 60,000`);
  });

  test('a job that is open', async () => {
    const submitted = await world.openJob(terms);
    await refused(
      () => slash(submitted, { index: 0, step: honest[0] as SamplerProof['step'], path: [] }),
      'InvalidStatus',
    );
  });
});

test('slashing oneself through a second wallet loses nine tenths of what was at risk', async () => {
  const seller = await world.newSeller();
  const buyer = { wallet: world.wallet(), node: newNode() };
  const everything = () =>
    [seller.authority.publicKey, buyer.wallet.publicKey, world.provider(seller.authority.publicKey)].reduce(
      (sum, key) => sum + world.balance(key),
      0n,
    );
  const before = everything();
  const job = await world.submittedJob(undefined, { amount: SOL }, { seller, buyer });
  const [first, second] = [headOf(job), headOf(job, { n: 37 })];
  const signatures = [first, second].map((body) => signedHead(seller.node, job.terms.jobId, body));
  world.send([verifySignatures(signatures), await world.slashEquivocation(job, first, second)], [world.wallet()]);
  assert.equal(before - everything() > 9n * SOL, true);
});

test('only one slash for one job, whatever the reasons', async () => {
  const job = await world.submittedJob();
  const [first, second] = [headOf(job), headOf(job, { n: 37 })];
  const equivocation = [
    verifySignatures([first, second].map((body) => signedHead(job.seller.node, job.terms.jobId, body))),
    await world.slashEquivocation(job, first, second),
  ];
  const mismatch = [
    verifySignatures([signedHead(job.seller.node, job.terms.jobId, second)]),
    await world.slashHeadMismatch(job, second),
  ];
  world.send(mismatch, [world.wallet()]);
  await refused(async () => world.send(equivocation, [world.wallet()]), 'AccountNotInitialized');
  assert.equal(world.readProvider(job.seller.authority.publicKey).jobsSlashed, 1);
});

test('stake that was asked back is slashed all the same, and no more can be withdrawn than is left', async () => {
  const seller = await world.newSeller(SOL);
  const job = await world.openJob({ amount: SOL / 10n }, { seller });
  world.send([await world.requestUnstake(seller.authority.publicKey, SOL)], [seller.authority]);
  world.send([await world.submit(job)], [seller.authority]);
  const head = headOf(job, { n: 37 });
  world.send(
    [verifySignatures([signedHead(seller.node, job.terms.jobId, head)]), await world.slashHeadMismatch(job, head)],
    [world.wallet()],
  );
  assert.equal(world.readProvider(seller.authority.publicKey).unstakeAmount.toString(), '0');
  world.now += 3_600n;
  await refused(
    async () => world.send([await world.withdraw(seller.authority.publicKey)], [seller.authority]),
    'AmountZero',
  );
});
