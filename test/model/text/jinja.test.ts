import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { describe, it } from 'node:test';
import { createTemplate, Dict, type Value } from '../../../src/model/text/jinja/template.ts';
import { parseOrdered } from '../../../src/model/text/ordered-json.ts';

const file = readFileSync(new URL('jinja/cases.json', import.meta.url), 'utf8');
const { cases } = JSON.parse(file) as { readonly cases: readonly (readonly [string, string | null])[] };

/** The variables with the order of their keys, which JSON.parse would lose. */
function variables(): Map<string, Value> {
  const parsed = parseOrdered(file);
  const given = parsed instanceof Dict ? parsed.get('variables') : null;
  assert.ok(given instanceof Dict);
  return new Map([...given.entries()].map(([name, value]) => [String(name), value]));
}

function render(source: string): string | null {
  try {
    return createTemplate(source).render(variables());
  } catch (error) {
    if (process.env.SHOW) console.log(String(error));
    return null;
  }
}

describe('templates, against what Jinja2 renders', () => {
  for (const [source, text] of cases) {
    it(JSON.stringify(source).slice(0, 120), () => {
      assert.equal(render(source), text);
    });
  }
});
