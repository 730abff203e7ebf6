/**
 * An embedded chain kept in the folder given, in a process of its own, as `qvac chain` runs it. Prints its URL as one
 * line.
 */
import { startLocalnet } from '../../src/escrow/localnet.ts';

const [, , dir = ''] = process.argv;
const chain = await startLocalnet({ dir });
process.stdout.write(`${JSON.stringify({ rpcUrl: chain.rpcUrl })}\n`);
// It ends with whoever started it.
process.stdin.on('end', () => void chain.stop().finally(() => process.exit(0))).resume();
