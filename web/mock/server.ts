// A made-up experiment behind the page API, for work on the page without a server and for tests of
// the page alone: two VMs on four pCPUs for four seconds, from a seeded generator, so every run
// shows the same. Not a model of real behaviour.

import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Row, RowKind } from '../src/api';
import { encodeStates } from '../src/states';

const begin = 1_700_000_000_000_000_000n;
const length = 4_000_000_000;
const threads = 44;

interface Interval {
  from: number;
  to: number;
  value: number;
}

function random(seed: number): () => number {
  let state = seed >>> 0 || 1;
  return () => {
    state ^= state << 13;
    state >>>= 0;
    state ^= state >>> 17;
    state ^= state << 5;
    state >>>= 0;
    return state / 4294967296;
  };
}

const names: Record<string, string[]> = {
  machine: ['host', 'vm1', 'vm2'],
  condition: ['guest', 'hypervisor', 'host', 'unknown'],
  state: [
    'unknown',
    'user',
    'syscall',
    'irq',
    'runnable',
    'preempted',
    'blocked',
    'fork',
    'exited',
  ],
  pcpu: ['unknown', 'idle', 'user', 'syscall', 'irq', 'softirq', 'kernel'],
  vcpu: [
    'off',
    'unknown',
    'guest',
    'hypervisor',
    'userspace',
    'host_irq',
    'polling',
    'halted',
    'blocked',
    'waking',
    'preempted',
  ],
  effective: ['running', 'hypervisor', 'deprived', 'waiting'],
  vprocess: [
    'root',
    'nonroot',
    'task',
    'timer',
    'disk',
    'network',
    'device',
    'preempted_host',
    'preempted_vm',
    'preempted_guest',
    'unknown',
  ],
  op: ['read', 'write', 'discard', 'flush', 'other'],
};

function row(
  id: number,
  parent: number,
  label: string,
  machine: string,
  kind: RowKind,
  more: Partial<Row> = {},
): Row {
  return {
    id,
    parent,
    label,
    sub: '',
    machine,
    kind,
    cpu: null,
    vcpu: null,
    tid: null,
    begin_ns: begin.toString(),
    end_ns: (begin + BigInt(length)).toString(),
    has_data: kind !== 'group',
    ran_ns: kind === 'thread' ? String(id) : '0',
    ...more,
  };
}

function rowsOf(view: string): Row[] {
  const rows: Row[] = [];
  const add = (
    parent: number,
    label: string,
    machine: string,
    kind: RowKind,
    more: Partial<Row> = {},
  ): number => {
    rows.push(row(rows.length, parent, label, machine, kind, more));
    return rows.length - 1;
  };
  if (view === 'fused') {
    const host = add(-1, 'host', 'host', 'group');
    for (let cpu = 0; cpu < 4; ++cpu) add(host, `pCPU ${cpu}`, 'host', 'pcpu', { cpu });
    return rows;
  }
  if (view === 'disk' || view === 'net') {
    for (const machine of ['host', 'vm1', 'vm2']) {
      const group = add(-1, machine, machine, 'group');
      add(group, view === 'disk' ? 'vda' : 'eth0', machine, 'device');
    }
    return rows;
  }
  for (const machine of view === 'control' ? ['host', 'vm1', 'vm2'] : ['vm1', 'vm2']) {
    const vm = add(-1, machine, machine, 'group');
    if (view === 'vms')
      for (let vcpu = 0; vcpu < 2; ++vcpu)
        add(vm, `vCPU ${vcpu}`, machine, 'vcpu', { vcpu, sub: `pCPU ${vcpu}` });
    const kind = view === 'vprocess' ? 'vprocess' : 'thread';
    for (let i = 0; i < threads; ++i)
      add(vm, `task-${i}`, machine, kind, { tid: 150 + i, sub: String(150 + i) });
  }
  return rows;
}

const cache = new Map<string, Interval[]>();

function intervals(view: string, id: number, layer: string, count: number): Interval[] {
  const key = `${view}/${id}/${layer}`;
  const known = cache.get(key);
  if (known) return known;
  const next = random(1 + id * 7919 + layer.length * 104729 + view.length * 1299709);
  const list: Interval[] = [];
  for (let at = 0; at < length; ) {
    const to = Math.min(length, at + Math.max(2_000, -Math.log(1 - next()) * 2_000_000));
    list.push({ from: at, to, value: Math.floor(next() * next() * count) });
    at = to;
  }
  cache.set(key, list);
  return list;
}

