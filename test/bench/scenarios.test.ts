import assert from 'node:assert/strict';
import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { meetsGoal, type Scenario } from '../../bench/report.ts';
import { scenario as wire } from '../../bench/scenarios/wire.ts';
import { runProgram } from '../support/binary.ts';
import { root } from '../support/imports.ts';

test('every file of bench/scenarios is a scenario, and the README tells of it', async () => {
  const { readFile } = await import('node:fs/promises');
  const readme = await readFile(join(root, 'bench', 'README.md'), 'utf8');
  const files = readdirSync(join(root, 'bench', 'scenarios'));
  assert.ok(files.length >= 8);
  for (const file of files) {
    const { scenario } = (await import(join(root, 'bench', 'scenarios', file))) as { readonly scenario: Scenario };
    assert.equal(typeof scenario, 'function', file);
    assert.ok(readme.includes(`\`${file.replace('.ts', '')}\``), `${file} is not in the README`);
  }
});

test('an unknown scenario is a mistake of whoever typed it', async () => {
  const { code, stdout, stderr } = await runProgram(['sped'], { home: root, script: join(root, 'bench', 'main.ts') });
  assert.deepEqual([code, stdout], [2, '']);
  assert.match(stderr, /no scenario "sped"; there are: .*wire/);
});

test('frames and opened steps are as small as they have to be', async () => {
  // These bytes depend on no clock: this scenario can be held to its goals here.
  for (const figure of await wire())
    assert.equal(meetsGoal(figure), true, `${figure.name}: ${figure.value} ${figure.unit}`);
});
