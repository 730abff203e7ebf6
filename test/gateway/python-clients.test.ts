import assert from 'node:assert/strict';
import { test } from 'node:test';
import { longChat, place, placeSchema, startTalk, talk, weatherCall } from '../support/client-talk.ts';
import { noPythonClients, runPython } from '../support/python-clients.ts';

const skip = (await noPythonClients()) ?? false;

const call = (name: string, json: string): string =>
  `<tool_call>\n{"name": "${name}", "arguments": ${json}}\n</tool_call>`;
/** Instructor has objects written as calls, too, of another name where it streams. */
const asCalls = ['', 'Partial'].flatMap((prefix) => [
  call(`${prefix}get_weather`, '{"city": "Oslo"}'),
  call(`${prefix}Place`, place),
  place,
  'Fine.',
]);
const clients = ['anthropic', 'ollama', 'litellm', 'pydantic_ai', 'pydantic_ai_responses', 'instructor'] as const;

/** Each client makes a round trip with a tool, gets an object of a schema and continues a long chat, then streamed. */
const script = (urls: Readonly<Record<string, string>>): string => `
import json
from typing import Any
from pydantic import BaseModel, ConfigDict

urls = json.loads(${JSON.stringify(JSON.stringify(urls))})
chat = json.loads(${JSON.stringify(JSON.stringify(longChat))})
parameters = json.loads(${JSON.stringify(JSON.stringify(weatherCall.parameters))})
schema = json.loads(${JSON.stringify(JSON.stringify(placeSchema))})
model = "scripted/q8_0"
question = "Weather in Oslo?"
function = dict(name="get_weather", description="The weather of a city", parameters=parameters)
tool = dict(type="function", function=function)
found: dict[str, Any] = {}

class Place(BaseModel):
    model_config = ConfigDict(extra="forbid")
    name: str
    people: int

def use_anthropic(url, streamed):
    import anthropic
    client = anthropic.Anthropic(base_url=url, api_key="none", max_retries=0)
    def ask(messages, **more):
        body = dict(model=model, max_tokens=400, messages=messages, **more)
        if not streamed:
            return client.messages.create(**body)
        with client.messages.stream(**body) as stream:
            return stream.get_final_message()
    tools = [dict(name="get_weather", description="The weather of a city", input_schema=parameters)]
    messages = [dict(role="user", content=question)]
    first = ask(messages, tools=tools)
    [call] = [block for block in first.content if block.type == "tool_use"]
    messages.append(dict(role="assistant", content=first.content))
    result = dict(type="tool_result", tool_use_id=call.id, content="rain")
    messages.append(dict(role="user", content=[result]))
    last = ask(messages, tools=tools)
    formed = ask([dict(role="user", content="Where?")], output_config=dict(format=dict(type="json_schema", schema=schema)))
    return call.input, last.content[0].text, formed.content[0].text, ask(chat).content[0].text

def use_ollama(url, streamed):
    import ollama
    client = ollama.Client(host=url)
    def ask(messages, **more):
        if not streamed:
            return client.chat(model=model, messages=messages, **more).message
        parts = [part.message for part in client.chat(model=model, messages=messages, stream=True, **more)]
        calls = [call for part in parts for call in part.tool_calls or []]
        return ollama.Message(role="assistant", content="".join(part.content or "" for part in parts), tool_calls=calls or None)
    messages: list[Any] = [dict(role="user", content=question)]
    first = ask(messages, tools=[tool])
    [call] = first.tool_calls
    messages += [first, dict(role="tool", tool_name=call.function.name, content="rain")]
    last = ask(messages, tools=[tool])
    formed = ask([dict(role="user", content="Where?")], format=schema)
    return call.function.arguments, last.content, formed.content, ask(chat).content

def use_litellm(url, streamed):
    import litellm
    litellm.telemetry = False
    litellm.suppress_debug_info = True
    def ask(messages, **more):
        body = dict(model=f"openai/{model}", api_base=f"{url}/v1", api_key="none", max_retries=0, messages=messages, **more)
        if not streamed:
            return litellm.completion(**body).choices[0].message
        chunks = list(litellm.completion(stream=True, **body))
        return litellm.stream_chunk_builder(chunks, messages=messages).choices[0].message
    messages = [dict(role="user", content=question)]
    first = ask(messages, tools=[tool])
    [call] = first.tool_calls
    messages += [first.model_dump(), dict(role="tool", tool_call_id=call.id, content="rain")]
    last = ask(messages, tools=[tool])
    form = dict(type="json_schema", json_schema=dict(name="place", schema=schema, strict=True))
    formed = ask([dict(role="user", content="Where?")], response_format=form)
    return json.loads(call.function.arguments), last.content, formed.content, ask(chat).content

def use_pydantic_ai(url, streamed, responses=False):
    from pydantic_ai import Agent, NativeOutput
    from pydantic_ai.messages import ModelRequest, ModelResponse, TextPart, UserPromptPart
    from pydantic_ai.models.openai import OpenAIChatModel, OpenAIResponsesModel
    from pydantic_ai.providers.openai import OpenAIProvider
    kind = OpenAIResponsesModel if responses else OpenAIChatModel
    served = kind(model, provider=OpenAIProvider(base_url=f"{url}/v1", api_key="none"))
    def ask(agent, prompt, **more):
        if not streamed:
            return agent.run_sync(prompt, **more).output
        return agent.run_stream_sync(prompt, **more).get_output()
    cities: list[Any] = []
    equipped = Agent(served)
    @equipped.tool_plain
    def get_weather(city: str) -> str:
        cities.append(dict(city=city))
        return "rain"
    last = ask(equipped, question)
    formed = ask(Agent(served, output_type=NativeOutput(Place)), "Where?")
    history: list[Any] = [
        ModelRequest(parts=[UserPromptPart(content=turn["content"])]) if turn["role"] == "user"
        else ModelResponse(parts=[TextPart(content=turn["content"])])
        for turn in chat[:-1]
    ]
    long = ask(Agent(served), chat[-1]["content"], message_history=history)
    return cities[0], last, formed.model_dump_json(), long

def use_pydantic_ai_responses(url, streamed):
    return use_pydantic_ai(url, streamed, responses=True)

def use_instructor(url, streamed):
    import instructor, openai
    plain = openai.OpenAI(base_url=f"{url}/v1", api_key="none", max_retries=0)
    class get_weather(BaseModel):
        city: str
    def ask(mode, shape, text):
        client = instructor.from_openai(plain, mode=mode)
        body = dict(model=model, messages=[dict(role="user", content=text)], response_model=shape, max_retries=1)
        if not streamed:
            return client.chat.completions.create(**body)
        *_, last = client.chat.completions.create_partial(**body)
        return last
    call = ask(instructor.Mode.TOOLS, get_weather, question)
    last = ask(instructor.Mode.TOOLS, Place, "Where?")
    formed = ask(instructor.Mode.JSON_SCHEMA, Place, "Where?")
    long = plain.chat.completions.create(model=model, messages=chat).choices[0].message.content
    return call.model_dump(), last.model_dump_json(), formed.model_dump_json(), long

for name, url in urls.items():
    found[name] = [globals()[f"use_{name}"](url, streamed) for streamed in (False, True)]
print(json.dumps(found))
`;

test('works with the Python clients: tools, a schema, a long chat, streamed or not', { skip }, async (context) => {
  const started = await Promise.all(
    clients.map(async (name) => {
      const answers = name === 'instructor' ? asCalls : [...talk, ...talk];
      return [name, await startTalk(context, answers)] as const;
    }),
  );
  const urls = Object.fromEntries(started.map(([name, { url }]) => [name, url]));
  const found = JSON.parse(await runPython(script(urls))) as Readonly<Record<string, readonly (readonly unknown[])[]>>;
  for (const [name, { inputs }] of started) {
    const answer = [{ city: 'Oslo' }, name === 'instructor' ? place : 'Rain.', place, 'Fine.'];
    assert.deepEqual(found[name], [answer, answer], name);
    assert.deepEqual(inputs.at(-1)?.messages, longChat, name);
  }
});
