import type { Hono } from 'hono';
import { parseJson } from './api/json.ts';
import {
  anthropicModel,
  findOffered,
  type OfferedModel,
  offeredModels,
  ollamaModel,
  ollamaRunning,
  ollamaShown,
  openaiModel,
} from './api/models.ts';
import { RequestFields } from './api/request-fields.ts';
import { readBody } from './guard/body.ts';
import { badField, Problem } from './problem.ts';
import type { AppComponents, Bindings, RequestContext } from './request-context.ts';

const maxBodyBytes = 8_192;
/** The version of Ollama whose API this is. Codex refuses versions below 0.13.4. */
const ollamaVersion = '0.13.5';

/** Adds the routes that list models, in the format of each API. */
export function addModelRoutes(app: Hono<Bindings>, { market }: Pick<AppComponents, 'market'>, version: string): void {
  const offers = (): readonly OfferedModel[] => offeredModels(market.live());
  const list = (c: RequestContext): Response => {
    const offered = offers();
    if (!isAnthropic(c)) return c.json({ object: 'list', data: offered.map(openaiModel) });
    return c.json({
      data: offered.map(anthropicModel),
      has_more: false,
      first_id: offered[0]?.name ?? null,
      last_id: offered.at(-1)?.name ?? null,
    });
  };
  for (const path of ['/v1/models', '/models']) {
    app.get(path, list);
    // A model's name may hold slashes, and a stranger's any character at all.
    app.get(`${path}/:name{[\\s\\S]+}`, (c) => {
      const offered = requireOffered(offers(), c.req.param('name'));
      return c.json(isAnthropic(c) ? anthropicModel(offered) : openaiModel(offered));
    });
  }
  app.get('/api/tags', (c) => c.json({ models: offers().map(ollamaModel) }));
  app.get('/api/ps', (c) => c.json({ models: offers().map(ollamaRunning) }));
  app.post('/api/show', async (c) => {
    const fields = RequestFields.of(parseJson(await readBody(c.env.incoming, maxBodyBytes)));
    // Ollama's own program sends an empty `model` and the model in `name`.
    const [model = '', name = ''] = [fields.text('model'), fields.text('name')];
    const asked = model === '' ? name : model;
    if (asked === '') throw badField('model', 'model: expected a name');
    return c.json(ollamaShown(requireOffered(offers(), asked)));
  });
  app.get('/api/version', (c) => c.json({ version: ollamaVersion, qvac: version }));
}

/** @throws Problem 404 */
export function requireOffered(offered: readonly OfferedModel[], asked: string | null): OfferedModel {
  const found = findOffered(offered, asked);
  if (found !== undefined) return found;
  const name = asked === null ? 'a model' : asked.slice(0, 100);
  throw new Problem(404, 'E_NO_PROVIDER', `no provider offers ${name} now`, { param: 'model' });
}

/** Whether an Anthropic client sent this: of the APIs that share a path, only theirs sends this header. */
export function isAnthropic(c: RequestContext): boolean {
  return c.req.header('anthropic-version') !== undefined;
}
