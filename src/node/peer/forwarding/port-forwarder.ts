export interface MappedPort {
  readonly outsidePort: number;
  /** How long the router keeps it, in seconds; 0: until it is ended. */
  readonly lifeSeconds: number;
}

/** A way to have a home router forward a TCP port to this machine. */
export interface PortForwarder {
  /** For people. */
  readonly name: string;
  /**
   * Has the router at `gateway` forward an outside port, the same number if that is free, to `port` of this machine.
   * @throws QvacError E_NETWORK if the router refuses or does not answer; the signal's reason
   */
  forward(gateway: string, port: number, lifeSeconds: number, signal: AbortSignal): Promise<MappedPort>;
  /** Ends it. @throws as `forward` */
  end(
    gateway: string,
    ports: { readonly port: number; readonly outsidePort: number },
    signal: AbortSignal,
  ): Promise<void>;
}
