import { readFile } from 'node:fs/promises';
import { messageOf, QvacError } from '../../errors.ts';
import { MalformedError } from '../../protocol/encoding/malformed-error.ts';
import type { GrammarRules } from '../../protocol/grammar/rules.ts';
import { anyText, option } from './definition.ts';

/** The options that give an answer a form. */
export const grammarOptions = {
  jsonSchema: option('--json-schema <file>', 'answer in JSON that fits the JSON schema in this file', anyText),
  grammar: option('--grammar <file>', 'answer in a text of the GBNF grammar in this file', anyText),
  regex: option('--regex <pattern>', 'answer in a text that this regular expression matches', anyText),
};

interface GrammarChoice {
  readonly jsonSchema?: string | undefined;
  readonly grammar?: string | undefined;
  readonly regex?: string | undefined;
}

/** The largest file that is read: of a schema and a grammar, less is taken. */
const maxFileBytes = 1 << 20;

/**
 * The grammar that the options ask for; null without one.
 * @throws QvacError E_USAGE for more than one option, a file that cannot be read, and what is not supported in it
 */
export async function readGrammar({ jsonSchema, grammar, regex }: GrammarChoice): Promise<GrammarRules | null> {
  if ([jsonSchema, grammar, regex].filter((each) => each !== undefined).length > 1)
    throw new QvacError('E_USAGE', 'the answer can have one form only', {
      hint: 'give one of --json-schema, --grammar and --regex',
    });
  if (jsonSchema !== undefined) {
    const schema = parsed(await textOf('--json-schema', jsonSchema), jsonSchema);
    const { grammarOfJsonSchema } = await import('../../protocol/grammar/compile/json-schema.ts');
    return compiled('--json-schema', () => grammarOfJsonSchema(schema));
  }
  if (grammar !== undefined) {
    const source = await textOf('--grammar', grammar);
    const { grammarOfGbnf } = await import('../../protocol/grammar/compile/gbnf.ts');
    return compiled('--grammar', () => grammarOfGbnf(source));
  }
  if (regex === undefined) return null;
  const { grammarOfRegex } = await import('../../protocol/grammar/compile/regex.ts');
  return compiled('--regex', () => grammarOfRegex(regex));
}

async function textOf(flag: string, path: string): Promise<string> {
  try {
    const bytes = await readFile(path);
    if (bytes.length <= maxFileBytes) return bytes.toString('utf8');
  } catch (error) {
    throw new QvacError('E_USAGE', `${flag}: cannot read ${path} (${messageOf(error)})`, { cause: error });
  }
  throw new QvacError('E_USAGE', `${flag}: ${path} has more than ${maxFileBytes} bytes`);
}

function parsed(text: string, path: string): unknown {
  try {
    return JSON.parse(text) as unknown;
  } catch (error) {
    throw new QvacError('E_USAGE', `--json-schema: ${path} is not JSON (${messageOf(error)})`, { cause: error });
  }
}

function compiled(flag: string, compile: () => GrammarRules): GrammarRules {
  try {
    return compile();
  } catch (error) {
    if (!(error instanceof MalformedError)) throw error;
    throw new QvacError('E_USAGE', `${flag}: ${error.message}`, { cause: error });
  }
}
