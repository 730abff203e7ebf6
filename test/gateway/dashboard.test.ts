import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { test } from 'node:test';
import { createMetrics } from '../../src/gateway/metrics.ts';

interface Dashboard {
  readonly panels: readonly { readonly title: string; readonly targets: readonly { readonly expr: string }[] }[];
}

test('the dashboard uses metrics and labels that the gateway exports', async () => {
  const metrics = createMetrics({ peers: () => ({ provider: 1, router: 0 }) });
  metrics.delivered({ finish: 'stop', promptTokens: 1, tokens: 1, cost: 0n, receipt: '' as never }, 5);
  metrics.checked({ verified: 'failed', faults: ['draws-far'], referees: { peers: [], cost: 70n } });
  metrics.answered('/v1/chat/completions', 200);
  const text = await metrics.render();
  const { panels } = JSON.parse(
    await readFile(new URL('../../deploy/grafana-gateway.json', import.meta.url), 'utf8'),
  ) as Dashboard;
  assert.ok(panels.length > 5);
  for (const { title, targets } of panels) {
    for (const { expr } of targets) {
      const [name] = /qvac_\w+/.exec(expr) ?? [];
      assert.ok(name !== undefined && new RegExp(`^${name}[{ ]`, 'm').test(text), `${title}: ${expr}`);
      for (const [, labels = ''] of expr.matchAll(/by \(([^)]*)\)/g))
        for (const label of labels.split(', '))
          assert.match(text, new RegExp(`^${name}\\{[^}]*${label}="`, 'm'), `${title}: ${label}`);
    }
  }
});
