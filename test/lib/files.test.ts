import assert from 'node:assert/strict';
import { mkdtemp, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { QvacError } from '../../src/errors.ts';
import { ensureDir, fileError, readFileIfAny, readJson, writeFileAtomic } from '../../src/lib/files.ts';

let dir = '';
before(async () => {
  dir = await mkdtemp(join(tmpdir(), 'qvac-files-'));
});
after(() => rm(dir, { recursive: true, force: true }));

describe('files', () => {
  it('writes whole files and their folders for the owner alone', async () => {
    const path = join(dir, 'a', 'b', 'file');
    await writeFileAtomic(path, 'one');
    await writeFileAtomic(path, 'two');
    assert.equal(await readFile(path, 'utf8'), 'two');
    assert.equal((await stat(path)).mode & 0o777, 0o600);
    assert.equal((await stat(join(dir, 'a', 'b'))).mode & 0o777, 0o700);
    assert.deepEqual(await readdir(join(dir, 'a', 'b')), ['file']);
  });

  it('sets the requested mode whatever the umask', async () => {
    const path = join(dir, 'readable');
    await writeFileAtomic(path, 'x', { mode: 0o644 });
    assert.equal((await stat(path)).mode & 0o777, 0o644);
  });

  it('keeps the old file and leaves nothing else if the new one cannot replace it', async () => {
    await ensureDir(join(dir, 'folder', 'in', 'the-way'));
    await assert.rejects(
      writeFileAtomic(join(dir, 'folder', 'in'), 'x'),
      (error) => error instanceof QvacError && error.code === 'E_HOME',
    );
    assert.deepEqual(await readdir(join(dir, 'folder')), ['in']);
  });

  it('gives the reason in one line if a folder cannot be created', async () => {
    await writeFile(join(dir, 'plain'), '');
    await assert.rejects(ensureDir(join(dir, 'plain')), {
      code: 'E_HOME',
      message: /a file of that name is in the way/,
    });
    await assert.rejects(ensureDir(join(dir, 'plain', 'below')), {
      code: 'E_HOME',
      message: /a part of the path is a file/,
    });
  });

  it('creates a folder once for many callers, and gives up if it is impossible', async () => {
    const deep = join(dir, 'deep', 'er', 'still');
    await Promise.all(Array.from({ length: 8 }, () => ensureDir(deep)));
    assert.ok((await stat(deep)).isDirectory());
    await ensureDir('/');
    if (process.platform === 'linux')
      await assert.rejects(ensureDir('/proc/qvac/home'), {
        code: 'E_HOME',
        message: /^cannot create \/proc\/qvac\/home \(no such place\)$/,
      });
  });

  it('names full and read-only disks', () => {
    for (const [code, words] of [
      ['ENOSPC', /disk is full/],
      ['EROFS', /read-only/],
      ['EACCES', /permission denied/],
    ] as const) {
      const error = fileError(Object.assign(new Error(code), { code }), 'write x');
      assert.ok(error instanceof QvacError);
      assert.equal(error.exitCode, 3);
      assert.match(error.message, words);
      assert.ok(error.hint);
    }
    const bug = new TypeError('no system error');
    assert.equal(fileError(bug, 'write x'), bug);
  });

  it('reads a file, null for a missing one, and refuses text that is not JSON', async () => {
    assert.equal(await readFileIfAny(join(dir, 'missing')), null);
    assert.equal(await readJson(join(dir, 'missing')), undefined);
    await writeFileAtomic(join(dir, 'good.json'), '{"a":[1]}');
    assert.deepEqual(await readJson(join(dir, 'good.json')), { a: [1] });
    for (const bad of ['{"a":', '', Uint8Array.of(0x22, 0xff, 0x22)]) {
      await writeFileAtomic(join(dir, 'bad.json'), bad);
      await assert.rejects(readJson(join(dir, 'bad.json')), { code: 'E_HOME', message: /bad\.json is damaged/ });
    }
  });
});
