import { BadInputError } from '../../protocol/codec.ts';
import { type CallForm, grammarOfCalls } from '../../protocol/grammar/compile/calls.ts';
import type { GrammarRules } from '../../protocol/grammar/rules.ts';
import { badField } from '../problem.ts';
import type { ToolFamily } from './families.ts';
import type { OfferedTool } from './parts.ts';

/** The calls that an answer must or may make. */
export interface ForcedCalls {
  /** One of these is called. */
  readonly tools: readonly OfferedTool[];
  /** Whether an answer may make several calls. */
  readonly isParallel: boolean;
}

/** An answer in which calls have one form: its grammar, and how it is read. */
export interface ForcedAnswer {
  readonly rules: GrammarRules;
  readonly family: ToolFamily;
}

const form = (call: readonly [string, string, string], between: string): CallForm => ({
  beforeName: [call[0]],
  beforeArguments: [call[1]],
  afterArguments: [call[2]],
  between: [between],
});
const forms = {
  hermes: form(['<tool_call>\n{"name": "', '", "arguments": ', '}\n</tool_call>'], '\n'),
  llama3: form(['{"name": "', '", "parameters": ', '}'], '; '),
} as const;

/**
 * Only calls whose arguments are JSON can be forced: a model of another family is made to write them as Hermes does.
 * @throws Problem for a schema that cannot be compiled
 */
export function forcedAnswer(calls: ForcedCalls, family: ToolFamily): ForcedAnswer {
  const written = family === 'llama3' ? family : 'hermes';
  return { rules: grammarOf(calls, written, null), family: written };
}

/**
 * An answer that is either calls or a text of `rules`. Every model writes its calls as Hermes does: a call that is JSON
 * and nothing else could be a text of `rules`.
 * @throws Problem as `forcedAnswer`
 */
export function callsOr(rules: GrammarRules, calls: ForcedCalls): ForcedAnswer {
  return { rules: grammarOf(calls, 'hermes', rules), family: 'hermes' };
}

function grammarOf(
  { tools, isParallel }: ForcedCalls,
  written: keyof typeof forms,
  other: GrammarRules | null,
): GrammarRules {
  const { between, ...parts } = forms[written];
  const functions = tools.map(({ name, parameters, text }) => ({ name, parameters: parameters ?? undefined, text }));
  try {
    return grammarOfCalls(functions, { ...parts, between: isParallel ? between : null }, other);
  } catch (error) {
    if (error instanceof BadInputError) throw badField('tools', `tools: ${error.message}`);
    throw error;
  }
}
