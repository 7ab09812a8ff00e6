/**
 * The composition root: the one file that reads the environment and wires what runs in production. Read it from top to
 * bottom. What `oriel start` prints and how it ends is start.ts.
 */
import { existsSync, readFileSync, rmSync } from 'node:fs';
import { createServer } from 'node:net';
import { homedir, hostname } from 'node:os';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { FakeHost, fakeDriver, qemuDriver } from '@oriel/hosts';
import { connectDiskService, type DiskServiceClient, startDiskService } from '@oriel/vhd';
import { Registry } from 'prom-client';
import { sessionFeature } from './access/feature.ts';
import { Policies } from './access/policies/policies.ts';
import { policyRoutes } from './access/policies/routes.ts';
import { desktopPort } from './access/sessions/desktop-port.ts';
import { CheckpointStore } from './compute/checkpoints/checkpoint-store.ts';
import { Checkpoints } from './compute/checkpoints/checkpoints.ts';
import { checkpointRoutes } from './compute/checkpoints/routes.ts';
import { Hosts, type OpenDriver } from './compute/hosts/hosts.ts';
import { hostRoutes } from './compute/hosts/routes.ts';
import { vmRoutes } from './compute/vms/routes.ts';
import { VmStore } from './compute/vms/vm-store.ts';
import { Vms } from './compute/vms/vms.ts';
import { type Config, parseConfig, requireFiles } from './config.ts';
import { demoKind, makeDemo } from './demo/demo.ts';
import { GuestDemos } from './demo/demo-guests.ts';
import { DesktopStore } from './desktops/desktops/desktop-store.ts';
import { Desktops, desktopLookup } from './desktops/desktops/desktops.ts';
import { desktopRoutes } from './desktops/desktops/routes.ts';
import { Thumbnails } from './desktops/desktops/thumbnails.ts';
import { vmTarget } from './desktops/desktops/vm-target.ts';
import { listen } from './edge/http/server.ts';
import { ownSocketPath } from './edge/local/admin-client.ts';
import { serveAdmin } from './edge/local/admin-socket.ts';
import { StartError } from './errors.ts';
import { AuditLog } from './identity/audit/audit-log.ts';
import { auditRoutes } from './identity/audit/routes.ts';
import { linkUrl } from './identity/credentials/one-time-links.ts';
import { authLookups, authRoutes } from './identity/routes/routes.ts';
import { Auth } from './identity/sign-in/auth.ts';
import { openLog } from './log.ts';
import { Monitor } from './operations/monitor/monitor.ts';
import { EventHub } from './platform/events/hub.ts';
import { Cleanup } from './platform/process/cleanup.ts';
import {
  type DataFolder,
  fullDiskText,
  hostFolders,
  isFull,
  lockDataFolder,
  makeDataFolder,
  writeNote,
} from './platform/process/data-folder.ts';
import { openLogFile } from './platform/process/log-file.ts';
import { Vault } from './platform/secrets/vault.ts';
import { takeLease } from './platform/store/lease.ts';
import { openStore } from './platform/store/store.ts';
import { taskLookup, taskRoutes } from './platform/tasks/routes.ts';
import { TaskStore } from './platform/tasks/task-store.ts';
import { Tasks } from './platform/tasks/tasks.ts';
import { protectionFeature } from './protection/feature.ts';
import { backupMetrics } from './protection/metrics.ts';
import { type Protection, protectionRoutes } from './protection/routes.ts';
import { workers } from './protection/work/run-worker.ts';
import { StoredCheckpointDisks } from './storage/library/checkpoint-disks.ts';
import { Discs } from './storage/library/discs.ts';
import { Exports } from './storage/library/exports.ts';
import { imageWork } from './storage/library/image-work.ts';
import { Library } from './storage/library/library.ts';
import { diskRoutes, folderRoutes, imageRoutes } from './storage/library/routes.ts';
import { requireSoundLibrary } from './storage/library/sound.ts';
import { StoredVmDisks } from './storage/library/vm-disks.ts';
import { diskWork } from './storage/library/work.ts';
import { FIRST_STORAGE } from './storage/storages/reference.ts';
import { storageRoutes } from './storage/storages/routes.ts';
import { type OpenStorage, Storages } from './storage/storages/storages.ts';
import { Sweeper } from './storage/storages/sweeper.ts';
import { uploadRoutes } from './storage/uploads/routes.ts';
import { Uploads } from './storage/uploads/uploads.ts';

