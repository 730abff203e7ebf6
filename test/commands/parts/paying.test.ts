import assert from 'node:assert/strict';
import { test } from 'node:test';
import { agreeToMainnet } from '../../../src/commands/parts/paying.ts';
import { resolveConfig } from '../../../src/config.ts';
import type { Escrow } from '../../../src/escrow/escrow.ts';
import type { Output } from '../../../src/terminal/output.ts';
import { temporaryHome } from '../../support/home.ts';

const mainnet = 'solana:5eykt4UsFv8P8NJdTREpY1vzqKqZKvdp';
const devnet = 'solana:EtWTRABZaYq6iMfeYKouRu166VU2xqa1';
const output = { warn: () => undefined } as unknown as Output;

test('real money is agreed to where the endpoint says so, and where the person does, whatever the endpoint says', async (context) => {
  const home = await temporaryHome(context);
  const agree = async (chain: string, flags: Readonly<Record<string, unknown>>): Promise<void> =>
    agreeToMainnet({ config: await resolveConfig({ environment: {}, home, flags }), output, yes: false, ask: false }, {
      chain,
    } as Escrow);
  await agree(devnet, { network: 'devnet' });
  await assert.rejects(agree(mainnet, { network: 'devnet' }), { code: 'E_LIMIT' });
  await assert.rejects(agree(mainnet, { network: 'mainnet' }), { code: 'E_LIMIT' });
  await assert.rejects(agree(devnet, { network: 'mainnet' }), { code: 'E_LIMIT' });
});
