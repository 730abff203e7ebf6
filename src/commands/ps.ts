import { command as status } from './status.ts';

/** The name that other tools use for `status`. */
export const command: typeof status = {
  ...status,
  examples: [{ line: 'qvac ps', what: 'show everything of this home that runs' }],
};
