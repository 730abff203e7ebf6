import type { ModelId } from '../../lib/types.ts';
import type { LivePeer } from '../../node/discovery/discovery.ts';
import { modelIdHex } from '../../protocol/digests.ts';
import type { CardModel } from '../../protocol/messages.ts';

/** One model file that is offered now, by whomever. */
export interface OfferedModel {
  /** `name/quant`. */
  readonly name: string;
  readonly id: ModelId;
  readonly model: CardModel;
  /** Unix seconds of the oldest card that offers it. */
  readonly since: number;
  readonly providers: number;
  /** The lowest, lamports per 1,000 tokens. */
  readonly priceIn: number;
  readonly priceOut: number;
}

/** Every model that live providers offer, each once, by name. */
export function offeredModels(live: readonly LivePeer[]): readonly OfferedModel[] {
  const found = new Map<string, OfferedModel>();
  for (const { card } of live) {
    if (card.role !== 'provider') continue;
    for (const model of card.models) {
      const id = modelIdHex(model.id);
      const name = `${model.name}/${model.quant}`;
      // Under another name the same file is another offer: whoever asks by name is to get it.
      const key = `${id} ${name}`;
      const known = found.get(key);
      const since = Math.floor(card.issuedAt / 1_000);
      if (known === undefined)
        found.set(key, { name, id, model, since, providers: 1, priceIn: model.priceIn, priceOut: model.priceOut });
      else
        found.set(key, {
          ...known,
          since: Math.min(known.since, since),
          providers: known.providers + 1,
          priceIn: Math.min(known.priceIn, model.priceIn),
          priceOut: Math.min(known.priceOut, model.priceOut),
        });
    }
  }
  return [...found.values()].toSorted((a, b) => (a.name < b.name ? -1 : a.name > b.name ? 1 : 0));
}

/** The offer that `asked` (name, name/quant or hex id) means. */
export function findOffered(offered: readonly OfferedModel[], asked: string): OfferedModel | undefined {
  return offered.find((each) => isNamed(each, asked));
}

/** Whether `asked` means this model. */
export function isNamed({ name, id, model }: OfferedModel, asked: string): boolean {
  return asked === name || asked === model.name || asked.toLowerCase() === id;
}

export function openaiModel({ name, id, model, since, providers, priceIn, priceOut }: OfferedModel) {
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
    },
  };
}

export function anthropicModel({ name, since }: OfferedModel) {
  return { type: 'model', id: name, display_name: name, created_at: new Date(since * 1_000).toISOString() };
}

/** As in Ollama's list; sizes are not known of files that are elsewhere. */
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

/** As in Ollama's list of models that are loaded: here those that somebody offers now. */
export function ollamaRunning(offered: OfferedModel) {
  const { modified_at: _modified, ...model } = ollamaModel(offered);
  return { ...model, size_vram: 0, context_length: offered.model.context };
}

/** What Ollama tells of one model, as far as a card does. */
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
      'qvac.model_id': id,
      'qvac.providers': providers,
      'qvac.price_in': priceIn,
      'qvac.price_out': priceOut,
    },
    capabilities: ['completion'],
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
