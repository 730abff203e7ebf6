import assert from 'node:assert/strict';
import { join } from 'node:path';
import { test } from 'node:test';
import type { JobId, PeerIdString } from '../../src/lib/types.ts';
import { createChoiceLog } from '../../src/node/client/choice/choice-log.ts';
import { runInProcess } from '../support/cli.ts';
import { temporaryHome } from '../support/home.ts';

const account = {
  job: 'ab'.repeat(32) as JobId,
  at: 1_790_000_000_000,
  model: 'smollm2-135m',
  provider: '12D3KooWbest' as PeerIdString,
  considered: [
    { peer: '12D3KooWbest' as PeerIdString, score: -0.25, terms: { price: 0, speed: -0.25, reliability: 0, load: 0 } },
    { peer: '12D3KooWnext' as PeerIdString, score: -1.5, terms: { price: -1, speed: 0, reliability: -0.5, load: 0 } },
    { peer: '12D3KooWdear' as PeerIdString, why: 'too-dear' as const, detail: 'up to 5000 lamports' },
  ],
  turned: [{ peer: '12D3KooWgone' as PeerIdString, reason: 'the connection broke off' }],
};

test('why tells who was considered, term by term, and why not the others', async (context) => {
  const home = await temporaryHome(context);
  await createChoiceLog(join(home, 'cache', 'choices')).save(account);
  const { code, stdout } = await runInProcess(['why', 'abab', '--home', home]);
  assert.equal(code, 0);
  assert.match(stdout, /→ +-0\.25 +0\.00 +-0\.25 +0\.00 +0\.00 +12D3KooWbest/);
  assert.match(stdout, /12D3KooWdear +too-dear +up to 5000 lamports/);
  assert.match(stdout, /12D3KooWgone +the connection broke off/);
  const json = await runInProcess(['why', 'abab', '--home', home, '--json']);
  assert.deepEqual(JSON.parse(json.stdout), account);
});

test('why knows nothing of other answers', async (context) => {
  const home = await temporaryHome(context);
  const { code, stderr } = await runInProcess(['why', 'ffff', '--home', home]);
  assert.equal(code, 2);
  assert.match(stderr, /begins with "ffff"/);
});
