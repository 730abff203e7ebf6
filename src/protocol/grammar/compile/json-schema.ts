import type { GrammarRules } from '../rules.ts';
import { JsonText } from './json-text.ts';
import { RuleBuilder } from './rule-builder.ts';
import { SchemaCompiler } from './schema/compiler.ts';
import { SchemaDocument } from './schema/document.ts';

/**
 * The JSON texts that fit a schema, or those of them that a program would write: properties in the schema's order, no
 * others unless `additionalProperties` asks for them, white space of one blank or an indent, numbers of 15 digits.
 * @param schema a JSON value
 * @throws BadInputError naming what is not supported, for a larger schema than is taken, and for one that no value fits
 */
export function grammarOfJsonSchema(schema: unknown): GrammarRules {
  const rules = new RuleBuilder();
  return rules.finish(schemaItems(rules, schema));
}

/** The same as a part of another grammar. */
export function schemaItems(rules: RuleBuilder, schema: unknown): ReturnType<SchemaCompiler['whole']> {
  return new SchemaCompiler(new JsonText(rules), new SchemaDocument(schema)).whole();
}

/** Any JSON object: what APIs call JSON mode. */
export function grammarOfJson(): GrammarRules {
  const rules = new RuleBuilder();
  return rules.finish(new JsonText(rules).anyObject);
}
