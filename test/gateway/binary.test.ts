import assert from 'node:assert/strict';
import { once } from 'node:events';
import { chmod, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { test } from 'node:test';
import OpenAI from 'openai';
import { startProgram } from '../support/binary.ts';
import { createDictatedEngine } from '../support/dictated-engine.ts';
import { temporaryHome } from '../support/home.ts';
import { startProvider } from '../support/market.ts';

interface Ready {
  readonly event: string;
  readonly url: string;
  readonly link: string;
}

test('the binary starts, answers and stops without logging any prompt or answer text', async (context) => {
  const secret = 'a-prompt-that-must-not-be-logged';
  const answer = 'an-answer-that-must-not-be-logged';
  const provider = await startProvider(context, { engine: createDictatedEngine(answer) });
  const home = await temporaryHome(context);
  const program = startProgram(
    [
      'gateway',
      '--json',
      '-v',
      '--private',
      provider.peer.network,
      '--no-mdns',
      '--bootstrap',
      provider.address,
      '--http',
      '127.0.0.1:0',
    ],
    { home },
  );
  context.after(() => program.kill('SIGKILL'));
  let output = '';
  for (const stream of [program.stdout, program.stderr])
    stream.setEncoding('utf8').on('data', (text: string) => (output += text));
  const [line] = (await once(createInterface(program.stdout), 'line')) as [string];
  const ready = JSON.parse(line) as Ready;
  assert.equal(ready.event, 'ready');
  assert.match(ready.link, /^http:\/\/127\.0\.0\.1:\d+\/#token=[\w-]{43}$/);
  assert.equal((await stat(join(home, 'run', 'gateway.json'))).mode & 0o777, 0o600);
  const client = new OpenAI({ baseURL: `${ready.url}/v1`, apiKey: 'none', maxRetries: 5 });
  const { data, response } = await client.chat.completions
    .create({ model: 'scripted', messages: [{ role: 'user', content: secret }] })
    .withResponse();
  assert.equal(data.choices[0]?.message.content, answer);
  const page = await fetch(ready.url);
  assert.match(page.headers.get('content-security-policy') ?? '', /default-src 'none'/);
  const bad = await fetch(`${ready.url}/v1/chat/completions`, {
    method: 'POST',
    body: `{"messages":[{"role":"user","content":"${secret}"}],"bad":1}`,
  });
  assert.equal(bad.status, 400);
  const receipt = response.headers.get('x-qvac-receipt') ?? '';
  const why = startProgram(['why', receipt.slice(0, 12), '--json'], { home });
  const account = JSON.parse((await why.stdout.setEncoding('utf8').toArray()).join('')) as {
    readonly provider: string;
  };
  assert.equal(account.provider, provider.peer.id);
  const missing = await fetch(`${ready.url}/v1/chat/completions`, {
    method: 'POST',
    body: `{"model":"absent","messages":[{"role":"user","content":"${secret}"}]}`,
  });
  assert.equal(missing.status, 404);
  for (const [{ headers }, told] of [
    [response, /answered by/],
    [missing, /no answer[\s\S]*absent/],
  ] as const) {
    const explained = startProgram(['why', headers.get('x-request-id') ?? ''], { home });
    assert.match((await explained.stdout.setEncoding('utf8').toArray()).join(''), told);
  }
  const twice = startProgram(
    ['gateway', '--private', provider.peer.network, '--no-mdns', '--http', new URL(ready.url).host],
    { home },
  );
  assert.match(
    (await twice.stderr.setEncoding('utf8').toArray()).join(''),
    new RegExp(`the gateway of this home runs at ${ready.url} already.*qvac gateway --link`),
  );
  program.kill('SIGTERM');
  const [code] = (await once(program, 'close')) as [number];
  assert.equal(code, 143);
  assert.ok(!output.includes(secret) && !output.includes(answer), output);
});

test('on a network address: warns, requires keys, and refuses a key file that others can read', async (context) => {
  const provider = await startProvider(context, { engine: createDictatedEngine('yes') });
  const home = await temporaryHome(context);
  const keys = join(home, 'keys.txt');
  await writeFile(keys, 'key-of-the-laptop-0001 laptop\n', { mode: 0o644 });
  const start = () =>
    startProgram(
      [
        'gateway',
        '--json',
        '--private',
        provider.peer.network,
        '--no-mdns',
        '--bootstrap',
        provider.address,
        '--http',
        '0.0.0.0:0',
        '--api-key-file',
        keys,
      ],
      { home },
    );
  const careless = start();
  const [refused, said] = await Promise.all([
    once(careless, 'close') as Promise<[number]>,
    careless.stdout.setEncoding('utf8').toArray(),
  ]);
  assert.equal(refused[0], 3);
  assert.match(said.join(''), /chmod 600/);
  await chmod(keys, 0o600);
  const program = start();
  context.after(() => program.kill('SIGKILL'));
  let talk = '';
  program.stderr.setEncoding('utf8').on('data', (text: string) => (talk += text));
  const [line] = (await once(createInterface(program.stdout), 'line')) as [string];
  const url = (JSON.parse(line) as Ready).url.replace('0.0.0.0', '127.0.0.1');
  const ask = (headers: Readonly<Record<string, string>>): Promise<Response> =>
    fetch(`${url}/v1/chat/completions`, {
      method: 'POST',
      body: JSON.stringify({ model: 'scripted', messages: [{ role: 'user', content: 'x' }] }),
      headers,
    });
  const wrong: readonly Readonly<Record<string, string>>[] = [
    {},
    { authorization: 'Bearer key-of-the-laptop-0002' },
    { 'x-api-key': 'key' },
  ];
  for (const headers of wrong) assert.equal((await ask(headers)).status, 401);
  const answered = await new OpenAI({
    baseURL: `${url}/v1`,
    apiKey: 'key-of-the-laptop-0001',
    maxRetries: 5,
  }).chat.completions.create({ model: 'scripted', messages: [{ role: 'user', content: 'x' }] });
  assert.equal(answered.choices[0]?.message.content, 'yes');
  assert.equal(
    (await fetch(`${url}/qvac/receipts`, { headers: { authorization: 'Bearer key-of-the-laptop-0001' } })).status,
    401,
  );
  assert.equal((await fetch(`${url}/metrics`)).status, 401);
  program.kill('SIGTERM');
  await once(program, 'close');
  assert.match(
    talk,
    /"level":"warn","message":"other machines can reach http:\/\/0\.0\.0\.0:\d+: every program with an API key/,
  );
  assert.ok(!talk.includes('key-of-the-laptop'));
});
