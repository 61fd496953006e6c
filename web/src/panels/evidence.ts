// Where the timeline shows what a figure of the overview says: the longest interval that went into
// the figure, found by a statement when somebody asks for it.

import { api, type Conclusion, type Report, type Row } from '../api';
import { guarded } from '../jump';
import { loadRows } from '../start';
import { actions, store } from '../store';
import { formatDuration, toRel } from '../time';
import { send } from './bus';
import { amount, entries, type Entry, num, text, who } from './data';

export interface Evidence {
  /**
   * Gives ts, dur, machine and what the row is known by: vcpu, tid, cpu, vprocess or device; by
   * nothing where the whole machine is meant.
   */
  sql: string;
  view: string;
  /** What the interval is, behind "The longest: 5.1 ms". */
  says: string;
  /** What stands before the length; "The longest" without it. */
  which?: string;
  /** The rows that the figure comes from, shown as a table where no interval was recorded. */
  table?: string;
}

/** A text of SQL. */
export function quote(value: string): string {
  return `'${value.replace(/'/g, "''")}'`;
}

function longest(columns: string, table: string, where: string[], by = 'dur'): string {
  return (
    `SELECT ts, dur, machine, ${columns} FROM ${table} WHERE ${where.join(' AND ')} ` +
    `ORDER BY ${by} DESC LIMIT 1`
  );
}

export interface Thief {
  label: string;
  /** Empty: nobody is known to have run in the vCPU's place. */
  machine: string;
  tid: number | null;
  ns: number;
  count: number;
}

/** Who took a VM's CPU, added over its vCPUs (or of one of them), most first. */
export function thievesOf(all: Entry[], machine: string, vcpu: number | null = null): Thief[] {
  const out = new Map<string, Thief>();
  for (const entry of all) {
    if (entry['machine'] !== machine || (vcpu !== null && num(entry['vcpu']) !== vcpu)) continue;
    const label = who({ ...entry, by_vcpu: null }, 'by_');
    const known = out.get(label) ?? {
      label,
      machine: text(entry['by_machine']),
      tid: num(entry['by_tid']),
      ns: 0,
      count: 0,
    };
    out.set(label, {
      ...known,
      ns: known.ns + amount(entry['total_ns']),
      count: known.count + amount(entry['count']),
    });
  }
  return [...out.values()].sort((a, b) => b.ns - a.ns);
}

export function robberyBy(thief: Thief, machine: string, vcpu: number | null = null): Evidence {
  return {
    view: 'vms',
    says: thief.machine
      ? `${thief.label} had the CPU of ${machine}. F goes there.`
      : `${machine} was woken and nobody is known to have run in its place.`,
    sql: longest('vcpu', 'preemption', [
      `machine = ${quote(machine)}`,
      ...(vcpu === null ? [] : [`vcpu = ${vcpu}`]),
      thief.machine ? `by_machine = ${quote(thief.machine)}` : 'by_machine IS NULL',
      thief.tid === null ? 'by_tid IS NULL' : `by_tid = ${thief.tid}`,
    ]),
  };
}

export function robberyOf(machine: string, tid: number): Evidence {
  return {
    view: 'vms',
    says: 'its vCPU was off the processor. F goes to who had it.',
    sql: longest('tid', 'preemption', [`machine = ${quote(machine)}`, `tid = ${tid}`]),
  };
}

const busy = 'handling_ns + userspace_ns';

export function exitBy(reason: string, machine: string): Evidence {
  return {
    view: 'vms',
    says: `the exit ${reason} that took the hypervisor most time.`,
    sql: longest(
      'vcpu',
      'vm_exit',
      [`machine = ${quote(machine)}`, `reason = ${quote(reason)}`],
      busy,
    ),
  };
}

export function vcpuIn(state: string, machine: string): Evidence {
  return {
    view: 'vms',
    says: `a vCPU of ${machine} was ${state}.`,
    sql: longest('vcpu', 'vcpu_state', [`machine = ${quote(machine)}`, `state = ${quote(state)}`]),
  };
}

