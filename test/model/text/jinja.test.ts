import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { describe, it } from 'node:test';
import { createTemplate, TemplateError, type Value } from '../../../src/model/text/jinja/template.ts';
import { templateValue } from '../../../src/model/text/prompt.ts';
import { parseJsonText } from '../../../src/protocol/encoding/strict-json.ts';

interface Cases {
  /** JSON text, since the order of the keys matters. */
  readonly variables: string;
  /** A template, and what Jinja2 renders of it; null: it fails. */
  readonly cases: readonly (readonly [template: string, text: string | null])[];
}

const file = new URL('jinja/cases.json', import.meta.url);
const { variables, cases } = JSON.parse(readFileSync(file, 'utf8')) as Cases;

/** Made anew for each template: some change them. */
function given(): ReadonlyMap<string, Value> {
  const parsed = parseJsonText(variables);
  assert.ok(parsed instanceof Map);
  return new Map([...parsed].map(([name, value]) => [name, templateValue(value)]));
}

function render(template: string): string | null {
  try {
    return createTemplate(template).render(given());
  } catch (error) {
    assert.ok(error instanceof TemplateError, String(error));
    return null;
  }
}

describe('templates, as Jinja2 renders them', () => {
  it('has a table to compare with', () => {
    assert.ok(cases.length > 400);
    assert.ok(cases.filter(([, text]) => text !== null).length > 280);
  });

  for (const [template, text] of cases)
    it(JSON.stringify(template).slice(0, 120), () => {
      assert.equal(render(template), text);
    });
});
