import { unsupported } from '../problem.ts';
import { Fields } from './fields.ts';

/** Fields beside a text that ask for nothing: copied from an earlier answer, or a cache hint. */
const neutrals = { annotations: [[]], logprobs: [[]], citations: [[], { enabled: false }] } as const;

/** Content as one text, or as parts that each hold a text under one of `types`. @throws Problem */
export function readContent(fields: Fields, name: string, types: readonly string[]): string {
  const raw = fields.raw(name);
  if (!Array.isArray(raw)) {
    const text = fields.text(name);
    if (text === undefined) throw fields.bad(name, 'text');
    return text;
  }
  return raw.map((part: unknown, at) => readPart(new Fields(part, `${fields.pathOf(name)}[${at}].`), types)).join('');
}

function readPart(part: Fields, types: readonly string[]): string {
  const type = part.raw('type');
  if (typeof type !== 'string' || !types.includes(type))
    throw unsupported(part.pathOf('type'), `"${String(type).slice(0, 50)}"`);
  const text = part.text('text');
  if (text === undefined) throw part.bad('text', 'text');
  part.neutral(neutrals);
  part.ignored('cache_control');
  part.done();
  return text;
}
