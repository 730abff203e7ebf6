import assert from 'node:assert/strict';
import { existsSync } from 'node:fs';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { commands } from '../src/cli.ts';
import type { CommandDefinition } from '../src/commands/parts/definition.ts';
import { globalSwitches } from '../src/commands/parts/help-pages.ts';
import { globalSettings, settings, variableOf } from '../src/settings.ts';
import { launcher, program, runProgram } from './support/binary.ts';
import { runInProcess } from './support/cli.ts';

let home = '';
before(async () => {
  assert.ok(existsSync(program), 'build first: npm run build');
  home = await mkdtemp(join(tmpdir(), 'qvac-help-'));
});
after(() => rm(home, { recursive: true, force: true }));

/** Every command and subcommand by its path, such as `models pull`. */
async function allCommands(): Promise<readonly (readonly [path: string, definition: CommandDefinition])[]> {
  const found: (readonly [string, CommandDefinition])[] = [];
  const add = (path: string, definition: CommandDefinition): void => {
    found.push([path, definition]);
    for (const [name, subcommand] of Object.entries(definition.subcommands ?? {})) add(`${path} ${name}`, subcommand);
  };
  for (const { name, load } of commands) add(name, (await load()).command);
  return found;
}

describe('help', () => {
  it('lists every command', () => {
    assert.deepEqual(commands.map(({ name }) => name).sort(), [
      'ask',
      'bench',
      'chain',
      'channels',
      'chat',
      'completion',
      'config',
      'demo',
      'doctor',
      'embed',
      'gateway',
      'jobs',
      'models',
      'peers',
      'provider',
      'ps',
      'receipts',
      'relay',
      'route',
      'serve',
      'service',
      'status',
      'verify',
      'wallet',
      'why',
    ]);
  });

  it('describes every command and every option, with an example that can be typed', async () => {
    for (const { name, summary } of commands) assert.ok(summary.length > 5 && summary.length < 70, name);
    for (const [path, definition] of await allCommands()) {
      assert.ok(definition.description.length > 40, `${path} lacks a description`);
      assert.ok(definition.examples.length > 0, `${path} lacks an example`);
      for (const { line, what } of definition.examples) {
        assert.match(line, new RegExp(`(^|[ |])qvac ${path}( |$)`), `an example of ${path}`);
        assert.ok(what.length > 3, `${path}: ${line}`);
      }
      for (const { description } of [...Object.values(definition.options ?? {}), ...(definition.arguments ?? [])])
        assert.ok(description.length > 5 && description.length <= 70, `${path}: ${description}`);
      assert.doesNotMatch(definition.description, /[{}]/, `${path}: JSON belongs into docs/json.md`);
      assert.ok(
        definition.action !== undefined || Object.keys(definition.subcommands ?? {}).length > 0,
        `${path} does nothing`,
      );
    }
  });

  it('describes every setting and switch in at most 70 characters', () => {
    for (const { flags, description } of [...Object.values(settings), ...globalSwitches])
      assert.ok(description.length > 5 && description.length <= 70, flags);
  });

  it('documents the JSON output of every command, and links to it', async () => {
    const document = await readFile(new URL('../docs/json.md', import.meta.url), 'utf8');
    const withoutJson = ['bench worker', 'completion', 'demo'];
    for (const [path, { action }] of await allCommands())
      if (action !== undefined && !withoutJson.includes(path)) assert.ok(document.includes(`\`qvac ${path}\``), path);
    for (const args of [['--help'], ['ask', '--help']])
      assert.match((await runInProcess(args)).stdout, /--json +.*docs\/json\.md/);
  });

  it('gives no two options of a command the same name', async () => {
    for (const [path, definition] of await allCommands()) {
      const own = Object.values(definition.options ?? {}).map((option) => option.flags);
      const flags = [
        ...[...globalSettings, ...(definition.settings ?? [])].map((key): string => settings[key].flags),
        ...own,
        ...globalSwitches.map((option): string => option.flags),
        '-h, --help',
        '-V, --version',
      ];
      const names = flags.flatMap((each) => each.match(/--?[a-z-]+/gi) ?? []);
      assert.deepEqual(
        names.filter((name, at) => names.indexOf(name) !== at),
        [],
        path,
      );
    }
  });

  it('prints examples first, then options with their defaults and variables', async () => {
    for (const [path, definition] of await allCommands()) {
      const { code, stdout, stderr } = await runInProcess([...path.split(' '), '--help']);
      assert.deepEqual([code, stderr], [0, ''], path);
      assert.ok(stdout.includes(`Usage: qvac ${path}`), path);
      assert.ok(stdout.indexOf('Examples:') < stdout.indexOf('Options of every command:'), path);
      for (const key of definition.settings ?? []) assert.ok(stdout.includes(`[${variableOf(key)}]`), `${path} ${key}`);
      for (const line of stdout.split('\n')) assert.ok(line.length <= 100, line);
    }
  });

  it('names every row of the README’s table of parameters that some API refuses or ignores', async () => {
    const readme = await readFile(new URL('../README.md', import.meta.url), 'utf8');
    const rows = /\n\| parameter .*\n.*\n((?:\|.*\n)+)/.exec(readme)?.[1]?.trimEnd().split('\n') ?? [];
    const lacking = rows
      .filter((row) => /\| (refused|ignored) /.test(row))
      .map((row) => row.split('|')[1]?.trim().replaceAll('`', ''));
    assert.ok(lacking.length > 3, 'the table was not found');
    const { stdout } = await runInProcess(['gateway', '--help']);
    const section = /\nNot supported:\n((?: .*\n)+)/.exec(stdout)?.[1] ?? '';
    const terms = section.split('\n').flatMap((line) => /^ {2}(\S.*?)(?: {2,}|$)/.exec(line)?.[1] ?? []);
    assert.deepEqual(terms, [...lacking, 'other fields']);
  });

  it('lists commands in groups, variables and exit codes', async () => {
    for (const args of [['--help'], ['-h'], ['help'], []]) {
      const { code, stdout } = await runInProcess(args);
      assert.equal(code, 0);
      for (const { name, summary } of commands)
        assert.match(stdout, new RegExp(`\n  ${name} +${summary.slice(0, 20)}`));
      for (const group of [
        'Examples:',
        'Ask:',
        'Serve:',
        'Money:',
        'Verify:',
        'This machine:',
        'Variables:',
        'Exit codes:',
      ])
        assert.ok(stdout.includes(`\n${group}\n`), group);
      for (const code of ['0', '1', '2', '3', '4', '5', '6', '7', '130, 143'])
        assert.match(stdout, new RegExp(`\n  ${code} +\\w`));
    }
    assert.equal((await runInProcess(['help', 'verify'])).stdout, (await runInProcess(['verify', '--help'])).stdout);
  });

  it('suggests the command or flag that was meant', async () => {
    const { code, stdout, stderr } = await runInProcess(['verfy']);
    assert.deepEqual([code, stdout], [2, '']);
    assert.equal(stderr, "qvac: unknown command 'verfy'\n  Did you mean verify?\n");
    assert.equal((await runInProcess(['help', 'verfy'])).stderr, stderr);
    assert.equal(
      (await runInProcess(['verify', 'x', '--modle', 'y'])).stderr,
      "qvac: unknown option '--modle'\n  Did you mean --model?\n",
    );
    assert.match(
      (await runInProcess(['models'])).stderr,
      /^qvac: models needs a command: pull, ls, rm, show\n {2}qvac models --help\n$/,
    );
    assert.match(
      (await runInProcess(['models', 'list'])).stderr,
      /^qvac: unknown command 'models list', expected pull, ls, rm, show\n/,
    );
    assert.match((await runInProcess(['config', 'show', 'more'])).stderr, /\n {2}qvac config show --help\n$/);
    assert.deepEqual(JSON.parse((await runInProcess(['verfy', '--json'])).stdout), {
      error: { code: 'E_USAGE', message: "unknown command 'verfy'", hint: 'Did you mean verify?' },
    });
  });

  it('loads no network, engine or chain', async () => {
    const hook = join(home, 'hook.mjs');
    const log = join(home, 'loaded');
    // Logs every module that the program resolves or loads, except built-in ones.
    await writeFile(
      hook,
      `import { appendFileSync } from 'node:fs';
       import { registerHooks } from 'node:module';
       registerHooks({ resolve(specifier, context, next) { appendFileSync(process.env.HOOK_LOG, specifier + '\\n'); return next(specifier, context); },
                       load(url, context, next) { const loaded = next(url, context); if (url.startsWith('file:')) appendFileSync(process.env.HOOK_LOG, 'source ' + String(loaded.source).length + ' ' + /createLibp2p|kadDHT|AnchorProvider|sendAndConfirmTransaction|getLlama|safeParse|TomlError/.exec(String(loaded.source)) + '\\n'); return loaded; } });`,
    );
    for (const args of [['--help'], ['--version'], ...commands.map(({ name }) => [name, '--help'])]) {
      await writeFile(log, '');
      const { code, stdout, stderr } = await runProgram(args, {
        home,
        nodeFlags: ['--import', hook],
        environment: { HOOK_LOG: log },
      });
      assert.deepEqual([code, stderr], [0, ''], args.join(' '));
      assert.ok(stdout.length > 5);
      const loaded = (await readFile(log, 'utf8')).split('\n').filter((line) => line !== '');
      assert.ok(
        loaded.some((line) => line.startsWith('source ')),
        'the hook saw nothing',
      );
      const heavy = /libp2p|@solana|anchor|llama|valibot|toml/;
      assert.deepEqual(
        loaded.filter((line) =>
          line.startsWith('source ') ? !line.endsWith(' null') : heavy.test(line) && !/^(node:|file:|\.|\/)/.test(line),
        ),
        [],
        args.join(' '),
      );
      const size = loaded.reduce((sum, line) => sum + Number(/^source (\d+)/.exec(line)?.[1] ?? 0), 0);
      assert.ok(size < 400_000, `${args.join(' ')} loads ${size} bytes`);
    }
  });

  it('starts through the launcher', async () => {
    const { code, stdout, stderr } = await runProgram(['--version'], { home, script: launcher });
    assert.deepEqual([code, stderr], [0, '']);
    assert.match(stdout, /^qvac \d+\.\d+\.\d+\n$/);
  });
});
