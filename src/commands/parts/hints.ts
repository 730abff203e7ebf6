/** The flags that select network `net` (protocol section 7), with a space after each; empty for the default network. */
export function networkFlags(net: string): string {
  return { local: '', dev: '--network devnet ', main: '--network mainnet ' }[net] ?? `--private ${net} `;
}

/** An address of `peer` that other machines can dial if it has one, else a loopback address, else its peer id. */
export function reachableAs(peer: { readonly id: string; addrs(): readonly string[] }): string {
  const addrs = peer.addrs();
  return addrs.find((each) => !/\/(127\.0\.0\.1|::1)\//.test(each)) ?? addrs[0] ?? peer.id;
}
