type Child = Node | string | null | readonly Child[];
type Attributes = Readonly<Record<string, string | number | boolean | null | undefined | ((event: Event) => void)>>;

/**
 * An element with attributes, listeners (functions, under the event's name) and children. Text becomes text, never
 * HTML.
 *
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

/** The same for SVG. */
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
  /** One for each further column; with a class of its own where it has one. */
  readonly cells: readonly (string | Node | readonly [content: string | Node, kind: string])[];
}

/**
 * A table in a frame of its own, which scrolls where it is wide. On a phone each row becomes a block of lines; the
 * roles
 * are written out, since a browser forgets them where rows are no rows any more.
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

/** New content for `element`; the focus stays on the control that it was on, found by its id. */
export function replace(element: Element, ...children: readonly (Node | string | null)[]): void {
  const focused = element.contains(document.activeElement) ? document.activeElement?.id : undefined;
  element.replaceChildren(...children.filter((child) => child !== null));
  if (focused !== undefined && focused !== '') document.getElementById(focused)?.focus();
}

let lastId = 0;

/** An id for a label and what it labels. */
export function uniqueId(): string {
  lastId += 1;
  return `e${lastId}`;
}

/** A labelled field: label, control, and a hint that belongs to it. */
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
