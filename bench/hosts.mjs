// The QEMU driver beside a bare QEMU that is started by hand with the same devices, interleaved; then a hundred toy VMs at
// once, a driver that comes back to them, and the calls of a whole fleet on the fake hosts.
import { spawn } from 'node:child_process';
import { copyFileSync, existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, truncateSync } from 'node:fs';
import { connect } from 'node:net';
import path from 'node:path';
import { performance } from 'node:perf_hooks';
import { setTimeout as delay } from 'node:timers/promises';
import { fakeDriver, fakeFleet, qemuDriver, TOY_IMAGE_PATH, vmId, vmSpec } from '../hosts/dist/index.js';

export const title = 'hosts: VMs through the driver';
export const packages = [];

const HUNDRED = 100;
const IDLE_MS = 5_000;
const median = (values) => [...values].sort((a, b) => a - b)[Math.floor(values.length / 2)];
const BOOTED = 'oriel-toy boot ';

export async function run({ rounds, log }) {
  const folder = mkdtempSync('/tmp/ob-');
  const cleanup = [() => rmSync(folder, { recursive: true, force: true })];
  try {
    const disk = await toyDisk(folder, cleanup);
    return [
      ...(await oneVm(folder, disk, rounds, log)),
      ...(await hundredVms(folder, disk, log)),
      ...(await fleet(rounds, log)),
    ];
  } finally {
    for (const step of cleanup.reverse()) await step();
  }
}

async function toyDisk(folder, cleanup) {
  const image = path.join(folder, 'toy.raw');
  const socket = path.join(folder, 'nbd');
  copyFileSync(TOY_IMAGE_PATH, image);
  truncateSync(image, 1 << 20);
  const server = spawn('/usr/bin/qemu-nbd', ['-f', 'raw', '-k', socket, '-x', 'toy', '-t', '-e', '1000', '--', image], {
    stdio: 'ignore',
  });
  cleanup.push(() => server.kill('SIGKILL'));
  while (!existsSync(socket)) await delay(5);
  return `nbd+unix:///toy?socket=${socket}`;
}

const spec = (id, uri) => vmSpec({ id, memoryMiB: 64, disks: [{ id: 'system', uri }] });

// ---- one VM ------------------------------------------------------------------------------------------------------

async function oneVm(folder, uri, rounds, log) {
  const runDir = path.join(folder, 'run');
  const driver = qemuDriver({ runDir, accelerator: 'tcg' });
  await driver.connect();
  const id = vmId('one');
  await driver.apply(spec('one', uri)).done;
  const argv = await argvOf(driver, id, runDir);
  const times = { ready: [], bareReady: [], boot: [], bareBoot: [] };
  for (let round = 0; round < Math.max(rounds, 7); round++) {
    for (const who of round % 2 === 0 ? ['driver', 'bare'] : ['bare', 'driver']) {
      const measured = who === 'driver' ? await throughDriver(driver, id) : await byHand(argv, folder, runDir);
      times[who === 'driver' ? 'ready' : 'bareReady'].push(measured.ready);
      times[who === 'driver' ? 'boot' : 'bareBoot'].push(measured.boot);
    }
    log(
      `round ${round + 1}: QMP ready ${shown(times.ready)} ms, bare ${shown(times.bareReady)} ms; boot ${shown(times.boot)} ms, bare ${shown(times.bareBoot)} ms`,
    );
  }
  await driver.remove(id).done;
  await driver.close();
  return [
    ratioRow('spawn to QMP ready', times.ready, times.bareReady),
    ratioRow("start to the toy's first line on serial", times.boot, times.bareBoot),
  ];
}

const shown = (values) => values.at(-1).toFixed(0);

function ratioRow(measure, ours, theirs) {
  const [value, peerValue] = [median(ours), median(theirs)];
  const ratio = value / peerValue;
  return { measure, value, unit: 'ms', peer: 'bare QEMU', peerValue, ratio, target: '<= 1.15', met: ratio <= 1.15 };
}

/** The very words that the driver starts QEMU with. */
async function argvOf(driver, id, runDir) {
  await driver.power(id, 'start').done;
  const pid = readFileSync(path.join(runDir, id, 'pid'), 'utf8').trim();
  const argv = readFileSync(`/proc/${pid}/cmdline`, 'utf8').split('\0').slice(0, -1);
  await driver.power(id, 'kill').done;
  return argv;
}

async function throughDriver(driver, id) {
  const began = performance.now();
  await driver.power(id, 'start', { paused: true }).done;
  const ready = performance.now() - began;
  const console = await (await driver.display(id, { kind: 'serial' })).dial();
  const said = hears(console, BOOTED);
  const resumed = performance.now();
  await driver.power(id, 'resume').done;
  await said;
  const boot = ready + performance.now() - resumed;
  console.destroy();
  await driver.power(id, 'kill').done;
  return { ready, boot };
}

async function byHand(words, folder, runDir) {
  const bare = path.join(folder, 'bare');
  rmSync(bare, { recursive: true, force: true });
  mkdirSync(path.join(bare, 'one'), { recursive: true });
  const [binary, ...argv] = words.map((word) => word.replaceAll(runDir, bare));
  const began = performance.now();
  const child = spawn(binary, argv, { stdio: 'ignore' });
  const ended = new Promise((resolve) => child.once('exit', resolve));
  const qmp = await dialWhenThere(path.join(bare, 'one', 'qmp'));
  await hears(qmp, '"QMP"');
  qmp.write('{"execute":"qmp_capabilities"}\n');
  await hears(qmp, '"return"');
  const ready = performance.now() - began;
  const serial = await dialWhenThere(path.join(bare, 'one', 'ser'));
  const said = hears(serial, BOOTED);
  const resumed = performance.now();
  qmp.write('{"execute":"cont"}\n');
  await said;
  const boot = ready + performance.now() - resumed;
  child.kill('SIGKILL');
  await ended;
  qmp.destroy();
  serial.destroy();
  return { ready, boot };
}

