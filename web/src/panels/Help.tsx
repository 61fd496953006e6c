// All keys, and what the colours mean, per view.

import { useEffect, useRef, useState } from 'preact/hooks';
import { api, type SqlAnswer } from '../api';
import { useStore } from '../store';
import { keys } from '../timeline/commands';
import {
  css,
  darkScheme,
  fusedFill,
  lightScheme,
  patternMask,
  stateFill,
} from '../timeline/palette';
import { duration, errorText, text } from './data';
import { Problem } from './parts';

const inPanels: ReadonlyArray<readonly [string, string]> = [
  ['↑ / ↓ in Events', 'Previous and next event; moves the cursor'],
  ['Ctrl+Enter in SQL', 'Run the statement'],
];

interface Word {
  name: string;
  pattern: string;
  says: string;
}
const tone = (name: string, pattern: string, says: string): Word => ({ name, pattern, says });

export const legend: Record<string, { table: string; column: string; words: Word[] }> = {
  fused: {
    table: 'fused_cpu',
    column: 'condition',
    words: [
      tone('guest', 'guest', 'guest code runs; the colour is the machine'),
      tone('hypervisor', 'hyper', 'a vCPU in root mode, striped'),
      tone('host', 'blocked', 'a task of the host'),
      tone('unknown', 'unknown', 'not recorded'),
    ],
  },
  vms: {
    table: 'vcpu_state',
    column: 'state',
    words: [
      tone('guest', 'guest', 'guest code runs'),
      tone('hypervisor', 'hyper', 'in KVM'),
      tone('userspace', 'hyper', 'in the VMM'),
      tone('host_irq', 'hyper', 'interrupt of the host'),
      tone('polling', 'hyper', 'polls before it halts'),
      tone('preempted', 'stolen', 'robbed: wants to run, is off its pCPU'),
      tone('waking', 'stolen', 'robbed: woken, waits for a pCPU'),
      tone('halted', 'halted', 'the guest is idle'),
      tone('blocked', 'blocked', 'waits for the VMM or a device'),
      tone('unknown', 'unknown', 'not recorded'),
    ],
  },
  control: {
    table: 'thread_state',
    column: 'effective',
    words: [
      tone('running', 'guest', 'runs'),
      tone('hypervisor', 'hyper', 'its vCPU is in the hypervisor'),
      tone('deprived', 'stolen', 'believes it runs; its vCPU does not'),
      tone('waiting', 'halted', 'waits'),
    ],
  },
  vprocess: {
    table: 'vprocess_state',
    column: 'state',
    words: [
      tone('nonroot', 'guest', 'guest code'),
      tone('root', 'hyper', 'hypervisor'),
      tone('preempted_host', 'stolen', 'robbed by the host'),
      tone('preempted_vm', 'stolen', 'robbed by another VM'),
      tone('preempted_guest', 'waiting', 'another process of its guest runs'),
      tone('disk', 'blocked', 'waits for a disk'),
      tone('network', 'blocked', 'waits for the network'),
      tone('timer', 'halted', 'sleeps'),
      tone('task', 'waiting', 'waits for another process'),
      tone('device', 'blocked', 'waits for another device'),
      tone('unknown', 'unknown', 'not recorded'),
    ],
  },
};

/** Counts and times of the states of a view, by state. */
export function countsOf(answer: SqlAnswer): Record<string, { count: string; time: string }> {
  return Object.fromEntries(
    answer.rows.map((row) => [
      text(row[0]),
      { count: Number(text(row[1])).toLocaleString('en'), time: duration(row[2]) },
    ]),
  );
}

/** The very fill of the timeline; the CSS class stands in where no canvas can be had. */
function Swatch({ view, word }: { view: string; word: Word }) {
  const theme = useStore((state) => state.theme);
  const canvas = useRef<HTMLCanvasElement>(null);
  useEffect(() => {
    const pen = canvas.current?.getContext('2d');
    if (!pen) return;
    const scheme =
      getComputedStyle(document.documentElement).colorScheme === 'light' ? lightScheme : darkScheme;
    const fill =
      view === 'fused'
        ? fusedFill([86, 180, 233], word.name, 'user', scheme)
        : stateFill(word.name, scheme);
    for (let y = 0; y < 16; ++y) {
      for (let x = 0; x < 24; ++x) {
        pen.fillStyle = css(patternMask(fill.pattern, x, y) ? fill.ink : fill.base);
        pen.fillRect(x, y, 1, 1);
      }
    }
  }, [theme, view]);
  return (
    <canvas ref={canvas} width={24} height={16} class={`p-${word.pattern}`} aria-hidden="true" />
  );
}

function Legend({ id, name }: { id: string; name: string }) {
  const [counts, setCounts] = useState<Record<string, { count: string; time: string }>>({});
  const [problem, setProblem] = useState('');
  const view = legend[id];
  useEffect(() => {
    if (!view) return undefined;
    let live = true;
    api.sql(`SELECT ${view.column}, COUNT(*), SUM(dur) FROM ${view.table} GROUP BY 1`).then(
      (answer) => {
        if (live) setCounts(countsOf(answer));
      },
      (error: unknown) => {
        if (live) setProblem(errorText(error));
      },
    );
    return () => {
      live = false;
    };
  }, [id]);
  if (!view) return null;
  return (
    <section class="p-card" aria-label={`Legend of ${name}`}>
      <header class="p-head">
        <h3>{name}</h3>
      </header>
      {problem && <Problem>{problem}</Problem>}
      <table class="p-table">
        <tbody>
          {view.words.map((one) => (
            <tr key={one.name}>
              <td>
                <Swatch view={id} word={one} />
              </td>
              <th scope="row">{one.name}</th>
              <td>{one.says}</td>
              <td class="p-num">{counts[one.name]?.count ?? ''}</td>
              <td class="p-num">{counts[one.name]?.time ?? ''}</td>
            </tr>
          ))}
        </tbody>
      </table>
    </section>
  );
}

export function HelpPanel() {
  const views = useStore((state) => state.views);
  return (
    <div class="panel" data-panel="help">
      <h2>Keys</h2>
      <dl class="p-keys p-card">
        {[...keys.map((key) => [key.label, key.text] as const), ...inPanels].map(([key, says]) => [
          <dt key={`k${key}`}>
            <kbd>{key}</kbd>
          </dt>,
          <dd key={`d${key}`}>{says}</dd>,
        ])}
      </dl>
      <h2>
        Legend <small class="muted">how often and how long in this recording</small>
      </h2>
      <div class="p-grid">
        {views
          .filter((view) => legend[view.id])
          .map((view) => (
            <Legend key={view.id} id={view.id} name={view.name} />
          ))}
      </div>
      {views
        .filter((view) => view.missing)
        .map((view) => (
          <p key={view.id} class="muted">
            {view.name}: {view.missing?.message}
          </p>
        ))}
    </div>
  );
}
