import assert from 'node:assert/strict';
import { readdirSync, readFileSync } from 'node:fs';
import { describe, it } from 'node:test';
import { createDictatedEngine } from '../support/dictated-engine.ts';
import { startGateway, testDefaults } from '../support/gateway.ts';

/** Requests as real clients send them, and what they get. */
interface ClientCases {
  readonly sentBy: string;
  /** What the model serves beyond plain text. @default nothing */
  readonly can?: readonly string[];
  /** What it answers. @default 'It scatters.' */
  readonly answer?: string;
  readonly cases: readonly {
    readonly name: string;
    readonly method: string;
    readonly path: string;
    readonly body?: unknown;
    readonly expect: {
      readonly status: number;
      /** Part of the response's JSON. */
      readonly body?: object;
      /** Texts in the response. */
      readonly says?: readonly string[];
    };
  }[];
}

const folder = new URL('cases/', import.meta.url);

for (const file of readdirSync(folder).filter((name) => name.endsWith('.json'))) {
  const clients = JSON.parse(readFileSync(new URL(file, folder), 'utf8')) as readonly ClientCases[];
  for (const { sentBy, can = [], answer = 'It scatters.', cases } of clients) {
    describe(`${file}: ${sentBy}`, () => {
      for (const { name, method, path, body, expect } of cases) {
        it(name, async (context) => {
          const { url } = await startGateway(context as never, {
            providers: [{ engine: createDictatedEngine(answer, { name: 'smollm2-135m' }), offering: { can } }],
            gateway: { defaults: { ...testDefaults, maxTokens: 400 } },
          });
          const response = await fetch(`${url}${path}`, {
            method,
            ...(body === undefined || method === 'GET' ? {} : { body: JSON.stringify(body) }),
          });
          const text = await response.text();
          assert.equal(response.status, expect.status, text);
          for (const said of expect.says ?? []) assert.ok(unescaped(text).includes(said), `${said} in ${text}`);
          if (expect.body !== undefined) assert.partialDeepStrictEqual(JSON.parse(text), expect.body);
        });
      }
    });
  }
}

/** Quotation marks inside a JSON text as they read. */
function unescaped(text: string): string {
  return text.replaceAll('\\"', '"');
}
