import assert from 'node:assert/strict';
import { suite, test } from 'node:test';
import { candidatesFor, type Names } from '../../src/terminal/completion.ts';

const of = (value: string) => ({ value, description: '' });
const flags = [of('-m, --model <name>'), of('--verify <how>'), of('--provider <peer>'), of('--json'), of('-h, --help')];
const names: Names = {
  models: [of('smollm2-135m'), of('qwen3-4b')],
  files: [of('qwen3-4b'), of('mine')],
  catalog: [of('qwen3-8b'), of('qwen3-4b')],
  peers: [of('12D3KooWa')],
  receipts: [of('9f3a00000000')],
};
const complete = async (
  words: readonly string[],
  over: {
    readonly subcommands?: readonly string[];
    readonly arguments?: readonly string[];
    readonly command?: string;
  } = {},
): Promise<readonly string[]> =>
  (
    await candidatesFor({
      words,
      subcommands: (over.subcommands ?? []).map(of),
      flags,
      arguments: over.arguments,
      command: over.command,
      names: async () => names,
    })
  ).map(({ value }) => value);

suite('completion', () => {
  test('completes commands by their beginning', async () =>
    assert.deepEqual(await complete(['re'], { subcommands: ['ask', 'receipts', 'route'] }), ['receipts']));
  test('completes flags', async () =>
    assert.deepEqual(await complete(['--']), ['--model', '--verify', '--provider', '--json', '--help']));
  test('completes the values of a flag, also after its short form', async () => {
    assert.deepEqual(await complete(['--verify', 's']), ['sampling']);
    assert.deepEqual(await complete(['-m', '']), ['smollm2-135m', 'qwen3-4b', 'mine']);
    assert.deepEqual(await complete(['--provider', '12']), ['12D3KooWa']);
  });
  test('completes the models that a command can use', async () => {
    const models = (command: string) => complete([''], { command, arguments: ['<model>'] });
    assert.deepEqual(await models('models pull'), ['qwen3-8b', 'qwen3-4b']);
    assert.deepEqual(await models('models rm'), ['qwen3-4b', 'mine']);
    assert.deepEqual(await complete(['-m', ''], { command: 'serve' }), ['qwen3-4b', 'mine', 'qwen3-8b']);
  });
  test('completes an operand after a switch', async () =>
    assert.deepEqual(await complete(['--json', ''], { arguments: ['<receipt>'] }), ['9f3a00000000']));
  test('removes shell syntax from names of peers', async () => {
    const hostile = await candidatesFor({
      words: ['-m', ''],
      subcommands: [],
      flags,
      names: async () => ({
        ...names,
        files: [],
        models: [{ value: '$(reboot)`x`;\n&|', description: 'a\u001b[2Jb' }],
      }),
    });
    assert.deepEqual(hostile, [{ value: 'rebootx', description: 'a [2Jb' }]);
  });
});
