import { embeddingFields, type FieldRule, fieldTable } from '../../src/gateway/api/field-table.ts';

/** Where the table stands in docs/gateway.md. */
export const tableStart = '<!-- field table: start -->';
export const tableEnd = '<!-- field table: end -->';

/** The table of fields as Markdown: one row for each group of fields that a route treats alike. */
export function fieldTableMarkdown(): string {
  const rows = Object.entries({ ...fieldTable, ...embeddingFields }).flatMap(([route, rules]) =>
    grouped(rules).map(({ fields, treatment, note }) => [`\`${route}\``, fields, treatment, note] as const),
  );
  const table = [['route', 'fields', 'treatment', 'note'], ...rows];
  const widths = [0, 1, 2, 3].map((column) => Math.max(...table.map((row) => row[column]?.length ?? 0)));
  const [head = '', ...body] = table.map(
    (row) => `| ${row.map((cell, column) => cell.padEnd(widths[column] ?? 0)).join(' | ')} |`,
  );
  return [head, `| ${widths.map((width) => '-'.repeat(width)).join(' | ')} |`, ...body].join('\n');
}

interface Group {
  readonly fields: string;
  readonly treatment: string;
  readonly note: string;
}

function grouped(rules: readonly FieldRule[]): readonly Group[] {
  const groups = new Map<string, FieldRule[]>();
  for (const rule of rules) {
    const key = JSON.stringify([rule.treatment, noteOf(rule)]);
    groups.set(key, [...(groups.get(key) ?? []), rule]);
  }
  const order = ['honoured', 'capped', 'ignored', 'refused'];
  return [...groups.values()]
    .flatMap((group) => {
      const [first] = group;
      if (first === undefined) return [];
      const fields = group.map(({ field }) => `\`${field}\``).join(', ');
      return [{ fields, treatment: first.treatment, note: noteOf(first) }];
    })
    .toSorted((a, b) => order.indexOf(a.treatment) - order.indexOf(b.treatment));
}

function noteOf({ accepts, note }: FieldRule): string {
  const accepted = accepts.map((value) => `\`${JSON.stringify(value)}\``).join(' or ');
  return [note, accepted === '' ? '' : `accepts ${accepted}`].filter((part) => part !== '').join('; ');
}
