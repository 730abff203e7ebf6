import assert from 'node:assert/strict';
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { it } from 'node:test';
import { readGatewayRun, writeGatewayRun } from '../../src/gateway/run-file.ts';
import { temporaryHome } from '../support/home.ts';

const run = (port: number) => ({
  url: `http://127.0.0.1:${port}`,
  token: `token-${port}`,
  startedAt: 1,
  network: 'local',
});

it('restores the record of an earlier gateway that outlives a later one', async (context) => {
  const home = await temporaryHome(context);
  await writeGatewayRun(home, run(1));
  const giveBack = await writeGatewayRun(home, run(2));
  assert.equal((await readGatewayRun(home))?.url, run(2).url);
  await giveBack();
  assert.deepEqual([(await readGatewayRun(home))?.url, (await readGatewayRun(home))?.running], [run(1).url, true]);
});

it('keeps the record if the earlier gateway ended or a newer one started', async (context) => {
  const home = await temporaryHome(context);
  await writeGatewayRun(home, run(1));
  const path = join(home, 'gateway.json');
  await writeFile(path, (await readFile(path, 'utf8')).replace(/"started":("[^"]*"|null)/, '"started":"long ago"'));
  const giveBack = await writeGatewayRun(home, run(2));
  await giveBack();
  assert.equal((await readGatewayRun(home))?.url, run(2).url);
  const late = await writeGatewayRun(home, run(3));
  await writeGatewayRun(home, run(4));
  await late();
  assert.equal((await readGatewayRun(home))?.url, run(4).url);
});
