import assert from 'node:assert/strict';
import { chmod, mkdir, mkdtemp, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { createJsonFile, type JsonFile, type JsonFileInit } from '../../src/lib/json-file.ts';
import { type Logger, silentLogger } from '../../src/lib/log.ts';

interface Tally {
  readonly lamports: bigint;
}

let dir = '';
before(async () => {
  dir = await mkdtemp(join(tmpdir(), 'qvac-json-'));
});
after(() => rm(dir, { recursive: true, force: true }));

function tallyFile(name: string, init: Partial<JsonFileInit<Tally>> = {}): JsonFile<Tally> {
  return createJsonFile<Tally>(join(dir, name), {
    what: 'the tally',
    onDamaged: 'throw',
    toJson: ({ lamports }) => ({ lamports: lamports.toString() }),
    parse: (json) =>
      typeof json === 'object' && json !== null && 'lamports' in json && typeof json.lamports === 'string'
        ? { lamports: BigInt(json.lamports) }
        : null,
    ...init,
  });
}

function recordingLogger(): Logger & { readonly warnings: string[] } {
  const warnings: string[] = [];
  return { ...silentLogger, warn: (message, fields) => void warnings.push(`${message}: ${fields?.reason}`), warnings };
}

/** Contents that are not a tally, and what the error says. */
const damages: readonly (readonly [string | Uint8Array, RegExp])[] = [
  ['{"lamports":', /not JSON/],
  ['', /not JSON/],
  [Uint8Array.of(0x22, 0xff, 0x22), /not JSON/],
  ['[]', /other fields/],
  ['null', /other fields/],
  [`{"lamports":"1","padding":"${'x'.repeat(300)}"}`, /more than 200 bytes/],
];

describe('a JSON file', () => {
  it('keeps a value whole, for its owner alone', async () => {
    const file = tallyFile('a/b/tally.json');
    assert.equal(await file.read(), null);
    await file.write({ lamports: 5n });
    assert.deepEqual(await file.read(), { lamports: 5n });
    assert.deepEqual(await tallyFile('a/b/tally.json').read(), { lamports: 5n });
    assert.equal(await readFile(file.path, 'utf8'), '{"lamports":"5"}\n');
    assert.equal((await stat(file.path)).mode & 0o777, 0o600);
    await file.remove();
    await file.remove();
    assert.equal(await file.read(), null);
    assert.deepEqual(await readdir(join(dir, 'a', 'b')), []);
  });

  it('writes in the order of the calls, each value as it was then', async () => {
    const file = tallyFile('order.json');
    const value = { lamports: 1n };
    const first = file.write(value);
    value.lamports = 2n;
    await first;
    assert.deepEqual(await file.read(), { lamports: 1n });
    await Promise.all(Array.from({ length: 20 }, (_, at) => file.write({ lamports: BigInt(at) })));
    assert.deepEqual(await file.read(), { lamports: 19n });
  });

  it('loses none of many updates at once', async () => {
    const file = tallyFile('updates.json');
    await Promise.all(
      Array.from({ length: 20 }, () => file.update((current) => ({ lamports: (current?.lamports ?? 0n) + 1n }))),
    );
    assert.deepEqual(await file.read(), { lamports: 20n });
  });

  it('keeps the old value if an update fails, and does the next one', async () => {
    const file = tallyFile('failing.json');
    await file.write({ lamports: 7n });
    const failing = file.update(() => {
      throw new RangeError('no');
    });
    const next = file.update((current) => ({ lamports: (current?.lamports ?? 0n) + 1n }));
    await assert.rejects(failing, RangeError);
    await next;
    assert.deepEqual(await file.read(), { lamports: 8n });
  });

  for (const [content, why] of damages) {
    const what = `${why.source}: ${String(content).slice(0, 20)}`;
    it(`throws for a damaged file or starts anew, as its user decides (${what})`, async () => {
      const strict = tallyFile('damaged.json', { maxBytes: 200 });
      const logger = recordingLogger();
      const lenient = tallyFile('damaged.json', { maxBytes: 200, onDamaged: 'start-anew', logger });
      await writeFile(strict.path, content);
      await assert.rejects(strict.read(), { code: 'E_HOME', message: why, hint: 'move it away; a new one is made' });
      await assert.rejects(
        strict.update(() => ({ lamports: 1n })),
        { code: 'E_HOME' },
      );
      assert.deepEqual(await readFile(strict.path), Buffer.from(content), 'a damaged file stays as it is');
      assert.equal(await lenient.read(), null);
      assert.match(logger.warnings[0] ?? '', /^the tally cannot be used: /);
      assert.match(logger.warnings[0] ?? '', why);
      await lenient.update((current) => ({ lamports: current === null ? 3n : 4n }));
      assert.deepEqual(await strict.read(), { lamports: 3n });
    });
  }

  it('gives the system’s reason in one line', async () => {
    await mkdir(join(dir, 'folder.json'));
    await assert.rejects(tallyFile('folder.json').read(), { code: 'E_HOME', message: /^cannot read .*folder\.json/ });
    assert.equal(await tallyFile('folder.json', { onDamaged: 'start-anew' }).read(), null);
    await assert.rejects(tallyFile('folder.json').write({ lamports: 1n }), { code: 'E_HOME' });
    await assert.rejects(tallyFile('folder.json').remove(), { code: 'E_HOME', message: /^cannot remove/ });
    if (process.getuid?.() === 0) return;
    await mkdir(join(dir, 'locked'));
    await chmod(join(dir, 'locked'), 0o500);
    await assert.rejects(tallyFile('locked/tally.json').write({ lamports: 1n }), { message: /permission denied/ });
  });

  it('does not hide a bug in its parser', async () => {
    const file = tallyFile('bug.json', {
      onDamaged: 'start-anew',
      parse() {
        throw new TypeError('a bug');
      },
    });
    await writeFile(file.path, '{}');
    await assert.rejects(file.read(), TypeError);
  });
});
