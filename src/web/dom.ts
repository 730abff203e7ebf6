type Child = Node | string | null | readonly Child[];
type Attributes = Readonly<Record<string, string | number | boolean | null | undefined | ((event: Event) => void)>>;

/**
 * Creates an element with attributes, listeners (functions, under the event's name) and children. Text stays text,
 * never HTML.
 * ```ts
 * h('button', { class: 'quiet', click: () => save() }, 'Save');
 * ```
 */
export function h<Name extends keyof HTMLElementTagNameMap>(
  name: Name,
  attributes: Attributes = {},
  ...children: readonly Child[]
): HTMLElementTagNameMap[Name] {
  return fill(document.createElement(name), attributes, children);
}

/** Creates an SVG element in the same way. */
export function svg<Name extends keyof SVGElementTagNameMap>(
  name: Name,
  attributes: Attributes = {},
  ...children: readonly Child[]
): SVGElementTagNameMap[Name] {
  return fill(document.createElementNS('http://www.w3.org/2000/svg', name), attributes, children);
}

function fill<Of extends Element>(element: Of, attributes: Attributes, children: readonly Child[]): Of {
  for (const [name, value] of Object.entries(attributes)) {
    if (value === null || value === undefined || value === false) continue;
    if (typeof value === 'function') element.addEventListener(name, value);
    else element.setAttribute(name, value === true ? '' : String(value));
  }
  append(element, children);
  return element;
}

function append(element: Element, children: readonly Child[]): void {
  for (const child of children) {
    if (Array.isArray(child)) append(element, child as readonly Child[]);
    else if (child !== null) element.append(child as Node | string);
  }
}

export interface Row {
  readonly heading: Node;
  /** One cell for each further column, with its own class if it needs one. */
  readonly cells: readonly (string | Node | readonly [content: string | Node, kind: string])[];
}

/**
 * A table in a scrolling frame. On a phone, CSS turns each row into a block of lines; explicit roles keep it a table
 * for screen readers then.
 */
export function dataTable(name: string, columns: readonly string[], rows: readonly Row[]): HTMLElement {
  const body = rows.map(({ heading, cells }) =>
    h(
      'tr',
      { role: 'row' },
      h('th', { scope: 'row', role: 'rowheader' }, heading),
      ...cells.map((cell, at) => {
        const [content, kind] = Array.isArray(cell)
          ? (cell as readonly [string | Node, string])
          : [cell as string | Node, null];
        return h('td', { role: 'cell', class: kind, 'data-column': columns[at + 1] ?? '' }, content);
      }),
    ),
  );
  const head = h(
    'thead',
    { role: 'rowgroup' },
    h('tr', { role: 'row' }, ...columns.map((column) => h('th', { scope: 'col', role: 'columnheader' }, column))),
  );
  return h(
    'div',
    { class: 'scroll', tabindex: 0, role: 'region', 'aria-label': name },
    h('table', { role: 'table' }, head, h('tbody', { role: 'rowgroup' }, ...body)),
  );
}

/** Replaces the content of `element`. The focused control keeps the focus if the new content has one with its id. */
export function replace(element: Element, ...children: readonly (Node | string | null)[]): void {
  const focused = element.contains(document.activeElement) ? document.activeElement?.id : undefined;
  element.replaceChildren(...children.filter((child) => child !== null));
  if (focused !== undefined && focused !== '') document.getElementById(focused)?.focus();
}

let lastId = 0;

/** An id that links a label to its control. */
export function uniqueId(): string {
  lastId += 1;
  return `e${lastId}`;
}

/** A form field: label, control and hint. */
export function field(label: string, control: HTMLElement, hint?: string): HTMLElement {
  control.id ||= uniqueId();
  if (hint === undefined) return h('div', { class: 'field' }, h('label', { for: control.id }, label), control);
  const described = uniqueId();
  control.setAttribute('aria-describedby', described);
  return h(
    'div',
    { class: 'field' },
    h('label', { for: control.id }, label),
    control,
    h('p', { class: 'hint', id: described }, hint),
  );
}
