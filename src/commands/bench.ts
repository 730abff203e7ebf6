import { audit } from './bench/audit.ts';
import { defineCommand, defineSubcommand } from './parts/definition.ts';

const worker = defineSubcommand({
  summary: 'compute for qvac bench audit',
  description: 'Compute answers for qvac bench audit, which starts this command for each execution class.',
  examples: [{ line: 'qvac bench worker', what: 'started by qvac bench audit, not by hand' }],
  async action({ signal }) {
    const { processChannel, serveLab } = await import('../sdk/bench/labs/worker.ts');
    await serveLab(processChannel(), { signal });
  },
});

export const command = defineCommand({
  description: 'Measure how well the answers of a model can be checked on this machine.',
  examples: [{ line: 'qvac bench audit --quick', what: 'see which cheats the checks catch, in five minutes' }],
  subcommands: { audit, worker },
});
