// All keys, and what the colours mean, per view.

import { useEffect, useState } from 'preact/hooks';
import { api, type SqlAnswer } from '../api';
import { useStore } from '../store';
import { duration, errorText, text } from './data';
import { Problem } from './parts';

export const keys: ReadonlyArray<readonly [string, ReadonlyArray<readonly [string, string]>]> = [
  ['Zoom and pan', [['W / S', 'in and out at the mouse'], ['+ / −', 'in and out at the selection'], ['Ctrl+wheel', 'zoom at the mouse'], ['A / D', 'a quarter window left, right'], ['Shift+wheel', 'pan'], ['Z', 'zoom to the selection'], ['Home, double click on the ruler', 'show everything'], ['Ctrl+Z / Ctrl+Shift+Z', 'undo and redo the zoom']]],
  ['Select', [['Click, drag', 'a time, a span'], ['← / →', 'previous and next state of the row; Shift extends'], ['↑ / ↓', 'row above, below'], [', / .', 'previous and next mark'], ['Esc', 'clear the selection']]],
  ['Follow', [['F', 'from a robbed interval to who took the CPU'], ['Enter', 'fold or unfold a group'], ['P', 'pin the row']]],
  ['Find', [['/', 'filter the rows'], ['Ctrl+Enter in the console', 'run the statement'], ['↑ / ↓ in Events', 'walk the events']]],
];

interface Word { name: string; pattern: string; says: string }
const tone = (name: string, pattern: string, says: string): Word => ({ name, pattern, says });

export const legend: Record<string, { table: string; column: string; words: Word[] }> = {
  fused: { table: 'fused_cpu', column: 'condition', words: [tone('guest', 'guest', 'guest code runs; the colour is the machine'), tone('hypervisor', 'hyper', 'a vCPU in root mode, striped'), tone('host', 'blocked', 'a task of the host'), tone('unknown', 'unknown', 'not recorded')] },
  vms: { table: 'vcpu_state', column: 'state', words: [tone('guest', 'guest', 'guest code runs'), tone('hypervisor', 'hyper', 'in KVM'), tone('userspace', 'hyper', 'in the VMM'), tone('host_irq', 'hyper', 'interrupt of the host'), tone('polling', 'hyper', 'polls before it halts'), tone('preempted', 'stolen', 'robbed: wants to run, is off its pCPU'), tone('waking', 'stolen', 'robbed: woken, waits for a pCPU'), tone('halted', 'halted', 'the guest is idle'), tone('blocked', 'blocked', 'waits for the VMM or a device'), tone('unknown', 'unknown', 'not recorded')] },
  control: { table: 'thread_state', column: 'effective', words: [tone('running', 'guest', 'runs'), tone('hypervisor', 'hyper', 'its vCPU is in the hypervisor'), tone('deprived', 'stolen', 'believes it runs; its vCPU does not'), tone('waiting', 'halted', 'waits')] },
  vprocess: { table: 'vprocess_state', column: 'state', words: [tone('nonroot', 'guest', 'guest code'), tone('root', 'hyper', 'hypervisor'), tone('preempted_host', 'stolen', 'robbed by the host'), tone('preempted_vm', 'stolen', 'robbed by another VM'), tone('preempted_guest', 'waiting', 'another process of its guest runs'), tone('disk', 'blocked', 'waits for a disk'), tone('network', 'blocked', 'waits for the network'), tone('timer', 'halted', 'sleeps'), tone('task', 'waiting', 'waits for another process'), tone('device', 'blocked', 'waits for another device'), tone('unknown', 'unknown', 'not recorded')] },
};

/** Counts and times of the states of a view, by state. */
export function countsOf(answer: SqlAnswer): Record<string, { count: string; time: string }> {
  return Object.fromEntries(answer.rows.map((row) => [text(row[0]), { count: Number(text(row[1])).toLocaleString('en'), time: duration(row[2]) }]));
}

function Legend({ id, name }: { id: string; name: string }) {
  const [counts, setCounts] = useState<Record<string, { count: string; time: string }>>({});
  const [problem, setProblem] = useState('');
  const view = legend[id];
  useEffect(() => {
    if (!view) return undefined;
    let live = true;
    api.sql(`SELECT ${view.column}, COUNT(*), SUM(dur) FROM ${view.table} GROUP BY 1`).then(
      (answer) => { if (live) setCounts(countsOf(answer)); },
      (error: unknown) => { if (live) setProblem(errorText(error)); },
    );
    return () => { live = false; };
  }, [id]);
  if (!view) return null;
  return (
    <section class="p-card" aria-label={`Legend of ${name}`}>
      <header class="p-head"><h3>{name}</h3></header>
      {problem && <Problem>{problem}</Problem>}
      <table class="p-table">
        <tbody>{view.words.map((one) => (
          <tr key={one.name}><td><i class={`p-swatch p-${one.pattern}`} aria-hidden="true" /></td><th scope="row">{one.name}</th><td>{one.says}</td><td class="p-num">{counts[one.name]?.count ?? ''}</td><td class="p-num">{counts[one.name]?.time ?? ''}</td></tr>
        ))}</tbody>
      </table>
    </section>
  );
}


export function HelpPanel() {
  const views = useStore((state) => state.views);
  return (
    <div class="panel" data-panel="help">
      <h2>Keys</h2>
      <div class="p-grid">{keys.map(([title, list]) => (
        <section class="p-card" key={title} aria-label={title}>
          <header class="p-head"><h3>{title}</h3></header>
          <dl class="p-keys">{list.map(([key, says]) => [<dt key={`k${key}`}><kbd>{key}</kbd></dt>, <dd key={`d${key}`}>{says}</dd>])}</dl>
        </section>
      ))}</div>
      <h2>Legend <small class="muted">how often and how long in this recording</small></h2>
      <div class="p-grid">{views.filter((view) => legend[view.id]).map((view) => <Legend key={view.id} id={view.id} name={view.name} />)}</div>
      {views.filter((view) => view.missing).map((view) => <p key={view.id} class="muted">{view.name}: {view.missing?.message}</p>)}
    </div>
  );
}
