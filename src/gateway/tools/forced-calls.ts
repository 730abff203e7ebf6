import { BadInputError } from '../../protocol/codec.ts';
import { type CallForm, grammarOfCalls } from '../../protocol/grammar/compile/calls.ts';
import type { GrammarRules } from '../../protocol/grammar/rules.ts';
import { badField } from '../problem.ts';
import type { ToolFamily } from './families.ts';
import type { OfferedTool } from './parts.ts';

/** The calls that an answer must make. */
export interface ForcedCalls {
  /** One of these is called. */
  readonly tools: readonly OfferedTool[];
  /** Whether an answer may make several calls. */
  readonly isParallel: boolean;
}

/** An answer that can only be calls: its grammar, and how it is read. */
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
export function forcedAnswer({ tools, isParallel }: ForcedCalls, family: ToolFamily): ForcedAnswer {
  const written = family === 'llama3' ? family : 'hermes';
  const { between, ...parts } = forms[written];
  const functions = tools.map(({ name, parameters, text }) => ({ name, parameters: parameters ?? undefined, text }));
  try {
    return { rules: grammarOfCalls(functions, { ...parts, between: isParallel ? between : null }), family: written };
  } catch (error) {
    if (error instanceof BadInputError) throw badField('tools', `tools: ${error.message}`);
    throw error;
  }
}
