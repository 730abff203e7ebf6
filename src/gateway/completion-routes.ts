import { RESPONSE_ALREADY_SENT } from '@hono/node-server/utils/response';
import type { Hono } from 'hono';
import { maxChallenges } from '../protocol/constants.ts';
import { CompletionHandler } from './answer/completion-handler.ts';
import { readCountRequest, readMessagesRequest } from './api/anthropic/request.ts';
import type { ApiRequest, CompletionRequest, RequestDefaults, RequestReader } from './api/completion-request.ts';
import type { CompletionRoute } from './api/field-table.ts';
import { parseJson } from './api/json.ts';
import { embedsTexts, findOffered, networkName, type OfferedModel, offeredModels } from './api/models.ts';
import { readOllamaChat, readOllamaGenerate } from './api/ollama/request.ts';
import { readChat } from './api/openai/chat.ts';
import { readCompletion } from './api/openai/completions.ts';
import { readResponse } from './api/openai/responses.ts';
import type { GatewayInit } from './components.ts';
import { readBody } from './guard/body.ts';
import { requireOffered } from './model-routes.ts';
import { Problem, unsupported } from './problem.ts';
import type { AppComponents, Bindings, RequestContext } from './request-context.ts';
import { allowanceOf, checkReserved, checkWallet, reserve } from './spending.ts';
import { withCallGrammar, withToolSupport } from './tool-support.ts';
import type { ToolFamily } from './tools/families.ts';

/** The routes that run a prompt, each with the function that reads its requests. */
const readers: Readonly<Record<CompletionRoute, RequestReader>> = {
  '/v1/chat/completions': readChat,
  '/v1/completions': readCompletion,
  '/v1/responses': readResponse,
  '/v1/messages': readMessagesRequest,
  '/api/chat': readOllamaChat,
  '/api/generate': readOllamaGenerate,
};

/** Paths of OpenAI clients whose base URL lacks `/v1`. */
const aliases: Readonly<Record<string, CompletionRoute>> = {
  '/chat/completions': '/v1/chat/completions',
  '/completions': '/v1/completions',
  '/responses': '/v1/responses',
};

/** Adds the routes that run a prompt, and those that clients call beside them. */
export function addCompletionRoutes(app: Hono<Bindings>, components: AppComponents, init: GatewayInit): void {
  for (const path of [...Object.keys(readers), ...Object.keys(aliases)]) {
    const read = readers[routeOf(path) ?? '/v1/chat/completions'];
    app.post(path, (c) => complete(c, components, init, read));
    app.all(path, (c) => {
      // Codex asks for a web socket first; at this status it goes on without one at once.
      if (c.req.header('upgrade') !== undefined)
        throw new Problem(426, 'E_USAGE', `${path} takes no web socket, but POST`, { headers: { allow: 'POST' } });
      throw new Problem(405, 'E_USAGE', `${path} takes POST`, { headers: { allow: 'POST' } });
    });
  }
  app.post('/v1/messages/count_tokens', (c) => countTokens(c, components, init.defaults));
}

/** The route that answers at `path`, or undefined. */
export function routeOf(path: string): CompletionRoute | undefined {
  return Object.hasOwn(readers, path) ? (path as CompletionRoute) : aliases[path];
}

async function complete(
  c: RequestContext,
  components: AppComponents,
  init: GatewayInit,
  read: RequestReader,
): Promise<Response> {
  const { incoming, outgoing } = c.env;
  const parsed = read(parseJson(await readBody(incoming)), { ...init.defaults, ...allowanceOf(c, init) });
  const offered = answering(offeredModels(components.market.live()), parsed);
  if (parsed.kind === 'load')
    return c.json(parsed.body(requireOffered(offered, parsed.model).name, components.clock.now()));
  const { request, encoder } = parsed;
  const { model } = request.inference;
  const inference = { ...request.inference, model: model === null ? null : networkName(offered, model) };
  components.metrics.checkRoom(request.choices, init.limits?.requests);
  checkWallet(c, init, inference.wallet);
  const supported = withToolSupport(offered, { ...request, inference });
  const { family, request: forced } = withCallGrammar(supported, await familyFor(components, init, supported, offered));
  const fitted = await withLogprobs(components, forced);
  const reservation = await reserve(c, init, { maxPrice: fitted.inference.maxPrice, jobs: fitted.choices });
  const { maxPrice, charge } = reservation;
  // Others may have begun meanwhile; this one begins before anything else does.
  checkReserved(reservation, () => components.metrics.checkRoom(fitted.choices, init.limits?.requests));
  await new CompletionHandler(
    components,
    {
      id: c.get('id'),
      request: { ...fitted, inference: { ...fitted.inference, maxPrice } },
      encoder,
      family,
      keepAliveMs: init.keepAliveMs,
      waitVerdict: init.waitVerdict,
      verdictMs: init.verdictMs,
      onCost: (lamports) => charge?.(lamports),
    },
    outgoing,
  ).run();
  return RESPONSE_ALREADY_SENT;
}

/** The models that answer. @throws Problem if the request names one that embeds texts */
function answering(offered: readonly OfferedModel[], parsed: ApiRequest): readonly OfferedModel[] {
  const able = offered.filter((each) => !embedsTexts(each));
  const asked = parsed.kind === 'load' ? parsed.model : parsed.request.inference.model;
  const named = asked === null || findOffered(able, asked) !== undefined ? undefined : findOffered(offered, asked);
  if (named === undefined) return able;
  throw new Problem(400, 'E_UNSUPPORTED', `${named.name} does not support chat, it embeds texts`, {
    param: 'model',
    hint: 'use /v1/embeddings or /api/embed',
  });
}

/** How the model writes calls: as the operator says, as its file on this machine shows, or in any known way. */
async function familyFor(
  { inference }: AppComponents,
  { toolParser = 'auto' }: GatewayInit,
  { tools, inference: { model: asked } }: CompletionRequest,
  offered: readonly OfferedModel[],
): Promise<ToolFamily> {
  const model = findOffered(offered, asked);
  if (toolParser !== 'auto' || model === undefined || tools === null || tools.offered.length === 0) return toolParser;
  return (await inference.toolFamily(model.id)) ?? 'auto';
}

/**
 * Log-probabilities of a model that is not here come from the opening, which has at most 256 steps.
 * @throws Problem if nothing is opened
 */
async function withLogprobs({ inference }: AppComponents, request: CompletionRequest): Promise<CompletionRequest> {
  const { model, sampler, verify } = request.inference;
  if (request.topLogprobs === null || (await inference.holds(model))) return request;
  if (verify === 'none')
    throw unsupported('logprobs', 'with qvac.verify none', 'this gateway does not hold the model, and opens no steps');
  if (sampler.maxTokens <= maxChallenges) return request;
  return {
    ...request,
    inference: { ...request.inference, sampler: { ...sampler, maxTokens: maxChallenges } },
    adjusted: [...request.adjusted, `max_tokens=${maxChallenges} for logprobs`],
  };
}

async function countTokens(
  c: RequestContext,
  { inference, market }: AppComponents,
  defaults: RequestDefaults,
): Promise<Response> {
  const { model, input } = readCountRequest(parseJson(await readBody(c.env.incoming)), defaults);
  const offered = requireOffered(offeredModels(market.live()), model);
  const { tokens, exact } = await inference.countTokens(offered.id, input);
  return c.json({ input_tokens: tokens, qvac: { exact } });
}