function vocabulary(view: string, layer: string, kind: RowKind): string[] {
  if (layer !== 'state') return names[layer] ?? [];
  if (view === 'fused') return names['pcpu'] as string[];
  if (view === 'vprocess') return names['vprocess'] as string[];
  return names[kind === 'vcpu' ? 'vcpu' : 'state'] as string[];
}

function stretches(
  list: Interval[],
  from: number,
  to: number,
  pixels: number,
): Array<[number, bigint | null, number]> {
  const out: Array<[number, bigint | null, number]> = [];
  let index = 0;
  for (let pixel = 0; pixel < pixels; ++pixel) {
    const at = from + ((pixel + 0.5) * (to - from)) / pixels;
    while (index < list.length - 1 && (list[index] as Interval).to <= at) ++index;
    const item = list[index] as Interval;
    const value = at < item.from || at >= item.to ? null : BigInt(item.value);
    const last = out[out.length - 1];
    if (last && last[1] === value) ++last[0];
    else out.push([1, value, value === null ? 0 : 255]);
  }
  return out;
}

type Body = Record<string, unknown>;
const rel = (value: unknown): number => Number(BigInt(value as string) - begin);
const abs = (value: number): string => (begin + BigInt(Math.round(value))).toString();

// State names are per (view, kind), numbers per kind so that two kinds in one answer do not
// collide.
function states(body: Body): Uint8Array {
  const view = body['view'] as string;
  const layers = body['layers'] as string[];
  const all = rowsOf(view);
  const from = rel(body['from_ns']);
  const to = rel(body['to_ns']);
  const pixels = body['pixels'] as number;
  const dictionary = new Map<string, [number, bigint, string]>();
  const rows = (body['rows'] as number[]).map((id) =>
    layers.map((layer, index) => {
      const kind = all[id]?.kind ?? 'group';
      if (kind === 'group' || (kind === 'vcpu' && layer === 'effective'))
        return [[pixels, null, 0] as [number, null, number]];
      const words = vocabulary(view, layer, kind);
      const base = kind === 'vcpu' ? 100 : 0;
      words.forEach((name, value) =>
        dictionary.set(`${index}/${base + value}`, [index, BigInt(base + value), name]),
      );
      return stretches(intervals(view, id, layer, words.length), from, to, pixels).map(
        ([count, value, share]): [number, bigint | null, number] => [
          count,
          value === null ? null : value + BigInt(base),
          share,
        ],
      );
    }),
  );
  return encodeStates(
    begin + BigInt(Math.round(from)),
    begin + BigInt(Math.round(to)),
    pixels,
    rows,
    [...dictionary.values()],
  );
}

function at(body: Body): unknown {
  const view = body['view'] as string;
  const id = body['row'] as number;
  const moment = rel(body['time_ns']);
  const kind = rowsOf(view)[id]?.kind ?? 'group';
  const item = intervals(view, id, 'state', vocabulary(view, 'state', kind).length).find(
    (one) => one.to > moment,
  );
  if (!item || kind === 'group') return null;
  return {
    row: id,
    begin_ns: abs(item.from),
    end_ns: abs(item.to),
    state: vocabulary(view, 'state', kind)[item.value],
    attributes: [
      ['machine', rowsOf(view)[id]?.machine],
      ['comm', `task-${id}`],
      ['tid', 150 + id],
    ],
    sql: `SELECT * FROM thread_state WHERE tid = ${150 + id}`,
    culprit: {
      view: 'fused',
      row: 1,
      begin_ns: abs(item.from),
      end_ns: abs(item.to),
      label: 'vm1/1 filler (156)',
    },
  };
}

function step(body: Body): unknown {
  const view = body['view'] as string;
  const id = body['row'] as number;
  const kind = rowsOf(view)[id]?.kind ?? 'group';
  const words = vocabulary(view, 'state', kind);
  const list = intervals(view, id, 'state', words.length);
  const moment = rel(body['time_ns']);
  const index = list.findIndex((one) => one.to > moment) + (body['direction'] as number);
  const item = list[index];
  return item && kind !== 'group'
    ? { begin_ns: abs(item.from), end_ns: abs(item.to), state: words[item.value] }
    : null;
}

