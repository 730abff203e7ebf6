import assert from 'node:assert/strict';
import { test } from 'node:test';
import { resolveConfig } from '../../../src/config.ts';
import type { Escrow } from '../../../src/escrow/escrow.ts';
import { agreeToMainnet } from '../../../src/sdk/payment/escrow.ts';
import { temporaryHome } from '../../support/home.ts';

const mainnet = 'solana:5eykt4UsFv8P8NJdTREpY1vzqKqZKvdp';
const devnet = 'solana:EtWTRABZaYq6iMfeYKouRu166VU2xqa1';

test('mainnet needs consent if the endpoint or the configuration says mainnet', async (context) => {
  const home = await temporaryHome(context);
  const agree = async (chain: string, network: string): Promise<void> =>
    agreeToMainnet(
      await resolveConfig({ environment: {}, home, flags: { network } }),
      { chain } as Escrow,
      async () => false,
    );
  await agree(devnet, 'devnet');
  await assert.rejects(agree(mainnet, 'devnet'), { code: 'E_LIMIT' });
  await assert.rejects(agree(mainnet, 'mainnet'), { code: 'E_LIMIT' });
  await assert.rejects(agree(devnet, 'mainnet'), { code: 'E_LIMIT' });
});
