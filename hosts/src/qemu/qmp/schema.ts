/**
 * The QMP commands and events that the driver uses, with the parts of their answers that it reads. Spec: QEMU
 * qapi/*.json. A command that is not here cannot be sent.
 */
import type { Json, JsonObject } from './framing.ts';

export type RunState =
  | 'debug'
  | 'inmigrate'
  | 'internal-error'
  | 'io-error'
  | 'paused'
  | 'postmigrate'
  | 'prelaunch'
  | 'finish-migrate'
  | 'restore-vm'
  | 'running'
  | 'save-vm'
  | 'shutdown'
  | 'suspended'
  | 'watchdog'
  | 'guest-panicked'
  | 'colo';

export interface BlockInfo {
  /** Empty where the device was made with -device; `qdev` then names it. */
  readonly device: string;
  readonly qdev?: string;
  readonly 'io-status'?: 'ok' | 'failed' | 'nospace';
  readonly inserted?: { readonly 'node-name'?: string };
  readonly tray_open?: boolean;
}

export interface BlockStats {
  readonly device?: string;
  readonly qdev?: string;
  readonly stats: { readonly rd_bytes: number; readonly wr_bytes: number };
}

export interface MigrateInfo {
  readonly status?:
    | 'none'
    | 'setup'
    | 'cancelling'
    | 'cancelled'
    | 'active'
    | 'completed'
    | 'failed'
    | 'device'
    | 'pre-switchover'
    | 'postcopy-active'
    | 'wait-unplug';
  readonly ram?: { readonly transferred: number; readonly total: number; readonly remaining: number };
  readonly 'error-desc'?: string;
}

interface Void {
  readonly arguments: undefined;
  readonly returns: JsonObject;
}
interface Call<Arguments, Returns = JsonObject> {
  readonly arguments: Arguments;
  readonly returns: Returns;
}
interface Id {
  readonly id: string;
}
interface NodeName {
  readonly 'node-name': string;
}

export interface QmpCommands {
  qmp_capabilities: Void;
  'query-status': Call<undefined, { readonly status: RunState; readonly running: boolean }>;
  'query-block': Call<undefined, readonly BlockInfo[]>;
  'query-blockstats': Call<{ readonly 'query-nodes'?: boolean } | undefined, readonly BlockStats[]>;
  'chardev-add': Call<{ readonly id: string; readonly backend: { readonly type: string; readonly data: JsonObject } }>;
  'chardev-remove': Call<Id>;
  'query-chardev': Call<undefined, readonly { readonly label: string; readonly 'frontend-open': boolean }[]>;
  'query-migrate': Call<undefined, MigrateInfo>;
  'query-machines': Call<undefined, readonly { readonly name: string; readonly alias?: string }[]>;
  cont: Void;
  stop: Void;
  quit: Void;
  system_reset: Void;
  system_powerdown: Void;
  system_wakeup: Void;
  screendump: Call<{ readonly filename: string; readonly format: 'png' | 'ppm' }>;
  'send-key': Call<{
    readonly keys: readonly { readonly type: 'qcode'; readonly data: string }[];
    readonly 'hold-time'?: number;
  }>;
  set_password: Call<{ readonly protocol: 'vnc'; readonly password: string; readonly display?: string }>;
  expire_password: Call<{ readonly protocol: 'vnc'; readonly time: string; readonly display?: string }>;
  'query-vnc-servers': Call<
    undefined,
    readonly {
      readonly id: string;
      readonly server: readonly { readonly host: string; readonly service: string; readonly family: string }[];
    }[]
  >;
  migrate: Call<{ readonly uri: string; readonly detach?: boolean }>;
  migrate_cancel: Void;
  'migrate-incoming': Call<{ readonly uri: string }>;
  'migrate-set-parameters': Call<JsonObject>;
  'migrate-set-capabilities': Call<{
    readonly capabilities: readonly { readonly capability: string; readonly state: boolean }[];
  }>;
  'blockdev-add': Call<JsonObject>;
  'blockdev-del': Call<NodeName>;
  'blockdev-reopen': Call<{ readonly options: readonly JsonObject[] }>;
  block_resize: Call<{ readonly 'node-name': string; readonly size: number }>;
  'blockdev-open-tray': Call<Id & { readonly force?: boolean }>;
  'blockdev-close-tray': Call<Id>;
  'blockdev-remove-medium': Call<Id>;
  'blockdev-insert-medium': Call<Id & NodeName>;
  device_add: Call<JsonObject>;
  device_del: Call<Id>;
  'qom-get': Call<{ readonly path: string; readonly property: string }, Json>;
}

export type QmpCommand = keyof QmpCommands;

export interface QmpEvents {
  readonly SHUTDOWN: { readonly guest: boolean; readonly reason: string };
  readonly POWERDOWN: JsonObject;
  readonly RESET: { readonly guest: boolean; readonly reason: string };
  readonly STOP: JsonObject;
  readonly RESUME: JsonObject;
  readonly SUSPEND: JsonObject;
  readonly WAKEUP: JsonObject;
  readonly GUEST_PANICKED: JsonObject;
  readonly BLOCK_IO_ERROR: {
    readonly device: string;
    readonly 'node-name'?: string;
    readonly operation: 'read' | 'write';
    readonly action: 'ignore' | 'report' | 'stop';
    readonly nospace?: boolean;
    readonly reason: string;
  };
  readonly DEVICE_DELETED: { readonly device?: string; readonly path: string };
  readonly DEVICE_UNPLUG_GUEST_ERROR: { readonly device?: string; readonly path: string };
  readonly DEVICE_TRAY_MOVED: { readonly device: string; readonly id: string; readonly 'tray-open': boolean };
  readonly VSERPORT_CHANGE: { readonly id: string; readonly open: boolean };
  readonly VNC_INITIALIZED: JsonObject;
  readonly MIGRATION: { readonly status: string };
}

export type QmpEventName = keyof QmpEvents;
