import { command as status } from './status.ts';

/** The name under which others have it. */
export const command: typeof status = {
  ...status,
  examples: [{ line: 'qvac ps', what: 'everything of this home that runs' }],
};
