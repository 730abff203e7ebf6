import { readdirSync, readFileSync } from 'node:fs';
import { dirname, join, relative, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';

export const root = fileURLToPath(new URL('../..', import.meta.url));

export interface Import {
  /** As written. */
  readonly specifier: string;
  /** Path below the repository, or null for a package or a built-in. */
  readonly file: string | null;
  /** Erased before the program runs. */
  readonly typeOnly: boolean;
  /** `import(…)`. */
  readonly lazy: boolean;
}

export interface SourceFile {
  /** Path below the repository. */
  readonly path: string;
  /** Without comments. */
  readonly code: string;
  readonly imports: readonly Import[];
}

/** All TypeScript files below `folder` (a path below the repository). */
export function sourceFiles(folder: string): readonly SourceFile[] {
  return readdirSync(join(root, folder), { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile() && entry.name.endsWith('.ts'))
    .map((entry) => relative(root, join(entry.parentPath, entry.name)))
    .sort()
    .map(readSource);
}

function readSource(path: string): SourceFile {
  const code = withoutComments(readFileSync(join(root, path), 'utf8'));
  return { path, code, imports: importsOf(path, code) };
}

/** Sufficient for this repository's own style: `//` after a blank or at a line's start, and block comments. */
function withoutComments(source: string): string {
  return source.replaceAll(/\/\*[\s\S]*?\*\//g, '').replaceAll(/(^|\s)\/\/.*$/gm, '$1');
}

function importsOf(path: string, code: string): readonly Import[] {
  const found: Import[] = [];
  const add = (specifier: string, typeOnly: boolean, lazy: boolean): void => {
    const file = specifier.startsWith('.') ? relative(root, resolve(join(root, dirname(path)), specifier)) : null;
    found.push({ specifier, file, typeOnly, lazy });
  };
  for (const [, type, names = '', specifier = ''] of code.matchAll(
    /^(?:import|export)\s+(type\s+)?(?:(\{[^}]*\}|\*(?:\s+as\s+\w+)?|\w+(?:\s*,\s*\{[^}]*\})?)\s+from\s+)?'([^']+)'/gm,
  )) {
    const listed = /^\{([\s\S]*)\}$/.exec(names)?.[1];
    const allTypes =
      listed !== undefined && listed.split(',').every((name) => name.trim() === '' || name.trim().startsWith('type '));
    add(specifier, type !== undefined || allTypes, false);
  }
  for (const [, before = '', specifier = ''] of code.matchAll(/(typeof\s+)?import\(\s*'([^']+)'\s*[,)]/g))
    add(specifier, before !== '', true);
  return found;
}
