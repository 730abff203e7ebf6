import assert from 'node:assert/strict';
import type { ChildProcessWithoutNullStreams } from 'node:child_process';
import { once } from 'node:events';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { it, type TestContext } from 'node:test';
import { runProgram, startProgram } from '../support/binary.ts';
import { temporaryHome } from '../support/home.ts';
import { tinyModel, writeTestModel } from '../support/models.ts';
import { ask, loopbackMarket } from './market.ts';

interface LogRecord {
  readonly time: string;
  readonly level: string;
  readonly message: string;
  readonly [field: string]: unknown;
}

/** A process with -v, whose log is read line by line. */
class Logged {
  readonly child: ChildProcessWithoutNullStreams;
  readonly records: LogRecord[] = [];
  stdout = '';
  #changed = Promise.withResolvers<void>();

  constructor(args: readonly string[], home: string, context: TestContext) {
    this.child = startProgram([...args, '-v'], { home });
    this.child.stdout.setEncoding('utf8').on('data', (text: string) => {
      this.stdout += text;
    });
    createInterface({ input: this.child.stderr }).on('line', (line) => {
      this.records.push(JSON.parse(line) as LogRecord);
      this.#changed.resolve();
      this.#changed = Promise.withResolvers();
    });
    this.child.on('close', () => this.#changed.resolve());
    context.after(() => this.stop());
  }

  async event(name: string): Promise<LogRecord> {
    for (;;) {
      const found = this.records.find(({ event }) => event === name);
      if (found !== undefined) return found;
      if (this.child.exitCode !== null)
        throw new Error(`ended before "${name}": ${JSON.stringify(this.records.at(-1))}`);
      await this.#changed.promise;
    }
  }

  async stop(): Promise<void> {
    if (this.child.exitCode !== null || this.child.signalCode !== null) return;
    this.child.kill('SIGTERM');
    await once(this.child, 'close');
  }
}

/** The values of each field, joined over all records with the same message, to find an answer logged in pieces. */
function textsOf(records: readonly LogRecord[]): readonly string[] {
  const texts = new Map<string, string>();
  const add = (name: string, value: unknown): void => {
    if (typeof value === 'object' && value !== null)
      for (const [key, each] of Object.entries(value)) add(`${name} ${key}`, each);
    else texts.set(name, `${texts.get(name) ?? ''}${String(value)}`);
  };
  for (const record of records) add(record.message, record);
  return [...texts].flat();
}

/** Pieces of `answer` that are long enough to be recognised. */
function piecesOf(answer: string): readonly string[] {
  const length = 12;
  return Array.from({ length: Math.max(0, answer.length - length + 1) }, (_, at) => answer.slice(at, at + length));
}

const market = loopbackMarket();
const prompt = 'the-prompt-nobody-may-log';
const system = 'the-system-prompt-nobody-may-log';
const common = [...market.flags, '--threads', '1', '--gpu', 'off'];

async function post(url: string, body: string): Promise<{ readonly status: number; readonly text: string }> {
  const response = await fetch(`${url}/v1/chat/completions`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body,
  });
  return { status: response.status, text: await response.text() };
}

function contentOf({ status, text }: { readonly status: number; readonly text: string }): string {
  assert.equal(status, 200, text);
  return (JSON.parse(text) as { readonly choices: readonly [{ readonly message: { readonly content: string } }] })
    .choices[0].message.content;
}

