import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { setImmediate } from 'node:timers/promises';
import { acquireLock, isRunning, thisProcess } from '../../src/lib/lock.ts';

let dir = '';
before(async () => {
  dir = await mkdtemp(join(tmpdir(), 'qvac-lock-'));
});
after(() => rm(dir, { recursive: true, force: true }));

describe('lock', () => {
  it('is held once, names its holder, and is free again after release', async () => {
    const path = join(dir, 'sub', 'a.lock');
    const release = await acquireLock(path, 'the thing');
    await assert.rejects(acquireLock(path, 'the thing'), {
      code: 'E_LOCKED',
      exitCode: 3,
      message: `the thing is in use by another qvac (pid ${process.pid})`,
    });
    await release();
    await release();
    assert.deepEqual(await readdir(join(dir, 'sub')), []);
    await (await acquireLock(path, 'the thing'))();
  });

  it('goes to one of many callers at once', async () => {
    const path = join(dir, 'race.lock');
    await writeFile(path, `${2 ** 30} -\n`);
    const results = await Promise.allSettled(Array.from({ length: 20 }, () => acquireLock(path, 'it')));
    const taken = results.filter((result) => result.status === 'fulfilled');
    assert.equal(taken.length, 1);
    for (const result of results)
      if (result.status === 'rejected') assert.equal((result.reason as { code?: string }).code, 'E_LOCKED');
  });

  it('is taken over from a killed process', async () => {
    const path = join(dir, 'killed.lock');
    const module = new URL('../../src/lib/lock.ts', import.meta.url).href;
    const source = `import { acquireLock } from ${JSON.stringify(module)};
      await acquireLock(${JSON.stringify(path)}, 'it'); console.log('held'); setInterval(() => {}, 1000);`;
    const child = spawn(process.execPath, ['--input-type=module', '-e', source], {
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    await once(child.stdout, 'data');
    await assert.rejects(acquireLock(path, 'it'), { code: 'E_LOCKED', message: new RegExp(`pid ${child.pid}`) });
    child.kill('SIGKILL');
    await once(child, 'exit');
    await (await acquireLock(path, 'it'))();
  });

  it('is taken over if it is damaged, or its process id belongs to a later process', async () => {
    for (const text of ['', 'rubbish', '-1 -\n', ...(process.platform === 'linux' ? [`${process.pid} 1\n`] : [])]) {
      const path = join(dir, 'stale.lock');
      await writeFile(path, text);
      await (await acquireLock(path, 'it'))();
    }
  });

  it('is not removed by a release after another process took it', async () => {
    const path = join(dir, 'lost.lock');
    const release = await acquireLock(path, 'it');
    await writeFile(path, '1 -\n');
    await release();
    assert.deepEqual(
      (await readdir(dir)).filter((name) => name.startsWith('lost')),
      ['lost.lock'],
    );
  });

  it('does not count a process as running that has ended and is not reaped yet', {
    skip: process.platform !== 'linux',
  }, async (context) => {
    const parent = spawn('sh', ['-c', 'sleep 600 & echo $!; exec sleep 600']);
    context.after(() => parent.kill('SIGKILL'));
    const [line] = (await once(parent.stdout.setEncoding('utf8'), 'data')) as [string];
    const limit = AbortSignal.timeout(30_000);
    const until = async (holds: () => Promise<boolean>): Promise<void> => {
      while (!(await holds())) {
        limit.throwIfAborted();
        await setImmediate();
      }
    };
    // The shell becomes a program that never looks after the child that it inherits.
    await until(async () => (await readFile(`/proc/${parent.pid}/comm`, 'utf8')) === 'sleep\n');
    assert.equal(await isRunning(Number(line), null), true);
    process.kill(Number(line), 'SIGKILL');
    await until(async () => !(await isRunning(Number(line), null)));
    assert.doesNotThrow(() => process.kill(Number(line), 0), 'it is still in the table of processes');
  });

  it('recognises this process', async () => {
    const { pid, started } = await thisProcess();
    assert.equal(await isRunning(pid, started), true);
    assert.equal(await isRunning(2 ** 30, null), false);
  });
});
