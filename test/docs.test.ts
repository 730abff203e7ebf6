import assert from 'node:assert/strict';
import { existsSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { describe, it } from 'node:test';
import { root } from './support/imports.ts';

const read = (path: string): string => readFileSync(join(root, path), 'utf8');
const documents = [
  'README.md',
  'CONTRIBUTING.md',
  'SECURITY.md',
  'CHANGELOG.md',
  'docs/ARCHITECTURE.md',
  'docs/PROTOCOL.md',
  'docs/gateway.md',
  'docs/reach.md',
  'docs/scale.md',
  'docs/json.md',
  'docs/channel-attacks.md',
  'docs/reach-attacks.md',
];

describe('documents', () => {
  it('name paths that exist', () => {
    for (const document of documents) {
      const named = [...read(document).matchAll(/`((?:src|test|docs|demo|bench|programs|scripts|deploy)\/[\w./-]+)`/g)];
      const missing = named.map(([, path = '']) => path).filter((path) => !existsSync(join(root, path)));
      assert.deepEqual(missing, [], document);
    }
    assert.ok((read('docs/ARCHITECTURE.md').match(/`src\/[\w./-]+\.ts`/g) ?? []).length > 40);
  });

  it('link to files and headings that exist', () => {
    const anchorsOf = (path: string): readonly string[] =>
      [...read(path).matchAll(/^#+ (.+)$/gm)].map(([, heading = '']) =>
        heading
          .toLowerCase()
          .replaceAll(/[^\w -]/g, '')
          .replaceAll(' ', '-'),
      );
    for (const document of documents) {
      for (const [, target = ''] of read(document).matchAll(/\]\((?!https?:)([^)\s]+)\)/g)) {
        const [file = '', anchor] = target.split('#');
        const path = file === '' ? document : join(dirname(document), file);
        assert.ok(existsSync(join(root, path)), `${document} links to ${target}`);
        if (anchor !== undefined) assert.ok(anchorsOf(path).includes(anchor), `${document} links to ${target}`);
      }
    }
  });

  it('show every source folder of the layout', () => {
    const layout = /## Layout\n\n```\n([\s\S]*?)```/.exec(read('README.md'))?.[1] ?? '';
    for (const folder of [
      'commands',
      'terminal',
      'gateway',
      'web',
      'sdk',
      'node',
      'model',
      'escrow',
      'proofs',
      'protocol',
      'lib',
    ])
      assert.ok(layout.includes(`src/${folder}/`), folder);
    for (const [, folder = ''] of layout.matchAll(/^ {2}([a-z/ ]+)\/ {2,}/gm))
      for (const each of folder.split('/ ')) assert.ok(existsSync(join(root, 'src', 'node', each)), each);
  });
});
