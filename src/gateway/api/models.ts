import type { ModelId } from '../../lib/types.ts';
import type { LivePeer } from '../../node/discovery/discovery.ts';
import { modelIdHex } from '../../protocol/digests.ts';
import { dimensionsOf } from '../../protocol/embedding.ts';
import { fillsGaps } from '../../protocol/input/gap.ts';
import type { CardModel } from '../../protocol/messages.ts';

/** One model file on offer, with what its providers have in common. */
export interface OfferedModel {
  /** `name/quant`. */
  readonly name: string;
  readonly id: ModelId;
  readonly model: CardModel;
  /** When the oldest card that offers it was issued, unix seconds. */
  readonly since: number;
  readonly providers: number;
  /** What some provider serves beyond plain text (protocol section 3). */
  readonly can: readonly string[];
  /** The lowest prices, lamports per 1,000 tokens. */
  readonly priceIn: number;
  readonly priceOut: number;
}

/** Every model that live providers offer, once each, sorted by name. */
export function offeredModels(live: readonly LivePeer[]): readonly OfferedModel[] {
  const found = new Map<string, OfferedModel>();
  for (const { card } of live) {
    if (card.role !== 'provider') continue;
    for (const model of card.models) {
      const id = modelIdHex(model.id);
      const name = `${model.name}/${model.quant}`;
      // The same file under another name is listed again, so that it can be requested by either name.
      const key = `${id} ${name}`;
      const known = found.get(key);
      const since = Math.floor(card.issuedAt / 1_000);
      if (known === undefined)
        found.set(key, {
          name,
          id,
          model,
          since,
          providers: 1,
          can: model.can,
          priceIn: model.priceIn,
          priceOut: model.priceOut,
        });
      else
        found.set(key, {
          ...known,
          since: Math.min(known.since, since),
          providers: known.providers + 1,
          can: [...new Set([...known.can, ...model.can])],
          priceIn: Math.min(known.priceIn, model.priceIn),
          priceOut: Math.min(known.priceOut, model.priceOut),
        });
    }
  }
  return [...found.values()].toSorted((a, b) => (a.name < b.name ? -1 : a.name > b.name ? 1 : 0));
}

/**
 * The name under which the network knows the model that a client calls `asked`: an exact name first, then Ollama's
 * `NAME:latest` and `NAME:QUANT`, then any of them in another case. A model that is not on offer keeps its spelling.
 */
export function networkName(offered: readonly OfferedModel[], asked: string): string {
  const spellings = spellingsOf(asked);
  const known = offered.flatMap(({ name, id, model }) => [name, model.name, id]);
  const match = (same: (name: string, spelling: string) => boolean): string | undefined =>
    spellings.flatMap((spelling) => known.find((name) => same(name, spelling)) ?? []).at(0);
  return (
    match((name, spelling) => name === spelling) ??
    match((name, spelling) => name.toLowerCase() === spelling.toLowerCase()) ??
    spellings.at(-1) ??
    asked
  );
}

/** As a client wrote the name, and as the network writes it. */
function spellingsOf(asked: string): readonly string[] {
  const [, name, tag] = /^(.+):([^:/]+)$/.exec(asked) ?? [];
  if (name === undefined || tag === undefined) return [asked];
  return [asked, tag.toLowerCase() === 'latest' ? name : `${name}/${tag}`];
}

/** The offered model that a client calls `asked`; null: any. */
export function findOffered(offered: readonly OfferedModel[], asked: string | null): OfferedModel | undefined {
  if (asked === null) return offered[0];
  const known = networkName(offered, asked);
  return offered.find(({ name, id, model }) => known === name || known === model.name || known === id);
}

/** It embeds texts, and answers nothing. */
export function embedsTexts({ model }: OfferedModel): boolean {
  return dimensionsOf(model) !== null;
}

export function takesTools({ can }: OfferedModel): boolean {
  return can.includes('tools');
}

export function takesSuffix({ can }: OfferedModel): boolean {
  return can.includes(fillsGaps);
}

export function openaiModel(offered: OfferedModel) {
  const { name, id, model, since, providers, priceIn, priceOut } = offered;
  return {
    id: name,
    object: 'model',
    created: since,
    owned_by: 'qvac',
    qvac: {
      model_id: id,
      architecture: model.arch,
      context: model.context,
      providers,
      price_in: priceIn,
      price_out: priceOut,
      tools: takesTools(offered),
      embedding: dimensionsOf(model),
      suffix: takesSuffix(offered),
    },
  };
}

export function anthropicModel({ name, since }: OfferedModel) {
  return { type: 'model', id: name, display_name: name, created_at: new Date(since * 1_000).toISOString() };
}

/** A model in Ollama's list. The size of a file on another machine is unknown, hence 0. */
export function ollamaModel(offered: OfferedModel) {
  const { name, id, since } = offered;
  return {
    name,
    model: name,
    modified_at: new Date(since * 1_000).toISOString(),
    size: 0,
    digest: id,
    details: ollamaDetails(offered),
  };
}

/** A model in Ollama's list of loaded models: here every model on offer counts as loaded. */
export function ollamaRunning(offered: OfferedModel) {
  const { modified_at: _modified, ...model } = ollamaModel(offered);
  return { ...model, size_vram: 0, context_length: offered.model.context };
}

/** Ollama's details of one model, as far as a card has them. */
export function ollamaShown(offered: OfferedModel) {
  const { model, id, since, providers, priceIn, priceOut } = offered;
  return {
    license: '',
    modelfile: '',
    parameters: '',
    template: '',
    details: ollamaDetails(offered),
    model_info: {
      'general.architecture': model.arch,
      [`${model.arch}.context_length`]: model.context,
      ...(embedsTexts(offered) ? { [`${model.arch}.embedding_length`]: dimensionsOf(model) } : {}),
      'qvac.model_id': id,
      'qvac.providers': providers,
      'qvac.price_in': priceIn,
      'qvac.price_out': priceOut,
    },
    capabilities: embedsTexts(offered)
      ? ['embedding']
      : ['completion', ...(takesTools(offered) ? ['tools'] : []), ...(takesSuffix(offered) ? ['insert'] : [])],
    modified_at: new Date(since * 1_000).toISOString(),
  };
}

function ollamaDetails({ model: { arch, quant } }: OfferedModel) {
  return {
    parent_model: '',
    format: 'gguf',
    family: arch,
    families: [arch],
    parameter_size: '',
    quantization_level: quant,
  };
}
