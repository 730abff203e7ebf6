import type { CompletionRequest } from './api/completion-request.ts';
import { findOffered, type OfferedModel, takesTools } from './api/models.ts';
import { Problem } from './problem.ts';

/** Models that an error names. */
const maxNamed = 5;
/** Its calls and reasoning stand between control tokens, also in answers without tools. */
const channelArch = 'gpt-oss';

/**
 * The request as its model needs it: with the texts of control tokens in the answer where calls or reasoning stand
 * between them.
 * @throws Problem if the request offers tools and no provider serves the model with them
 */
export function withToolSupport(offered: readonly OfferedModel[], request: CompletionRequest): CompletionRequest {
  const { inference, tools } = request;
  const model = findOffered(offered, inference.model);
  const hasTools = inference.input.tools !== null;
  if (hasTools && model !== undefined) requireTools(offered, inference.model === null ? null : model);
  if (tools === null || !(hasTools || model?.model.arch === channelArch)) return request;
  return { ...request, inference: { ...inference, extra: { ...inference.extra, markers: true } } };
}

/** @param model null: any will do */
function requireTools(offered: readonly OfferedModel[], model: OfferedModel | null): void {
  const able = offered.filter(takesTools);
  if (model === null ? able.length > 0 : takesTools(model)) return;
  const names = able.map(({ name }) => name);
  const more = names.length > maxNamed ? `, and ${names.length - maxNamed} more` : '';
  // Programs look for the words of Ollama.
  throw new Problem(400, 'E_UNSUPPORTED', `${model?.name ?? 'the model on offer'} does not support tools`, {
    param: 'tools',
    hint:
      names.length === 0
        ? 'no model on offer does'
        : `models on offer that do: ${names.slice(0, maxNamed).join(', ')}${more}`,
  });
}
