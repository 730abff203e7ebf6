import { basename } from 'node:path';
import type { ModelProgress } from '../../sdk/models.ts';
import type { Output } from '../../terminal/output.ts';
import { printable } from '../../terminal/printable.ts';
import { startProgress } from '../../terminal/progress.ts';

const phaseWords = { download: 'downloading', unpack: 'unpacking', hash: 'checking' } as const;

/** Shows a progress line on stderr and removes it when the work ends. */
export function modelProgress(
  output: Output,
  { announceLoading = false }: { readonly announceLoading?: boolean } = {},
): ModelProgress {
  return {
    async fetching(name, work) {
      const progress = startProgress(output);
      // A path would leave no room for the bar.
      const shown = name.endsWith('.gguf') ? basename(name) : name;
      try {
        return await work((state) => progress.bytes(`${phaseWords[state.phase]} ${shown}`, state));
      } finally {
        progress.end();
      }
    },
    async loading({ name, bytes, path }, work) {
      if (announceLoading) output.say(printable(`loading ${name} (${path})`, 400));
      const progress = startProgress(output);
      try {
        return await work((share) =>
          progress.bytes(`loading ${name}`, {
            doneBytes: Math.round(share * bytes),
            totalBytes: bytes,
            bytesPerSecond: null,
            secondsLeft: null,
          }),
        );
      } finally {
        progress.end();
      }
    },
  };
}
