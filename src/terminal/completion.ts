/** A word that the shell may complete to. */
export interface Candidate {
  readonly value: string;
  readonly description: string;
}

/** Names that change while the program runs. */
export interface Names {
  /** Models that peers offer. */
  readonly models: readonly Candidate[];
  /** Model files in the home. */
  readonly files: readonly Candidate[];
  /** Models of the catalogue. */
  readonly catalog: readonly Candidate[];
  readonly peers: readonly Candidate[];
  readonly receipts: readonly Candidate[];
}

export interface CompletionInit {
  /** The command typed, such as `models pull`. */
  readonly command?: string | undefined;
  /** The words after the command; the last one is incomplete. */
  readonly words: readonly string[];
  readonly subcommands: readonly Candidate[];
  /** As in help, such as `-m, --model <name>`. */
  readonly flags: readonly Candidate[];
  /** The command's operands, such as `<receipt>`. */
  readonly arguments?: readonly string[] | undefined;
  /** Called only if a name is to be completed. */
  names(): Promise<Names>;
}

/** Flags with a fixed set of values. */
const fixed: Readonly<Record<string, readonly string[]>> = {
  '--network': ['local', 'devnet', 'mainnet'],
  '--verify': ['none', 'optimistic', 'sampling', 'full'],
  '--referees': ['1', '3'],
  '--gpu': ['auto', 'off'],
  '--role': ['provider', 'router', 'relay', 'serve', 'route', 'gateway'],
  '--reach': ['auto', 'direct', 'relay'],
};

/** The candidates for the last of `words`. */
export async function candidatesFor(init: CompletionInit): Promise<readonly Candidate[]> {
  const { words, subcommands, flags } = init;
  const typed = words.at(-1) ?? '';
  const before = words.at(-2) ?? '';
  const matching = (all: readonly Candidate[]): readonly Candidate[] =>
    all.filter(({ value }) => value.startsWith(typed)).map(clean);
  const flag = before.startsWith('-') ? flags.find(({ value }) => namesOf(value).includes(before)) : undefined;
  if (flag?.value.includes('<')) return matching(await valuesOf(flag.value, init));
  if (typed.startsWith('-'))
    return matching(
      flags.flatMap(({ value, description }) =>
        namesOf(value)
          .filter((name) => name.startsWith('--'))
          .map((name) => ({ value: name, description })),
      ),
    );
  return matching(subcommands.length > 0 ? subcommands : await operandsOf(init));
}

/** Removes characters that a shell would act on: names come from peers. */
function clean({ value, description }: Candidate): Candidate {
  return {
    value: value.replaceAll(/[^\x20-\x7e]|[\\"'`$;&|<>(){}*?!#]/g, ''),
    description: description.replaceAll(/[\p{Cc}\p{Cf}]/gu, ' '),
  };
}

function namesOf(flags: string): readonly string[] {
  return flags.split(', ').map((part) => part.split(' ')[0] ?? '');
}

/** Offered models for commands that ask; local files and the catalogue for commands that serve or check. */
async function modelsFor({ command = '', names }: CompletionInit): Promise<readonly Candidate[]> {
  const { models, files, catalog } = await names();
  if (command === 'models pull') return catalog;
  if (command.startsWith('models')) return files;
  const all = ['serve', 'route', 'verify', 'doctor'].includes(command) ? [...files, ...catalog] : [...models, ...files];
  return all.filter(({ value }, at) => all.findIndex((each) => each.value === value) === at);
}

async function valuesOf(flag: string, init: CompletionInit): Promise<readonly Candidate[]> {
  const name = namesOf(flag).at(-1) ?? '';
  const values = fixed[name];
  if (values !== undefined) return values.map((value) => ({ value, description: '' }));
  if (name === '--model') return modelsFor(init);
  if (['--provider', '--router', '--allow', '--auditor'].includes(name)) return (await init.names()).peers;
  return [];
}

async function operandsOf(init: CompletionInit): Promise<readonly Candidate[]> {
  const [operand = ''] = init.arguments ?? [];
  if (operand.includes('receipt')) return (await init.names()).receipts;
  if (operand.includes('model')) return modelsFor(init);
  if (operand.includes('words')) return ['bash', 'zsh', 'fish'].map((value) => ({ value, description: '' }));
  return [];
}
