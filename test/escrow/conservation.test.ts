import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { type Action, sequences } from './actions.ts';
import { Market } from './market.ts';
import { World } from './world.ts';

// Any sequence of calls about jobs and channels, against a model of what each may do. After each one: the program did
// what the model says, and every lamport is where the model has it. The sequences are fixed; the benchmark `escrow` runs
// thousands of others.

const job = { buyer: 0, seller: 1, mode: 1, again: false, price: 777n, off: 0n } as const;
const channel = { buyer: 0, seller: 1, deposit: 80_000n, parts: 1n, again: false } as const;
const act = (step: Action): Action => step;
const create = act({ do: 'create', ...job });
const open = act({ do: 'open', ...channel });
const submit = (make: 'honest' | 'false' = 'honest') => act({ do: 'submit', job: 0, delivery: [1, 1, 0, 0], make });
const evidence = (make: 'honest' | 'false' = 'honest') =>
  act({ do: 'evidence', channel: 0, mode: 1, make, by: 'payer' });
const edge = (of: 'job' | 'channel' | 'evidence') => act({ do: 'edge', of, at: 0, seconds: 0n });

/** Everything that can be done, at least once. */
const everything: readonly Action[] = [
  ...(['job', 'evidence'] as const).flatMap((of) =>
    (['silence', 'equivocation', 'sampler'] as const).flatMap((why) => [
      ...(of === 'job' ? [create, submit('false')] : [open, edge('channel'), evidence('false')]),
      act({ do: 'challenge', of, at: 0, by: 'node' }),
      edge(of),
      act({ do: 'slash', of, at: 0, why }),
    ]),
  ),
  act({ do: 'closeEvidence', evidence: 0 }),
  create,
  act({ do: 'refund', job: 0, by: 'authority' }),
  act({ do: 'create', ...job, again: true }),
  submit(),
  act({ do: 'challenge', of: 'job', at: 0, by: 'payer' }),
  act({ do: 'answer', of: 'job', at: 0 }),
  edge('job'),
  act({ do: 'confirm', job: 0, by: 'stranger' }),
  create,
  submit(),
  act({ do: 'reject', job: 0 }),
  open,
  act({ do: 'open', ...channel, again: true }),
  act({ do: 'topUp', channel: 0, amount: 8n }),
  act({ do: 'settle', channel: 0, totals: [2, 1, 0n] }),
  edge('channel'),
  evidence(),
  act({ do: 'challenge', of: 'evidence', at: 0, by: 'payer' }),
  act({ do: 'answer', of: 'evidence', at: 0 }),
  act({ do: 'requestClose', channel: 0, by: 'authority' }),
  act({ do: 'rejectChannel', channel: 0 }),
  edge('channel'),
  act({ do: 'finish', channel: 0 }),
  open,
  edge('channel'),
  act({ do: 'close', channel: 0, totals: [8, 8, 0n], stop: 2 }),
  act({ do: 'stake', seller: 1, amount: 1n }),
  act({ do: 'rotate', seller: 1 }),
  act({ do: 'withdraw', seller: 1, amount: 'free' }),
  act({ do: 'empty', of: 'buyer', at: 0 }),
];

const names = [
  ...['create', 'create again', 'submit', 'refund', 'confirm', 'reject', 'open', 'topUp', 'settle', 'close'],
  ...['requestClose', 'rejectChannel', 'finish', 'evidence', 'closeEvidence', 'challenge', 'answer'],
  ...['silence', 'equivocation', 'sampler', 'stake', 'withdraw', 'rotate', 'empty'],
];

test('any sequence of calls moves lamports only as the rules say', async () => {
  const done = new Map<string, number>();
  const world = new World();
  const property = fc.asyncProperty(sequences({ minLength: 8, maxLength: 16 }), async (actions) => {
    const market = new Market(world);
    await market.open();
    for (const step of actions) await market.run(step);
    for (const [name, count] of market.done) done.set(name, (done.get(name) ?? 0) + count);
  });
  // A failing sequence is short enough as it is, and its last step says what is wrong.
  await fc.assert(property, { seed: 20_260_101, numRuns: 60, endOnFailure: true, examples: [[[...everything]]] });
  for (const name of names)
    assert.ok(done.has(name), `the sequences do something: ${name} of ${JSON.stringify([...done])}`);
});
