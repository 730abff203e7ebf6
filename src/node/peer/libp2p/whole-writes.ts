import type { ConnectionEncrypter, MessageStream } from '@libp2p/interface';

/**
 * Makes `encrypter` write each message at once. Noise writes its length and its bytes separately, which costs one more
 * system call and packet per message.
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
