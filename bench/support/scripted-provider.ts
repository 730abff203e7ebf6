/** A provider with a scripted engine in a process of its own. Prints its address and card as one line of JSON. */
import { createScriptedEngine } from '../../test/support/scripted-engine.ts';
import { startProvider } from './nodes.ts';

const { address, card } = await startProvider(createScriptedEngine());
process.stdout.write(
  `${JSON.stringify({ address, body: Buffer.from(card.body).toString('base64'), sig: Buffer.from(card.sig).toString('base64') })}\n`,
);
// It ends with whoever started it.
process.stdin.on('end', () => process.exit(0)).resume();
