import { cpus, totalmem } from 'node:os';
import { fromHex } from '../../lib/bytes.ts';
import type { Engine } from '../../model/engine.ts';
import type { CardContent } from '../cards/card-issuer.ts';

/**
 * The content of a router's card: the models that it can re-execute but does not serve (section 4.0), and the execution
 * class of the first. Without a model it has no class.
 */
export function routerContent(engines: readonly Engine[]): CardContent {
  const [first] = engines;
  const idle = { backend: 'cpu', device: cpus()[0]?.model.trim() ?? 'CPU', memory: totalmem() };
  return {
    models: engines.map(({ facts: { id, name, arch, quant, context, vocab, stops } }) => ({
      id: fromHex(id),
      name,
      arch,
      quant,
      context,
      vocab,
      stops,
      modes: [],
      priceIn: 0,
      priceOut: 0,
      slots: 0,
    })),
    compute: { ...(first?.device ?? idle), tokensPerSecond: 0 },
    exec: first?.exec ?? null,
    pay: null,
  };
}
