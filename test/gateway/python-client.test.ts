import assert from 'node:assert/strict';
import { test } from 'node:test';
import { createDictatedEngine } from '../support/dictated-engine.ts';
import { breakingClient, startGateway, testDefaults } from '../support/gateway.ts';
import { noPythonClients, runPython } from '../support/python-clients.ts';

const skip = (await noPythonClients()) ?? false;

test('works with OpenAI’s Python client, streamed or not, errors included', { skip }, async (context) => {
  const { url } = await startGateway(context, {
    providers: [{ engine: createDictatedEngine('It scatters.\u2028\r\ndata: "x"') }],
  });
  const broken = await startGateway(context, { inference: breakingClient, providers: [] });
  const stdout = await runPython(`
import json, openai
client = openai.OpenAI(base_url=${JSON.stringify(`${url}/v1`)}, api_key="none", max_retries=0)
ask = dict(model="scripted/q8_0", messages=[{"role": "user", "content": "why?"}])
raw = client.chat.completions.with_raw_response.create(**ask, seed=18446744073709551615)
whole = raw.parse()
chunks = client.chat.completions.create(**ask, stream=True)
streamed = "".join(chunk.choices[0].delta.content or "" for chunk in chunks if chunk.choices)
response = client.responses.create(model="scripted", input="why?")
events = [event.type for event in client.responses.create(model="scripted", input="why?", stream=True)]
text = client.completions.create(model="scripted", prompt="why", max_tokens=2).choices[0].text
models = [model.id for model in client.models.list()]
try:
    client.chat.completions.create(**ask, modalities=["audio"])
except openai.BadRequestError as error:
    refused = [error.status_code, error.code, error.param]
try:
    client.chat.completions.create(model="absent", messages=ask["messages"])
except openai.NotFoundError as error:
    missing = error.code
breaking = openai.OpenAI(base_url=${JSON.stringify(`${broken.url}/v1`)}, api_key="none", max_retries=0)
part = ""
try:
    for chunk in breaking.chat.completions.create(**ask, stream=True):
        part += chunk.choices[0].delta.content or ""
except openai.APIError as error:
    part += " " + error.code
try:
    breaking.chat.completions.create(**ask)
except openai.InternalServerError as error:
    part += " " + str(error.status_code)
with client.chat.completions.create(**ask, stream=True) as stream:
    first = next(iter(stream)).choices[0].delta.role
print(json.dumps(dict(
    part=part,
    first=first,
    whole=whole.choices[0].message.content,
    tokens=whole.usage.completion_tokens,
    verified=raw.headers["x-qvac-verified"],
    streamed=streamed,
    response=response.output_text,
    events=[events[0], events[-1]],
    text=text,
    models=models,
    refused=refused,
    missing=missing,
)))
`);
  const said = 'It scatters.\u2028\r\ndata: "x"';
  assert.deepEqual(JSON.parse(stdout), {
    part: 'some E_TRUNCATED 502',
    first: 'assistant',
    whole: said,
    tokens: Buffer.byteLength(said) + 1,
    verified: 'pending',
    streamed: said,
    response: said,
    events: ['response.created', 'response.completed'],
    text: 'It',
    models: ['scripted/q8_0'],
    refused: [400, 'E_UNSUPPORTED', 'modalities'],
    missing: 'model_not_found',
  });
});

test('makes a tool round trip with OpenAI’s Python client, streamed or not', { skip }, async (context) => {
  const call = '<tool_call>{"name": "weather", "arguments": {"city": "Oslo"}}</tool_call>';
  const engine = createDictatedEngine([call, call, 'Rain.']);
  const { url } = await startGateway(context, {
    providers: [{ engine, offering: { can: ['tools'] } }],
    gateway: { defaults: { ...testDefaults, maxTokens: 200 } },
  });
  const stdout = await runPython(`
import json, openai
client = openai.OpenAI(base_url=${JSON.stringify(`${url}/v1`)}, api_key="none", max_retries=0)
messages = [{"role": "user", "content": "Weather in Oslo?"}]
function = dict(name="weather", parameters=dict(type="object", properties=dict(city=dict(type="string"))))
ask = dict(model="scripted/q8_0", messages=messages, tools=[dict(type="function", function=function)])
with client.chat.completions.stream(**ask) as stream:
    for event in stream:
        pass
    streamed = stream.get_final_completion().choices[0]
whole = client.chat.completions.create(**ask).choices[0]
messages.append(whole.message)
[made] = whole.message.tool_calls
messages.append(dict(role="tool", tool_call_id=made.id, content="rain"))
last = client.chat.completions.create(**ask).choices[0]
called = [(c.finish_reason, [(t.function.name, t.function.arguments) for t in c.message.tool_calls]) for c in (streamed, whole)]
print(json.dumps(dict(called=called, last=last.message.content)))
`);
  const called = ['tool_calls', [['weather', '{"city":"Oslo"}']]];
  assert.deepEqual(JSON.parse(stdout), { called: [called, called], last: 'Rain.' });
});
