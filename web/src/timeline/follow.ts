// From a row to the processor that it was on, and to the thread that ran there. With several hosts,
// and with VMs in VMs, processors have equal numbers: each machine's are looked for on its own host.

import { api, type Row } from '../api';
import { guarded, jump } from '../jump';
import { quote } from '../panels/evidence';
import { loadRows } from '../start';
import { actions, store } from '../store';
import { formatRel, type Rel, toAbs, toRel } from '../time';
import { hostOf } from './hosts';
import type { Scene } from './scene';

async function rowsOf(view: string): Promise<Row[]> {
  if (!store.get().views.some((one) => one.id === view)) return [];
  await loadRows(view);
  return store.get().rows[view] ?? [];
}

/** The attributes of what a row is in at a time, by name. */
async function attributesAt(view: string, row: Row, time: Rel): Promise<Map<string, string>> {
  const here = await api.at(view, row.id, toAbs(time));
  return new Map((here?.attributes ?? []).map(([name, value]) => [name, String(value ?? '')]));
}

const isVm = (machine: string): boolean =>
  store.get().experiment?.machines.find((one) => one.machine === machine)?.kind === 'vm';

/** The number of the processor that a row was on. */
async function pcpuOf(view: string, row: Row, time: Rel): Promise<string | undefined> {
  if (row.kind === 'pcpu') return String(row.cpu);
  const here = await attributesAt(view, row, time);
  if (row.kind === 'vcpu') return here.get('pcpu');
  if (!isVm(row.machine)) return here.get('cpu');
  // A CPU of a VM is a vCPU, which has its own way over the processors.
  const vcpu = here.get('vcpu') ?? here.get('cpu');
  const vcpus = await rowsOf('vms');
  const under = vcpus.find(
    (one) => one.kind === 'vcpu' && one.machine === row.machine && String(one.vcpu) === vcpu,
  );
  return under && (await attributesAt('vms', under, time)).get('pcpu');
}

async function toProcessor(view: string, row: Row, time: Rel): Promise<void> {
  const rows = (await rowsOf('fused')).filter((one) => one.kind === 'pcpu');
  const hosts = new Set(rows.map((one) => one.machine));
  const host =
    row.kind === 'pcpu'
      ? row.machine
      : hostOf(row.machine, store.get().experiment?.machines ?? [], hosts);
  const cpu = await pcpuOf(view, row, time);
  const found = rows.find((one) => one.machine === host && String(one.cpu) === cpu);
  if (!found) return actions.notify('It was on no processor then.');
  await jump({ view: 'fused', row: found.id, from: time, to: time });
}

/** Who runs on a vCPU, as the guest believes: also while the vCPU itself is off its processor. */
async function threadOnVcpu(row: Row, time: Rel): Promise<string | undefined> {
  const at = toAbs(time);
  const answer = await api.sql(
    `SELECT tid FROM thread_state(${at}, ${toAbs(time + 1)}) WHERE machine = ` +
      `${quote(row.machine)} AND cpu = ${row.vcpu} AND state IN ('user', 'syscall', 'irq')`,
    1,
  );
  const tid = answer.rows[0]?.[0];
  return tid === undefined || tid === null ? undefined : String(tid);
}

async function toThread(view: string, row: Row, time: Rel): Promise<void> {
  let machine = row.machine;
  let tid: string | undefined;
  if (row.kind === 'thread') tid = String(row.tid);
  else if (row.kind === 'vcpu') tid = await threadOnVcpu(row, time);
  else {
    const here = await attributesAt(view, row, time);
    machine = here.get('machine') || machine;
    tid = here.get('tid');
  }
  // From a thread to the same one in the other view.
  const views = view === 'vms' ? ['control', 'vms'] : ['vms', 'control'];
  for (const other of row.kind === 'thread' ? views : ['vms', 'control']) {
    const found = (await rowsOf(other)).find(
      (one) => one.kind === 'thread' && one.machine === machine && String(one.tid) === tid,
    );
    if (found) return jump({ view: other, row: found.id, from: time, to: time });
  }
  actions.notify('No thread is known to run there then.');
}

/** Where the selected row was, or who ran on it, at the selected moment. */
export function follow(to: 'cpu' | 'thread'): Promise<void> {
  return guarded(async () => {
    const { row: ref, rows, time } = store.get();
    const row = ref && rows[ref.view]?.find((one) => one.id === ref.id);
    if (!ref || !row || row.kind === 'group' || time === null)
      return actions.notify('Select a state of a row first.');
    await (to === 'cpu' ? toProcessor : toThread)(ref.view, row, time);
  });
}

/** Along an arrow of the selected row: to its other end. */
export function followArrow(scene: Scene, direction: 1 | -1): void {
  const { row, time } = store.get();
  if (!row) return actions.notify('Select a row first: its arrows show, and J follows them.');
  const from = time ?? -1;
  const own = scene.arrows
    .filter((one) => one.view === row.view && one.from_row !== one.to_row)
    .filter((one) => one.from_row === row.id || one.to_row === row.id)
    .map((one) => ({ ...one, at: toRel(one.to_ns) }))
    .sort((a, b) => (a.at - b.at) * direction);
  const next = own.find((one) => (one.at - from) * direction > 0);
  if (!next) return actions.notify('No such arrow of this row in this window (V shows arrows).');
  const { kind, label, at } = next;
  const id = next.from_row === row.id ? next.to_row : next.from_row;
  actions.choose(row.view, id, { time: at, range: null });
  actions.reveal(at);
  actions.notify(`${label || kind}, at ${formatRel(at)} s`);
}
