// While the traces are read and analysed: what is known of them at once, and how far the analysis
// is.

import type { Experiment, TraceInfo } from './api';
import { useStore } from './store';
import { formatDuration, toRel } from './time';
import { lossText } from './TopBar';

const none = '–';

function count(text: string | null): string {
  return text === null ? none : Number(text).toLocaleString('en');
}

function span(begin: string | null, end: string | null): string {
  if (begin === null || end === null || begin === end) return none;
  return formatDuration(Number(BigInt(end) - BigInt(begin)));
}

/** "host · KVM host", "vm1 · 2 vCPUs on host". */
function machineText({ machine, kind, parent, vcpus }: Experiment['machines'][number]): string {
  const cpus = vcpus ? ` · ${vcpus} ${vcpus === 1 ? 'vCPU' : 'vCPUs'}` : '';
  return `${machine} · ${kind === 'vm' ? 'VM' : kind}${cpus}${parent ? ` on ${parent}` : ''}`;
}

function TraceRow({ trace }: { trace: TraceInfo }) {
  return (
    <tr>
      <td>{trace.machine || none}</td>
      <td title={trace.path}>{trace.path.split('/').filter(Boolean).slice(-2).join('/')}</td>
      <td>{[trace.format, trace.tracer].filter(Boolean).join(', ') || none}</td>
      <td>{span(trace.begin_ns, trace.end_ns)}</td>
      <td>{count(trace.events)}</td>
      <td>
        {trace.loss_windows === null ? none : lossText(trace.lost_events, trace.loss_windows)}
      </td>
    </tr>
  );
}

/** What `info` says, as far as it is known. */
export function FirstLook() {
  const experiment = useStore((state) => state.experiment);
  const traces = experiment?.traces ?? [];
  if (!experiment || traces.length === 0) return null;
  return (
    <section class="first-look" aria-label="What was recorded">
      {experiment.machines.length > 0 && (
        <ul>
          {experiment.machines.map((one) => (
            <li key={one.machine}>{machineText(one)}</li>
          ))}
        </ul>
      )}
      <table>
        <thead>
          <tr>
            {['Machine', 'Trace', 'Format', 'Span', 'Events', 'Loss'].map((name) => (
              <th key={name} scope="col">
                {name}
              </th>
            ))}
          </tr>
        </thead>
        <tbody>
          {traces.map((trace) => (
            <TraceRow key={trace.path} trace={trace} />
          ))}
        </tbody>
      </table>
    </section>
  );
}

export function Progress() {
  const experiment = useStore((state) => state.experiment);
  const share = experiment?.progress ?? 0;
  return (
    <main class="loading" aria-busy="true">
      <h1>{experiment ? experiment.name : 'virtscope'}</h1>
      <progress max={1} value={share} aria-label="Analysis" />
      <p role="status">
        {experiment?.message || 'Opening the traces'}
        {share > 0 && <span class="muted"> · {Math.floor(share * 100)} %</span>}
      </p>
      <FirstLook />
      <p class="muted">
        The timeline opens by itself, first with what has been analysed by then. The result is kept,
        so that the same traces open at once the next time.
      </p>
    </main>
  );
}

/** Above a timeline that still grows. */
export function GrowingLine() {
  const experiment = useStore((state) => state.experiment);
  const until = experiment?.shown?.until_ns;
  if (!experiment || experiment.status !== 'RUNNING' || !until) return null;
  return (
    <div class="growing" role="status">
      <progress max={1} value={experiment.progress} aria-label="Analysis" />
      <span>
        The first {formatDuration(Math.max(0, toRel(until)))} have been analysed (
        {experiment.message}). What is hatched is not known yet; the report comes at the end.
      </span>
    </div>
  );
}
