import { readFile } from 'node:fs/promises';
import { parse as parseToml, TomlError } from 'smol-toml';
import { QvacError } from './errors.ts';
import { fileKeyOf, type SettingKey, settings } from './settings.ts';

/** A config.toml: settings at the top level, and tables with settings of one command. */
export interface ConfigFile {
  readonly path: string;
  readonly source: string;
  readonly values: Readonly<Record<string, unknown>>;
}

/** The commands, each of which can have a table. Some are also the name of a setting. */
const tables: ReadonlySet<string> = new Set([
  'ask',
  'chat',
  'embed',
  'gateway',
  'peers',
  'serve',
  'route',
  'relay',
  'wallet',
  'provider',
  'jobs',
  'channels',
  'chain',
  'verify',
  'why',
  'receipts',
  'status',
  'ps',
  'models',
  'config',
  'doctor',
  'bench',
  'completion',
  'service',
  'demo',
]);

const fileKeys: ReadonlySet<string> = new Set((Object.keys(settings) as readonly SettingKey[]).map(fileKeyOf));

/**
 * Reads the file at `path` and checks its keys. A missing file is empty, unless it is `required`.
 * @throws QvacError E_CONFIG with file, line and reason
 */
export async function readConfigFile(path: string, required: boolean): Promise<ConfigFile> {
  const file = await parseFile(path, required);
  checkKeys(file);
  return file;
}

async function parseFile(path: string, required: boolean): Promise<ConfigFile> {
  try {
    const source = new TextDecoder('utf-8', { fatal: true }).decode(await readFile(path));
    return { path, source, values: parseToml(source) };
  } catch (error) {
    const code = error instanceof Error && 'code' in error ? error.code : undefined;
    // ENOTDIR: the home itself cannot exist there; the first write reports it.
    if ((code === 'ENOENT' || code === 'ENOTDIR') && !required) return { path, source: '', values: {} };
    if (error instanceof TomlError) {
      const why = error.message.split('\n')[0]?.replace(/^Invalid TOML document: /, '') ?? 'not TOML';
      throw new QvacError('E_CONFIG', `${path}:${error.line}:${error.column}: ${why}`, {
        hint: 'fix that line, or move the file away',
        cause: error,
      });
    }
    const why =
      code === 'ENOENT' || code === 'ENOTDIR'
        ? 'no such file'
        : code === 'EACCES'
          ? 'permission denied'
          : code === 'EISDIR'
            ? 'it is a folder'
            : error instanceof TypeError
              ? 'not UTF-8 text'
              : String(code);
    throw new QvacError('E_CONFIG', `cannot read ${path} (${why})`, {
      hint: 'fix it, or pass another file with --config',
      cause: error,
    });
  }
}

function checkKeys(file: ConfigFile): void {
  const refuse = (name: string, line: number): never => {
    throw new QvacError('E_CONFIG', `${file.path}:${line}: unknown setting "${name}"`, {
      hint: 'a setting is a flag without its dashes; qvac config show lists all',
    });
  };
  for (const [name, value] of Object.entries(file.values)) {
    if (!isTable(value) || !tables.has(name)) {
      if (!fileKeys.has(name)) refuse(name, lineOf(file, name, undefined));
      continue;
    }
    for (const inner of Object.keys(value))
      if (!fileKeys.has(inner)) refuse(`${name}.${inner}`, lineOf(file, inner, name));
  }
}

/** What `name` is set to at the top level; undefined if it stands there as the table of a command only. */
export function topLevelValue({ values }: ConfigFile, name: string): unknown {
  const value = values[name];
  return isTable(value) && tables.has(name) ? undefined : value;
}

export function isTable(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value) && !(value instanceof Date);
}

/** The line that sets `key`, 1-based; 1 if a plain text search does not find it. */
export function lineOf(file: ConfigFile, key: string, table: string | undefined): number {
  let current: string | undefined;
  for (const [at, line] of file.source.split('\n').entries()) {
    const header = /^\s*\[+\s*"?([^\]"]+?)"?\s*\]/.exec(line);
    if (header !== null) {
      current = header[1];
      if (table === undefined && current === key) return at + 1;
    }
    const assigned = /^\s*"?([A-Za-z0-9_.-]+)"?\s*=/.exec(line)?.[1];
    if (current === table && assigned === key) return at + 1;
    if (table !== undefined && assigned === `${table}.${key}`) return at + 1;
  }
  return 1;
}
