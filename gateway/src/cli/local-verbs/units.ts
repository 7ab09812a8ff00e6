/**
 * The systemd units of Oriel, as text. PURE. The disk service has a life of its own beside the gateway, and VMs outlive both
 * (OUTLIVE): a stop of the gateway ends its main process and no other. Spec: systemd.service(5), systemd.exec(5).
 */

/** Where a unit is for: the machine, under an account of its own, or one person's login. */
export type UnitScope = 'system' | 'user';

export interface UnitOptions {
  readonly scope: UnitScope;
  /** What runs `oriel`, as words. */
  readonly command: readonly string[];
  readonly dataFolder: string;
  /** Where the disk service has its images, its control socket and the sockets of disks. */
  readonly disks: { readonly storage: string; readonly socket: string; readonly run: string };
  /** Settings, a line each: `ORIEL_LISTEN=…`. */
  readonly settingsFile: string;
  /** A folder that the home folders must stay open for, since the program lies there. */
  readonly isInHome: boolean;
  readonly hasKvmGroup: boolean;
}

export const ACCOUNT = 'oriel';

/** In the order in which they start. */
export const UNIT_NAMES = ['oriel-disks.service', 'oriel-gateway.service'] as const;
export type UnitName = (typeof UNIT_NAMES)[number];

/** The text of each unit, by its file's name. */
export function unitsOf(options: UnitOptions): Readonly<Record<UnitName, string>> {
  return { 'oriel-disks.service': disksUnit(options), 'oriel-gateway.service': gatewayUnit(options) };
}

function disksUnit(options: UnitOptions): string {
  const { command, disks } = options;
  const words = [
    ...command,
    'disk-service',
    'serve',
    '--storage',
    disks.storage,
    '--socket',
    disks.socket,
    '--run-dir',
    disks.run,
  ];
  return unit(options, {
    description: 'Oriel disk service: VHD chains over NBD',
    after: { system: ['local-fs.target'], both: [] },
    service: [
      '# Less memory: a small nursery, no copy of the start-up snapshot in each thread, buffers given back after an import.',
      'Environment="NODE_OPTIONS=--max-semi-space-size=1 --no-node-snapshot --expose-gc"',
      `ExecStart=${words.map(quoted).join(' ')}`,
      '# A stop writes out everything that waits for a flush, and closes the chains.',
      'TimeoutStopSec=120',
    ],
    hardening: [
      '# The rooms of foreign tools are namespaces of their own.',
      'RestrictNamespaces=user mnt pid net ipc uts cgroup',
    ],
    systemCalls: '@system-service @mount seccomp',
  });
}

function gatewayUnit(options: UnitOptions): string {
  const { command, dataFolder, settingsFile, hasKvmGroup } = options;
  return unit(options, {
    description: 'Oriel gateway: desktops in the browser',
    after: { system: ['network-online.target'], both: ['oriel-disks.service'] },
    service: [
      `Environment="ORIEL_DATA=${dataFolder}"`,
      `EnvironmentFile=-${settingsFile}`,
      `ExecStart=${[...command, 'start'].map(quoted).join(' ')}`,
      '# VMs are started by the gateway and outlive it.',
      'KillMode=process',
      'TimeoutStopSec=60',
    ],
    hardening: [
      ...(options.scope === 'system' && hasKvmGroup ? ['SupplementaryGroups=kvm'] : []),
      ...(options.scope === 'system'
        ? ['DevicePolicy=closed', 'DeviceAllow=/dev/kvm rw', 'DeviceAllow=/dev/net/tun rw']
        : []),
      'RestrictNamespaces=yes',
    ],
    systemCalls: '@system-service seccomp',
  });
}

interface Parts {
  readonly description: string;
  /** Units that it asks for and comes after; a login has none of the machine's targets. */
  readonly after: { readonly system: readonly string[]; readonly both: readonly string[] };
  readonly service: readonly string[];
  readonly hardening: readonly string[];
  readonly systemCalls: string;
}

function unit(options: UnitOptions, { description, after, service, hardening, systemCalls }: Parts): string {
  const isSystem = options.scope === 'system';
  const before = [...(isSystem ? after.system : []), ...after.both];
  return [
    '# Made by `oriel service install`, which overwrites it: put changes into a drop-in (systemctl edit).',
    '[Unit]',
    `Description=${description}`,
    ...(before.length === 0 ? [] : [`After=${before.join(' ')}`, `Wants=${before.join(' ')}`]),
    `RequiresMountsFor=${options.dataFolder}`,
    '',
    '[Service]',
    'Type=simple',
    ...(isSystem ? [`User=${ACCOUNT}`, `Group=${ACCOUNT}`] : []),
    ...service,
    'Restart=on-failure',
    'RestartSec=1',
    'LimitNOFILE=65536',
    '',
    'UMask=0077',
    ...(isSystem ? systemHardening(options) : []),
    ...COMMON_HARDENING,
    ...hardening,
    `SystemCallFilter=${systemCalls}`,
    'SystemCallErrorNumber=EPERM',
    'SystemCallArchitectures=native',
    '',
    '[Install]',
    `WantedBy=${isSystem ? 'multi-user.target' : 'default.target'}`,
    '',
  ].join('\n');
}

/** What an account without privileges can ask of its own systemd. */
const COMMON_HARDENING: readonly string[] = [
  'NoNewPrivileges=yes',
  'RestrictSUIDSGID=yes',
  'RestrictRealtime=yes',
  'LockPersonality=yes',
  'RestrictAddressFamilies=AF_UNIX AF_INET AF_INET6 AF_NETLINK',
];

/** MemoryDenyWriteExecute is left out: Node and QEMU both write the code that they run. */
function systemHardening({ dataFolder, isInHome }: UnitOptions): readonly string[] {
  return [
    'CapabilityBoundingSet=',
    'AmbientCapabilities=',
    'PrivateTmp=yes',
    'ProtectSystem=strict',
    `ReadWritePaths=${dataFolder}`,
    `ProtectHome=${isInHome ? 'read-only' : 'yes'}`,
    'ProtectKernelTunables=yes',
    'ProtectKernelModules=yes',
    'ProtectKernelLogs=yes',
    'ProtectControlGroups=yes',
    'ProtectClock=yes',
    'ProtectHostname=yes',
    'ProtectProc=invisible',
    'RemoveIPC=yes',
  ];
}

/** A word of ExecStart: its blanks, percent signs and dollars are its own. */
function quoted(word: string): string {
  const escaped = word.replaceAll('\\', '\\\\').replaceAll('"', '\\"').replaceAll('%', '%%').replaceAll('$', '$$$$');
  return /^[\w./:=@%$+-]+$/.test(word) ? escaped : `"${escaped}"`;
}
