/** The message of dcutr (https://github.com/libp2p/specs/blob/master/relay/DCUtR.md), in protobuf. */
import { asBytes, FieldWriter, numberIn, readFields } from '../libp2p/protobuf.ts';

export const punchProtocol = '/libp2p/dcutr';

export const punchType = { connect: 100, sync: 300 } as const;

export interface PunchMessage {
  /** A number of `punchType`, or one that this version does not know. */
  readonly type: number;
  /** Multiaddrs in bytes. */
  readonly addrs: readonly Uint8Array[];
}

const fields = { type: 1, addrs: 2 } as const;

export function encodePunch({ type, addrs }: PunchMessage): Uint8Array {
  const writer = new FieldWriter();
  writer.number(fields.type, type);
  for (const address of addrs) writer.bytes(fields.addrs, address);
  return writer.done();
}

/** @throws RawMessageError */
export function decodePunch(bytes: Uint8Array): PunchMessage {
  const read = readFields(bytes);
  return {
    type: numberIn(read, fields.type),
    addrs: read.filter(({ field }) => field === fields.addrs).map(({ value }) => asBytes(value)),
  };
}
