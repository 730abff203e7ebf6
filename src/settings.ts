/**
 * One setting under its three names: `maxTokens` is `--max-tokens`, `QVAC_MAX_TOKENS` and `max-tokens` in config.toml.
 * This file holds words and defaults only, so that help loads nothing else; config.ts checks and merges the values.
 */
interface Setting {
  /**
   * How the text of a flag or variable becomes a value. `list`: a repeated flag, or commas in a variable. `lamports`:
   * `700` or `0.01sol`.
   */
  readonly kind: 'text' | 'number' | 'boolean' | 'list' | 'lamports';
  /** As in help. `--no-…` for a boolean that is on by default. */
  readonly flags: string;
  /** At most 70 characters. */
  readonly description: string;
  /** As it could stand in config.toml; null: not set. */
  readonly default: string | number | boolean | readonly string[] | null;
  /** What the default means, if its value does not say it. */
  readonly otherwise?: string;
}

/** Families of models by the way in which they write calls of tools; `auto` reads all of them. */
export const toolFamilies = ['auto', 'hermes', 'qwen3-coder', 'llama3', 'mistral', 'gemma', 'lfm2', 'gpt-oss'] as const;

export const settings = {
  network: { kind: 'text', flags: '--network <name>', description: 'local, devnet or mainnet', default: 'local' },
  private: {
    kind: 'text',
    flags: '--private <name>',
    description: 'private network: a-z, 0-9 and -, at most 32 characters',
    default: null,
    otherwise: 'the one of --network',
  },
  bootstrap: {
    kind: 'list',
    flags: '--bootstrap <addr>',
    description: 'peer to start from, /ip4/…/tcp/…/p2p/… or /dnsaddr/… (repeatable)',
    default: [],
  },
  mdns: {
    kind: 'boolean',
    flags: '--no-mdns',
    description: 'do not discover peers by multicast on the local network',
    default: true,
  },

  model: {
    kind: 'text',
    flags: '-m, --model <name>',
    description: 'model name, name/quant or hex id, or a GGUF file',
    default: null,
    otherwise: 'the best live offer; serve: the only model file here',
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
    description: 'sampling temperature, 0 (greedy) to 2',
    default: 0.7,
  },
  topK: {
    kind: 'number',
    flags: '--top-k <n>',
    description: 'sample from the n likeliest tokens, 1 to 20',
    default: 20,
  },
  minP: {
    kind: 'number',
    flags: '--min-p <p>',
    description: 'drop tokens below this share of the likeliest, 0 to 1',
    default: 0.05,
  },
  topP: {
    kind: 'number',
    flags: '--top-p <p>',
    description: 'sample from the likeliest tokens that make up this share, to 1',
    default: 1,
  },
  maxTokens: {
    kind: 'number',
    flags: '--max-tokens <n>',
    description: 'maximum length of the answer',
    default: 512,
  },
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
    otherwise: "this home's, if it runs",
  },
  verify: {
    kind: 'text',
    flags: '--verify <how>',
    description: 'none, optimistic, sampling or full',
    default: null,
    otherwise: 'full with the model file, else sampling',
  },
  referees: {
    kind: 'number',
    flags: '--referees <n>',
    description: 'other providers that see prompt and answer to check it: 1 or 3',
    default: 0,
  },
  auditRate: {
    kind: 'number',
    flags: '--audit-rate <p>',
    description: 'least share of trusted answers to recompute, 0 to 1',
    default: 0.05,
  },
  auditor: {
    kind: 'text',
    flags: '--auditor <peer>',
    description: 'router that re-executes a failed answer; it sees the prompt',
    default: null,
    otherwise: "this home's router, if it runs; route: none",
  },
  maxPrice: {
    kind: 'lamports',
    flags: '--max-price <amount>',
    description: 'maximum price of one answer: lamports, or 0.01sol',
    default: 0,
  },
  pay: {
    kind: 'text',
    flags: '--pay <how>',
    description: 'job, channel, or auto: a channel with a provider you come back to',
    default: 'auto',
  },
  deposit: {
    kind: 'lamports',
    flags: '--deposit <amount>',
    description: 'maximum deposit of one channel: lamports, or 0.01sol',
    default: '0.01sol',
  },
  timeout: {
    kind: 'text',
    flags: '--timeout <time>',
    description: 'maximum time for a whole answer: 90s, 10m; 0: no limit',
    default: '10m',
  },

  listen: {
    kind: 'list',
    flags: '--listen <addr>',
    description: 'address to listen on (repeatable)',
    default: ['/ip4/0.0.0.0/tcp/0', '/ip6/::/tcp/0'],
    otherwise: 'any free port; relay: port 4001, and 443 if it may',
  },
  announce: {
    kind: 'list',
    flags: '--announce <addr>',
    description: 'address to announce without a test (repeatable)',
    default: [],
  },
  reach: {
    kind: 'text',
    flags: '--reach <how>',
    description: 'let others reach it: auto, direct (no relay) or relay (only)',
    default: 'auto',
  },
  relay: {
    kind: 'boolean',
    flags: '--relay',
    description: 'relay for nodes behind routers, too',
    default: false,
  },
  maxReservations: {
    kind: 'number',
    flags: '--max-reservations <n>',
    description: 'nodes that can be reached through the relay at a time',
    default: 256,
  },
  rate: {
    kind: 'number',
    flags: '--rate <n>',
    description: 'bytes per second relayed for one node; 0: no limit',
    default: 2_097_152,
  },
  totalRate: {
    kind: 'number',
    flags: '--total-rate <n>',
    description: 'bytes per second relayed for all nodes; 0: no limit',
    default: 0,
  },
  name: {
    kind: 'text',
    flags: '--name <name>',
    description: 'name to offer the model under',
    default: null,
    otherwise: "the file's own",
  },
  priceIn: {
    kind: 'lamports',
    flags: '--price-in <amount>',
    description: 'price per 1,000 prompt tokens: lamports, or 0.01sol',
    default: 0,
  },
  priceOut: {
    kind: 'lamports',
    flags: '--price-out <amount>',
    description: 'price per 1,000 answer tokens: lamports, or 0.01sol',
    default: 0,
  },
  priceJob: {
    kind: 'lamports',
    flags: '--price-job <amount>',
    description: 'price of each answer beside its tokens',
    default: null,
    otherwise: 'your transaction fees',
  },
  free: { kind: 'boolean', flags: '--free', description: 'serve free of charge, whatever the prices', default: false },
  slots: {
    kind: 'number',
    flags: '--slots <n>',
    description: 'jobs to run at the same time',
    default: null,
    otherwise: '4, or fewer if memory lacks',
  },
  queue: {
    kind: 'number',
    flags: '--queue <n>',
    description: 'jobs that may wait for a slot',
    default: null,
    otherwise: 'what is answered in 10 minutes',
  },
  keepPrompts: {
    kind: 'number',
    flags: '--keep-prompts <n>',
    description: 'prompts to keep for the next question of their client',
    default: null,
    otherwise: '4, or one for each slot',
  },
  score: {
    kind: 'boolean',
    flags: '--no-score',
    description: 'do not score the answers of others as a referee',
    default: true,
  },
  allow: {
    kind: 'list',
    flags: '--allow <peer>',
    description: 'peer to serve; PEER=0.01sol sets a daily spending limit (repeatable)',
    default: [],
  },

  rpc: {
    kind: 'text',
    flags: '--rpc <url>',
    description: 'JSON-RPC endpoint of the Solana chain',
    default: null,
    otherwise: "the network's own; local: the embedded chain",
  },
  wallet: {
    kind: 'text',
    flags: '--wallet <file>',
    description: 'key file of the wallet: of the Solana CLI, or base58',
    default: null,
    otherwise: "the home's, else that of the Solana CLI",
  },
  escrow: {
    kind: 'text',
    flags: '--escrow <address>',
    description: 'address of the escrow program',
    default: null,
    otherwise: 'the built-in one',
  },
  priorityFee: {
    kind: 'number',
    flags: '--priority-fee <n>',
    description: 'priority fee in micro-lamports per compute unit',
    default: 0,
  },

  http: {
    kind: 'text',
    flags: '--http <addr>',
    description: 'address and port of the HTTP gateway',
    default: null,
    otherwise: 'gateway: 127.0.0.1:3000; route: none',
  },
  allowOrigin: {
    kind: 'list',
    flags: '--allow-origin <url>',
    description: 'web origin that may use the gateway (repeatable)',
    default: [],
  },
  allowHost: {
    kind: 'list',
    flags: '--allow-host <name>',
    description: 'further host name that the gateway answers to (repeatable)',
    default: [],
  },
  apiKeyFile: {
    kind: 'text',
    flags: '--api-key-file <file>',
    description: 'API keys, one per line: key, name, lamports per day',
    default: null,
    otherwise: 'programs on this machine need no key',
  },
  waitVerdict: {
    kind: 'boolean',
    flags: '--wait-verdict',
    description: 'gateway answers wait for their verdict, at most 5 s',
    default: false,
  },
  toolParser: {
    kind: 'text',
    flags: '--tool-parser <family>',
    description: 'how models write tool calls, such as hermes (docs/gateway.md)',
    default: 'auto',
  },

  threads: {
    kind: 'number',
    flags: '--threads <n>',
    description: 'compute threads',
    default: null,
    otherwise: 'one less than the cores',
  },
  batch: { kind: 'number', flags: '--batch <n>', description: 'maximum tokens per evaluation call', default: 63 },
  context: {
    kind: 'number',
    flags: '--context <n>',
    description: 'maximum tokens of prompt and answer together',
    default: null,
    otherwise: "the model's, at most 32768 and what fits",
  },
  gpu: { kind: 'text', flags: '--gpu <how>', description: 'auto or off', default: 'auto' },
  keepAlive: {
    kind: 'text',
    flags: '--keep-alive <time>',
    description: 'unload the model after this time without a job: 10m',
    default: null,
    otherwise: 'never',
  },
  modelsDir: {
    kind: 'text',
    flags: '--models-dir <dir>',
    description: 'folder for model files',
    default: null,
    otherwise: 'models in the home',
  },
} as const satisfies Readonly<Record<string, Setting>>;

export type SettingKey = keyof typeof settings;

/** The lamports of `700` or `0.01sol`; null for any other text. */
export function parseLamports(text: string): bigint | null {
  const match = /^(\d{1,39})(?:(?:\.(\d{1,9}))?(sol))?$/i.exec(text);
  if (match === null) return null;
  const [, whole = '', fraction = '', unit] = match;
  return unit === undefined ? BigInt(whole) : BigInt(whole) * 1_000_000_000n + BigInt(fraction.padEnd(9, '0'));
}

/** Flags of every command. */
export const globalSettings: readonly SettingKey[] = ['network', 'private', 'bootstrap', 'mdns'];

/** `maxTokens` → `max-tokens`, as in config.toml and, after `--`, as a flag. */
export function fileKeyOf(key: SettingKey): string {
  return key.replaceAll(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`);
}

/** `maxTokens` → `QVAC_MAX_TOKENS`. */
export function variableOf(key: SettingKey): string {
  return `QVAC_${fileKeyOf(key).replaceAll('-', '_').toUpperCase()}`;
}
