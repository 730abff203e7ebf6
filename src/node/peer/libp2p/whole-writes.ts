import type { ConnectionEncrypter, MessageStream } from '@libp2p/interface';

/**
 * Has `encrypter` write each encrypted message at once. Noise hands its length and its bytes to the socket one after
 * the other, which costs a system call and a packet more for every message.
 */
export function wholeWrites<Components>(
  encrypter: (components: Components) => ConnectionEncrypter,
): (components: Components) => ConnectionEncrypter {
  return (components) => {
    const inner = encrypter(components);
    return {
      protocol: inner.protocol,
      secureInbound: (connection, options) => inner.secureInbound(joined(connection), options),
      secureOutbound: (connection, options) => inner.secureOutbound(joined(connection), options),
    };
  };
}

function joined<Connection extends MessageStream>(connection: Connection): Connection {
  const send = connection.send.bind(connection);
  connection.send = (data) => send(data.subarray());
  return connection;
}
