import { randomInt } from 'node:crypto';
import { QvacError } from '../../../errors.ts';
import { anySignal } from '../../../lib/abort.ts';
import { kindOfIp } from '../../../lib/ip-kind.ts';
import { maxOutsidePort, maxOutsidePorts, minOutsidePort, requestTimeoutMs } from './constants.ts';
import type { MappedPort, PortForwarder } from './port-forwarder.ts';
import { ActionError, act, type MappingService, mappingService } from './upnp-device.ts';
import { ownAddressTowards, searchDevice } from './upnp-search.ts';

/** Errors of WANIPConnection: the outside port is taken, and only mappings without an end are made. */
const conflicts: ReadonlySet<number> = new Set([718, 727, 728, 729]);
const onlyPermanent = 725;

/**
 * Asks home routers by UPnP (Internet Gateway Device, versions 1 and 2). Any machine of the local network can claim to
 * be a router: only the one at the gateway's own address is believed, asked and followed.
 * @param find where the description of the router at `gateway` is. @default by a search in the local network
 */
export function createUpnp(
  find: (gateway: string, signal: AbortSignal) => Promise<URL> = (gateway, signal) => searchDevice(gateway, signal),
): PortForwarder {
  return new Upnp(find);
}

class Upnp implements PortForwarder {
  readonly name = 'UPnP';
  readonly #find: (gateway: string, signal: AbortSignal) => Promise<URL>;
  /** The services that forward ports for this machine, by gateway. */
  readonly #services = new Map<string, MappingService>();

  constructor(find: (gateway: string, signal: AbortSignal) => Promise<URL>) {
    this.#find = find;
  }

  async forward(gateway: string, port: number, lifeSeconds: number, signal: AbortSignal): Promise<MappedPort> {
    // A router that was restarted may answer elsewhere.
    const service = await mappingService(gateway, await this.#find(gateway, signal), within(signal));
    const outside = await act(service, 'GetExternalIPAddress', {}, within(signal));
    if (kindOfIp(outside('NewExternalIPAddress')) !== 'public')
      throw new QvacError(
        'E_NETWORK',
        'the router has no address of the internet itself: another one is in front of it',
      );
    const client = await ownAddressTowards(gateway);
    const mapped = await this.#add(service, { port, client, lifeSeconds }, signal);
    this.#services.set(gateway, service);
    return mapped;
  }

  async end(gateway: string, { outsidePort }: { readonly outsidePort: number }, signal: AbortSignal): Promise<void> {
    const service = this.#services.get(gateway);
    if (service === undefined) return;
    await act(service, 'DeletePortMapping', nameOf(outsidePort), within(signal));
  }

  /** Tries one outside port after another while they are taken. */
  async #add(
    service: MappingService,
    { port, client, lifeSeconds }: { readonly port: number; readonly client: string; readonly lifeSeconds: number },
    signal: AbortSignal,
  ): Promise<MappedPort> {
    const random = (): number => randomInt(minOutsidePort, maxOutsidePort + 1);
    const add = (outsidePort: number, life: number): Promise<unknown> =>
      act(
        service,
        'AddPortMapping',
        {
          ...nameOf(outsidePort),
          NewInternalPort: port,
          NewInternalClient: client,
          NewEnabled: 1,
          NewPortMappingDescription: 'qvac',
          NewLeaseDuration: life,
        },
        within(signal),
      );
    let life = lifeSeconds;
    let outsidePort = port;
    for (let tries = 1; ; tries++) {
      try {
        await add(outsidePort, life);
        return { outsidePort, lifeSeconds: life };
      } catch (error) {
        if (!(error instanceof ActionError) || tries >= maxOutsidePorts) throw error;
        if (error.upnpCode === onlyPermanent && life > 0) life = 0;
        else if (conflicts.has(error.upnpCode)) outsidePort = random();
        else throw error;
      }
    }
  }
}

/** What names a mapping. */
function nameOf(outsidePort: number) {
  return { NewRemoteHost: '', NewExternalPort: outsidePort, NewProtocol: 'TCP' } as const;
}

function within(signal: AbortSignal): AbortSignal {
  return anySignal(signal, AbortSignal.timeout(requestTimeoutMs));
}
