// The relay beside websockify (with numpy), nginx stream, haproxy tcp and a plain `ws` relay, all on loopback, each with
// one process or thread for the relaying, VMs on unix sockets, interleaved rounds. The load comes from relay-load.c.
import { execFileSync } from 'node:child_process';
import path from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { Bench, HERE, MIB, median, rssBytes } from './relay-peers.mjs';

export const title = "relay: WebSocket to the VM's socket";
export const packages = [
  'websockify',
  'python3-numpy',
  'nginx-light',
  'libnginx-mod-stream',
  'haproxy',
  'libssl-dev',
  'gcc',
];

/** `ratio` against `limit` in the given sense. */
const row = (measure, value, unit, more) => ({ measure, value, unit, ...more });
const atLeast = (value, limit, unit = '') => ({ target: `>= ${limit}${unit}`, met: limit <= value });
const atMost = (value, limit, unit = '') => ({ target: `<= ${limit}${unit}`, met: value <= limit });

export async function run({ rounds, log }) {
  const bench = new Bench();
  try {
    bench.load = path.join(bench.folder, 'relay-load');
    execFileSync('gcc', ['-O2', '-pthread', path.join(HERE, 'relay-load.c'), '-lssl', '-lcrypto', '-o', bench.load]);
    bench.vm = await bench.backend('vm');
    bench.rfbVm = await bench.backend('rfb', 'rfb=1');
    const parts = { flows, setups: setUps, memory, policies, tls: tlsBesidePlain, workers };
    const only = process.env.ORIEL_BENCH_ONLY?.split(',') ?? Object.keys(parts);
    const rows = [];
    for (const name of only) rows.push(...(await parts[name](bench, rounds, log)));
    return rows;
  } finally {
    bench.close();
  }
}

async function flows(bench, rounds, log) {
  const relays = {
    ours: await bench.ours({ mode: 'plain' }),
    websockify: await bench.websockify(),
    nginx: await bench.nginx(),
    haproxy: await bench.haproxy(),
    ws: await bench.node('relay-plain-ws.mjs', bench.vm),
  };
  const results = Object.fromEntries(
    Object.keys(relays).map((name) => [name, { down: [], cpu: [], up: [], p50: [], p99: [] }]),
  );
  await bench.warm(relays);
  for (let round = 0; round < rounds; round++) {
    for (const [name, relay] of Object.entries(relays)) {
      const down = await bench.measure(relay, 'down');
      results[name].down.push(down.bytes / down.seconds / MIB);
      results[name].cpu.push(down.cpu / (down.bytes / 2 ** 30));
    }
    for (const [name, relay] of Object.entries(relays)) {
      const up = await bench.measure(relay, 'up', { frame: 64 });
      results[name].up.push(up.bytes / up.seconds / MIB);
    }
    for (const [name, relay] of Object.entries(relays)) {
      const echo = await bench.measure(relay, 'echo', { neighbours: 1 });
      results[name].p50.push(echo.p50us / 1000);
      results[name].p99.push(echo.p99us / 1000);
    }
    log(
      `round ${round + 1}: down ${Object.keys(relays)
        .map((name) => `${name} ${results[name].down.at(-1).toFixed(0)}`)
        .join(', ')} MiB/s`,
    );
  }
  for (const relay of Object.values(relays)) await bench.stop(relay.child);
  const of = (name, what) => median(results[name][what]);
  const rows = [];
  const down = of('ours', 'down');
  for (const [peer, limit] of [
    ['websockify', 1.3],
    ['haproxy', 0.65],
    ['nginx', undefined],
    ['ws', undefined],
  ]) {
    const ratio = down / of(peer, 'down');
    rows.push(
      row('server to client', down, 'MiB/s', {
        peer,
        peerValue: of(peer, 'down'),
        ratio,
        ...(limit && atLeast(ratio, limit)),
      }),
    );
  }
  const cpu = of('ours', 'cpu');
  for (const [peer, limit] of [
    ['nginx', 1.1],
    ['websockify', undefined],
    ['haproxy', undefined],
    ['ws', undefined],
  ]) {
    const ratio = cpu / of(peer, 'cpu');
    rows.push(
      row('CPU per GiB', cpu, 's', { peer, peerValue: of(peer, 'cpu'), ratio, ...(limit && atMost(ratio, limit)) }),
    );
  }
  const up = of('ours', 'up');
  for (const [peer, limit] of [
    ['websockify', 40],
    ['ws', undefined],
  ]) {
    const ratio = up / of(peer, 'up');
    rows.push(
      row('64-byte client frames', up, 'MiB/s', {
        peer,
        peerValue: of(peer, 'up'),
        ratio,
        ...(limit && atLeast(ratio, limit)),
      }),
    );
  }
  for (const [what, limit] of [
    ['p50', 0.5],
    ['p99', 5],
  ]) {
    const value = of('ours', what);
    for (const [i, peer] of ['websockify', 'nginx', 'haproxy', 'ws'].entries()) {
      const target = i === 0 ? atMost(value, limit, ' ms') : {};
      rows.push(
        row(`echo beside a neighbour, ${what}`, value, 'ms', {
          peer,
          peerValue: of(peer, what),
          ratio: value / of(peer, what),
          ...target,
        }),
      );
    }
  }
  return rows;
}

