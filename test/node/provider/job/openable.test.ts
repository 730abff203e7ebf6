import assert from 'node:assert/strict';
import { join } from 'node:path';
import { test } from 'node:test';
import { systemClock } from '../../../../src/lib/clock.ts';
import { silentLogger } from '../../../../src/lib/log.ts';
import { createKeptFiles } from '../../../../src/node/provider/job/kept-files.ts';
import { openableAgain } from '../../../../src/node/provider/job/openable.ts';
import { decodeHead } from '../../../../src/proofs/head.ts';
import { createEmbedJob } from '../../../support/embed-job.ts';
import { temporaryHome } from '../../../support/home.ts';

test('a later process opens an embedding job from its receipt, as the one before would have', async (context) => {
  const home = await temporaryHome(context);
  const files = createKeptFiles(
    { clock: systemClock, logger: silentLogger },
    { notes: join(home, 'notes'), steps: join(home, 'steps') },
  );
  const job = createEmbedJob({ texts: Array.from({ length: 9 }, (_, at) => `text ${at}`), count: 4 });
  const receipt = job.receipt();
  const { root, n } = decodeHead(receipt.heads[0]?.body ?? assert.fail());
  const { client, challenge } = job.offer;
  const { commit, count } = challenge;
  const opening = { jobId: job.jobId, client, commit, root, isScore: false, n, count, payment: null };
  await files.write({ ...opening, keepUntil: systemClock.now() + 60_000 }, () => new Uint8Array());
  await files.flush();
  const found = (await files.read(client, commit)) ?? assert.fail('nothing was kept');
  const again = openableAgain(found, { ...receipt, opening: null }) ?? assert.fail('it cannot be opened');
  const { body, steps } = again.open(job.secret);
  assert.equal(steps, 4);
  assert.deepEqual(body, receipt.opening?.body);
});
