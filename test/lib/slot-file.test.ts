import assert from 'node:assert/strict';
import { open, readdir, readFile, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { silentLogger } from '../../src/lib/log.ts';
import { createSlotFile, type SlotFile } from '../../src/lib/slot-file.ts';
import { temporaryHome } from '../support/home.ts';

function textFile(path: string, onDamaged: 'throw' | 'start-anew' = 'throw', warned: string[] = []): SlotFile<string> {
  return createSlotFile<string>(path, {
    what: 'the text',
    onDamaged,
    toJson: (text) => ({ text }),
    parse: (json) =>
      typeof json === 'object' && json !== null && 'text' in json && typeof json.text === 'string' ? json.text : null,
    logger: { ...silentLogger, warn: (message) => void warned.push(message) },
  });
}

/** Overwrites bytes of a file, as a write that a crash cut short would. */
async function damage(path: string, at: number, bytes: string): Promise<void> {
  const file = await open(path, 'r+');
  await file.write(bytes, at);
  await file.close();
}

describe('a file with two slots', () => {
  it('gives the newest value to any process, for its owner alone', async (context) => {
    const path = join(await temporaryHome(context), 'deep', 'text.slots');
    const file = textFile(path);
    assert.equal(await file.read(), null);
    for (let turn = 0; turn < 5; turn++) {
      await file.write(`turn ${turn}`);
      assert.equal(await textFile(path).read(), `turn ${turn}`);
    }
    const { size, mode } = await stat(path);
    assert.deepEqual([size, mode & 0o777], [8_192, 0o600]);
    assert.deepEqual(await readdir(join(path, '..')), ['text.slots']);
    await Promise.all([file.write('a'), file.write('b'), file.write('c'), file.read()]);
    assert.equal(await file.read(), 'c');
    await file.remove();
    await file.remove();
    assert.equal(await file.read(), null);
    await file.write('again');
    assert.equal(await textFile(path).read(), 'again');
  });

  it('grows with its value, and keeps its size when that shrinks', async (context) => {
    const path = join(await temporaryHome(context), 'text.slots');
    const file = textFile(path);
    const sizes: number[] = [];
    for (const length of [10, 5_000, 9_000, 40_000, 10]) {
      const text = 'ä'.repeat(length);
      await file.write(text);
      assert.equal(await textFile(path).read(), text);
      sizes.push((await stat(path)).size);
    }
    assert.deepEqual(sizes, [8_192, 2 * 20_480, 2 * 20_480, 2 * 163_840, 2 * 163_840]);
  });

  it('loses only a write that was cut short, wherever it was', async (context) => {
    const path = join(await temporaryHome(context), 'text.slots');
    const file = textFile(path);
    await file.write('first');
    await file.write('second');
    const whole = await readFile(path);
    // Write 3 goes to the slot of write 1: of its bytes the first `length` arrive.
    await file.write('third, and longer');
    const after = await readFile(path);
    for (const length of [0, 1, 5, 20, 30, 45]) {
      const torn = Buffer.from(whole);
      after.copy(torn, 4_096, 4_096, 4_096 + length);
      await writeFile(path, torn);
      assert.equal(await textFile(path).read(), 'second', `${length} bytes`);
      // The next process goes on behind it.
      await textFile(path).write('next');
      assert.equal(await textFile(path).read(), 'next');
    }
    await writeFile(path, after);
    assert.equal(await textFile(path).read(), 'third, and longer');
  });

  it('goes on behind another process that wrote meanwhile, once it has read', async (context) => {
    const path = join(await temporaryHome(context), 'text.slots');
    const [one, other] = [textFile(path), textFile(path)];
    await one.write('one');
    await other.read();
    for (let turn = 0; turn < 4; turn++) await other.write(`other ${turn}`);
    assert.equal(await one.read(), 'other 3');
    await one.write('one again');
    assert.equal(await textFile(path).read(), 'one again');
  });

  it('is damaged if neither slot is whole, and is replaced by the next write', async (context) => {
    const path = join(await temporaryHome(context), 'text.slots');
    await textFile(path).write('once');
    await damage(path, 4_096 + 30, '!');
    const message = `${path} is damaged`;
    await assert.rejects(textFile(path).read(), { code: 'E_HOME', message });
    const warned: string[] = [];
    const file = textFile(path, 'start-anew', warned);
    assert.deepEqual([await file.read(), warned], [null, ['the text cannot be used']]);
    await file.write('anew');
    assert.equal(await textFile(path).read(), 'anew');
    // A whole slot with another value.
    const numbers = createSlotFile<number>(path, { what: 'it', onDamaged: 'throw', toJson: (n) => n, parse: () => 1 });
    await numbers.write(7);
    await assert.rejects(textFile(path).read(), { code: 'E_HOME', message });
  });
});
