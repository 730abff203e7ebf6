/**
 * A provider with a scripted engine that is paid on the chain at the URL given, in a process of its own, and writes as
 * many answers at once as given. Prints its address as one line.
 */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { addressText } from '../../src/escrow/addresses.ts';
import { createScriptedEngine } from '../../test/support/scripted-engine.ts';
import { openFunded, startPaidProvider } from './paid-nodes.ts';

const [, , rpcUrl = '', slots = '1'] = process.argv;
const dir = await mkdtemp(join(tmpdir(), 'qvac-bench-provider-'));
const escrow = await openFunded(rpcUrl);
const { address } = await startPaidProvider(escrow, createScriptedEngine({ slots: Number(slots), queue: 64 }), dir);
process.stdout.write(`${JSON.stringify({ address, wallet: addressText(escrow.wallet) })}\n`);
// It ends with the process that started it.
process.stdin.on('end', () => void rm(dir, { recursive: true, force: true }).finally(() => process.exit(0))).resume();
