import { BadInputError } from '../../../encoding/malformed-error.ts';
import { isObject, type Schema } from './keywords.ts';

/** Bytes of a schema's JSON text. */
const maxSchemaBytes = 64 * 1024;
/** Objects and lists within each other. */
const maxNesting = 128;

/** A whole schema, in which `$ref` finds its parts. */
export class SchemaDocument {
  readonly root: Schema;

  /** @throws BadInputError for what is not a schema, or a larger one than is taken */
  constructor(root: unknown) {
    checkNesting(root);
    if (typeof root !== 'boolean' && !isObject(root)) throw new BadInputError('the schema is not a JSON object');
    const bytes = Buffer.byteLength(JSON.stringify(root));
    if (bytes > maxSchemaBytes)
      throw new BadInputError(`the schema has ${bytes} bytes, at most ${maxSchemaBytes} are taken`);
    this.root = root;
  }

  /** The schema that a JSON pointer in a `$ref` names. @throws BadInputError if there is none */
  find(ref: string): Schema {
    const lost = new BadInputError(`the schema's "$ref": there is no ${JSON.stringify(ref.slice(0, 100))} in it`);
    if (!/^#(\/|$)/.test(ref)) throw lost;
    let at: unknown = this.root;
    for (const part of ref.slice(1).split('/').slice(1)) {
      const key = decoded(part).replaceAll('~1', '/').replaceAll('~0', '~');
      if (typeof at !== 'object' || at === null || !Object.hasOwn(at, key)) throw lost;
      at = (at as Readonly<Record<string, unknown>>)[key];
    }
    if (typeof at !== 'boolean' && !isObject(at)) throw lost;
    return at;
  }
}

function decoded(part: string): string {
  try {
    return decodeURIComponent(part);
  } catch {
    return part;
  }
}

/** Without recursion, since the value may be nested more deeply than this program's stack. */
function checkNesting(root: unknown): void {
  const queue: { readonly value: unknown; readonly depth: number }[] = [{ value: root, depth: 1 }];
  for (let entry = queue.pop(); entry !== undefined; entry = queue.pop()) {
    const { value, depth } = entry;
    if (typeof value !== 'object' || value === null) continue;
    if (depth > maxNesting) throw new BadInputError(`the schema is nested more than ${maxNesting} deep`);
    for (const each of Object.values(value)) queue.push({ value: each, depth: depth + 1 });
  }
}
