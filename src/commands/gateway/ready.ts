import type { Output } from '../../terminal/output.ts';

/** What a person needs to know of a gateway that has started. */
export interface GatewayFacts {
  readonly url: string;
  /** Link to the page, with the token of this run: it allows spending, so no log may hold it. */
  readonly link: string;
  /** Whether other machines can reach it. */
  readonly open: boolean;
  /** Whether programs need an API key. */
  readonly keyed: boolean;
}

/** The link to the page of the gateway at `url`. */
export function linkOf(url: string, token: string): string {
  return `${url}/#token=${token}`;
}

/** Prints where the gateway listens; with `--json` as an event named `event`. */
export function sayReady(
  output: Output,
  { url, link, open, keyed }: GatewayFacts,
  event: 'ready' | 'http',
  network: string,
): void {
  if (open) {
    const consequence = keyed
      ? 'every program with an API key can ask and spend here, over plain HTTP'
      : 'anyone there can ask free questions in your name (--api-key-file requires a key)';
    output.warn(output.style('red', `! other machines can reach ${url}: ${consequence}`));
  }
  output.say(
    `gateway · network ${network} · OpenAI clients: ${url}/v1 · Anthropic clients: ${url} · Ollama clients: ${url}`,
  );
  // The link allows spending, and logs are kept and shared.
  if (output.logsJson && !output.json)
    output.event({ event, url, network }, `ready at ${url} · qvac gateway --link prints the link to the page`);
  else output.event({ event, url, link, network }, `ready · open in a browser: ${link}`);
}