async function dialWhenThere(socketPath) {
  for (;;) {
    const socket = await new Promise((resolve) => {
      const attempt = connect({ path: socketPath });
      attempt.once('connect', () => resolve(attempt));
      attempt.once('error', () => resolve(undefined));
    });
    if (socket !== undefined) return socket.on('error', () => undefined);
    await delay(1);
  }
}

function hears(stream, words) {
  return new Promise((resolve) => {
    let said = '';
    const listen = (chunk) => {
      said += chunk.toString('latin1');
      if (!said.includes(words)) return;
      stream.off('data', listen);
      resolve();
    };
    stream.on('data', listen);
  });
}

// ---- a hundred VMs -----------------------------------------------------------------------------------------------

async function hundredVms(folder, uri, log) {
  const options = {
    runDir: path.join(folder, 'hundred'),
    accelerator: 'tcg',
    timing: { startMs: 120_000, commandMs: 60_000, connectMs: 60_000 },
  };
  let driver = qemuDriver(options);
  await driver.connect();
  const ids = Array.from({ length: HUNDRED }, (_, at) => vmId(`toy-${at}`));
  const began = performance.now();
  try {
    for (let at = 0; at < ids.length; at += 4) {
      await Promise.all(
        ids.slice(at, at + 4).map(async (id) => {
          await driver.apply(spec(id, uri)).done;
          await driver.power(id, 'start').done;
        }),
      );
    }
    log(`${HUNDRED} VMs started in ${((performance.now() - began) / 1000).toFixed(1)} s`);
    await delay(IDLE_MS * 2); // They boot.
    const before = await driver.metrics();
    const from = performance.now();
    await delay(IDLE_MS);
    const after = await driver.metrics();
    const seconds = (performance.now() - from) / 1000;
    const cpu = after.reduce((sum, one, at) => sum + one.cpuSeconds - before[at].cpuSeconds, 0) / seconds / HUNDRED;
    const pss = median(ids.map((id) => pssMiB(readFileSync(path.join(options.runDir, id, 'pid'), 'utf8').trim())));
    await driver.close();
    const closed = performance.now();
    driver = qemuDriver(options);
    await driver.connect();
    const adopted = performance.now() - closed;
    const running = (await driver.list()).filter((vm) => vm.state.state === 'running').length;
    if (running !== HUNDRED) throw new Error(`${running} of ${HUNDRED} VMs were taken over`);
    return [
      { measure: `${HUNDRED} toy VMs: memory each (PSS)`, value: pss, unit: 'MiB' },
      { measure: `${HUNDRED} toy VMs: idle CPU each`, value: cpu * 100, unit: '% of a core' },
      {
        measure: `adoption of ${HUNDRED} running VMs`,
        value: adopted,
        unit: 'ms',
        target: '<= 2000 ms',
        met: adopted <= 2000,
      },
    ];
  } finally {
    await Promise.all(ids.map((id) => driver.power(id, 'kill').done.catch(() => undefined)));
    await driver.close();
  }
}

function pssMiB(pid) {
  return Number(/^Pss:\s+(\d+)/m.exec(readFileSync(`/proc/${pid}/smaps_rollup`, 'utf8'))[1]) / 1024;
}

// ---- the fleet ---------------------------------------------------------------------------------------------------

async function fleet(rounds, log) {
  const hosts = fakeFleet();
  const drivers = hosts.map((host) => fakeDriver(host));
  await Promise.all(drivers.map((driver) => driver.connect()));
  const times = { metrics: [], list: [], event: [] };
  for (let round = 0; round < Math.max(rounds, 9); round++) {
    times.metrics.push(await timed(() => Promise.all(drivers.map((driver) => driver.metrics()))));
    times.list.push(await timed(() => Promise.all(drivers.map((driver) => driver.list()))));
  }
  const abort = new AbortController();
  let heard = () => undefined;
  const watching = drivers.map(async (driver) => {
    for await (const event of driver.watch(undefined, { signal: abort.signal })) if (event.kind === 'state') heard();
  });
  await delay(50);
  for (let round = 0; round < 200; round++) {
    const host = hosts[round % hosts.length];
    const running = [...host.vms.values()].find((vm) => vm.running !== undefined);
    const arrived = new Promise((resolve) => {
      heard = resolve;
    });
    times.event.push(
      await timed(() => {
        host.become(
          running.spec.id,
          running.state.state === 'running' ? { state: 'paused', reason: { kind: 'requested' } } : { state: 'running' },
        );
        return arrived;
      }),
    );
  }
  abort.abort();
  await Promise.all(watching);
  await Promise.all(drivers.map((driver) => driver.close()));
  log(`fleet of ${hosts.length} hosts measured`);
  const row = (measure, values, target) => {
    const value = median(values);
    return { measure, value, unit: 'ms', target: `<= ${target} ms`, met: value <= target };
  };
  return [
    row('fake fleet: bulk metrics of 1,224 VMs', times.metrics, 50),
    row('fake fleet: list of 1,224 VMs', times.list, 20),
    row('fake fleet: event to listener', times.event, 5),
  ];
}

async function timed(work) {
  const began = performance.now();
  await work();
  return performance.now() - began;
}
