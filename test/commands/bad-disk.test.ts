import assert from 'node:assert/strict';
import { execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { copyFile, mkdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, it, type TestContext } from 'node:test';
import { createReceiptStore } from '../../src/node/home/receipt-store.ts';
import { parseReceipt } from '../../src/proofs/receipt.ts';
import { program } from '../support/binary.ts';
import { temporaryHome } from '../support/home.ts';
import { root } from '../support/imports.ts';

/** Why this machine cannot mount a disk for the test, or null if it can. */
const noMounts: string | null = (() => {
  try {
    execFileSync('unshare', ['-rm', 'mount', '-t', 'tmpfs', 'none', '/mnt'], { stdio: ['ignore', 'ignore', 'pipe'] });
    return null;
  } catch (error) {
    return `no file system can be mounted here: ${String(error).split('\n', 1)[0]}`;
  }
})();

function canMount(context: TestContext): boolean {
  if (noMounts === null) return true;
  if (process.env.CI === 'true') throw new Error(noMounts);
  context.skip(noMounts);
  return false;
}

/**
 * Runs shell lines in a mount namespace in which `home` is a disk of 512 KiB with its former content. `$QVAC` is the
 * program.
 */
async function onSmallDisk(
  home: string,
  lines: readonly string[],
): Promise<{ readonly code: number; readonly stdout: string; readonly stderr: string }> {
  const script = [
    'set -e',
    `cp -a ${home} ${home}.was`,
    `mount -t tmpfs -o size=512k,mode=700 none ${home}`,
    `cp -a ${home}.was/. ${home}`,
    ...lines,
  ].join('\n');
  const environment = Object.fromEntries(Object.entries(process.env).filter(([name]) => !name.startsWith('QVAC_')));
  const child = spawn('unshare', ['-rm', 'sh', '-c', script], {
    cwd: root,
    env: { ...environment, QVAC_HOME: home, QVAC: `${process.execPath} ${program}` },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  const output = { stdout: '', stderr: '' };
  child.stdout.on('data', (data: Buffer) => {
    output.stdout += data.toString();
  });
  child.stderr.on('data', (data: Buffer) => {
    output.stderr += data.toString();
  });
  const [code] = (await once(child, 'close')) as [number];
  return { code, ...output };
}

const fill = 'cat /dev/zero > "$QVAC_HOME/filler" 2>/dev/null || true';
const readOnly = 'mount -o remount,ro "$QVAC_HOME"';
const route = '$QVAC route --private test-disk --no-mdns --listen /ip4/127.0.0.1/tcp/0';

/** The last line of `route`. */
const logged = (reason: string, hint: string): RegExp =>
  new RegExp(
    `^\\{"time":"[^"]+","level":"error","message":"cannot [^"]+ \\(${reason}\\)","code":"E_HOME","hint":"${hint}[^"]*"\\}\n$`,
  );

describe('a bad disk', () => {
  it('that is full is reported in one line with exit code 3, and existing files stay whole', async (context) => {
    if (!canMount(context)) return;
    const home = await temporaryHome(context);
    await writeFile(join(home, 'kept'), 'old');
    const atomic = `import { writeFileAtomic } from '${root}src/lib/files.ts'; await writeFileAtomic('${home}/kept', 'x'.repeat(9000)).catch((error) => console.log(error.code, error.message));`;
    const { code, stdout, stderr } = await onSmallDisk(home, [
      fill,
      `${process.execPath} --input-type=module -e "${atomic}"`,
      'cat "$QVAC_HOME/kept"; echo; ls "$QVAC_HOME"',
      route,
    ]);
    assert.equal(code, 3, stderr);
    assert.match(
      stdout,
      new RegExp(`^E_HOME cannot write ${home}/kept \\(the disk is full\\)\\nold\\nfiller\\nkept\\n`),
    );
    assert.match(stderr, logged('the disk is full', 'free some space'));
  });

  it('that is read-only stops only the commands that must write', async (context) => {
    if (!canMount(context)) return;
    const home = await temporaryHome(context);
    const { receipt } = JSON.parse(await readFile(join(root, 'test/vectors/receipt-pass.json'), 'utf8')) as {
      receipt: unknown;
    };
    const id = await createReceiptStore(join(home, 'receipts')).save(parseReceipt(JSON.stringify(receipt)));
    const looking = [
      `$QVAC verify ${id.slice(0, 12)} --json`,
      '$QVAC receipts ls -q',
      '$QVAC models ls -q',
      '$QVAC config show -q',
      '$QVAC peers --private test-disk --no-mdns -q',
    ];
    const { code, stdout, stderr } = await onSmallDisk(home, [readOnly, ...looking, route]);
    assert.equal(code, 3, stderr);
    assert.match(stdout, /"result":"pass"/);
    // Commands that only read work, and store nothing.
    assert.match(
      stderr.replace(/^\S+ warn the list of peers was not saved [^\n]*\n/, ''),
      logged('the file system is read-only', 'set QVAC_HOME '),
    );
  });

  it('is reported by doctor', async (context) => {
    if (!canMount(context)) return;
    const home = await temporaryHome(context);
    await mkdir(join(home, 'models'));
    await copyFile(join(root, 'package.json'), join(home, 'models', 'something'));
    const full = await onSmallDisk(home, [fill, '$QVAC doctor --offline']);
    assert.equal(full.code, 3);
    assert.match(full.stdout, /✗ disk +0 B free/);
    const closed = await onSmallDisk(await temporaryHome(context), [readOnly, '$QVAC doctor --offline']);
    assert.equal(closed.code, 3);
    assert.match(closed.stdout, /✗ home +cannot write to .* \(the file system is read-only\)\n +→ set QVAC_HOME/);
  });
});
