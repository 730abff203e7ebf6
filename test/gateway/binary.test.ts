import assert from 'node:assert/strict';
import { once } from 'node:events';
import { stat } from 'node:fs/promises';
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

test('the program itself: ready, asked, stopped; and nothing of a question or an answer on its output at any level', async (context) => {
  const secret = 'the-question-nobody-may-log';
  const answer = 'the-answer-nobody-may-log';
  const provider = await startProvider(context, { engine: createDictatedEngine(answer) });
  const home = await temporaryHome(context);
  const program = startProgram(['gateway', '--json', '-v', '--private', provider.peer.network, '--no-mdns', '--bootstrap', provider.address, '--http', '127.0.0.1:0'], { home });
  context.after(() => program.kill('SIGKILL'));
  let output = '';
  for (const stream of [program.stdout, program.stderr]) stream.setEncoding('utf8').on('data', (text: string) => (output += text));
  const [line] = (await once(createInterface(program.stdout), 'line')) as [string];
  const ready = JSON.parse(line) as Ready;
  assert.equal(ready.event, 'ready');
  assert.match(ready.link, /^http:\/\/127\.0\.0\.1:\d+\/#token=[\w-]{43}$/);
  assert.equal((await stat(join(home, 'run', 'gateway.json'))).mode & 0o777, 0o600);
  const client = new OpenAI({ baseURL: `${ready.url}/v1`, apiKey: 'none', maxRetries: 5 });
  const { data, response } = await client.chat.completions.create({ model: 'scripted', messages: [{ role: 'user', content: secret }] }).withResponse();
  assert.equal(data.choices[0]?.message.content, answer);
  const page = await fetch(ready.url);
  assert.match(page.headers.get('content-security-policy') ?? '', /default-src 'none'/);
  const bad = await fetch(`${ready.url}/v1/chat/completions`, { method: 'POST', body: `{"messages":[{"role":"user","content":"${secret}"}],"bad":1}` });
  assert.equal(bad.status, 400);
  const receipt = response.headers.get('x-qvac-receipt') ?? '';
  const why = startProgram(['why', receipt.slice(0, 12), '--json'], { home });
  const account = JSON.parse((await why.stdout.setEncoding('utf8').toArray()).join('')) as { readonly provider: string };
  assert.equal(account.provider, provider.peer.id);
  const missing = await fetch(`${ready.url}/v1/chat/completions`, { method: 'POST', body: `{"model":"absent","messages":[{"role":"user","content":"${secret}"}]}` });
  assert.equal(missing.status, 404);
  for (const [{ headers }, told] of [[response, /answered by/], [missing, /no answer[^]*absent/]] as const) {
    const explained = startProgram(['why', headers.get('x-request-id') ?? ''], { home });
    assert.match((await explained.stdout.setEncoding('utf8').toArray()).join(''), told);
  }
  program.kill('SIGTERM');
  const [code] = (await once(program, 'close')) as [number];
  assert.equal(code, 143);
  assert.ok(!output.includes(secret) && !output.includes(answer), output);
});
