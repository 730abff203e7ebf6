import assert from 'node:assert/strict';
import { mkdir, readdir, stat, utimes, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import { messageOf, QvacError } from '../../../src/errors.ts';
import { equalBytes, fromHex } from '../../../src/lib/bytes.ts';
import type { Peer } from '../../../src/node/peer/peer.ts';
import { assess } from '../../../src/proofs/checks.ts';
import { decodeHead, isFinal } from '../../../src/proofs/head.ts';
import { FaultError } from '../../../src/proofs/received.ts';
import { signBody } from '../../../src/proofs/signing.ts';
import { verdictOf } from '../../../src/proofs/verdict.ts';
import { jobProtocol } from '../../../src/protocol/constants.ts';
import type { Frame } from '../../../src/protocol/frames.ts';
import { type ExtraSettings, finish, kinds, modes, type Signed } from '../../../src/protocol/messages.ts';
import { encodeExtra, encodeVerdict } from '../../../src/protocol/validate.ts';
import { manualTimer, movedClock } from '../../support/clock.ts';
import { Events } from '../../support/events.ts';
import { createGate } from '../../support/gate.ts';
import { temporaryHome } from '../../support/home.ts';
import { openTestJob, receiveAll, startProvider, testInput, testSampler } from '../../support/market.ts';
import { chat } from '../../support/models/inputs.ts';
import { startPeer, testIdentity } from '../../support/peers.ts';
import { quietPort } from '../../support/ports.ts';
import { firstFrame, makeOffer, readFinal, readUntil, sendOffer } from '../../support/raw-offer.ts';

test('an honest answer passes every check that needs no model, and its opening is signed', async (context) => {
  const provider = await startProvider(context);
  const { job, secret } = await openTestJob(context, provider, { sampler: { ...testSampler, maxTokens: 100 } });
  await receiveAll(job);
  await job.challenge(secret);
  const { received } = job;
  assert.equal(received.n, 100);
  assert.equal(received.final?.finish, finish.length);
  assert.equal(received.text, provider.engine.tokenizer.decode(received.tokens));
  const { result, tier, count } = assess(received.receipt([]), {});
  assert.deepEqual({ result, tier, count }, { result: 'pass', tier: 'sampling', count: 16 });
});

test('section 4.2: a head every 32 tokens and at the end, over exactly the tokens before it', async (context) => {
  const provider = await startProvider(context);
  const client = await startPeer(context, { role: 'client' });
  const offer = makeOffer(provider, client);
  const stream = await sendOffer(provider, client, {
    ...offer,
    ...makeOffer(provider, client, { sampler: { ...offer.offer.sampler, maxTokens: 70 } }),
  });
  const frames: Frame[] = [];
  for (let final = false; !final; ) {
    const frame = await firstFrame(stream);
    assert.notEqual(frame, null);
    if (frame === null) return;
    frames.push(frame);
    final = frame.t === 'head' && isFinal(decodeHead(frame.body));
  }
  assert.equal(frames[0]?.t, 'accept');
  const lengths: number[] = [];
  let n = 0;
  for (const frame of frames) {
    if (frame.t === 'tokens') {
      assert.equal(frame.i, n);
      n += frame.tokens.length;
    } else if (frame.t === 'head') {
      assert.equal(decodeHead(frame.body).n, n);
      lengths.push(n);
    }
  }
  assert.deepEqual(lengths, [32, 64, 70]);
});

test('the first token is sent at once, before the second is computed', async (context) => {
  const gate = createGate(1);
  const provider = await startProvider(context, { script: { beforeStep: gate.beforeStep } });
  const { job } = await openTestJob(context, provider);
  for await (const frame of job.frames()) {
    if (frame.t !== 'tokens') continue;
    assert.equal(job.received.n, 1);
    break;
  }
  gate.open();
});

test('an answer ends at its stop token', async (context) => {
  const provider = await startProvider(context, { script: { stopAfter: 5 } });
  const { job } = await openTestJob(context, provider);
  await receiveAll(job);
  assert.equal(job.received.final?.finish, finish.stopToken);
  assert.equal(job.received.n, 6);
});

test('an answer ends with finish 5 at a stop text, and with settings it still passes every check', async (context) => {
  const provider = await startProvider(context);
  const settings: ExtraSettings = { presence: 300, frequency: -20, bias: [[101, 9_000]], stopTexts: ['e'] };
  const { job, secret } = await openTestJob(context, provider, { extra: encodeExtra(settings) });
  await receiveAll(job);
  const { received } = job;
  assert.equal(received.final?.finish, finish.stopText);
  assert.equal(received.text.indexOf('e'), received.text.length - 1);
  await job.challenge(secret);
  const receipt = received.receipt([]);
  assert.equal(assess(receipt, {}).result, 'pass');
  assert.deepEqual(provider.receipts.get(job.jobId)?.extra, receipt.extra);
});

test('section 4.6: a continued answer has the tokens and the text that one job alone would have given', async (context) => {
  const provider = await startProvider(context);
  const whole = (await openTestJob(context, provider, { sampler: { ...testSampler, topP: 80 } })).job;
  await receiveAll(whole);
  const { tokens, text, promptTokens } = whole.received;
  // Byte by byte, so that some of the cuts are inside a character.
  for (let cut = 1; cut < tokens.length; cut += 4) {
    const continuation = tokens.slice(0, cut);
    const { job, secret } = await openTestJob(context, provider, {
      input: { ...testInput, continuation },
      sampler: { ...testSampler, topP: 80, maxTokens: tokens.length - cut },
      previous: whole.jobId,
    });
    await receiveAll(job);
    const { received } = job;
    assert.deepEqual(received.promptTokens, [...promptTokens, ...continuation]);
    assert.deepEqual(received.tokens, tokens.slice(cut));
    assert.ok(text.endsWith(received.text));
    assert.equal(job.offer.start, cut);
    await job.challenge(secret);
    const receipt = received.receipt([]);
    assert.deepEqual([assess(receipt, {}).result, receipt.previous], ['pass', whole.jobId]);
  }
});

test('the accept carries the end of the rendering, and the card the digest of the vocabulary', async (context) => {
  const provider = await startProvider(context);
  const client = await startPeer(context, { role: 'client' });
  const input = chat(`${'x'.repeat(300)}🦙`);
  const stream = await sendOffer(provider, client, makeOffer(provider, client, {}, { input }));
  const accept = await firstFrame(stream);
  assert.ok(accept?.t === 'accept');
  assert.equal([...accept.tail].length, 256);
  assert.ok(accept.tail.endsWith('xx🦙<|turn|>assistant\n'));
  assert.deepEqual(provider.model().vocabDigest, provider.engine.tokenizer.vocabulary.digest);
});

test('a character that stays incomplete at the end is U+FFFD, in a text that the head binds', async (context) => {
  const provider = await startProvider(context);
  const cut = await findCutAnswer(provider.engine.tokenizer.decode);
  const { job } = await openTestJob(context, provider, cut);
  await receiveAll(job);
  assert.ok(job.received.text.endsWith('\ufffd'));
  assert.equal(job.received.text, provider.engine.tokenizer.decode(job.received.tokens));

  /** A greedy answer of the scripted model whose last byte begins a character. */
  async function findCutAnswer(decode: (tokens: readonly number[]) => string) {
    for (let number = 0; number < 200; number++) {
      const input = chat(`question ${number}`);
      const session = await provider.engine.open();
      const tokens: number[] = [];
      let top = await session.prefill(provider.engine.tokenizer.encodePrompt(input).tokens, 20);
      for (let n = 1; n <= 24; n++) {
        const best = top.ids.reduce((a, b) => ((top.logits[a] ?? 0) >= (top.logits[b] ?? 0) ? a : b));
        tokens.push(best);
        if (decode(tokens).endsWith('\ufffd') && best >= 0xc2) {
          await session.release();
          return { input, sampler: { ...testSampler, temperature: 0, minP: 0, maxTokens: n } };
        }
        top = await session.decode(best, 20);
      }
      await session.release();
    }
    throw new Error('no such answer');
  }
});

test('section 4.3: for 600 s the client alone gets the same opening again on a new stream', async (context) => {
  const provider = await startProvider(context);
  const { job, secret, client } = await openTestJob(context, provider);
  await receiveAll(job);
  const first = await job.challenge(secret);
  job.abort(new Error('the stream breaks'));
  const again = await client.open(provider.address, jobProtocol);
  await again.write({ t: 'challenge', secret });
  const { found: opening } = await readUntil(again, 'opening');
  assert.ok(equalBytes(opening.body, first.body) && equalBytes(opening.sig, first.sig));
  const stranger = await startPeer(context, { role: 'client' });
  const theirs = await stranger.open(provider.address, jobProtocol);
  await theirs.write({ t: 'challenge', secret });
  assert.deepEqual(await firstFrame(theirs), { t: 'error', code: 'gone', message: 'no kept job has this secret' });
});

test('an opening survives a restart of the provider, before it was made and after', async (context) => {
  const home = await temporaryHome(context);
  const [notes, steps] = [join(home, 'notes'), join(home, 'steps')];
  const clock = movedClock();
  const provider = await startProvider(context, { clock, provider: { kept: { notes, steps } } });
  const { job, secret, client } = await openTestJob(context, provider);
  await receiveAll(job);
  const restart = async (): Promise<void> => {
    await provider.provider.stop();
    await provider.provider.start();
  };
  const openedAgain = async (): Promise<Signed> => {
    const stream = await client.open(provider.address, jobProtocol);
    await stream.write({ t: 'challenge', secret });
    const { found } = await readUntil(stream, 'opening');
    await stream.close();
    return { body: found.body, sig: found.sig };
  };
  job.abort(new Error('the stream breaks'));
  await restart();
  const first = await openedAgain();
  job.received.setOpening(first, secret);
  assert.equal(assess(job.received.receipt([]), {}).result, 'pass');
  await restart();
  assert.deepEqual(await openedAgain(), first);

  const [name = '', ...others] = await readdir(notes);
  assert.deepEqual([others, (await stat(join(notes, name))).mode & 0o777], [[], 0o600]);
  assert.equal((await readdir(steps)).length, 1);
  await writeFile(join(notes, 'damaged.json'), '{}');
  await mkdir(join(steps, 'left'));
  const longAgo = clock.now() / 1_000 - 8 * 86_400;
  await utimes(join(steps, 'left'), longAgo, longAgo);
  clock.move(600_000);
  await restart();
  assert.deepEqual([await readdir(notes), await readdir(steps)], [[], []]);
});

test('a client asks for the opening until a provider that left is back, or 30 s have passed', async (context) => {
  const home = await temporaryHome(context);
  const listen = [`/ip4/127.0.0.1/tcp/${await quietPort()}`];
  const kept = { notes: join(home, 'notes'), steps: join(home, 'steps') };
  const key = await testIdentity();
  const market = await startProvider(context, { peer: { key, listen }, provider: { kept } });
  const { peer, provider } = market;
  const failures = new Events<{ readonly event: string }>();
  const node = await startPeer(context, { role: 'client' });
  const client = watched(node, (message) => failures.push({ event: message.replace(/.*: /, '') }));
  const timer = manualTimer();
  const first = await openTestJob(context, market, {}, client, timer);
  const second = await openTestJob(context, market, {}, client, timer);
  await Promise.all([first, second].map(({ job }) => receiveAll(job)));
  await provider.stop();
  await peer.stop();
  const opening = first.job.challenge(first.secret);
  await failures.until('no program listens there (connection refused)');
  const starting = await startPeer(context, { key, listen });
  await failures.until('it does not speak this protocol, or does not offer this service');
  await starting.stop();
  // It says that it is busy.
  await peer.start();
  await provider.start();
  await opening;
  assert.equal(assess(first.job.received.receipt([]), {}).result, 'pass');

  await peer.stop();
  const silence = assert.rejects(
    second.job.challenge(second.secret),
    (error) => error instanceof FaultError && error.fault === 'silence' && error.detail === 'no opening within 30 s',
  );
  timer.advance(30_000);
  await silence;
});

/** `peer`, which tells why it could not open a stream. */
function watched(peer: Peer, onFailure: (message: string) => void): Peer {
  return new Proxy(peer, {
    get(target, key) {
      if (key === 'open')
        return (...args: Parameters<Peer['open']>) =>
          target.open(...args).catch((error: unknown) => {
            onFailure(messageOf(error));
            throw error;
          });
      const value: unknown = Reflect.get(target, key, target);
      return typeof value === 'function' ? value.bind(target) : value;
    },
  });
}

test('finished jobs that files hold make room in memory, and still open', { timeout: 60_000 }, async (context) => {
  const home = await temporaryHome(context);
  const kept = { notes: join(home, 'notes'), steps: join(home, 'steps') };
  const provider = await startProvider(context, { provider: { kept, maxKeptBytes: 1, burst: 1e6, perSecond: 1e6 } });
  const client = await startPeer(context, { role: 'client' });
  /** Asks again until the one before has been written. */
  const finish = async (): Promise<{ readonly secret: Uint8Array; readonly first: Signed }> => {
    const { job, secret } = await openTestJob(context, provider, {}, client);
    try {
      await receiveAll(job);
    } catch (error) {
      job.abort(new Error('the provider is busy'));
      if (!(error instanceof QvacError) || error.code !== 'E_BUSY') throw error;
      await new Promise((resume) => setTimeout(resume, 20));
      return finish();
    }
    const first = await job.challenge(secret);
    await job.close();
    return { secret, first };
  };
  const jobs = [await finish(), await finish(), await finish()];
  for (const { secret, first } of jobs) {
    const stream = await client.open(provider.address, jobProtocol);
    await stream.write({ t: 'challenge', secret });
    const { found } = await readUntil(stream, 'opening');
    await stream.close();
    assert.deepEqual({ body: found.body, sig: found.sig }, first);
  }
});

test('a client whose stream broke after the final head fetches its opening on a new one by itself', async (context) => {
  const provider = await startProvider(context);
  const { job, secret } = await openTestJob(context, provider);
  await receiveAll(job);
  job.abort(new Error('the stream breaks'));
  const opening = await job.challenge(secret);
  assert.ok(opening.body.length > 0);
});

test('600 s after the final head a job can no longer be opened', async (context) => {
  const clock = movedClock();
  const provider = await startProvider(context, { clock });
  const { job, secret, client } = await openTestJob(context, provider);
  await receiveAll(job);
  await provider.events.until('job-finished');
  const answer = async () => {
    const stream = await client.open(provider.address, jobProtocol);
    await stream.write({ t: 'challenge', secret });
    return firstFrame(stream);
  };
  clock.move(590_000);
  assert.equal((await answer())?.t, 'opening');
  clock.move(10_001);
  assert.equal((await answer())?.t, 'error');
});

test('mode none is never opened', async (context) => {
  const provider = await startProvider(context);
  const { job, secret } = await openTestJob(context, provider, { mode: modes.none });
  await receiveAll(job);
  await assert.rejects(job.challenge(secret), { fault: 'silence' });
});

test('a secret that does not hash to the commit is a bad frame', async (context) => {
  const provider = await startProvider(context);
  const client = await startPeer(context, { role: 'client' });
  const stream = await sendOffer(provider, client, makeOffer(provider, client));
  await readFinal(stream);
  await stream.write({ t: 'challenge', secret: new Uint8Array(32) });
  const frame = await firstFrame(stream);
  assert.equal(frame?.t === 'error' && frame.code, 'bad-frame');
});

test('the provider keeps a receipt with opening and verdict, equal to the client’s', async (context) => {
  const provider = await startProvider(context);
  const { job, secret, client } = await openTestJob(context, provider);
  await receiveAll(job);
  await job.challenge(secret);
  const unsigned = job.received.receipt([]);
  const verdict = signBody(
    client.key,
    kinds.verdict,
    job.jobId,
    encodeVerdict(verdictOf(assess(unsigned, {}), unsigned, client.key.publicKey, Date.now())),
  );
  await job.verdict(verdict);
  assert.equal((await provider.events.until('job-verdict')).result, 'pass');
  await job.close();
  assert.deepEqual(provider.receipts.get(job.jobId), job.received.receipt([verdict]));
});

test('the provider stores the opening even if the client leaves right after it', async (context) => {
  const provider = await startProvider(context);
  const { job, secret, client } = await openTestJob(context, provider);
  await receiveAll(job);
  await job.challenge(secret);
  await client.stop();
  while (provider.receipts.get(job.jobId)?.opening == null) await new Promise((resume) => setImmediate(resume));
  assert.deepEqual(provider.receipts.get(job.jobId)?.secret, secret);
});

test('a full disk does not keep the client from its opening', async (context) => {
  const stuck = new Promise<never>(() => undefined);
  const provider = await startProvider(context, { saveReceipt: () => stuck });
  const { job, secret } = await openTestJob(context, provider);
  await receiveAll(job);
  await job.challenge(secret);
});

test('a verdict of another peer, or on another job, is a bad frame and not stored', async (context) => {
  const provider = await startProvider(context);
  const { job, secret, client } = await openTestJob(context, provider);
  const stranger = await startPeer(context, { role: 'client' });
  await receiveAll(job);
  await job.challenge(secret);
  const unsigned = job.received.receipt([]);
  const verdict = {
    ...verdictOf(assess(unsigned, {}), unsigned, client.key.publicKey, Date.now()),
    verifier: stranger.key.publicKey,
  };
  await job.verdict(signBody(stranger.key, kinds.verdict, job.jobId, encodeVerdict(verdict)));
  await job.close();
  await provider.provider.stop();
  assert.deepEqual(provider.receipts.get(job.jobId)?.verdicts, []);
});

test('a job keeps the class it was accepted in when a new card is issued meanwhile', async (context) => {
  const gate = createGate(3);
  const provider = await startProvider(context, { script: { beforeStep: gate.beforeStep, exec: { threads: 1 } } });
  const { job } = await openTestJob(context, provider);
  const receiving = receiveAll(job);
  await gate.reached;
  const before = provider.card().card;
  (provider.engine as ReturnType<typeof import('../../support/scripted-engine.ts').createScriptedEngine>).setExec({
    threads: 0,
  });
  await provider.cards.renew();
  assert.ok(!equalBytes(provider.card().card.execClass ?? fromHex(''), before.execClass ?? fromHex('')));
  gate.open();
  await receiving;
  assert.deepEqual(job.received.final?.execClass, before.execClass);
  const { exec } = job.received.receipt([]);
  assert.equal(exec?.threads, 1);
});
