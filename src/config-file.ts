import { readFile } from 'node:fs/promises';
import { parse as parseToml, TomlError } from 'smol-toml';
import { QvacError } from './errors.ts';
import { fileKeyOf, type SettingKey, settings } from './settings.ts';

/** A config.toml: settings at its top level, and tables of settings that count for one command only. */
export interface ConfigFile {
  readonly path: string;
  readonly source: string;
  readonly values: Readonly<Record<string, unknown>>;
}

/** Commands that may have a table of their own. */
const tables = [
  'serve',
  'ask',
  'chat',
  'route',
  'models',
  'peers',
  'verify',
  'receipts',
  'config',
  'doctor',
  'demo',
  'gateway',
  'wallet',
  'jobs',
  'chain',
] as const;

const fileKeys: ReadonlySet<string> = new Set((Object.keys(settings) as readonly SettingKey[]).map(fileKeyOf));

/**
 * The file at `path`, every key in it known; empty where there is none, unless it is `required`.
 * @throws QvacError E_CONFIG in one line that says where
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
    // Where the home itself cannot be, whatever wants to write there says so.
    if ((code === 'ENOENT' || code === 'ENOTDIR') && !required) return { path, source: '', values: {} };
    if (error instanceof TomlError) {
      const why = error.message.split('\n')[0]?.replace(/^Invalid TOML document: /, '') ?? 'not TOML';
      throw new QvacError('E_CONFIG', `${path}:${error.line}:${error.column}: ${why}`, {
        hint: 'mend that line, or move the file away',
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
      hint: 'mend it, or name another with --config',
      cause: error,
    });
  }
}

function checkKeys(file: ConfigFile): void {
  const refuse = (name: string, line: number): never => {
    throw new QvacError('E_CONFIG', `${file.path}:${line}: no setting is called "${name}"`, {
      hint: 'settings are named like their flags, without the dashes: qvac serve --help, qvac ask --help',
    });
  };
  for (const [name, value] of Object.entries(file.values)) {
    const table = tables.find((command) => command === name);
    if (table === undefined || !isTable(value)) {
      if (!fileKeys.has(name)) refuse(name, lineOf(file, name, undefined));
      continue;
    }
    for (const inner of Object.keys(value))
      if (!fileKeys.has(inner)) refuse(`${table}.${inner}`, lineOf(file, inner, table));
  }
}

export function isTable(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value) && !(value instanceof Date);
}

/** The line where `key` is set, 1-based; 1 where it is written in a way that a plain search does not find. */
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