function follow(body: Body): unknown {
  const found = at(body) as { culprit: Body } | null;
  return found ? { ...found.culprit, message: 'vm1/1 filler (156) had pCPU 0' } : null;
}

function arrows(body: Body): unknown {
  const rows = body['rows'] as number[];
  const next = random(42);
  const from = rel(body['from_ns']);
  const span = rel(body['to_ns']) - from;
  const kinds = ['wakeup', 'preempt', 'migrate'];
  const list =
    rows.length < 2
      ? []
      : Array.from({ length: 30 }, (_, index) => {
          const start = from + next() * span;
          return {
            kind: kinds[index % 3],
            from_row: rows[Math.floor(next() * rows.length)],
            to_row: rows[Math.floor(next() * rows.length)],
            from_ns: abs(start),
            to_ns: abs(start + next() * span * 0.02),
            label: 'wake-up',
          };
        });
  return { arrows: list, truncated: false };
}

function series(body: Body): unknown {
  const from = rel(body['from_ns']);
  const to = rel(body['to_ns']);
  const count = body['points'] as number;
  const make = (id: string, name: string, unit: string, machine: string, seed: number) => {
    const x = Array.from({ length: count }, (_, index) => from + (index * (to - from)) / count);
    return {
      id,
      name,
      unit,
      machine,
      x: x.map(abs),
      y: x.map((time) => 50 + 40 * Math.sin(time / 2e8 + seed) + 8 * Math.sin(time / 1e6)),
    };
  };
  return {
    series: [
      make('steal.vm1', 'steal', '%', 'vm1', 1),
      make('steal.vm2', 'steal', '%', 'vm2', 3),
      make('exits.vm1', 'exits', '/s', 'vm1', 5),
    ],
  };
}

const layer = (id: string, kind: 'state' | 'text' | 'machine' = 'state') => ({
  id,
  name: id,
  kind,
});
const views = [
  {
    id: 'fused',
    name: 'Processors',
    description: 'Who was on each pCPU',
    layers: [layer('machine', 'machine'), layer('condition'), layer('state')],
    missing: null,
  },
  {
    id: 'vms',
    name: 'VMs',
    description: 'vCPUs and threads of each VM',
    layers: [layer('effective'), layer('state')],
    missing: null,
  },
  {
    id: 'control',
    name: 'Threads',
    description: 'Threads of each machine',
    layers: [layer('state'), layer('effective')],
    missing: null,
  },
  {
    id: 'vprocess',
    name: 'Guest processes from outside',
    description: '',
    layers: [layer('state')],
    missing: null,
  },
  { id: 'disk', name: 'Disks', description: '', layers: [layer('op')], missing: null },
  {
    id: 'net',
    name: 'Network',
    description: '',
    layers: [layer('op')],
    missing: { message: 'No network events were recorded.', command: 'trace-cmd record -e net' },
  },
];

const experiment = {
  name: 'made-up',
  version: '0',
  epoch: true,
  begin_ns: begin.toString(),
  end_ns: abs(length),
  events: '1234567',
  lost_events: '12',
  host: 'host',
  status: 'COMPLETED',
  progress: 1,
  message: '',
  command: 'virtscope serve made-up',
  paths: ['made-up'],
  machines: [
    { machine: 'host', kind: 'host', parent: null, vcpus: null },
    { machine: 'vm1', kind: 'vm', parent: 'host', vcpus: 2 },
    { machine: 'vm2', kind: 'vm', parent: 'host', vcpus: 2 },
  ],
  clocks: [
    { machine: 'vm1', method: 'tsc', quality: 'exact', error_ns: '1', outside_after: 0 },
    {
      machine: 'vm2',
      method: 'beacon',
      quality: 'approximate',
      error_ns: '40000',
      outside_after: 0.01,
    },
  ],
};

const report = {
  sections: {
    steal: {
      columns: ['machine', 'stolen_ms'],
      rows: [
        ['vm1', 3010],
        ['vm2', 2740],
      ],
    },
  },
  conclusions: [
    {
      kind: 'bad',
      rule: 'steal',
      subject: 'vm2',
      message: 'vm2 was robbed of 2.74 s of CPU, 33 % of what it asked for.',
      next: 'virtscope why made-up --task vm2/burst1',
      target: { view: 'vms', row: 2, from_ns: abs(1e9), to_ns: abs(1.2e9) },
    },
    {
      kind: 'good',
      rule: 'clocks',
      subject: 'clocks',
      message: 'The clocks are exact.',
      next: null,
      target: null,
    },
  ],
};

