/**
 * Every setting: one name in three spellings. `maxTokens` is `--max-tokens`, `QVAC_MAX_TOKENS` and `max-tokens` in
 * config.toml. Only words and defaults here, so that help loads nothing else; config.ts checks and merges values.
 */
interface Setting {
  /**
   * How text from a flag or variable becomes a value. `list`: repeated flags, commas in a variable. `lamports`: 700,
   * 0.01sol.
   */
  readonly kind: 'text' | 'number' | 'boolean' | 'list' | 'lamports';
  /** As in help. `--no-…` for a boolean that is on by default. */
  readonly flags: string;
  readonly description: string;
  /** As it could stand in config.toml; null: not set. */
  readonly default: string | number | boolean | readonly string[] | null;
  /** What happens where the default is null. */
  readonly otherwise?: string;
}

export const settings = {
  network: { kind: 'text', flags: '--network <name>', description: 'local, devnet or mainnet', default: 'local' },
  private: {
    kind: 'text',
    flags: '--private <name>',
    description: 'a network of your own: a-z, 0-9 and -, at most 32',
    default: null,
    otherwise: 'the one of --network',
  },
  bootstrap: {
    kind: 'list',
    flags: '--bootstrap <addr>',
    description: 'a peer to start from, /ip4/…/tcp/…/p2p/…; may be repeated',
    default: [],
  },
  mdns: {
    kind: 'boolean',
    flags: '--no-mdns',
    description: 'do not look for peers by multicast on the local network',
    default: true,
  },

  model: {
    kind: 'text',
    flags: '-m, --model <name>',
    description: 'name, name/quant or hex id of a model, or a GGUF file',
    default: null,
    otherwise: 'the best live offer; for serve the one that is here',
  },
  system: {
    kind: 'text',
    flags: '--system <text>',
    description: 'system message before the prompt',
    default: null,
    otherwise: 'none',
  },
  temperature: {
    kind: 'number',
    flags: '--temperature <t>',
    description: '0 (always the likeliest token) to 2',
    default: 0.7,
  },
  topK: { kind: 'number', flags: '--top-k <n>', description: 'draw from the n likeliest tokens, 1 to 20', default: 20 },
  minP: {
    kind: 'number',
    flags: '--min-p <p>',
    description: 'leave out tokens below this share of the likeliest, 0 to 1',
    default: 0.05,
  },
  maxTokens: { kind: 'number', flags: '--max-tokens <n>', description: 'longest answer', default: 512 },
  provider: {
    kind: 'text',
    flags: '--provider <peer>',
    description: 'ask this provider: peer id or address',
    default: null,
    otherwise: 'the best one',
  },
  router: {
    kind: 'text',
    flags: '--router <peer>',
    description: 'ask through this router: peer id or address',
    default: null,
    otherwise: 'your own, where one runs',
  },
  verify: {
    kind: 'text',
    flags: '--verify <how>',
    description: 'none, sampling or full',
    default: null,
    otherwise: 'full where the model is at hand, else sampling',
  },
  auditor: {
    kind: 'text',
    flags: '--auditor <peer>',
    description:
      'router that re-executes what failed here, before its provider is refused the money: peer id or address; it sees the prompt',
    default: null,
    otherwise: 'your own router, where one runs; for route nobody',
  },
  maxPrice: {
    kind: 'lamports',
    flags: '--max-price <amount>',
    description: 'most that one answer may cost: lamports, or as 0.01sol',
    default: 0,
  },
  timeout: {
    kind: 'text',
    flags: '--timeout <time>',
    description: 'longest wait for a whole answer, as 90s or 10m',
    default: '10m',
  },

  listen: {
    kind: 'list',
    flags: '--listen <addr>',
    description: 'address to listen on; may be repeated',
    default: ['/ip4/0.0.0.0/tcp/0'],
  },
  name: {
    kind: 'text',
    flags: '--name <name>',
    description: 'name under which the model is offered',
    default: null,
    otherwise: "the file's own",
  },
  priceIn: {
    kind: 'lamports',
    flags: '--price-in <amount>',
    description: 'price of 1,000 prompt tokens: lamports, or as 0.01sol',
    default: 0,
  },
  priceOut: {
    kind: 'lamports',
    flags: '--price-out <amount>',
    description: 'price of 1,000 answer tokens: lamports, or as 0.01sol',
    default: 0,
  },
  free: { kind: 'boolean', flags: '--free', description: 'serve for nothing, whatever the prices', default: false },
  slots: { kind: 'number', flags: '--slots <n>', description: 'jobs at the same time', default: 1 },
  queue: { kind: 'number', flags: '--queue <n>', description: 'jobs that may wait for a slot', default: 8 },
  allow: {
    kind: 'list',
    flags: '--allow <peer>',
    description: 'a peer that the router serves besides you; PEER=0.01sol also pays for it, so much a day',
    default: [],
  },

  rpc: {
    kind: 'text',
    flags: '--rpc <url>',
    description: 'JSON-RPC endpoint of the Solana chain',
    default: null,
    otherwise: "the network's own; on local the home's embedded chain",
  },
  wallet: {
    kind: 'text',
    flags: '--wallet <file>',
    description: 'key file of the wallet, as the Solana command line keeps it',
    default: null,
    otherwise: "the home's, else the Solana command line's",
  },
  escrow: {
    kind: 'text',
    flags: '--escrow <address>',
    description: 'address of the escrow program',
    default: null,
    otherwise: 'the one that qvac comes with',
  },
  priorityFee: {
    kind: 'number',
    flags: '--priority-fee <n>',
    description: 'micro-lamports per compute unit on top of the fee',
    default: 0,
  },

  http: {
    kind: 'text',
    flags: '--http <addr>',
    description: 'address and port of the HTTP gateway',
    default: null,
    otherwise: '127.0.0.1:3000 of qvac gateway',
  },
  allowOrigin: {
    kind: 'list',
    flags: '--allow-origin <url>',
    description: 'a web page that may use the gateway, as https://chat.example; may be repeated',
    default: [],
  },
  allowHost: {
    kind: 'list',
    flags: '--allow-host <name>',
    description: 'a name under which the gateway may be asked; may be repeated',
    default: [],
  },
  apiKeyFile: {
    kind: 'text',
    flags: '--api-key-file <file>',
    description: 'keys of which programs need one, a line each: key, name, lamports a day',
    default: null,
    otherwise: 'programs of this machine need none',
  },
  waitVerdict: {
    kind: 'boolean',
    flags: '--wait-verdict',
    description: 'end an answer of the gateway only with its verdict, or after 5 s without one',
    default: false,
  },

  threads: {
    kind: 'number',
    flags: '--threads <n>',
    description: 'threads that compute',
    default: null,
    otherwise: 'one less than the cores',
  },
  batch: { kind: 'number', flags: '--batch <n>', description: 'most tokens per evaluation call', default: 63 },
  context: {
    kind: 'number',
    flags: '--context <n>',
    description: 'tokens of prompt and answer together',
    default: null,
    otherwise: "the model's, at most 8192",
  },
  gpu: { kind: 'text', flags: '--gpu <how>', description: 'auto or off', default: 'auto' },
  keepAlive: {
    kind: 'text',
    flags: '--keep-alive <time>',
    description: 'unload the model after so long without a job',
    default: null,
    otherwise: 'never',
  },
  modelsDir: {
    kind: 'text',
    flags: '--models-dir <dir>',
    description: 'where model files are kept',
    default: null,
    otherwise: 'models in the home',
  },
} as const satisfies Readonly<Record<string, Setting>>;

export type SettingKey = keyof typeof settings;

/** Lamports of `700` (lamports) or `0.01sol`; null for anything else. */
export function parseLamports(text: string): bigint | null {
  const match = /^(\d{1,19})(?:(?:\.(\d{1,9}))?(sol))?$/i.exec(text);
  if (match === null) return null;
  const [, whole = '', fraction = '', unit] = match;
  return unit === undefined ? BigInt(whole) : BigInt(whole) * 1_000_000_000n + BigInt(fraction.padEnd(9, '0'));
}

/** Accepted by every command. */
export const globalSettings: readonly SettingKey[] = ['network', 'private', 'bootstrap', 'mdns'];

/** `maxTokens` → `max-tokens`: as in config.toml and, after `--`, as a flag. */
export function fileKeyOf(key: SettingKey): string {
  return key.replaceAll(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`);
}

/** `maxTokens` → `QVAC_MAX_TOKENS`. */
export function variableOf(key: SettingKey): string {
  return `QVAC_${fileKeyOf(key).replaceAll('-', '_').toUpperCase()}`;
}
