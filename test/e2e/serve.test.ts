import assert from 'node:assert/strict';
import { chmod, mkdir, readFile, stat, writeFile } from 'node:fs/promises';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { runProgram } from '../support/binary.ts';
import { temporaryHome } from '../support/home.ts';
import { loopbackMarket, RunningNode, withModel } from './market.ts';

const market = loopbackMarket();
const serve = ['serve', '--threads', '1', ...market.flags, ...market.listen];

/** Checks that there is one error line and no stack; for a long-running command, in its log. */
function assertOneLine(stderr: string): void {
  const lines = stderr.trim().split('\n');
  const errors = lines.filter((line) => line.startsWith('qvac:') || /^\{.*"level":"error"/.test(line));
  assert.equal(errors.length, 1, stderr);
  assert.doesNotMatch(stderr, /(\n|\\n)\s+at /, 'no stack');
}

describe('qvac serve, as a process', () => {
  it('keeps its peer id and port from run to run, and stops at once on SIGTERM with 143', async (context) => {
    const home = await temporaryHome(context);
    await withModel(home);
    const runs = [];
    for (let run = 0; run < 2; run++) {
      const node = new RunningNode([...serve, '--model', 'smollm2-135m'], home, context);
      runs.push(await node.ready());
      node.child.kill('SIGTERM');
      assert.equal(await node.exited, 143, node.stderr);
    }
    assert.deepEqual(runs[0], runs[1]);
    assert.equal((await stat(join(home, 'keys', 'provider.key'))).mode & 0o777, 0o600);
  });

  it('refuses a second serve on one home with 3, naming the first', async (context) => {
    const home = await temporaryHome(context);
    await withModel(home);
    const first = new RunningNode([...serve, '--model', 'smollm2-135m'], home, context);
    await first.ready();
    const { code, stderr } = await runProgram([...serve, '--model', 'smollm2-135m'], { home });
    assert.equal(code, 3, stderr);
    assertOneLine(stderr);
    assert.match(stderr, new RegExp(String(first.child.pid)));
  });

  it('names the port that is in use, and exits with 3', async (context) => {
    const home = await temporaryHome(context);
    await withModel(home);
    const taken = createServer();
    await new Promise<void>((resolve) => taken.listen(0, '127.0.0.1', resolve));
    context.after(() => taken.close());
    const { port } = taken.address() as { readonly port: number };
    const { code, stderr } = await runProgram(
      ['serve', ...market.flags, '--threads', '1', '--model', 'smollm2-135m', '--listen', `/ip4/127.0.0.1/tcp/${port}`],
      { home },
    );
    assert.equal(code, 3, stderr);
    assertOneLine(stderr);
    assert.match(stderr, new RegExp(String(port)));
  });

  it('refuses bad model files with 7 and a broken configuration or key with 3, and changes none of them', async (context) => {
    const home = await temporaryHome(context);
    const real = await readFile(await withModel(home));
    const files = {
      'cut.gguf': real.subarray(0, 1_000_000),
      'random.gguf': Buffer.from(Array.from({ length: 4096 }, (_, at) => (at * 7919) & 255)),
      'text.gguf': Buffer.from('not a model\n'.repeat(100)),
    };
    for (const [name, bytes] of Object.entries(files)) {
      await writeFile(join(home, name), bytes);
      const { code, stderr } = await runProgram([...serve, '--model', join(home, name)], { home });
      assert.equal(code, 7, `${name}: ${stderr}`);
      assertOneLine(stderr);
    }
    await writeFile(join(home, 'config.toml'), 'temperature = "hot"\n');
    const broken = await runProgram([...serve, '--model', 'smollm2-135m'], { home });
    assert.equal(broken.code, 3, broken.stderr);
    assertOneLine(broken.stderr);
    await writeFile(join(home, 'config.toml'), '');
    await mkdir(join(home, 'keys'), { recursive: true });
    await writeFile(join(home, 'keys', 'provider.key'), 'garbage', { mode: 0o600 });
    const key = await runProgram([...serve, '--model', 'smollm2-135m'], { home });
    assert.equal(key.code, 3, key.stderr);
    assertOneLine(key.stderr);
    assert.equal(await readFile(join(home, 'keys', 'provider.key'), 'utf8'), 'garbage');
  });

  it('says in one line that the home is not writable', async (context) => {
    const parent = await temporaryHome(context);
    // A file in place of the home: nobody can write below it, not even root.
    const home = join(parent, 'home');
    await writeFile(home, '');
    await chmod(home, 0o400);
    const model = await withModel(parent);
    const { code, stderr } = await runProgram([...serve, '--model', model], { home });
    assert.equal(code, 3, stderr);
    assertOneLine(stderr);
  });

  it('refuses bad flags with 2', async (context) => {
    const home = await temporaryHome(context);
    for (const args of [
      ['serve', '--modle', 'x'],
      ['serve', '--slots', 'many'],
      ['ask', '--verify', 'maybe', 'x'],
      ['ask'],
      ['frobnicate'],
      ['ask', '--private', 'No Good', 'x'],
    ]) {
      const { code, stderr } = await runProgram(args, { home });
      assert.equal(code, 2, `${args.join(' ')}: ${stderr}`);
      assertOneLine(stderr);
    }
  });
});