let bookmarks: Array<Body & { id: number }> = [];

const gets: Record<string, () => unknown> = {
  experiment: () => experiment,
  report: () => report,
  disks: () => ({ columns: [], rows: [] }),
  views: () => ({ views }),
  bookmarks: () => ({ bookmarks }),
  marks: () => ({
    losses: [{ machine: 'host', cpu: 1, ts_ns: abs(2.2e9), dur_ns: '90000000', lost_events: '12' }],
    clocks: [
      { machine: 'vm1', error_ns: '1' },
      { machine: 'vm2', error_ns: '40000' },
    ],
  }),
};

const posts: Record<string, (body: Body) => unknown> = {
  login: () => null,
  at,
  step,
  follow,
  arrows,
  series,
  rows: (body) => ({ rows: rowsOf(body['view'] as string) }),
  active: (body) => ({
    rows: rowsOf(body['view'] as string).flatMap((one) => (one.id % 2 ? [one.id] : [])),
  }),
  ran_on: (body) => ({
    rows: rowsOf(body['view'] as string).map((one) => ({ id: one.id, cpus: [one.id % 4] })),
  }),
  totals: () => ({ columns: ['machine', 'state', 'count', 'total_ns'], rows: [] }),
  events: (body) => ({
    rows: Array.from({ length: Math.min(100, body['limit'] as number) }, (_, index) => ({
      ts_ns: abs(rel(body['from_ns']) + index * 1000),
      trace: 'host.dat',
      machine: 'host',
      cpu: index % 4,
      tid: 190,
      name: index % 2 ? 'sched_switch' : 'kvm_exit',
      fields: 'reason=HLT',
    })),
    more: true,
  }),
  sql: () => ({
    columns: ['ts', 'dur', 'machine'],
    rows: [['1700000001000000000', '5000000', 'vm1']],
    truncated: false,
    elapsed_ms: 3,
  }),
  why: (body) => ({
    headline: `${String(body['task'])} lost 12 ms`,
    text: 'vm2/1 burst1 (156) had the processor.',
    sections: {},
    flow: [],
    path: Array.from({ length: 40 }, (_, index) => ({
      ts_ns: abs(1e9 + index * 2e7),
      dur_ns: '20000000',
      depth: index % 3,
      label: ['run', 'wait_task', 'host_preempted', 'wait_disk'][index % 4],
      machine: index % 2 ? 'vm1' : 'vm2',
      tid: 150 + (index % 4),
      comm: `task-${index % 4}`,
      cpu: 0,
      cause: '',
    })),
  }),
  compare: () => ({ rows: [{ group: 'state', name: 'guest', a: 20.1, b: 44.2, unit: '%' }] }),
  bookmarks: (body) => {
    const made = { ...body, id: bookmarks.length + 1 };
    bookmarks = [...bookmarks, made];
    return made;
  },
};

async function read(request: IncomingMessage): Promise<Body> {
  let text = '';
  for await (const part of request) text += String(part);
  return text ? (JSON.parse(text) as Body) : {};
}

/** Answers one request; the URL begins after /api. */
export async function answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
  const path = (request.url ?? '/').replace(/^\/+/, '').replace(/\?.*$/, '');
  const body = await read(request);
  if (request.method === 'POST' && path === 'states') {
    response.setHeader('Content-Type', 'application/octet-stream');
    response.end(states(body));
    return;
  }
  if (request.method === 'DELETE') {
    bookmarks = bookmarks.filter((item) => String(item.id) !== path.split('/')[1]);
    response.writeHead(204).end();
    return;
  }
  const handler = request.method === 'POST' ? posts[path] : gets[path];
  if (!handler) {
    response
      .writeHead(404, { 'Content-Type': 'application/json' })
      .end(JSON.stringify({ title: 'Not found', detail: path }));
    return;
  }
  const result = handler(body);
  if (result === null) response.writeHead(204).end();
  else response.writeHead(200, { 'Content-Type': 'application/json' }).end(JSON.stringify(result));
}
