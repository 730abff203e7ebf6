import type { Hono } from 'hono';
import { dimensionsOf } from '../protocol/embedding.ts';
import { trustFields } from './answer/trust-fields.ts';
import { type EmbeddingReader, readOllamaEmbed, readOllamaEmbeddings, readOpenaiEmbeddings } from './api/embeddings.ts';
import type { EmbeddingRoute } from './api/field-table.ts';
import { parseJson } from './api/json.ts';
import { embedsTexts, findOffered, type OfferedModel, offeredModels } from './api/models.ts';
import type { GatewayInit } from './components.ts';
import { readBody } from './guard/body.ts';
import { requireOffered } from './model-routes.ts';
import { Problem, problemOf, unsupported } from './problem.ts';
import type { AppComponents, Bindings, RequestContext } from './request-context.ts';
import { allowanceOf, checkReserved, checkWallet, reserve } from './spending.ts';

const readers: Readonly<Record<EmbeddingRoute, EmbeddingReader>> = {
  '/v1/embeddings': readOpenaiEmbeddings,
  '/api/embed': readOllamaEmbed,
  '/api/embeddings': readOllamaEmbeddings,
};

/** Paths of OpenAI clients whose base URL lacks `/v1`. */
const aliases: Readonly<Record<string, EmbeddingRoute>> = { '/embeddings': '/v1/embeddings' };

/** Models that an error names. */
const maxNamed = 5;

/** Adds the routes that turn texts into vectors. */
export function addEmbeddingRoutes(app: Hono<Bindings>, components: AppComponents, init: GatewayInit): void {
  for (const path of [...Object.keys(readers), ...Object.keys(aliases)]) {
    const read = readers[embeddingRouteOf(path) ?? '/v1/embeddings'];
    app.post(path, (c) => embed(c, components, init, read));
    app.all(path, () => {
      throw new Problem(405, 'E_USAGE', `${path} takes POST`, { headers: { allow: 'POST' } });
    });
  }
}

/** The route that answers at `path`, or undefined. */
export function embeddingRouteOf(path: string): EmbeddingRoute | undefined {
  return Object.hasOwn(readers, path) ? (path as EmbeddingRoute) : aliases[path];
}

async function embed(
  c: RequestContext,
  components: AppComponents,
  init: GatewayInit,
  read: EmbeddingReader,
): Promise<Response> {
  const { embedding } = components;
  // 404, because clients retry a 501.
  if (embedding === undefined) throw new Problem(404, 'E_UNSUPPORTED', 'this gateway does not offer embeddings');
  const startedMs = performance.now();
  const { incoming, outgoing } = c.env;
  const { query, dimensions, body } = read(parseJson(await readBody(incoming)), {
    ...init.defaults,
    ...allowanceOf(c, init),
  });
  const offered = modelFor(offeredModels(components.market.live()), query.model);
  checkDimensions(offered, dimensions);
  const model = offered.name;
  const totalMs = (): number => performance.now() - startedMs;
  if (query.texts.length === 0) return c.json(body({ model, vectors: [], promptTokens: 0, totalMs: totalMs() }));
  checkWallet(c, init, query.wallet);
  components.metrics.checkRoom(1, init.limits?.requests);
  const reservation = await reserve(c, init, { maxPrice: query.maxPrice, jobs: 1 });
  const { maxPrice, charge } = reservation;
  // Others may have begun meanwhile.
  checkReserved(reservation, () => components.metrics.checkRoom(1, init.limits?.requests));
  const gone = new AbortController();
  outgoing.once('close', () => gone.abort(new Error('the client disconnected')));
  const costs: Promise<bigint>[] = [];
  const setState = components.metrics.begin();
  try {
    const result = await embedding.embed(
      { ...query, model: offered.id, maxPrice },
      { cost: (lamports) => void costs.push(lamports) },
      { requestId: c.get('id'), signal: AbortSignal.any([gone.signal, components.signal]) },
    );
    for (const { delivered, verified } of result.jobs) {
      if (delivered !== null) components.metrics.delivered({ ...delivered, tokens: 0 }, null);
      components.metrics.checked({ verified, faults: [], referees: null });
    }
    const reply = { model, vectors: result.vectors, promptTokens: result.promptTokens, totalMs: totalMs() };
    return c.json(body(reply), 200, trustFields(result.jobs));
  } catch (error) {
    components.metrics.failed(problemOf(error).code);
    throw error;
  } finally {
    setState(null);
    // The reservation stays until the chain says what the failed attempts cost.
    void Promise.all(costs).then((all) => charge?.(all.reduce((sum, lamports) => sum + lamports, 0n)));
  }
}

/** The offered model that a client calls `asked`, which has to embed texts; null: any that does. @throws Problem */
function modelFor(offered: readonly OfferedModel[], asked: string | null): OfferedModel {
  const able = offered.filter(embedsTexts);
  if (asked === null) return requireOffered(able, null);
  const found = findOffered(able, asked) ?? requireOffered(offered, asked);
  if (embedsTexts(found)) return found;
  const names = able.map(({ name }) => name);
  const more = names.length > maxNamed ? `, and ${names.length - maxNamed} more` : '';
  // Programs look for the words of Ollama. 404 as of a gateway without embeddings.
  throw new Problem(names.length === 0 ? 404 : 400, 'E_UNSUPPORTED', `${found.name} does not support embeddings`, {
    param: 'model',
    hint:
      names.length === 0
        ? 'embeddings are not offered: no model here embeds texts'
        : `models on offer that do: ${names.slice(0, maxNamed).join(', ')}${more}`,
  });
}

/** @throws Problem for a length that is not the model's own */
function checkDimensions({ name, model }: OfferedModel, asked: number | null): void {
  const own = dimensionsOf(model);
  if (asked === null || asked === own) return;
  throw unsupported('dimensions', `other than ${own}`, `the vectors of ${name} have ${own} numbers`);
}
