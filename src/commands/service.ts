import { join as joinPath } from 'node:path';
import { QvacError } from '../errors.ts';
import { defineCommand, defineSubcommand, oneOf, option } from './parts/definition.ts';

const roles = ['serve', 'route', 'gateway'] as const;
type ServiceRole = (typeof roles)[number];

const what = { serve: 'qvac provider', route: 'qvac router', gateway: 'qvac gateway' } as const satisfies Record<
  ServiceRole,
  string
>;

interface UnitInit {
  readonly role: ServiceRole;
  /** Flags after the command. */
  readonly flags: readonly string[];
  /** The Node that runs it, and the program's launcher. */
  readonly command: readonly [node: string, launcher: string];
}

/** A word as systemd reads it. */
function quoted(word: string): string {
  return /^[A-Za-z0-9_@./:=,+-]+$/.test(word)
    ? word
    : `"${word.replaceAll(/[\\"%$]/g, (character) => (character === '%' ? '%%' : character === '$' ? '$$' : `\\${character}`))}"`;
}

/** A systemd unit that gives the program a home of its own and nothing else to write to. */
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
# Stopped by a signal it ends with 128 and the signal; a mistake in its flags does not mend itself.
SuccessExitStatus=130 143
RestartPreventExitStatus=2
TimeoutStopSec=20
LimitNOFILE=65536

# A user that exists only while it runs, the same for all services of qvac, with /var/lib/qvac for its own.
DynamicUser=yes
User=qvac
StateDirectory=qvac
StateDirectoryMode=0700
UMask=0077

NoNewPrivileges=yes
ProtectSystem=strict
ProtectHome=${[...command, ...flags].some((path) => /^\/(home|root)\//.test(path)) ? 'read-only' : 'yes'}
PrivateTmp=yes
# Graphics cards and nothing else; some drivers want SupplementaryGroups=render as well.
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
CapabilityBoundingSet=
SystemCallArchitectures=native
SystemCallFilter=@system-service
SystemCallFilter=~@privileged
SystemCallErrorNumber=EPERM
# Not MemoryDenyWriteExecute: JavaScript is compiled as it runs.

[Install]
WantedBy=multi-user.target
`;
}

const print = defineSubcommand({
  summary: 'a hardened systemd unit on stdout',
  description:
    'Prints a systemd unit that runs qvac as a user of its own with nothing to write to but its home. What is given after -- goes to the command. With --json: {name, unit}.',
  arguments: [{ name: '[flags...]', description: 'flags of the command, after --' }],
  options: { role: option('--role <role>', 'serve, route or gateway (default: serve)', oneOf(...roles)) },
  examples: [
    {
      line: 'qvac service print -- --model smollm2-135m | sudo tee /etc/systemd/system/qvac-serve.service',
      what: 'a provider that starts with the machine',
    },
    { line: 'qvac service print --role gateway', what: 'a gateway' },
  ],
  async action({ args, options, output }) {
    const role = options.role ?? 'serve';
    const [first = '-'] = args;
    if (!first.startsWith('-'))
      throw new QvacError('E_USAGE', `"${first}" is no flag of qvac ${role}`, {
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
  description:
    'Makes qvac start with the machine. Nothing is installed: the unit is printed, for you to read and to put where it belongs.',
  examples: [{ line: 'qvac service print', what: 'a systemd unit for qvac serve' }],
  subcommands: { print },
});