export function waitFor(state: string, machine: string): Evidence {
  return {
    view: 'vprocess',
    says: `a process of ${machine} waited.`,
    sql: longest('vprocess', 'vprocess_state', [
      `machine = ${quote(machine)}`,
      `state = ${quote(state)}`,
    ]),
  };
}

export function requestOf(machine: string, device: string, vm: string): Evidence {
  return {
    view: 'disk',
    says: `the slowest request${vm ? ` of ${vm}` : ''} on ${device}.`,
    sql: longest('device', 'block_request', [
      `machine = ${quote(machine)}`,
      `device = ${quote(device)}`,
      vm ? `vm = ${quote(vm)}` : 'vm IS NULL',
    ]),
  };
}

/** The longest span of lost events: of all, of a machine, or of one of its CPUs. */
export function worstLoss(machine: string | null = null, cpu: number | null = null): Evidence {
  return {
    view: 'vms',
    which: 'The longest span of loss',
    says: 'what is hatched there was not recorded.',
    sql: longest('cpu', 'loss', [
      'dur >= 0',
      ...(machine === null ? [] : [`machine = ${quote(machine)}`]),
      ...(cpu === null ? [] : [`cpu = ${cpu}`]),
    ]),
    table: 'SELECT * FROM loss ORDER BY dur DESC',
  };
}

/** The part of a machine's time that its clock map is least sure of. */
export function worstClock(machine: string): Evidence {
  const where = `machine = ${quote(machine)}`;
  return {
    view: 'vms',
    which: 'The segment of the clock with the largest bound',
    says: `times of ${machine} are known no better there than the status line says.`,
    sql:
      `SELECT begin_ts AS ts, end_ts - begin_ts AS dur, machine FROM clock_sync WHERE ${where} ` +
      'AND begin_ts IS NOT NULL AND error_ns IS NOT NULL ORDER BY error_ns DESC, segment LIMIT 1',
    table: `SELECT * FROM clock_sync WHERE ${where}`,
  };
}

/**
 * Where an issue of the data shows: what the clock solver found, in that machine's worst segment;
 * what a reader had to leave out, in the longest loss of that trace. Other issues have no place in
 * time; their row with the advice is shown.
 */
export function issuePlace(issue: Entry): Evidence {
  const own =
    `code = ${quote(text(issue['code']))} AND ` +
    (issue['place'] === null ? 'place IS NULL' : `place = ${quote(text(issue['place']))}`);
  const table =
    'SELECT severity, code, machine, i.place, count, message, advice FROM issue AS i ' +
    `LEFT JOIN trace USING (trace) WHERE ${own}`;
  const ofTrace = `FROM issue AS i JOIN trace AS t USING (trace) JOIN`;
  const clock = /^(clock_|tick_rate_|sync_section_)/.test(text(issue['code']));
  return clock
    ? {
        view: 'vms',
        which: 'What the clock is about',
        says: text(issue['message']),
        sql:
          `SELECT c.begin_ts AS ts, c.end_ts - c.begin_ts AS dur, c.machine ${ofTrace} ` +
          `clock_sync AS c ON c.machine = t.machine WHERE i.${own} ` +
          'AND c.begin_ts IS NOT NULL ORDER BY c.error_ns DESC, c.segment LIMIT 1',
        table,
      }
    : {
        view: 'vms',
        which: 'The longest loss of that trace',
        says: text(issue['message']),
        sql:
          `SELECT l.ts, l.dur, l.machine, l.cpu ${ofTrace} loss AS l ON l.trace = i.trace ` +
          `WHERE i.${own} AND i.severity <> 'info' ORDER BY l.dur DESC LIMIT 1`,
        table,
      };
}

/** The exits of a machine by what they cost, worst first. */
export function exitsOf(report: Report, machine: string): Entry[] {
  const cost = (one: Entry): number => amount(one['handling_ns']) + amount(one['userspace_ns']);
  return entries(report.sections['exit'])
    .filter((one) => one['machine'] === machine && one['vcpu'] === null)
    .sort((a, b) => cost(b) - cost(a));
}

