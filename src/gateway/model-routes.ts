import type { Hono } from 'hono';
import { Fields } from './api/fields.ts';
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
import { nameOf } from './api/ollama.ts';
import { readBody } from './guard/body.ts';
import { badField, Problem } from './problem.ts';
import type { AppComponents, Bindings, RequestContext } from './request-context.ts';

const maxBodyBytes = 8_192;

/** Adds the routes that list models, in the format of each API. */
export function addModelRoutes(app: Hono<Bindings>, { market }: Pick<AppComponents, 'market'>, version: string): void {
  const offers = (): readonly OfferedModel[] => offeredModels(market.live());
  const find = (asked: string): OfferedModel => {
    const offered = findOffered(offers(), asked);
    if (offered === undefined)
      throw new Problem(404, 'E_NO_PROVIDER', `no provider offers ${asked.slice(0, 100)} now`, { param: 'model' });
    return offered;
  };
  app.get('/v1/models', (c) => {
    const offered = offers();
    if (!isAnthropic(c)) return c.json({ object: 'list', data: offered.map(openaiModel) });
    return c.json({
      data: offered.map(anthropicModel),
      has_more: false,
      first_id: offered[0]?.name ?? null,
      last_id: offered.at(-1)?.name ?? null,
    });
  });
  // A model's name may hold slashes, and a stranger's any character at all.
  app.get('/v1/models/:name{[\\s\\S]+}', (c) => {
    const offered = find(c.req.param('name'));
    return c.json(isAnthropic(c) ? anthropicModel(offered) : openaiModel(offered));
  });
  app.get('/api/tags', (c) => c.json({ models: offers().map(ollamaModel) }));
  app.get('/api/ps', (c) => c.json({ models: offers().map(ollamaRunning) }));
  app.post('/api/show', async (c) => {
    const fields = new Fields(parseJson(await readBody(c.env.incoming, maxBodyBytes)));
    // Older clients send `name`.
    const asked = fields.text('model') ?? fields.text('name');
    fields.ignored('name', 'verbose');
    fields.neutral({ system: [''], template: [''], options: [{}] });
    fields.done();
    if (asked === undefined || asked === '') throw badField('model', 'model: expected a name');
    return c.json(ollamaShown(find(nameOf(asked))));
  });
  app.get('/api/version', (c) => c.json({ version }));
}

/** Whether an Anthropic client sent this: of the APIs that share a path, only theirs sends this header. */
export function isAnthropic(c: RequestContext): boolean {
  return c.req.header('anthropic-version') !== undefined;
}
