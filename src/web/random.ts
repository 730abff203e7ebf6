/** Random hex digits. `crypto.randomUUID` does not exist on pages loaded over plain HTTP from another machine. */
export function randomHex(bytes: number): string {
  return [...crypto.getRandomValues(new Uint8Array(bytes))].map((byte) => byte.toString(16).padStart(2, '0')).join('');
}