export interface StartOptions {
  readonly env: Readonly<Record<string, string | undefined>>;
  /** Starts although something in the library is damaged. */
  readonly isDegradedOk: boolean;
}

export interface RunningGateway {
  readonly origin: string;
  /** The one-time sign-in link, until an admin has another way in. */
  readonly link: string | undefined;
  /** Of the self-signed certificate, to compare with what the browser shows. */
  readonly fingerprint: string | undefined;
  /** A first start without the demo desktop: whoever looks around may want to know of it. */
  readonly isDesktopOffered: boolean;
  readonly folder: DataFolder;
  /** OUTLIVE: stops the gateway; disk service and VMs run on. */
  close(): Promise<void>;
}

/** A client that keeps its half of a connection open does not keep us from ending. */
const CLOSE_MS = 8_000;
/** A disk service that ended may take so long to be there again: work of it that is followed goes on then. */
const DISK_SERVICE_BACK_MS = 120_000;
const VERSION = (
  JSON.parse(readFileSync(new URL('../../package.json', import.meta.url), 'utf8')) as { readonly version: string }
).version;
const here = (relative: string): string => fileURLToPath(new URL(relative, import.meta.url));

/** Starts everything. What it opened is closed again, and what a first run made is taken away, where it fails. */
export async function startGateway({ env, isDegradedOk }: StartOptions): Promise<RunningGateway> {
  const config = parseConfig(env);
  requireFiles(config);
  const cacheFolder = path.join(env['XDG_CACHE_HOME'] ?? path.join(homedir(), '.cache'), 'oriel', 'guests');
  // Hosts that do not exist, to look at a fleet without one.
  const fakes: { fake?: OpenDriver } = env['ORIEL_FAKE_HOSTS'] === '1' ? { fake: fakeHosts() } : {};
  const qemu = env['ORIEL_QEMU'] ?? '/usr/bin/qemu-system-x86_64';
  if (!existsSync(qemu))
    throw new StartError(`${qemu} is missing; install it with: sudo apt-get install qemu-system-x86`);
  const { folder, isNew } = makeDataFolder(config.dataFolder);
  const cleanup = new Cleanup();
  const undo = new Cleanup();
  if (isNew) undo.add(() => rmSync(folder.root, { recursive: true, force: true }));
  try {
    return await wire({ config, folder, qemu, isDegradedOk, cacheFolder, fakes }, cleanup, undo);
  } catch (error) {
    const shown = explained(error, folder);
    await cleanup.run();
    await undo.run();
    throw shown;
  }
}

/** A full disk can show anywhere, as any error: whoever starts the gateway is told so in one line. */
function explained(error: unknown, folder: DataFolder): unknown {
  return isFull(folder.root) ? new StartError(fullDiskText(folder.root), { cause: error }) : error;
}

interface Given {
  readonly config: Config;
  readonly folder: DataFolder;
  readonly qemu: string;
  readonly isDegradedOk: boolean;
  readonly cacheFolder: string;
  readonly fakes: { readonly fake?: OpenDriver };
}

