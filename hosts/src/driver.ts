/**
 * The driver interface: what every hypervisor can do, in a core so small that a driver is an afternoon's work, and what
 * only some can do, as facets whose presence is data. docs/design/hosts.md tells why and how to write one.
 */
import type { OnReadOpts } from 'node:net';
import type { Duplex } from 'node:stream';
import type { HostErrorCode } from './errors.ts';
import type { Cursor, DeviceId, TaskId, VmId } from './ids.ts';
import type { DiskBus, DiskInput, Firmware, MachineFamily, NicSpec, VideoCard, VmSpec } from './spec.ts';

export interface CallOptions {
  /** Gives up waiting. It does not undo: a Task goes on until `cancel`. */
  readonly signal?: AbortSignal;
}

/** One connection to one host. Nothing but `kind`, `connect` and `close` may be used before `connect` has resolved. */
export interface HostDriver extends AsyncDisposable {
  readonly kind: string;
  /** What this host can do. Known once connected; placement and the console read it without a call. */
  readonly caps: Capabilities;
  /** Reaches the host, takes over what already runs there, and tells about it. Once per driver. */
  connect(options?: CallOptions): Promise<HostInfo>;
  /** Every VM that is defined here, running or not, broken ones included. */
  list(options?: CallOptions): Promise<readonly VmObservation[]>;
  /** Events after `since`, for ever. Starts with a `resync` where `since` is absent or no longer remembered. */
  watch(since?: Cursor, options?: CallOptions): AsyncIterable<HostEvent>;
  /** Makes the VM be as the spec says: defines it or works out the difference. The same spec twice is no change. */
  apply(spec: VmSpec, options?: ApplyOptions): Task<ApplyResult>;
  power(id: VmId, verb: PowerVerb, options?: PowerOptions): Task<VmObservation>;
  /** Forgets a VM that does not run (VM_STATE otherwise). Its disks are not the driver's and stay. */
  remove(id: VmId): Task<void>;
  /** A way to a screen or console. Never an address: only the driver knows how to reach its guests. */
  display(id: VmId, want: DisplayWant): Promise<DisplayEndpoint>;
  /** One bulk call. VMs that do not run, or are unknown, are left out. */
  metrics(ids?: readonly VmId[], options?: CallOptions): Promise<readonly Sample[]>;
  /** Tasks that run or ended lately, those taken over from an earlier driver included. */
  tasks(): readonly Task<unknown>[];
  /** Lets go of the host. INVARIANT OUTLIVE: stops no VM. */
  close(): Promise<void>;

  readonly block?: BlockFacet;
  readonly agent?: AgentFacet;
  readonly screen?: ScreenFacet;
  readonly logs?: LogFacet;
  readonly ram?: RamFacet;
  readonly migration?: MigrationFacet;
}

export type FacetName = 'block' | 'agent' | 'screen' | 'logs' | 'ram' | 'migration';
export type DisplayKind = 'rfb' | 'serial' | 'rdp' | 'spice' | 'ssh';

export interface Capabilities {
  /** Exactly the facets that the driver has. */
  readonly facets: readonly FacetName[];
  readonly machines: readonly MachineFamily[];
  readonly firmware: readonly Firmware[];
  readonly diskBuses: readonly DiskBus[];
  readonly video: readonly VideoCard[];
  readonly nics: readonly NicSpec['kind'][];
  readonly displays: readonly DisplayKind[];
  readonly maxVcpus: number;
  readonly maxMemoryMiB: number;
  readonly maxVms: number;
  readonly hotplug: readonly ('disk' | 'cd')[];
  /** `power('save')` works and a later start resumes from it. */
  readonly canSave: boolean;
  readonly migrate: 'none' | 'cold' | 'live';
  readonly hasTpm: boolean;
  readonly hasRng: boolean;
  /** Display secrets that work once. */
  readonly hasOneTimeSecrets: boolean;
}

export interface HostInfo {
  readonly kind: string;
  readonly name: string;
  /** Of the hypervisor, as it says itself. */
  readonly version: string;
  readonly cpus: number;
  readonly memoryMiB: number;
  readonly accelerator: Accelerator;
  /** Host clock minus ours. */
  readonly clockSkewMs: number;
}

/** Which engine runs guests, and how we know: `reason` is a sentence for an admin. */
export interface Accelerator {
  readonly name: 'kvm' | 'tcg' | 'native';
  readonly reason: string;
}

