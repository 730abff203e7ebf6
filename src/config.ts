import { delimiter, join, resolve } from 'node:path';
import * as v from 'valibot';
import { type ConfigFile, isTable, lineOf, readConfigFile, topLevelValue } from './config-file.ts';
import { dataFolder, type Environment, userHome } from './config-home.ts';
import { QvacError } from './errors.ts';
import {
  settings as declarations,
  fileKeyOf,
  parseLamports,
  type SettingKey,
  toolFamilies,
  variableOf,
} from './settings.ts';

function number(min: number, max: number, whole: boolean) {
  const expected = `${whole ? 'a whole number' : 'a number'} from ${min} to ${max}`;
  const base = v.pipe(v.number(expected), v.minValue(min, expected), v.maxValue(max, expected));
  return whole ? v.pipe(base, v.integer(expected)) : base;
}

const lamportsForm = 'lamports, or an amount such as 0.01sol';

/** Lamports as an integer, or text such as `0.01sol`. Above 2^53 the numbers of the settings would not be exact. */
const lamports = v.pipe(
  v.union([v.number(), v.string()], lamportsForm),
  v.transform((value) => (typeof value === 'number' ? value : Number(parseLamports(value) ?? Number.NaN))),
  v.custom<number>((value) => Number.isInteger(value) && (value as number) >= 0, lamportsForm),
  v.maxValue(Number.MAX_SAFE_INTEGER, `at most ${Number.MAX_SAFE_INTEGER} lamports`),
);

const text = v.pipe(v.string('text'), v.nonEmpty('text that is not empty'));
const texts = v.array(text, 'a list of texts');

/** 64 bytes in base58, as wallets show a secret key. */
const secretKeyText = /^[1-9A-HJ-NP-Za-km-z]{86,88}$/;

/** A path. A secret key in its place would stand in the list of processes, and must not be repeated in an error. */
const keyFile = v.pipe(
  text,
  v.check((value) => !secretKeyText.test(value), 'the path of a key file, not a secret key'),
);

const durationUnits: Readonly<Record<string, number>> = { ms: 1, s: 1_000, m: 60_000, h: 3_600_000 };

/** The longest timer there is, 24 days, in ms: a longer one would end at once. */
const maxTimerMs = 2 ** 31 - 1;

/** Text such as `90s`, `10m`, `1.5h` or `250ms` to milliseconds, at most those of a timer. */
const duration = v.pipe(
  v.string('a time such as 90s or 10m'),
  v.regex(/^\d{1,6}(\.\d{1,3})?(ms|s|m|h)$/, 'a time such as 90s or 10m'),
  v.transform((value) => {
    const [, amount = '', , unit = ''] = /^(\d+(\.\d+)?)([a-z]+)$/.exec(value) ?? [];
    return Math.min(maxTimerMs, Math.round(Number(amount) * (durationUnits[unit] ?? 0)));
  }),
  v.minValue(1, 'a time above zero'),
);

const timeout = v.union(
  [
    v.pipe(
      v.literal('0'),
      v.transform(() => maxTimerMs),
    ),
    duration,
  ],
  'a time such as 90s or 10m, or 0',
);

/** An origin as browsers send it: in lower case, without the default port. */
function originAsSent(text: string): string {
  const { origin } = new URL(text);
  return origin === 'null' ? text.toLowerCase() : origin;
}

/**
 * The values of each setting. Times are milliseconds, prices lamports, `temperature`, `minP`, `topP` and `auditRate`
 * fractions.
 */
