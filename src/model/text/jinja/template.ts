import { Renderer } from './evaluate/renderer.ts';
import { Scope } from './evaluate/scope.ts';
import { globalsFor } from './library/globals.ts';
import { parseTemplate } from './syntax/parse.ts';
import type { Body } from './syntax/tree.ts';
import type { Value } from './values/values.ts';

export { BoundsError, TemplateError } from './errors.ts';
export { Callable, Dict, type Value } from './values/values.ts';

/**
 * A Jinja2 template as chat models carry it: `trim_blocks`, `lstrip_blocks`, no escaping, `tojson` as the chat
 * libraries define it. Rendering is a function of the template and its variables alone, within fixed bounds.
 *
 * ```ts
 * const template = createTemplate('{{ greeting | upper }}!');
 * template.render(new Map([['greeting', 'hello']])); // 'HELLO!'
 * ```
 */
export interface Template {
  /**
   * @throws TemplateError if the template fails or raises, BoundsError if it goes beyond the bounds of
   * `constants.ts`
   */
  render(variables: ReadonlyMap<string, Value>): string;
}

/** @throws TemplateError if the source is broken, BoundsError if it is too long or nests too deeply */
export function createTemplate(source: string): Template {
  const body: Body = parseTemplate(source);
  return {
    render(variables) {
      const renderer = new Renderer();
      const globals = new Scope(null, globalsFor(renderer.evaluator));
      return renderer.render(body, new Scope(new Scope(globals, new Map(variables))));
    },
  };
}