export type VmState =
  | { readonly state: 'stopped'; readonly reason: StopReason; readonly detail?: string }
  | { readonly state: 'starting' }
  | { readonly state: 'running' }
  | { readonly state: 'paused'; readonly reason: PauseReason }
  | { readonly state: 'stopping'; readonly forceAt: number }
  | { readonly state: 'saving' }
  | { readonly state: 'saved'; readonly savedAt: number }
  /** What is on the host cannot be read as a VM. It can be removed, or applied again. */
  | { readonly state: 'broken'; readonly code: HostErrorCode; readonly message: string };

/** `guest`: it shut down by itself. `requested`: somebody asked. `died`: nobody did. */
export type StopReason = 'never-started' | 'guest' | 'requested' | 'forced' | 'died' | 'start-failed';

export type PauseReason =
  | { readonly kind: 'requested' }
  /** A disk failed and `werror=stop` kept the guest from noticing; `resume` tries again. */
  | {
      readonly kind: 'io-error';
      readonly device: DeviceId;
      /** `unknown` where the pause was found, not seen. */
      readonly operation: 'read' | 'write' | 'unknown';
      readonly isOutOfSpace: boolean;
      readonly message: string;
    }
  | { readonly kind: 'guest-crashed' }
  | { readonly kind: 'other'; readonly message: string };

export interface VmObservation {
  readonly id: VmId;
  readonly name: string;
  /** Of the spec that the host holds; 0 where it holds none that can be read. */
  readonly generation: number;
  readonly state: VmState;
  /** Milliseconds since the epoch: when `state` began. */
  readonly since: number;
  /** Times the guest was started or reset since it was defined. */
  readonly boots: number;
  /** The guest agent's channel is open. Says nothing about whether it answers. */
  readonly isAgentConnected: boolean;
  /** A clipboard agent runs in the guest: what a screen's viewer copies gets there, and back. */
  readonly hasClipboard?: boolean;
  /** Which engine runs it now. */
  readonly accelerator?: Accelerator['name'];
  /** The spec changed while it ran: these fields take effect at the next start. */
  readonly pendingRestart: readonly string[];
  readonly spec?: VmSpec;
}

export interface ApplyOptions extends CallOptions {
  /** Says what would change and changes nothing. */
  readonly isDryRun?: boolean;
  /** SPEC_STALE unless the host holds exactly this generation (0: not defined). */
  readonly ifGeneration?: number;
}

export interface ApplyResult {
  readonly vm: VmObservation;
  readonly changes: readonly SpecChange[];
}

/** One difference between the spec held and the one applied. */
export interface SpecChange {
  /** `vm`, a field of VmSpec (for `hasTpm`: `tpm`), or `disk:<id>`, `cd:<id>`, `nic:<id>`. */
  readonly what: string;
  readonly change: 'add' | 'change' | 'remove';
  readonly effect: 'now' | 'next-start';
}

/**
 * `start` resumes a saved VM. `stop` asks the guest, then forces after the grace. `kill` forces at once. `save` writes
 * the memory to a file and stops. `discard` throws a saved state away.
 */
export type PowerVerb = 'start' | 'stop' | 'kill' | 'reset' | 'pause' | 'resume' | 'save' | 'discard';

export interface PowerOptions extends CallOptions {
  /** For `stop`: how long the guest may take before it is forced. */
  readonly graceMs?: number;
  /** For `start`: leaves the guest paused before its first instruction. */
  readonly isPaused?: boolean;
}

/** A verb that takes time. It goes on when nobody looks, and a new driver on the same host takes it over. */
export interface Task<Result> {
  readonly id: TaskId;
  readonly kind: string;
  readonly vm: VmId;
  readonly startedAt: number;
  status(): TaskStatus;
  /** Asks it to end; resolves when it has ended in whatever way. What is done by then stays done. */
  cancel(): Promise<void>;
  /** The outcome. Nobody has to look at it: an unobserved failure is in `status` and in the events. */
  readonly done: Promise<Result>;
}

/**
 * How a task stands, in the words of every task book of ours (docs/design/tasks.md). None is ever `queued`: a driver's
 * tasks begin at once, or fail with VM_BUSY.
 */