const schemas = {
  network: v.picklist(['local', 'devnet', 'mainnet'], 'local, devnet or mainnet'),
  private: v.nullable(v.pipe(v.string('a name'), v.regex(/^[a-z0-9-]{1,32}$/, 'a name of a-z, 0-9 and -, at most 32'))),
  bootstrap: texts,
  mdns: v.boolean('true or false'),
  model: v.nullable(text),
  system: v.nullable(text),
  temperature: number(0, 2, false),
  topK: number(1, 20, true),
  minP: number(0, 1, false),
  topP: number(0.01, 1, false),
  maxTokens: number(1, 1_000_000, true),
  provider: v.nullable(text),
  router: v.nullable(text),
  verify: v.nullable(v.picklist(['none', 'optimistic', 'sampling', 'full'], 'none, optimistic, sampling or full')),
  referees: v.picklist([0, 1, 3], '0, 1 or 3'),
  auditRate: number(0, 1, false),
  auditor: v.nullable(text),
  maxPrice: lamports,
  pay: v.picklist(['auto', 'job', 'channel'], 'auto, job or channel'),
  deposit: lamports,
  timeout,
  listen: v.pipe(texts, v.minLength(1, 'at least one address')),
  announce: texts,
  reach: v.picklist(['auto', 'direct', 'relay'], 'auto, direct or relay'),
  relay: v.boolean('true or false'),
  maxReservations: number(1, 100_000, true),
  rate: number(0, Number.MAX_SAFE_INTEGER, true),
  totalRate: number(0, Number.MAX_SAFE_INTEGER, true),
  name: v.nullable(text),
  priceIn: lamports,
  priceOut: lamports,
  priceJob: v.nullable(lamports),
  free: v.boolean('true or false'),
  slots: v.nullable(number(1, 64, true)),
  queue: v.nullable(number(0, 10_000, true)),
  keepPrompts: v.nullable(number(0, 256, true)),
  score: v.boolean('true or false'),
  allow: texts,
  rpc: v.nullable(
    v.pipe(v.string('a URL'), v.regex(/^https?:\/\/[^\s]+$/, 'a URL such as https://api.devnet.solana.com')),
  ),
  wallet: v.nullable(keyFile),
  escrow: v.nullable(v.pipe(v.string('an address'), v.regex(/^[1-9A-HJ-NP-Za-km-z]{32,44}$/, 'an address in base58'))),
  priorityFee: number(0, 1_000_000_000, true),
  http: v.nullable(
    v.pipe(
      v.string('an address'),
      v.regex(/^(\[[0-9a-fA-F:.]+\]|[A-Za-z0-9.-]+):\d{1,5}$|^\d{1,5}$/, 'an address such as 127.0.0.1:3000'),
      v.check((value) => Number(/\d+$/.exec(value)?.[0]) <= 65_535, 'a port from 0 to 65535, as in 127.0.0.1:3000'),
    ),
  ),
  allowOrigin: v.array(
    v.pipe(
      v.string('an origin'),
      v.regex(/^[a-z][a-z0-9+.-]*:\/\/[^/?#\s]+$/, 'an origin such as https://chat.example'),
      v.check((value) => URL.canParse(value), 'an origin such as https://chat.example'),
      v.transform(originAsSent),
    ),
    'a list of origins',
  ),
  allowHost: v.array(
    v.pipe(
      v.string('a host name'),
      v.regex(/^(\[[0-9a-fA-F:.]+\]|[A-Za-z0-9._-]+)$/, 'a host name without a port, such as box.lan'),
    ),
    'a list of host names',
  ),
  apiKeyFile: v.nullable(text),
  waitVerdict: v.boolean('true or false'),
  toolParser: v.picklist(toolFamilies, toolFamilies.join(', ')),
  threads: v.nullable(number(1, 1_024, true)),
  batch: number(2, 4_096, true),
  context: v.nullable(number(16, 10_000_000, true)),
  gpu: v.picklist(['auto', 'off'], 'auto or off'),
  keepAlive: v.nullable(duration),
  modelsDir: v.nullable(text),
} satisfies Record<SettingKey, v.GenericSchema>;

export type Settings = { readonly [Key in SettingKey]: v.InferOutput<(typeof schemas)[Key]> };

/** The source of a value; `name` is the flag, the variable, or `<file>:<line>`. */
export type Origin =
  | { readonly from: 'flag' | 'variable' | 'file'; readonly name: string }
  | { readonly from: 'default' };

export type Role = 'provider' | 'router' | 'client';

/** The files and folders of one home, all below `root` unless a setting moves them. */
export interface Home {
  readonly root: string;
  readonly configFile: string;
  readonly keys: Readonly<Record<Role | 'relay', string>>;
  readonly run: string;
  /** Receipts of the answers to this home's own questions. */
  readonly receipts: string;
  /** By role: own answers, answers served, answers routed. The same job may be in each. */
  readonly receiptsOf: Readonly<Record<Role, string>>;
  readonly models: string;
  readonly cache: string;
  /** Measured limits of models (protocol section 6), used before those that came with the program. */
  readonly calibration: string;
  readonly peers: string;
  readonly reputation: string;
  /** Key file of the wallet. */
  readonly wallet: string;
  /** State of the embedded chain. */
  readonly chain: string;
  /** The provider's earnings by day. */
  readonly earnings: string;
  /** Journals of payments that are not settled. */
  readonly payments: Readonly<Record<Role, string>>;
  /** Journals of channels that are not closed. */
  readonly channels: Readonly<Record<Role, string>>;
  /** Folder of the journals of browser wallets' channels, one for each wallet. */
  readonly pageChannels: string;
  /** What opens paid answers that the chain can still ask for. */
  readonly steps: string;
}

export interface Config {
  readonly home: Home;
  readonly settings: Settings;
  readonly origins: Readonly<Record<SettingKey, Origin>>;
  /** Network name of protocol section 7: `local`, `dev`, `main` or a private one. */
  readonly networkName: string;
}

export interface ConfigSources {
  /** As typed: text, booleans for switches, arrays for repeated flags. */
  readonly flags?: Partial<Readonly<Record<SettingKey, unknown>>>;
  /** `--home`, `--config`. */
  readonly home?: string | undefined;
  readonly configFile?: string | undefined;
  /** The command whose table in the file overrides the top level: `[serve]`, `[ask]`, … */
  readonly command?: string | undefined;
  /** @default process.env */
  readonly environment?: Environment;
}

const keys = Object.keys(declarations) as readonly SettingKey[];

interface Found {
  readonly raw: unknown;
  readonly origin: Origin;
}

/** The folders and files of the home at `root`. */
export function homeAt(root: string): Home {
  return {
    root,
    configFile: join(root, 'config.toml'),
    keys: {
      provider: join(root, 'keys', 'provider.key'),
      router: join(root, 'keys', 'router.key'),
      client: join(root, 'keys', 'client.key'),
      relay: join(root, 'keys', 'relay.key'),
    },
    run: join(root, 'run'),
    receipts: join(root, 'receipts'),
    receiptsOf: {
      client: join(root, 'receipts'),
      provider: join(root, 'receipts', 'provider'),
      router: join(root, 'receipts', 'router'),
    },
    models: join(root, 'models'),
    cache: join(root, 'cache'),
    calibration: join(root, 'calibration'),
    peers: join(root, 'peers.json'),
    reputation: join(root, 'reputation.json'),
    wallet: join(root, 'keys', 'wallet.json'),
    chain: join(root, 'chain'),
    earnings: join(root, 'earnings.json'),
    payments: {
      client: join(root, 'payments', 'client'),
      provider: join(root, 'payments', 'provider'),
      router: join(root, 'payments', 'router'),
    },
    channels: {
      client: join(root, 'channels', 'client'),
      provider: join(root, 'channels', 'provider'),
      router: join(root, 'channels', 'router'),
    },
    pageChannels: join(root, 'channels', 'page'),
    steps: join(root, 'channels', 'steps'),
  };
}

/**
 * Merges flags > `QVAC_*` > config file > defaults. Writes nothing.
 * @throws QvacError E_USAGE for a bad flag, E_CONFIG for a bad variable or file; the message names the source and the
 * expected value
 */
export async function resolveConfig(sources: ConfigSources = {}): Promise<Config> {
  const environment = sources.environment ?? process.env;
  const expandHome = (path: string): string => expandTilde(path, environment);
  const home = homeAt(expandHome(sources.home ?? (environment.QVAC_HOME || dataFolder(environment))));
  const asked = sources.configFile ?? (environment.QVAC_CONFIG || undefined);
  const file = await readConfigFile(asked === undefined ? home.configFile : expandHome(asked), asked !== undefined);
  const origins = {} as Record<SettingKey, Origin>;
  const values: Partial<Record<SettingKey, unknown>> = {};
  for (const key of keys) {
    const found = findValue(key, sources, environment, file);
    origins[key] = found.origin;
    values[key] = checkValue(key, found);
  }
  const settings = values as Settings;
  const models = settings.modelsDir === null ? home.models : expandHome(settings.modelsDir);
  const wallet = settings.wallet === null ? home.wallet : expandHome(settings.wallet);
  return {
    home: { ...home, configFile: file.path, models, wallet },
    settings,
    origins,
    networkName: networkNameOf(settings),
  };
}

/** The folders of PATH, in order. */
export function searchPath(environment: Environment = process.env): readonly string[] {
  return (environment.PATH ?? '').split(delimiter).filter((folder) => folder !== '');
}

function networkNameOf(settings: Settings): string {
  if (settings.private !== null) return settings.private;
  return { local: 'local', devnet: 'dev', mainnet: 'main' }[settings.network];
}

/** @throws QvacError E_HOME for `~` if the user has no home folder */
function expandTilde(path: string, environment: Environment): string {
  return resolve(path === '~' || path.startsWith('~/') ? join(userHome(environment), path.slice(1)) : path);
}

function findValue(key: SettingKey, sources: ConfigSources, environment: Environment, file: ConfigFile): Found {
  const flag = sources.flags?.[key];
  const [name = ''] = /--[a-z-]+/.exec(declarations[key].flags) ?? [];
  if (flag !== undefined) return { raw: fromText(key, flag), origin: { from: 'flag', name } };
  const variable = environment[variableOf(key)];
  if (variable !== undefined && variable !== '')
    return { raw: fromText(key, variable), origin: { from: 'variable', name: variableOf(key) } };
  const table = sources.command === undefined ? undefined : file.values[sources.command];
  const own = isTable(table) ? table[fileKeyOf(key)] : undefined;
  const raw = own ?? topLevelValue(file, fileKeyOf(key));
  if (raw !== undefined)
    return {
      raw,
      origin: {
        from: 'file',
        name: `${file.path}:${lineOf(file, fileKeyOf(key), own === undefined ? undefined : sources.command)}`,
      },
    };
  return { raw: declarations[key].default, origin: { from: 'default' } };
}

/** Parses the text of a flag or variable. Text of the wrong form is returned unchanged, for the schema to refuse. */
function fromText(key: SettingKey, value: unknown): unknown {
  if (typeof value !== 'string') return value;
  switch (declarations[key].kind) {
    case 'number':
      return /^-?\d+(\.\d+)?$/.test(value) ? Number(value) : value;
    case 'boolean':
      return ['1', 'true', 'yes', 'on'].includes(value)
        ? true
        : ['0', 'false', 'no', 'off'].includes(value)
          ? false
          : value;
    case 'list':
      return value
        .split(',')
        .map((item) => item.trim())
        .filter((item) => item !== '');
    // The schema parses these.
    case 'lamports':
    case 'text':
      return value;
  }
}

function checkValue(key: SettingKey, { raw, origin }: Found): unknown {
  const result = v.safeParse(schemas[key] as v.GenericSchema, raw);
  if (result.success) return result.output;
  const shown = typeof raw === 'string' && secretKeyText.test(raw) ? '' : `, got ${JSON.stringify(raw) ?? String(raw)}`;
  const problem = `expected ${result.issues[0].message}${shown}`;
  if (origin.from === 'flag') throw new QvacError('E_USAGE', `${origin.name}: ${problem}`);
  const where = origin.from === 'default' ? key : origin.name;
  if (origin.from === 'file')
    throw new QvacError('E_CONFIG', `${where}: ${fileKeyOf(key)}: ${problem}`, {
      hint: 'fix that line, or move the file away',
    });
  throw new QvacError('E_CONFIG', `${where}: ${problem}`, { hint: `fix it, or remove it: unset ${where}` });
}