async function setUps(bench, rounds, log) {
  const ticketFile = path.join(bench.folder, 'tickets');
  const results = { ours: [], cpu: [], websockify: [], nginx: [], ws: [] };
  for (let round = 0; round < rounds; round++) {
    const ours = await bench.oursInGateway({ mode: 'sessions', tickets: 6000, ticketFile, vm: bench.rfbVm });
    const made = await bench.measure(ours, 'setups', { count: 4, tickets: ticketFile, rfb: 1 });
    await bench.stop(ours.child);
    results.ours.push(made.count / made.seconds);
    results.cpu.push(made.cpu / made.count);
    for (const [name, relay] of [
      ['websockify', await bench.websockify()],
      ['nginx', await bench.nginx()],
      ['ws', await bench.node('relay-plain-ws.mjs', bench.vm)],
    ]) {
      const peer = await bench.measure(relay, 'setups', { count: 4 });
      results[name].push(peer.count / peer.seconds);
      await bench.stop(relay.child);
    }
    log(
      `round ${round + 1}: set-ups ${results.ours.at(-1).toFixed(0)}/s at ${(results.cpu.at(-1) * 1e6).toFixed(0)} us of CPU`,
    );
  }
  const perSecond = median(results.ours);
  const perCore = 1 / median(results.cpu);
  return [
    row('set-ups, ticket and VM connect included', perCore, '/s of a core', atLeast(perCore, 1500)),
    ...['websockify', 'nginx', 'ws'].map((peer) =>
      row('set-ups as they came', perSecond, '/s', {
        peer,
        peerValue: median(results[peer]),
        ratio: perSecond / median(results[peer]),
      }),
    ),
  ];
}

async function memory(bench, _rounds, log) {
  const rows = [];
  for (const [count, makers] of [
    [
      1000,
      {
        ours: () => bench.ours({ mode: 'plain' }),
        'in the gateway itself': () => bench.oursInGateway({ mode: 'plain' }),
        ws: () => bench.node('relay-plain-ws.mjs', bench.vm),
        nginx: () => bench.nginx(),
      },
    ],
    [9900, { ours: () => bench.ours({ mode: 'plain' }) }],
  ]) {
    const found = {};
    for (const [name, make] of Object.entries(makers)) {
      const relay = await make();
      const warm = await bench.hold(relay, 50);
      await bench.stop(warm);
      await delay(500);
      const before = rssBytes(relay.child.pid);
      const held = await bench.hold(relay, count);
      await delay(1500);
      const after = rssBytes(relay.child.pid);
      found[name] = { each: (after - before) / count / 1024, all: after / MIB };
      log(
        `${count} idle on ${name}: ${found[name].each.toFixed(1)} KiB each, ${found[name].all.toFixed(0)} MiB in all`,
      );
      await bench.stop(held);
      await bench.stop(relay.child);
    }
    if (count === 1000) {
      for (const [i, peer] of ['ws', 'nginx', 'in the gateway itself'].entries()) {
        rows.push(
          row('1,000 idle sessions, each', found.ours.each, 'KiB', {
            peer,
            peerValue: found[peer].each,
            ratio: found.ours.each / found[peer].each,
            ...(i === 0 && atMost(found.ours.each, 16, ' KiB')),
          }),
        );
      }
    } else rows.push(row(`${count} idle sessions, in all`, found.ours.all, 'MiB', atMost(found.ours.all, 400, ' MiB')));
  }
  const stalled = {};
  for (const [name, make] of [
    ['ours', () => bench.ours({ mode: 'plain' })],
    ['ws', () => bench.node('relay-plain-ws.mjs', bench.vm)],
  ]) {
    const relay = await make();
    await bench.measure(relay, 'echo', { neighbours: 1, seconds: 1 }); // Warm.
    await delay(300);
    const before = rssBytes(relay.child.pid);
    const child = bench.start(bench.load, ['stall', `port=${relay.port}`, `seconds=${4}`], ['pipe', 'pipe', 'inherit']);
    await bench.lines(child).next();
    stalled[name] = (rssBytes(relay.child.pid) - before) / MIB;
    await bench.stop(child);
    await bench.stop(relay.child);
  }
  log(`stalled client: ours ${stalled.ours.toFixed(2)} MiB, ws ${stalled.ws.toFixed(0)} MiB`);
  rows.push(
    row('stalled client, growth', stalled.ours, 'MiB', {
      peer: 'ws',
      peerValue: stalled.ws,
      ...atMost(stalled.ours, 2, ' MiB'),
    }),
  );
  return rows;
}

