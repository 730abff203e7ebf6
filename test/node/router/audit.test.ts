import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { utf8 } from '../../../src/lib/bytes.ts';
import type { Peer } from '../../../src/node/peer/peer.ts';
import { auditReceipt } from '../../../src/node/verification/audit.ts';
import { assess } from '../../../src/proofs/checks.ts';
import { type Receipt, serialiseReceipt } from '../../../src/proofs/receipt.ts';
import { signBody, signingKeyFromSeed } from '../../../src/proofs/signing.ts';
import { auditProtocol } from '../../../src/protocol/constants.ts';
import { jobIdHex } from '../../../src/protocol/digests.ts';
import type { Frame } from '../../../src/protocol/frames.ts';
import { kinds, type Verdict } from '../../../src/protocol/messages.ts';
import { decodeVerdict, encodeVerdict } from '../../../src/protocol/validate.ts';
import {
  openTestJob,
  receiveAll,
  startProvider,
  type TestProvider,
  type TestProviderInit,
} from '../../support/market.ts';
import { startPeer } from '../../support/peers.ts';
import { code, startRouter, type TestRouterInit } from '../../support/router.ts';
import { createScriptedEngine } from '../../support/scripted-engine.ts';

type Context = Parameters<typeof startProvider>[0];

/** A client's node with the receipt of a direct answer of its own. */
async function startWithReceipt(
  context: Context,
  init: TestProviderInit = {},
  challenged = true,
): Promise<{ readonly client: Peer; readonly receipt: Receipt; readonly provider: TestProvider }> {
  const provider = await startProvider(context, init);
  const { job, secret, client } = await openTestJob(context, provider);
  await receiveAll(job);
  if (challenged) await job.challenge(secret);
  return { client, receipt: job.received.receipt([]), provider };
}

async function audit(context: Context, peer: Peer, receipt: Receipt, init: TestRouterInit = {}): Promise<Verdict> {
  const auditor = await startRouter(context, { engines: [createScriptedEngine()], ...init });
  const opinion = await auditReceipt({ peer }, { receipt, auditor: auditor.address });
  assert.equal(opinion.auditor, auditor.peer.id);
  assert.equal(
    assess({ ...receipt, verdicts: [opinion.signed] }, {}).faults.includes('bad-signature'),
    false,
    'its verdict belongs in the receipt',
  );
  return opinion.verdict;
}