export interface TaskStatus {
  /** `interrupted`: its driver was closed. The next driver on the host goes on with it, under the same id. */
  readonly state: 'running' | 'done' | 'failed' | 'cancelled' | 'interrupted';
  /** 0 to 1; null while nobody can say. */
  readonly progress: number | null;
  /** What it is at, in a few words; of one that failed, what it was at. */
  readonly step: string;
  /** Null unless it ended as `failed`, `cancelled` or `interrupted`. */
  readonly error: { readonly code: HostErrorCode; readonly message: string } | null;
}

export type HostEvent = { readonly cursor: Cursor; readonly at: number } & HostEventBody;

export type HostEventBody =
  | { readonly kind: 'resync'; readonly vms: readonly VmObservation[] }
  | { readonly kind: 'state'; readonly vm: VmId; readonly observation: VmObservation }
  | { readonly kind: 'removed'; readonly vm: VmId }
  | { readonly kind: 'reset'; readonly vm: VmId; readonly by: 'guest' | 'host' }
  | { readonly kind: 'agent'; readonly vm: VmId; readonly isConnected: boolean }
  | { readonly kind: 'device'; readonly vm: VmId; readonly device: DeviceId; readonly change: DeviceChange }
  | {
      readonly kind: 'task';
      readonly vm: VmId;
      readonly task: TaskId;
      readonly verb: string;
      readonly status: TaskStatus;
    }
  /** The host could not be reached, or can be again. */
  | { readonly kind: 'host'; readonly isReachable: boolean; readonly message: string };

export type DeviceChange = 'added' | 'removed' | 'swapped' | 'resized' | 'tray-open' | 'tray-closed';

export interface DisplayWant {
  readonly kind: DisplayKind;
  /** How long the endpoint may be dialled. Default 30 s. */
  readonly ttlMs?: number;
  /** Guarded by the protocol's own password, good for one use. DISPLAY_UNSUPPORTED where `caps.hasOneTimeSecrets` is false. */
  readonly needsOneTimeSecret?: boolean;
}

export interface DialOptions extends CallOptions {
  /**
   * An offer: a driver whose stream is a plain socket hands it to `net.connect`, which then reads into the caller's
   * buffers instead of a new one each time (measured: half the CPU of a relay). Whoever makes the offer also listens to
   * 'data' and takes whichever comes, so a driver may ignore it.
   */
  readonly onread?: OnReadOpts;
}

export interface DisplayEndpoint {
  readonly kind: DisplayKind;
  /** A fresh byte stream. May be called several times until `expires`; the caller destroys what it gets. */
  dial(options?: DialOptions): Promise<Duplex>;
  /** What the protocol on the stream will ask for, good for one use. Absent: it asks for nothing. */
  readonly oneTimeSecret?: string;
  /** The name that goes with the secret, where the protocol asks for one (VeNCrypt Plain). */
  readonly userName?: string;
  /** The stream crosses a network: the server there must show a certificate for this name from this CA (PEM). */
  readonly tls?: { readonly ca: string; readonly serverName: string };
  readonly expires: number;
}

export interface Sample {
  readonly vm: VmId;
  readonly at: number;
  /** Since the VM was started. */
  readonly cpuSeconds: number;
  readonly residentBytes: number;
  readonly diskReadBytes: number;
  readonly diskWrittenBytes: number;
}

/** Disks of a running VM. Each verb also changes the spec that the host holds. */
export interface BlockFacet {
  /** The guest keeps its disk; what is behind it becomes `uri`, between two of its requests. */
  swap(id: VmId, disk: DeviceId, uri: string): Task<void>;
  /** What is behind the disk has grown to `sizeBytes`: the guest is told. VM_REFUSED where it is smaller than that. */
  resize(id: VmId, disk: DeviceId, sizeBytes: number): Task<void>;
  attach(id: VmId, disk: DiskInput): Task<void>;
  /** Asks the guest to let go and waits for it: DEVICE_BUSY where it does not. */
  detach(id: VmId, disk: DeviceId): Task<void>;
  /** Puts an image in a CD drive, or takes it out. */
  changeCd(id: VmId, cd: DeviceId, uri: string | undefined): Task<void>;
}

export interface AgentOptions extends CallOptions {
  readonly timeoutMs?: number;
}