async function policies(bench, rounds, log) {
  const relays = {
    walked: await bench.ours({ mode: 'walked', vm: bench.rfbVm }),
    unwalked: await bench.ours({ mode: 'unwalked', vm: bench.rfbVm }),
  };
  const results = { walked: [], unwalked: [] };
  await bench.warm(relays, { rfb: 1 });
  for (let round = 0; round < rounds; round++) {
    for (const name of ['walked', 'unwalked']) {
      const down = await bench.measure(relays[name], 'down', { rfb: 1 });
      results[name].push(down.cpu / (down.bytes / 2 ** 30));
    }
    log(
      `round ${round + 1}: CPU per GiB walked ${results.walked.at(-1).toFixed(2)}, not ${results.unwalked.at(-1).toFixed(2)}`,
    );
  }
  for (const relay of Object.values(relays)) await bench.stop(relay.child);
  const share = (median(results.walked) / median(results.unwalked) - 1) * 100;
  return [
    row('policy parsing, more CPU', share, '%', {
      peer: 'not walked (s/GiB)',
      peerValue: median(results.unwalked),
      ...atMost(share, 5, ' %'),
    }),
  ];
}

/** What TLS costs us, and what it costs Node alone and haproxy, each beside itself without TLS. */
async function tlsBesidePlain(bench, rounds, log) {
  const tls = bench.certificate();
  const pairs = {
    ours: [await bench.ours({ mode: 'plain' }), { ...(await bench.ours({ mode: 'plain', tls })), tls: 1 }],
    'bare Node': [await bench.nodePipe(), await bench.nodePipe(tls)],
    haproxy: [await bench.haproxy(), await bench.haproxy(tls)],
  };
  const results = Object.fromEntries(Object.keys(pairs).map((name) => [name, { plain: [], tls: [] }]));
  for (const pair of Object.values(pairs)) await bench.warm(pair);
  for (let round = 0; round < rounds; round++) {
    for (const [name, pair] of Object.entries(pairs)) {
      for (const [i, how] of ['plain', 'tls'].entries()) {
        const down = await bench.measure(pair[i], 'down');
        results[name][how].push(down.bytes / down.seconds / MIB);
      }
    }
    log(
      `round ${round + 1}: TLS of plain, MiB/s: ${Object.entries(results)
        .map(([name, { plain, tls: secured }]) => `${name} ${secured.at(-1).toFixed(0)} of ${plain.at(-1).toFixed(0)}`)
        .join(', ')}`,
    );
  }
  for (const relay of Object.values(pairs).flat()) await bench.stop(relay.child);
  return Object.entries(results).map(([name, { plain, tls: secured }], i) => {
    const ratio = median(secured) / median(plain);
    const limit = i < 1 ? atLeast(ratio, 0.8) : {};
    const measure = i === 0 ? 'TLS in the process' : `TLS in ${name}`;
    return row(measure, median(secured), 'MiB/s', { peer: 'plain', peerValue: median(plain), ratio, ...limit });
  });
}

/** Four sessions that saturate, relayed by so many workers, and how the gateway's own process answers meanwhile. */
async function workers(bench, rounds, log) {
  const counts = [0, 1, 2, 3];
  const relays = {};
  for (const count of counts)
    relays[count] = await bench.oursInGateway({ mode: 'workers', workers: count, vm: bench.rfbVm });
  const results = Object.fromEntries(counts.map((count) => [count, { down: [], cpu: [], p50: [], p99: [] }]));
  const load = { rfb: 1, count: 4 };
  await bench.warm(relays, load);
  for (let round = 0; round < rounds; round++) {
    for (const count of counts) {
      const stop = bench.probe(relays[count].port);
      const down = await bench.measure(relays[count], 'down', load);
      const took = (await stop()).sort((a, b) => a - b);
      results[count].down.push(down.bytes / down.seconds / MIB);
      results[count].cpu.push(down.cpu / (down.bytes / 2 ** 30));
      results[count].p50.push(took[Math.floor(took.length / 2)]);
      results[count].p99.push(took[Math.floor(took.length * 0.99)]);
    }
    log(
      `round ${round + 1}: ${counts.map((count) => `${count}: ${results[count].down.at(-1).toFixed(0)} MiB/s`).join(', ')}`,
    );
  }
  const rows = [];
  const alone = results[0];
  const compare = (measure, what, unit, count) =>
    row(measure, median(results[count][what]), unit, {
      peer: 'no workers',
      peerValue: median(alone[what]),
      ratio: median(results[count][what]) / median(alone[what]),
    });
  for (const count of counts.slice(1)) rows.push(compare(`four sessions, ${count} workers`, 'down', 'MiB/s', count));
  for (const count of counts.slice(1)) rows.push(compare(`CPU per GiB, ${count} workers`, 'cpu', 's', count));
  for (const what of ['p50', 'p99'])
    for (const count of counts.slice(1))
      rows.push(compare(`the gateway answers a request, ${count} workers, ${what}`, what, 'ms', count));
  for (const count of counts)
    rows.push(row(`memory with ${count} workers`, rssBytes(relays[count].child.pid) / MIB, 'MiB'));
  for (const relay of Object.values(relays)) await bench.stop(relay.child);
  return rows;
}