describe('an auditor', () => {
  it('passes an honest answer, bit for bit', async (context) => {
    const { client, receipt } = await startWithReceipt(context);
    const { result, tier, faults } = await audit(context, client, receipt);
    assert.deepEqual([result, tier, faults], ['pass', 'exact', []]);
  });

  it('fails the answer of a worse model and names the fault', async (context) => {
    const { client, receipt } = await startWithReceipt(context, { script: { damage: 0.5 } });
    assert.equal(assess(receipt, {}).result, 'pass');
    const { result, faults } = await audit(context, client, receipt);
    assert.deepEqual([result, faults], ['fail', ['exact-mismatch']]);
  });

  it('finds an answer without an opening inconclusive if its class differs', async (context) => {
    const { client, receipt } = await startWithReceipt(context, {}, false);
    const { result } = await audit(context, client, receipt, {
      engines: [createScriptedEngine({ exec: { batch: 31 } })],
    });
    assert.equal(result, 'inconclusive');
  });

  it('checks only the visible part of a private prompt', async (context) => {
    const { client, receipt } = await startWithReceipt(context);
    const { result, tier } = await audit(context, client, { ...receipt, input: null });
    assert.deepEqual([result, tier], ['pass', 'sampling']);
  });

  it('refuses a receipt longer than the context at once, before it hashes millions of tokens', async (context) => {
    const { client, receipt } = await startWithReceipt(context);
    const tokens = new Array<number>(createScriptedEngine().facts.context).fill(1);
    await assert.rejects(audit(context, client, { ...receipt, tokens }), code('E_NO_MODEL'));
  });

  it('sends heartbeats while it re-executes', async (context) => {
    const { client, receipt } = await startWithReceipt(context);
    const gate = Promise.withResolvers<void>();
    const engine = createScriptedEngine();
    let beats = 0;
    const { result } = await audit(context, client, receipt, {
      engines: [
        {
          ...engine,
          exec: engine.exec,
          slots: engine.slots,
          selfTest: engine.selfTest,
          open: async (options) => (await gate.promise, engine.open(options)),
        },
      ],
      beatMs: 10,
      tamper: (frame) => {
        if (frame.t === 'beat' && ++beats === 3) gate.resolve();
        return [frame];
      },
    });
    assert.equal(result, 'pass');
  });

  it('refuses strangers, models that it does not have, and malformed receipts', async (context) => {
    const { client, receipt } = await startWithReceipt(context);
    await assert.rejects(audit(context, client, receipt, { serves: () => false }), code('E_NOT_SERVED'));
    await assert.rejects(audit(context, client, receipt, { engines: [] }), code('E_NO_MODEL'));
    const auditor = await startRouter(context, { engines: [createScriptedEngine()] });
    for (const junk of [utf8('{}'), utf8(serialiseReceipt(receipt).slice(1)), Uint8Array.of(0xff, 0xfe)]) {
      const stream = await client.open(auditor.address, auditProtocol);
      await stream.write({ t: 'audit', receipt: junk });
      const frame = await stream.read(['error', 'verdict', 'beat']);
      assert.deepEqual(frame?.t === 'error' && frame.code, 'bad-frame');
    }
  });

  it('is busy at its limit, and completes the audits that it has', async (context) => {
    const { client, receipt } = await startWithReceipt(context);
    const gate = Promise.withResolvers<void>();
    const engine = createScriptedEngine();
    const auditor = await startRouter(context, {
      engines: [
        {
          ...engine,
          exec: engine.exec,
          slots: engine.slots,
          selfTest: engine.selfTest,
          open: async (options) => (await gate.promise, engine.open(options)),
        },
      ],
    });
    const asked = Array.from({ length: 6 }, () =>
      auditReceipt({ peer: client }, { receipt, auditor: auditor.address }),
    );
    const outcomes = Promise.allSettled(asked);
    await assert.rejects(Promise.all(asked), code('E_BUSY'));
    gate.resolve();
    const ended = (await outcomes).map((outcome) =>
      outcome.status === 'fulfilled'
        ? outcome.value.verdict.result
        : code('E_BUSY')(outcome.reason)
          ? 'busy'
          : 'failed',
    );
    assert.deepEqual(ended.toSorted(), ['busy', 'busy', 'pass', 'pass', 'pass', 'pass']);
  });
});

describe('an auditor that lies', () => {
  const other32 = new Uint8Array(32).fill(3);
  const stranger = signingKeyFromSeed(other32);
  const signed = (verdict: Verdict, key: typeof stranger): Frame => ({
    t: 'verdict',
    ...signBody(key, kinds.verdict, jobIdHex(verdict.jobId), encodeVerdict(verdict)),
  });
  const lies: readonly (readonly [lie: string, tell: (verdict: Verdict, peer: Peer) => Frame])[] = [
    ['in another peer’s name', (verdict, peer) => signed({ ...verdict, verifier: stranger.publicKey }, peer.key)],
    ['as another peer', (verdict) => signed({ ...verdict, verifier: stranger.publicKey }, stranger)],
    ['with another peer’s signature', (verdict) => signed(verdict, stranger)],
    ['about another job', (verdict, peer) => signed({ ...verdict, jobId: other32 }, peer.key)],
    ['about another answer', (verdict, peer) => signed({ ...verdict, root: other32 }, peer.key)],
    ['in no words at all', () => ({ t: 'verdict', body: other32, sig: new Uint8Array(64) })],
  ];
  for (const [lie, tell] of lies) {
    it(`${lie} is refused`, async (context) => {
      const { client, receipt } = await startWithReceipt(context);
      const tamper: TestRouterInit['tamper'] = (frame, peer) =>
        frame.t === 'verdict' ? [tell(decodeVerdict(frame.body), peer)] : [frame];
      await assert.rejects(audit(context, client, receipt, { tamper }), code('E_BAD_PEER'));
    });
  }

  it('or closes the stream without a verdict is truncated', async (context) => {
    const { client, receipt } = await startWithReceipt(context);
    await assert.rejects(audit(context, client, receipt, { tamper: () => [] }), code('E_TRUNCATED'));
  });

  it('or sends nothing is given up', async (context) => {
    const { client, receipt } = await startWithReceipt(context);
    const mute = await startPeer(context, { role: 'router' });
    await mute.handle(
      auditProtocol,
      async (stream) => void (await stream.read(['audit']), await stream.read(['audit'])),
    );
    await assert.rejects(
      auditReceipt({ peer: client }, { receipt, auditor: mute.addrs()[0] ?? '', gapMs: 200 }),
      code('E_TIMEOUT'),
    );
  });
});