async function wire(given: Given, cleanup: Cleanup, undo: Cleanup): Promise<RunningGateway> {
  const { config, folder } = given;
  const now = Date.now;
  cleanup.add(await lockDataFolder(folder));
  await requireFreeAddress(config.listen);
  const log = openLog({
    level: config.logLevel,
    destination: openLogFile(path.join(folder.logs, 'gateway.log'), cleanup),
  });

  if (config.databaseUrl !== undefined) {
    // Before the store: what opens it brings its schema up to date, under whoever uses it.
    const lease = await takeLease(config.databaseUrl, () => {
      log.fatal({}, 'store.lease-lost');
      process.kill(process.pid, 'SIGTERM'); // Ends as on any other day: sockets told, VMs running on.
    });
    cleanup.add(() => lease.close());
  }
  const store = await openStore({ folder: folder.root, databaseUrl: config.databaseUrl });
  cleanup.add(() => store.close());
  const events = new EventHub();
  const audit = new AuditLog({ store, folder: folder.root, events, now, retention: config.audit });
  cleanup.add(() => audit.close());
  const auth = new Auth({ store, audit, events, log, now, oidc: config.oidc, ldap: config.ldap });
  cleanup.add(() => auth.close());

  const first = await openDiskService(folder, undo);
  cleanup.add(() => first.disconnect());
  if (!given.isDegradedOk) await requireSoundLibrary(first);
  const open: OpenStorage = async ({ socketPath }) =>
    connectDiskService(socketPath ?? folder.diskSocket, { patienceMs: DISK_SERVICE_BACK_MS });
  const storages = new Storages({ db: store.db, hub: events, log, now, open });
  cleanup.add(() => storages.close());
  await storages.open();
  await storages.tried();

  const hosts = new Hosts({
    db: store.db,
    hub: events,
    log,
    now,
    kinds: { qemu: qemuIn(folder, given.qemu), ...given.fakes },
  });
  cleanup.add(() => hosts.close());
  const vmStore = new VmStore(store.db, now);
  const library = new Library({
    storages,
    hub: events,
    holderOf: (reference) => vmStore.holderOf(reference),
    holders: () => vmStore.holders(),
  });
  cleanup.add(() => library.close());
  const taskStore = new TaskStore(store.db);
  const tasks = new Tasks({ store: taskStore, hub: events, log, now });
  cleanup.add(() => tasks.close());
  const vmDisks = new StoredVmDisks({ storages, library, discFolder: folder.discs });
  const checkpointStore = new CheckpointStore(store.db, now);
  const vms: Vms = new Vms({
    store: vmStore,
    hosts,
    disks: vmDisks,
    tasks,
    forgets: [
      (vm) => protection.backups.forget(vm),
      (vm) => checkpoints.forget(vm),
      ({ id }) => auth.assignments.forgetDesktop(id),
    ],
    hub: events,
    log,
    now,
  });
  cleanup.add(() => vms.close());
  const snapshots = new StoredCheckpointDisks(storages, vmDisks);
  const checkpoints: Checkpoints = new Checkpoints({
    store: checkpointStore,
    vmStore,
    vms,
    hosts,
    disks: snapshots,
    tasks,
  });
  const protection: Protection = protectionFeature({
    db: store.db,
    vault: new Vault(folder.root),
    work: workers(here('./protection/work/worker.js')),
    storages,
    snapshots,
    vmStore,
    vms,
    hosts,
    tasks,
    log,
    now,
    exportFolder: folder.exports,
    gateway: { name: hostname(), version: VERSION },
  });
  cleanup.add(() => protection.jobs.close());
  const desktops = new Desktops({
    store: new DesktopStore(store.db),
    targets: { vm: vmTarget(vms, hosts) },
    hub: events,
  });
  cleanup.add(() => desktops.close());
  const work = diskWork({
    storages,
    library,
    tasks,
    importFolder: folder.imports,
    onGrown: (diskId, sizeBytes) => vms.diskGrown(diskId, sizeBytes),
  });
  const imageTasks = imageWork({ storages, library, tasks });
  const discs = new Discs({ folder: folder.discs, holdersOf: (name) => vmStore.drivesWith(name) });
  const uploads = new Uploads({ storages, library, discs, tasks, taskStore, audit, log, now });
  cleanup.add(() => uploads.close());
  const sweeper = new Sweeper({ vms: vmStore, checkpoints: checkpointStore, tasks: taskStore, storages, log });
  cleanup.add(() => sweeper.close());
  const demo = demoKind({ storages, hosts, vms, runFolder: folder.run });
  tasks.register(demo);
  const guestDemos = new GuestDemos({ storages, library, vms, tasks, taskStore, cacheFolder: given.cacheFolder });
  const policies = new Policies(store.db, now);
  const sessions = sessionFeature({
    auth,
    audit,
    events,
    store,
    log,
    now,
    desktops: desktopPort(desktops, policies),
    workers: config.relayWorkers,
  });
  const registry = new Registry();
  backupMetrics(store.db, registry);
  const monitor = new Monitor({ hosts, vms, registry, log });
  cleanup.add(() => monitor.close());

  const thumbnails = new Thumbnails(desktops, now);
  vms.subscribe((desktopId, view) => {
    if (view === undefined) thumbnails.forget(desktopId);
  });

  const server = await listen({
    config: { ...config, dataFolder: folder.root },
    auth,
    audit,
    events,
    store,
    log,
    now,
    webFolder: here('../web'),
    ownSocket: ownSocketPath(folder.root),
    routes: [
      ...authRoutes(auth, { hasDesktop: (id) => vms.has(id) }),
      ...auditRoutes(audit),
      ...hostRoutes(hosts),
      ...vmRoutes(vms, (...asked) => policies.requireMay(...asked)),
      ...checkpointRoutes(checkpoints),
      ...protectionRoutes(protection),
      ...desktopRoutes(desktops, thumbnails),
      ...policyRoutes(policies),
      ...diskRoutes(library, work),
      ...imageRoutes(library, imageTasks, new Exports(storages)),
      ...folderRoutes(folder.imports, discs),
      ...uploadRoutes(uploads),
      ...storageRoutes(storages, sweeper),
      ...taskRoutes(tasks, taskStore),
      ...sessions.routes,
    ],
    lookups: {
      ...authLookups(auth),
      desktop: desktopLookup(desktops),
      task: taskLookup(tasks, taskStore),
      ...sessions.lookups,
    },
    upgrades: sessions.upgrades,
    registry,
    ready: { 'disk-service': async () => storages.client(FIRST_STORAGE) !== undefined },
    version: VERSION,
  });
  cleanup.add(() => Promise.race([server.close(), sleep(CLOSE_MS, undefined, { ref: false })]));
  cleanup.add(() => sessions.close()); // First of all: the server does not end while their sockets are open.
  const ownCertificate = server.certificate?.isSelfSigned === true ? server.certificate.cert : undefined;
  const admin = await serveAdmin({ auth, dataFolder: folder.root, ca: ownCertificate });
  cleanup.add(() => admin.close());
  writeNote(folder, { pid: process.pid, origin: server.origin });

  audit.keepPruning((err) => log.error({ err }, 'audit.prune-failed'));
  await sessions.start();
  await hosts.open();
  vms.open();
  monitor.start();
  await tasks.resume();
  protection.jobs.start();
  const demoHost = await makeDemo(demo, hosts, tasks, taskStore);
  // The small Linux comes with a first run; the desktop is asked for, then or later.
  const later = config.demo === 'desktop' ? hosts.list().find(({ kind }) => kind === 'qemu')?.id : undefined;
  const guestHost = demoHost ?? later;
  if (guestHost !== undefined && config.demo !== 'toy') await guestDemos.make(config.demo, guestHost);
  sweeper.start();
  uploads.start();
  const token = await auth.firstLink();
  return {
    origin: server.origin,
    isDesktopOffered: demoHost !== undefined && config.demo !== 'desktop',
    link: token === undefined ? undefined : linkUrl(server.origin, token),
    fingerprint: ownCertificate === undefined ? undefined : server.certificate?.fingerprint,
    folder,
    close: () => cleanup.run(),
  };
}