/** A machine, or one vCPU of it: "vm1", "vm1/0", "vm1 vCPU 0". */
function subjectOf(subject: string): { machine: string; vcpu: number | null } {
  const match = /^(.+?)(?:\/| vCPU )(\d+)$/.exec(subject);
  return match
    ? { machine: match[1] as string, vcpu: Number(match[2]) }
    : { machine: subject, vcpu: null };
}

/**
 * What a conclusion rests on, where the server names no single interval; null: go where the server
 * says. A robbery leads to the largest thief's longest interval, which the server has found; where
 * most of the time nobody ran in the vCPU's place, to the longest of those.
 */
export function evidenceOf(conclusion: Conclusion, report: Report): Evidence | null {
  const { machine, vcpu } = subjectOf(conclusion.subject);
  if (conclusion.rule === 'stolen_time') {
    const worst = thievesOf(entries(report.sections['thief']), machine, vcpu)[0];
    return worst && !worst.machine ? robberyBy(worst, machine, vcpu) : null;
  }
  // Of all machines where it names none.
  if (conclusion.rule === 'lost_events') return worstLoss(machine || null);
  if (conclusion.rule === 'exit_overhead') {
    const worst = exitsOf(report, machine)[0];
    return worst ? exitBy(text(worst['reason']), machine) : null;
  }
  const state = { blocked_in_vmm: 'blocked', unknown_time: 'unknown', polling: 'polling' }[
    conclusion.rule
  ];
  return state ? vcpuIn(state, machine) : null;
}

function isOf(row: Row, entry: Entry): boolean {
  if (row.machine !== entry['machine']) return false;
  const named = text(entry['vprocess'] ?? entry['device'] ?? null);
  const known = (['vcpu', 'tid', 'cpu'] as const).find((name) => num(entry[name]) !== null);
  if (row.kind === 'group') return !known && !named;
  if (!known) return named !== '' && row.label === named;
  const kind = known === 'tid' ? 'thread' : known === 'cpu' ? 'pcpu' : 'vcpu';
  return row.kind === kind && row[known] === num(entry[known]);
}

/**
 * The row of an entry in a view. A CPU of a guest's trace is a vCPU; a machine without rows there
 * is a host, which the processors show.
 */
async function findRow(view: string, entry: Entry): Promise<{ view: string; row: Row } | null> {
  for (const [at, wanted] of [
    [view, entry],
    ['vms', { ...entry, vcpu: entry['vcpu'] ?? entry['cpu'] ?? null }],
    ['fused', entry],
  ] as const) {
    await loadRows(at);
    const row = store.get().rows[at]?.find((one) => isOf(one, wanted));
    if (row) return { view: at, row };
  }
  return null;
}

/** Selects the row of what an entry names; says so when the view has none. */
export function openRow(view: string, entry: Entry): Promise<void> {
  return guarded(async () => {
    const found = await findRow(view, entry);
    if (found) actions.choose(found.view, found.row.id);
    else actions.notify('The view has no such row.');
  });
}

/** Hands a statement to the SQL console, which answers it at once. */
export function openTable(statement: string): void {
  send('run', statement);
  actions.openTab('sql');
}

/** Shows the interval on its row, and says what it is. */
export function openEvidence({ sql, view, says, which, table }: Evidence): Promise<void> {
  return guarded(async () => {
    const [found] = entries(await api.sql(sql, 1));
    if (!found) {
      if (table) openTable(table);
      return actions.notify(
        table ? 'It has no place in time; these are its rows.' : 'No interval of it was recorded.',
      );
    }
    const place = await findRow(view, found);
    const from = toRel(text(found['ts']));
    const length = amount(found['dur']);
    actions.goTo({
      from,
      to: from + length,
      view: place?.view ?? view,
      row: place?.row.id ?? null,
    });
    // What matters there fits on the screen without the rows that do nothing meanwhile.
    store.set({ active: true });
    actions.notify(`${which ?? 'The longest'}, ${formatDuration(length)}: ${says}`);
  });
}