it('serve, route and gateway log JSON lines off a terminal, and even with -v no prompt, system prompt, answer or token', async (context) => {
  const [providerHome, home, aloneHome] = [
    await temporaryHome(context),
    await temporaryHome(context),
    await temporaryHome(context),
  ];
  const { path } = await tinyModel();
  const serve = new Logged(
    ['serve', ...common, ...market.listen, '--model', path, '--name', 'tiny'],
    providerHome,
    context,
  );
  const { addrs } = (await serve.event('ready')) as unknown as { readonly addrs: readonly [string] };
  const known = ['--bootstrap', addrs[0]];
  const route = new Logged(['route', ...common, ...market.listen, ...known, '--model', path], home, context);
  await route.event('ready');
  const through = new Logged(
    ['gateway', ...common, ...known, '--http', '127.0.0.1:0', '--verify', 'full'],
    home,
    context,
  );
  const direct = new Logged(
    ['gateway', ...common, ...known, '--http', '127.0.0.1:0', '--verify', 'sampling'],
    aloneHome,
    context,
  );

  const answers: string[] = [];
  const said: string[] = [];
  for (const [where, verify] of [
    [['--provider', addrs[0]], 'none'],
    [[], 'full'],
  ] as const) {
    const asked = await ask(market, home, [
      ...where,
      '--verify',
      verify,
      '-v',
      '--json',
      '--model',
      'tiny',
      '--system',
      system,
      '--max-tokens',
      '40',
      prompt,
    ]);
    assert.equal(asked.code, 0, asked.stderr);
    answers.push((JSON.parse(asked.stdout) as { readonly answer: string }).answer);
    said.push(asked.stderr);
  }
  for (const gateway of [through, direct]) {
    const { url } = (await gateway.event('ready')) as unknown as { readonly url: string };
    const question = {
      model: 'tiny',
      max_tokens: 40,
      messages: [
        { role: 'system', content: system },
        { role: 'user', content: prompt },
      ],
    };
    answers.push(contentOf(await post(url, JSON.stringify(question))));
    // Errors must not quote the prompt.
    for (const body of [
      `{"messages":[{"role":"user","content":"${prompt}"}], nonsense`,
      JSON.stringify({ ...question, [prompt]: system }),
      JSON.stringify({ ...question, response_format: { type: prompt } }),
      JSON.stringify({ ...question, model: 'nobody-has-this' }),
      JSON.stringify({ ...question, messages: [{ role: prompt, content: prompt }] }),
      JSON.stringify({ ...question, messages: [{ role: 'user', content: `${prompt} `.repeat(4_000) }] }),
    ]) {
      const { status } = await post(url, body);
      assert.ok(status >= 400 && status < 600, `${body.slice(0, 80)}: ${status}`);
    }
  }
  const tooLong = await ask(market, home, ['-v', '--model', 'tiny'], `${prompt} `.repeat(4_000));
  assert.notEqual(tooLong.code, 0);
  said.push(tooLong.stderr);

  // The token allows spending, so it is not logged; the owner of the home can print it.
  const tokens = await Promise.all(
    [home, aloneHome].map(
      async (root) =>
        (JSON.parse(await readFile(join(root, 'run', 'gateway.json'), 'utf8')) as { readonly token: string }).token,
    ),
  );
  const linked = await runProgram(['gateway', '--link'], { home });
  assert.match(linked.stdout, new RegExp(`^http://127\\.0\\.0\\.1:\\d+/#token=${tokens[0]}\\n$`));

  // A model's template may quote the prompt that it refuses.
  const picky = await writeTestModel('picky-template', {
    template: '{{ raise_exception("cannot take " + messages[0].content) }}',
  });
  const strict = new Logged(
    ['serve', ...common, ...market.listen, '--model', picky.path, '--name', 'picky'],
    await temporaryHome(context),
    context,
  );
  const { addrs: strictAddrs } = (await strict.event('ready')) as unknown as { readonly addrs: readonly [string] };
  const refused = await ask(market, home, ['--provider', strictAddrs[0], prompt]);
  assert.equal(refused.code, 2, refused.stderr);
  assert.match(refused.stderr, new RegExp(`cannot take ${prompt}`), 'who asked is told');
  await strict.event('refused');

  const processes = { serve, route, through, direct, strict };
  for (const [name, process] of Object.entries(processes)) {
    await process.stop();
    assert.equal(process.stdout, '', name);
    assert.ok(
      process.records.some(({ level }) => level === 'debug'),
      `${name} says what it can`,
    );
    for (const { time, level, message } of process.records) {
      assert.equal(new Date(time).toISOString(), time);
      assert.ok(['debug', 'info', 'warn', 'error'].includes(level) && message !== '');
    }
  }
  assert.ok(
    answers.every((answer) => answer.length > 20),
    'there is something to be found',
  );
  const logged = [...Object.values(processes).flatMap(({ records }) => textsOf(records)), ...said].join('\n');
  assert.ok(logged.includes('tiny'));
  for (const forbidden of [prompt, system, ...tokens, ...answers.flatMap(piecesOf)])
    assert.ok(!logged.includes(forbidden), `logged: ${forbidden}`);
});

it('the chain logs the same way, and the error that ends a process is its last record', async (context) => {
  const home = await temporaryHome(context);
  const chain = new Logged(['chain'], home, context);
  const ready = await chain.event('ready');
  assert.match(String(ready.rpcUrl), /^http:\/\/127\.0\.0\.1:\d+$/);
  const second = await runProgram(['chain'], { home });
  assert.equal(second.code, 3);
  const records = second.stderr
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line) as LogRecord);
  assert.deepEqual([records.at(-1)?.level, records.at(-1)?.code, second.stdout], ['error', 'E_LOCKED', '']);
  await chain.stop();
  assert.equal(chain.records.at(-1)?.message, 'stopping …');
});