/** The guest's own agent. Everything here is answered by the guest: never trust it further than the guest itself. */
export interface AgentFacet {
  ping(id: VmId, options?: AgentOptions): Promise<void>;
  info(id: VmId, options?: AgentOptions): Promise<AgentInfo>;
  addresses(id: VmId, options?: AgentOptions): Promise<readonly GuestAddress[]>;
  /** Stops writes to the guest's file systems until `thaw` or the guard, whichever is first. */
  freeze(id: VmId, options?: FreezeOptions): Promise<Freeze>;
  exec(id: VmId, command: ExecCommand, options?: AgentOptions): Promise<ExecResult>;
  /** Without a time: ours. */
  setTime(id: VmId, epochMs?: number, options?: AgentOptions): Promise<void>;
  readFile(id: VmId, path: string, options?: AgentOptions): Promise<Uint8Array>;
  writeFile(id: VmId, path: string, data: Uint8Array, options?: AgentOptions): Promise<void>;
}

export interface AgentInfo {
  readonly version: string;
  readonly commands: readonly string[];
}

export interface GuestAddress {
  readonly interface: string;
  readonly mac?: string;
  readonly family: 'ipv4' | 'ipv6';
  readonly address: string;
  readonly prefix: number;
}

export interface FreezeOptions extends AgentOptions {
  /** The guest is thawed after this even if the caller is gone. Default 10 s. */
  readonly guardMs?: number;
}

export interface Freeze {
  readonly fileSystems: number;
  /** Aborts when the guard thawed first: what was copied until then is not consistent. */
  readonly lost: AbortSignal;
  /** FREEZE_LOST where the guard was first. The guest is thawed in any case. */
  thaw(): Promise<void>;
}

export interface ExecCommand {
  readonly path: string;
  readonly args?: readonly string[];
  readonly input?: Uint8Array;
}

export interface ExecResult {
  readonly exitCode: number | undefined;
  readonly signal: number | undefined;
  readonly stdout: Uint8Array;
  readonly stderr: Uint8Array;
  readonly isTruncated: boolean;
}

export interface ScreenFacet {
  /** At most one capture of a size runs per VM, and a picture younger than `maxAgeMs` is given again. */
  shot(id: VmId, options?: ShotOptions): Promise<Screenshot>;
  /** Presses each chord in turn, as QEMU key codes: `[['ctrl', 'alt', 'delete']]`. */
  keys(id: VmId, chords: readonly (readonly string[])[], options?: CallOptions): Promise<void>;
  /** Asks the guest for another size. SCREEN_UNAVAILABLE where its video card or driver cannot. */
  resize(id: VmId, width: number, height: number, options?: CallOptions): Promise<void>;
}

export interface ShotOptions extends CallOptions {
  readonly maxAgeMs?: number;
  /** A wider screen is made smaller, in proportion. Pixels. */
  readonly maxWidth?: number;
}

export interface Screenshot {
  readonly png: Uint8Array;
  readonly width: number;
  readonly height: number;
  readonly takenAt: number;
}

/** What was said: by the guest on its serial port, by the hypervisor about this VM. */
export interface LogFacet {
  /** The last bytes, at most `maxBytes` (default 64 KiB). Empty where nothing was said. */
  read(id: VmId, log: 'serial' | 'host', maxBytes?: number): Promise<Uint8Array>;
}

/** Instant VMs: one boots once, its memory is kept, others start as copies of it. */
export interface RamFacet {
  saveTemplate(id: VmId, name: string): Task<RamTemplate>;
  templates(): Promise<readonly RamTemplate[]>;
  /** Defines and starts a VM at the point where the template was saved. Its disks must be clones of that same point. */
  cloneFrom(template: RamTemplate, spec: VmSpec): Task<VmObservation>;
  removeTemplate(name: string): Promise<void>;
}

export interface RamTemplate {
  readonly name: string;
  readonly savedAt: number;
  readonly memoryMiB: number;
  readonly sizeBytes: number;
}

/** Three verbs: the receiver prepares, the sender sends, either aborts. */
export interface MigrationFacet {
  prepare(spec: VmSpec): Task<MigrationTicket>;
  send(id: VmId, ticket: MigrationTicket): Task<VmObservation>;
  abort(id: VmId): Task<void>;
}

/** Opaque to everyone but the two drivers. */
export interface MigrationTicket {
  readonly kind: string;
  readonly data: string;
}