/** The one that runs is used; one that is started here and then not needed, because the start failed, ends again. */
async function openDiskService(folder: DataFolder, undo: Cleanup): Promise<DiskServiceClient> {
  const before = connectDiskService(folder.diskSocket);
  const isUp = await before.health().then(
    () => true,
    () => false,
  );
  if (isUp) return before;
  before.disconnect();
  try {
    const started = await startDiskService({
      command: [process.execPath, here('../../bin/oriel.mjs')],
      storage: folder.disks,
      socketPath: folder.diskSocket,
      runFolder: folder.runDisks,
      logFile: path.join(folder.logs, 'disks.log'),
    });
    undo.add(() => stopIfIdle(folder));
    return started;
  } catch (cause) {
    throw new StartError((cause as Error).message, { cause });
  }
}

async function stopIfIdle(folder: DataFolder): Promise<void> {
  const client = connectDiskService(folder.diskSocket);
  if ((await client.health()).openDisks === 0) await client.stop();
  client.disconnect();
}

/** Before anything is made: that somebody else listens there is the commonest of all mistakes. */
async function requireFreeAddress({ host, port }: Config['listen']): Promise<void> {
  await new Promise<void>((resolve, reject) => {
    const probe = createServer();
    probe.once('error', (cause: NodeJS.ErrnoException) => {
      const why = cause.code === 'EADDRINUSE' ? 'is taken by another program' : `cannot be used (${cause.message})`;
      reject(
        new StartError(`address ${host}:${port} ${why}; set ORIEL_LISTEN to another, such as 127.0.0.1:0`, { cause }),
      );
    });
    probe.listen(port, host, () => probe.close(() => resolve()));
  });
}

/** OUTLIVE: the driver takes over what runs in the host's folders, and leaves it running when it is closed. */
function qemuIn(folder: DataFolder, binary: string): OpenDriver {
  return async ({ id, name }) => {
    const { run, state } = hostFolders(folder, id);
    return qemuDriver({ runDir: run, stateDir: state, binary, name });
  };
}

/** A fake host lives as long as the gateway, whatever becomes of its connection. */
function fakeHosts(): OpenDriver {
  const known = new Map<string, FakeHost>();
  return async ({ id, name }) => {
    const host = known.get(id) ?? new FakeHost({ name });
    known.set(id, host);
    return fakeDriver(host);
  };
}
