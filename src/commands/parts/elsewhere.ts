/**
 * The flags with which a person joins network `net` (section 7), each followed by a space; none for the default one.
 */
export function networkFlags(net: string): string {
  return { local: '', dev: '--network devnet ', main: '--network mainnet ' }[net] ?? `--private ${net} `;
}

/**
 * What stands for this node in what is typed elsewhere: an address that does not mean this machine alone, where there
 * is one.
 */
export function reachableAs(peer: { readonly id: string; addrs(): readonly string[] }): string {
  const addrs = peer.addrs();
  return addrs.find((each) => !/\/(127\.0\.0\.1|::1)\//.test(each)) ?? addrs[0] ?? peer.id;
}
