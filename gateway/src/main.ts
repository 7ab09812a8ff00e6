/**
 * The composition root: the one file that reads the environment and wires what runs in production. Read it from top to
 * bottom. What `oriel start` prints and how it ends is start.ts.
 */
import { existsSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { qemuDriver } from '@oriel/hosts';
import { startDiskService } from '@oriel/vhd';
import { Registry } from 'prom-client';
import { AuditLog } from './audit/audit-log.ts';
import { auditRoutes } from './audit/routes.ts';
import { serveAdmin } from './auth/admin-socket.ts';
import { Auth } from './auth/auth.ts';
import { linkUrl } from './auth/one-time-links.ts';
import { authLookups, authRoutes } from './auth/routes.ts';
import { Cleanup } from './cleanup.ts';
import { type Config, parseConfig } from './config.ts';
import { type DataFolder, hostFolders, lockDataFolder, makeDataFolder, writeNote } from './data-folder.ts';
import { isFirstRun, makeDemo } from './demo.ts';
import { Desktops, desktopLookup } from './desktops/desktops.ts';
import { desktopRoutes } from './desktops/routes.ts';
import { desktopPort } from './desktops/session-port.ts';
import { Thumbnails } from './desktops/thumbnails.ts';
import { Library } from './disks/library.ts';
import { diskRoutes } from './disks/routes.ts';
import { requireSoundLibrary } from './disks/sound.ts';
import { diskWork } from './disks/work.ts';
import { StartError } from './errors.ts';
import { EventHub } from './events/hub.ts';
import { Hosts } from './hosts/hosts.ts';
import { hostRoutes } from './hosts/routes.ts';
import { listen } from './http/server.ts';
import { openLog } from './log.ts';
import { openLogFile } from './log-file.ts';
import { Monitor } from './monitor/monitor.ts';
import { sessionFeature } from './sessions/feature.ts';
import { openStore } from './store/store.ts';
import { taskLookup, taskRoutes } from './tasks/routes.ts';
import { TaskStore } from './tasks/task-store.ts';
import { Tasks } from './tasks/tasks.ts';
import { vmRoutes } from './vms/routes.ts';
import { VmStore } from './vms/vm-store.ts';
import { Vms } from './vms/vms.ts';

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
  readonly folder: DataFolder;
  /** OUTLIVE: stops the gateway; disk service and VMs run on. */
  close(): Promise<void>;
}

/** A client that keeps its half of a connection open does not keep us from ending. */
const CLOSE_MS = 8_000;
const QEMU = '/usr/bin/qemu-system-x86_64';
const VERSION = (
  JSON.parse(readFileSync(new URL('../../package.json', import.meta.url), 'utf8')) as { readonly version: string }
).version;
const here = (relative: string): string => fileURLToPath(new URL(relative, import.meta.url));

/** Starts everything. What it opened is closed again, and what a first run made is taken away, where it fails. */
export async function startGateway({ env, isDegradedOk }: StartOptions): Promise<RunningGateway> {
  const config = parseConfig(env);
  if (!existsSync(QEMU))
    throw new StartError(`${QEMU} is missing; install it with: sudo apt-get install qemu-system-x86`);
  const made = makeDataFolder(config.dataFolder);
  const cleanup = new Cleanup();
  try {
    return await wire(config, made.folder, isDegradedOk, cleanup);
  } catch (error) {
    await cleanup.run();
    throw error;
  }
}

