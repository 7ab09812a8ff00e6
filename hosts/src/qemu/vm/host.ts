/** What every part of the QEMU driver is handed: the settled options, the engine, the events. */
import type { Accelerator } from '../../driver.ts';
import type { EventLog } from '../../event-log.ts';
import type { ArgvHost } from './argv.ts';

export interface QemuOptions {
  /** Sockets, pid files and logs: one folder per VM. Short, because a socket's path has at most 107 bytes. */
  readonly runDir: string;
  /** Definitions, saved memories, firmware variables: survives a reboot. Default: the run folder. */
  readonly stateDir?: string;
  readonly binary?: string;
  /** `auto` (default) takes KVM where a probe guest really ran on it. */
  readonly accelerator?: 'auto' | 'kvm' | 'tcg';
  readonly name?: string;
  readonly tbSizeMiB?: number;
  /** How long a guest's requests wait for a disk service that is away. Default 60 s. */
  readonly reconnectDelayS?: number;
  /** Offers displays with one-time passwords on TCP at this address. */
  readonly tcpDisplay?: { readonly host: string };
  /** Network cards beyond user networking that this host may use. */
  readonly nics?: readonly ('bridge' | 'tap')[];
  readonly firmwareCode?: string;
  readonly firmwareVariables?: string;
  readonly timing?: Partial<QemuTiming>;
}

export interface QemuTiming {
  /** From spawn to the first answer on QMP. */
  readonly startMs: number;
  /** From `quit` to SIGKILL, and from SIGKILL to giving up. */
  readonly quitMs: number;
  /** What `stop` gives a guest where the caller does not say. */
  readonly graceMs: number;
  /** Between two presses of the power button: a guest in its firmware does not feel the first. */
  readonly pressMs: number;
  readonly commandMs: number;
  readonly connectMs: number;
  /** Between two attempts to reach a QEMU that runs and does not answer. */
  readonly regainMs: number;
  /** For a guest to let go of a device. */
  readonly unplugMs: number;
  readonly saveMs: number;
  readonly shotMs: number;
  readonly probeMs: number;
  /** Between two looks at the logs' sizes. */
  readonly trimMs: number;
}

export const QEMU_TIMING: QemuTiming = {
  startMs: 20_000,
  quitMs: 3_000,
  graceMs: 30_000,
  pressMs: 1_000,
  commandMs: 10_000,
  connectMs: 5_000,
  regainMs: 2_000,
  unplugMs: 5_000,
  saveMs: 600_000,
  shotMs: 5_000,
  probeMs: 2_000,
  trimMs: 5_000,
};

export const QEMU_LIMITS = {
  vms: 1024,
  /** Starts and adoptions side by side. */
  parallel: 32,
  displaysPerVm: 32,
} as const;

export interface QemuHost {
  readonly runDir: string;
  readonly stateDir: string;
  readonly accelerator: Accelerator & { readonly name: 'kvm' | 'tcg' };
  readonly argv: ArgvHost;
  readonly firmwareVariables: string | undefined;
  readonly timing: QemuTiming;
  readonly events: EventLog;
  readonly now: () => number;
}
