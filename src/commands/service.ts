import { join as joinPath } from 'node:path';
import { QvacError } from '../errors.ts';
import { defineCommand, defineSubcommand, oneOf, option } from './parts/definition.ts';

const roles = ['serve', 'route', 'relay', 'gateway'] as const;
type ServiceRole = (typeof roles)[number];

const what = {
  serve: 'qvac provider',
  route: 'qvac router',
  relay: 'qvac relay',
  gateway: 'qvac gateway',
} as const satisfies Record<ServiceRole, string>;

interface UnitInit {
  readonly role: ServiceRole;
  /** Flags of the command. */
  readonly flags: readonly string[];
  /** Paths of the Node executable and of the program's launcher. */
  readonly command: readonly [node: string, launcher: string];
}

/** Quotes a word for systemd. */
function quoted(word: string): string {
  if (/^[A-Za-z0-9_@./:=,+-]+$/.test(word)) return word;
  const escapes: Readonly<Record<string, string>> = { '%': '%%', $: '$$', '\\': '\\\\', '"': '\\"' };
  return `"${word.replaceAll(/[\\"%$]/g, (character) => escapes[character] ?? '')}"`;
}

/** Lets a relay listen on port 443. */
const bindPorts = 'AmbientCapabilities=CAP_NET_BIND_SERVICE\nCapabilityBoundingSet=CAP_NET_BIND_SERVICE';

/** A systemd unit in which the program has its own user, and can write to its home only. */
function unit({ role, flags, command }: UnitInit): string {
  return `[Unit]
Description=${what[role]}
Wants=network-online.target
After=network-online.target

[Service]
Type=exec
ExecStart=${[...command, role, ...flags].map(quoted).join(' ')}
Environment=QVAC_HOME=/var/lib/qvac
Restart=on-failure
RestartSec=5
# A signal ends it with 128 plus the signal number. Exit code 2 is a bad flag, which a restart does not fix.
SuccessExitStatus=130 143
RestartPreventExitStatus=2
TimeoutStopSec=20
LimitNOFILE=65536

# A user that exists while the service runs, shared by all qvac services, and owns /var/lib/qvac.
DynamicUser=yes
User=qvac
StateDirectory=qvac
StateDirectoryMode=0700
UMask=0077

NoNewPrivileges=yes
ProtectSystem=strict
ProtectHome=${[...command, ...flags].some((path) => /^\/(home|root)\//.test(path)) ? 'read-only' : 'yes'}
PrivateTmp=yes
# Graphics cards only. Some drivers also need SupplementaryGroups=render.
DevicePolicy=closed
DeviceAllow=char-drm rw
DeviceAllow=char-nvidia* rw
ProtectKernelTunables=yes
ProtectKernelModules=yes
ProtectKernelLogs=yes
ProtectControlGroups=yes
ProtectClock=yes
ProtectHostname=yes
ProtectProc=invisible
RestrictNamespaces=yes
RestrictRealtime=yes
RestrictSUIDSGID=yes
RestrictAddressFamilies=AF_INET AF_INET6 AF_UNIX AF_NETLINK
LockPersonality=yes
${role === 'relay' ? bindPorts : 'CapabilityBoundingSet='}
SystemCallArchitectures=native
SystemCallFilter=@system-service
SystemCallFilter=~@privileged
SystemCallErrorNumber=EPERM
# No MemoryDenyWriteExecute: JavaScript is compiled at run time.

[Install]
WantedBy=multi-user.target
`;
}

const print = defineSubcommand({
  summary: 'print a hardened systemd unit',
  description: [
    'Print a systemd unit that runs qvac as its own user, who can write to its home only.',
    'Flags after -- are passed to the command.',
  ].join(' '),
  arguments: [{ name: '[flags...]', description: 'flags of the command, after --' }],
  options: {
    role: option('--role <role>', 'command: serve, route, relay or gateway (default: serve)', oneOf(...roles)),
  },
  examples: [
    {
      line: 'qvac service print -- --model smollm2-135m | sudo tee /etc/systemd/system/qvac-serve.service',
      what: 'start a provider with the machine',
    },
    { line: 'qvac service print --role gateway', what: 'print the unit of a gateway' },
  ],
  async action({ args, options, output }) {
    const role = options.role ?? 'serve';
    const [first = '-'] = args;
    if (!first.startsWith('-'))
      throw new QvacError('E_USAGE', `"${first}" is not a flag of qvac ${role}`, {
        hint: 'qvac service print --role serve -- --model smollm2-135m',
      });
    const launcher = process.argv[1] ?? joinPath('/usr', 'local', 'bin', 'qvac');
    const text = unit({ role, flags: args, command: [process.execPath, launcher] });
    const name = `qvac-${role}.service`;
    output.result({ name, unit: text }, text.trimEnd().split('\n'));
    output.say(`· as root: qvac service print … > /etc/systemd/system/${name} && systemctl enable --now ${name}`);
  },
});

export const command = defineCommand({
  description: 'Start qvac with the machine. Nothing is installed: the unit is printed for you to read and to install.',
  examples: [{ line: 'qvac service print', what: 'print a systemd unit for qvac serve' }],
  subcommands: { print },
});
