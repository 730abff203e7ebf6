/** Random hex digits. `crypto.randomUUID` is not there where a page comes over plain HTTP from another machine. */
export function randomHex(bytes: number): string {
  return [...crypto.getRandomValues(new Uint8Array(bytes))].map((byte) => byte.toString(16).padStart(2, '0')).join('');
}
