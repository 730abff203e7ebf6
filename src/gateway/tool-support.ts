import type { GrammarRules } from '../protocol/grammar/rules.ts';
import type { CompletionRequest } from './api/completion-request.ts';
import { findOffered, type OfferedModel, takesSuffix, takesTools } from './api/models.ts';
import type { RequestTools } from './api/tools.ts';
import { Problem } from './problem.ts';
import type { ToolFamily } from './tools/families.ts';
import { callsOr, type ForcedAnswer, forcedAnswer } from './tools/forced-calls.ts';

/** Models that an error names. */
const maxNamed = 5;
/** Its calls and reasoning stand between control tokens, also in answers without tools. */
const channelArch = 'gpt-oss';

/**
 * The request as its model needs it: with the texts of control tokens in the answer where calls or reasoning stand
 * between them.
 * @throws Problem if the request offers tools or has a suffix, and no provider serves the model with that
 */
export function withToolSupport(offered: readonly OfferedModel[], request: CompletionRequest): CompletionRequest {
  const { inference, tools } = request;
  const model = findOffered(offered, inference.model);
  const hasTools = inference.input.tools !== null;
  const needs = [...(hasTools ? [toolCalls] : []), ...(inference.input.template === 'fim' ? [insertion] : [])];
  if (model !== undefined)
    for (const need of needs) requireAbility(offered, inference.model === null ? null : model, need);
  if (tools === null || !(hasTools || model?.model.arch === channelArch)) return request;
  return { ...request, inference: { ...inference, extra: { ...inference.extra, markers: true } } };
}

/**
 * The request with the grammar of the calls that its answer must make, or may make instead of the form that it asks
 * for, and how these are read. An answer that must be a call has no other form.
 * @throws Problem
 */
export function withCallGrammar(
  request: CompletionRequest,
  family: ToolFamily,
): { readonly request: CompletionRequest; readonly family: ToolFamily } {
  const { inference, tools } = request;
  const answer = tools === null ? null : callGrammar(tools, inference.extra.rules ?? null, family);
  if (answer === null) return { request, family };
  const { rules, family: written } = answer;
  return {
    request: { ...request, inference: { ...inference, extra: { ...inference.extra, rules } } },
    family: written,
  };
}

function callGrammar(
  { offered, maxCalls, forced }: RequestTools,
  form: GrammarRules | null,
  family: ToolFamily,
): ForcedAnswer | null {
  if (forced !== null) return forcedAnswer(forced, family);
  if (form === null || offered.length === 0) return null;
  return callsOr(form, { tools: offered, isParallel: maxCalls > 1 });
}

/** What a request needs that not every model has. */
interface Ability {
  /** As Ollama calls it: programs look for its words. */
  readonly name: string;
  /** The field that asks for it. */
  readonly param: string;
  isOf(model: OfferedModel): boolean;
}

const toolCalls: Ability = { name: 'tools', param: 'tools', isOf: takesTools };
const insertion: Ability = { name: 'insert', param: 'suffix', isOf: takesSuffix };

/** @param model null: any will do. @throws Problem */
function requireAbility(
  offered: readonly OfferedModel[],
  model: OfferedModel | null,
  { name: ability, param, isOf }: Ability,
): void {
  const able = offered.filter(isOf);
  if (model === null ? able.length > 0 : isOf(model)) return;
  const names = able.map(({ name }) => name);
  const more = names.length > maxNamed ? `, and ${names.length - maxNamed} more` : '';
  throw new Problem(400, 'E_UNSUPPORTED', `${model?.name ?? 'the model on offer'} does not support ${ability}`, {
    param,
    hint:
      names.length === 0
        ? 'no model on offer does'
        : `models on offer that do: ${names.slice(0, maxNamed).join(', ')}${more}`,
  });
}
