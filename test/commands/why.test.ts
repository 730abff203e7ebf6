import assert from 'node:assert/strict';
import { copyFile, readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import type { JobId, PeerIdString } from '../../src/lib/types.ts';
import { createSelectionStore } from '../../src/node/selection/selection-store.ts';
import { runInProcess } from '../support/cli.ts';
import { temporaryHome } from '../support/home.ts';

const account = {
  job: 'ab'.repeat(32) as JobId,
  at: 1_790_000_000_000,
  model: 'smollm2-135m',
  provider: '12D3KooWbest' as PeerIdString,
  considered: [
    {
      peer: '12D3KooWbest' as PeerIdString,
      score: -0.25,
      terms: { price: 0, speed: -0.25, reliability: 0, load: 0, kept: 0 },
    },
    {
      peer: '12D3KooWnext' as PeerIdString,
      score: -2,
      terms: { price: -1, speed: 0, reliability: -0.5, load: 0, kept: -0.5 },
    },
    { peer: '12D3KooWdear' as PeerIdString, why: 'too-dear' as const, detail: 'up to 5000 lamports' },
  ],
  turned: [{ peer: '12D3KooWgone' as PeerIdString, reason: 'the connection broke off' }],
};

test('why explains the scores of candidates term by term, and every exclusion', async (context) => {
  const home = await temporaryHome(context);
  await createSelectionStore(join(home, 'cache', 'choices')).save(account);
  const { code, stdout } = await runInProcess(['why', 'abab', '--home', home]);
  assert.equal(code, 0);
  assert.match(stdout, /→ +-0\.25 +0\.00 +-0\.25 +0\.00 +0\.00 +0\.00 +12D3KooWbest/);
  assert.match(stdout, /12D3KooWdear +too-dear +up to 5000 lamports/);
  assert.match(stdout, /12D3KooWgone +the connection broke off/);
  const json = await runInProcess(['why', 'abab', '--home', home, '--json']);
  assert.deepEqual(JSON.parse(json.stdout), account);
});

test('why finds a gateway’s request by its id, answered or not', async (context) => {
  const home = await temporaryHome(context);
  const log = createSelectionStore(join(home, 'cache', 'choices'));
  const [answered, refused] = ['5b0c66f2d4a9d1b86a0e7c31', 'c0ffee00c0ffee00c0ffee00'];
  await log.save(account, answered);
  await log.save({ ...account, job: null, provider: null, failure: 'everybody is busy' }, refused);
  for (const name of [
    answered,
    `req_${answered}`,
    `chatcmpl-${answered}`,
    `cmpl-${answered}`,
    `msg_${answered}`,
    `resp_${answered}`,
  ]) {
    const json = await runInProcess(['why', name, '--home', home, '--json']);
    assert.deepEqual(JSON.parse(json.stdout), account, name);
  }
  const { stdout, code } = await runInProcess(['why', `req_${refused}`, '--home', home]);
  assert.equal(code, 0);
  assert.match(stdout, /^no answer · .* among 2 providers\neverybody is busy\n/);
  assert.match(stdout, /12D3KooWdear +too-dear/);
  // Request ids do not make the beginning of a job id ambiguous.
  assert.deepEqual(JSON.parse((await runInProcess(['why', 'ab', '--home', home, '--json'])).stdout), account);
});

test('why of a routed request shows the router’s account, or names the router that has it', async (context) => {
  const home = await temporaryHome(context);
  const log = createSelectionStore(join(home, 'cache', 'choices'));
  const request = '5b0c66f2d4a9d1b86a0e7c31';
  await log.link(request, account.job, '12D3KooWrouter' as PeerIdString);
  const elsewhere = await runInProcess(['why', `req_${request}`, '--home', home]);
  assert.equal(elsewhere.code, 2);
  assert.match(elsewhere.stderr, /12D3KooWrouter[\s\S]*qvac why abababababab/);
  await log.save(account);
  assert.deepEqual(
    JSON.parse((await runInProcess(['why', `req_${request}`, '--home', home, '--json'])).stdout),
    account,
  );
});

test('only the newest accounts are kept', async (context) => {
  const home = await temporaryHome(context);
  const dir = join(home, 'cache', 'choices');
  const log = createSelectionStore(dir);
  await log.save(account);
  const request = (i: number): string => i.toString(16).padStart(24, '0');
  for (let i = 0; i < 2_200; i++) await copyFile(join(dir, `${account.job}.json`), join(dir, `${request(i)}.json`));
  await log.save({ ...account, job: null }, request(2_200));
  const names = await readdir(dir);
  assert.equal(names.length, 2_000);
  assert.ok(names.includes(`${request(2_200)}.json`));
});

test('why refuses an unknown id', async (context) => {
  const home = await temporaryHome(context);
  const { code, stderr } = await runInProcess(['why', 'ffff', '--home', home]);
  assert.equal(code, 2);
  assert.match(stderr, /begins with "ffff"/);
});