async function wire(
  config: Config,
  folder: DataFolder,
  isDegradedOk: boolean,
  cleanup: Cleanup,
): Promise<RunningGateway> {
  const now = Date.now;
  cleanup.add(lockDataFolder(folder));
  const log = openLog({
    level: config.logLevel,
    destination: openLogFile(path.join(folder.logs, 'gateway.log'), cleanup),
  });

  const store = await openStore({ folder: folder.root, databaseUrl: config.databaseUrl });
  cleanup.add(() => store.close());
  const events = new EventHub();
  const audit = new AuditLog({ store, folder: folder.root, events, now });
  cleanup.add(() => audit.close());
  const auth = new Auth({ store, audit, events, log, now, oidc: config.oidc, ldap: config.ldap });
  cleanup.add(() => auth.close());

  const diskService = await openDiskService(folder);
  cleanup.add(() => diskService.disconnect());
  if (!isDegradedOk) await requireSoundLibrary(diskService);
  if (await isFirstRun(store.db)) await makeDemo({ db: store.db, disks: diskService, folder, now });

  const hosts = new Hosts({ db: store.db, hub: events, log, now, kinds: { qemu: qemuIn(folder) } });
  cleanup.add(() => hosts.close());
  const vmStore = new VmStore(store.db, now);
  const library = new Library({
    client: diskService,
    hub: events,
    discFolder: folder.discs,
    holderOf: (diskId) => vmStore.holderOf(diskId),
  });
  const vms = new Vms({ store: vmStore, hosts, disks: library, hub: events, log, now });
  cleanup.add(() => vms.close());
  const desktops = new Desktops({ vms, hub: events });
  cleanup.add(() => desktops.close());
  const taskStore = new TaskStore(store.db);
  const tasks = new Tasks({ store: taskStore, hub: events, log, now });
  cleanup.add(() => tasks.close());
  const sessions = sessionFeature({ auth, audit, events, store, log, now, desktops: desktopPort(vms, hosts) });
  const registry = new Registry();
  const monitor = new Monitor({ hosts, vms, registry, log });
  cleanup.add(() => monitor.close());

  const thumbnails = new Thumbnails(hosts, now);
  vms.subscribe((desktopId, view) => {
    if (view !== undefined) return;
    thumbnails.forget(desktopId);
    auth.revocations.publish({ kind: 'desktop', desktopId });
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
    routes: [
      ...authRoutes(auth, { hasDesktop: (id) => vms.has(id) }),
      ...auditRoutes(audit),
      ...hostRoutes(hosts),
      ...vmRoutes(vms),
      ...desktopRoutes(desktops, thumbnails, vms),
      ...diskRoutes(library, diskWork({ client: diskService, library, tasks, importFolder: folder.imports })),
      ...taskRoutes(tasks, taskStore),
      ...sessions.routes,
    ],
    lookups: { ...authLookups(auth), desktop: desktopLookup(vms), task: taskLookup(taskStore), ...sessions.lookups },
    upgrades: sessions.upgrades,
    registry,
    ready: { 'disk-service': async () => 0 < (await diskService.health()).pid },
    version: VERSION,
  });
  cleanup.add(() => Promise.race([server.close(), sleep(CLOSE_MS, undefined, { ref: false })]));
  cleanup.add(() => sessions.close()); // First of all: the server does not end while their sockets are open.
  const ownCertificate = server.certificate?.isSelfSigned === true ? server.certificate.cert : undefined;
  const admin = await serveAdmin({ auth, dataFolder: folder.root, ca: ownCertificate });
  cleanup.add(() => admin.close());
  writeNote(folder, { pid: process.pid, origin: server.origin });

  await sessions.start();
  await hosts.open();
  vms.open();
  monitor.start();
  await tasks.resume();
  const token = await auth.firstLink();
  return {
    origin: server.origin,
    link: token === undefined ? undefined : linkUrl(server.origin, token),
    fingerprint: ownCertificate === undefined ? undefined : server.certificate?.fingerprint,
    folder,
    close: () => cleanup.run(),
  };
}

async function openDiskService(folder: DataFolder): ReturnType<typeof startDiskService> {
  try {
    return await startDiskService({
      command: [process.execPath, here('../../bin/oriel.mjs')],
      storage: folder.disks,
      socketPath: folder.diskSocket,
      runFolder: folder.runDisks,
      logFile: path.join(folder.logs, 'disks.log'),
    });
  } catch (cause) {
    throw new StartError((cause as Error).message, { cause });
  }
}

/** OUTLIVE: the driver takes over what runs in the host's folders, and leaves it running when it is closed. */
function qemuIn(
  folder: DataFolder,
): (host: { readonly id: string; readonly name: string }) => Promise<ReturnType<typeof qemuDriver>> {
  return async ({ id, name }) => {
    const { run, state } = hostFolders(folder, id);
    return qemuDriver({ runDir: run, stateDir: state, binary: QEMU, name });
  };
}
