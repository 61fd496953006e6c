// The report as cards: what is wrong first, then the figures that it rests on, then what could not
// be told and why.

import { useEffect, useState } from 'preact/hooks';
import { api, type Cell, type Conclusion, type Report, type Section } from '../api';
import { FirstLook } from '../Growing';
import { actions, store, useStore } from '../store';
import { toRel } from '../time';
import { send } from './bus';
import { amount, duration, entries, errorText, type Entry, percent, text } from './data';
import {
  type Evidence,
  evidenceOf,
  exitBy,
  exitsOf,
  openEvidence,
  openRow,
  robberyBy,
  robberyOf,
  thievesOf,
  waitFor,
} from './evidence';
import { missingText } from '../timeline/lanes';
import { Card, Command, type Part, Problem, Ranked, StackedBar } from './parts';
import { ClockCard, DataCards } from './DataCards';
import { DiskCard } from './DiskCard';

const badness: Record<string, number> = { bad: 0, warn: 1, note: 2, good: 3 };
const word: Record<string, string> = { bad: 'Bad', warn: 'Warning', note: 'Note', good: 'Good' };
const mark: Record<string, string> = { bad: '✗', warn: '!', note: 'i', good: '✓' };

/** Worst first; equal ones in the order of the report. */
export function sortConclusions(list: Conclusion[]): Conclusion[] {
  return [...list].sort((a, b) => (badness[a.kind] ?? 4) - (badness[b.kind] ?? 4));
}

/** The task of `... --task vm1/filler ...` in a conclusion's advice. */
export function taskOf(next: string | null): string | null {
  return /--task\s+([^\s/]+\/\S+)/.exec(next ?? '')?.[1] ?? null;
}

function openConclusion(conclusion: Conclusion, evidence: Evidence | null): void {
  const { target } = conclusion;
  if (evidence) return void openEvidence(evidence);
  if (!target) return;
  actions.goTo({
    from: toRel(target.from_ns),
    to: toRel(target.to_ns),
    view: target.view,
    row: target.row,
  });
  store.set({ active: true });
}

function ConclusionCard({ conclusion, report }: { conclusion: Conclusion; report: Report }) {
  const task = taskOf(conclusion.next);
  const evidence = evidenceOf(conclusion, report);
  const opens = evidence !== null || conclusion.target !== null;
  const body = (
    <>
      <span class="p-badge">
        <b aria-hidden="true">{mark[conclusion.kind] ?? 'i'}</b>{' '}
        {word[conclusion.kind] ?? conclusion.kind}
        {conclusion.subject && ` · ${conclusion.subject}`}
      </span>
      <span class="p-message">{conclusion.message}</span>
      {opens && <span class="p-go">Show on the timeline →</span>}
    </>
  );
  return (
    <li class={`p-card p-conclusion p-k-${conclusion.kind}`}>
      {opens ? (
        <button class="p-open" onClick={() => openConclusion(conclusion, evidence)}>
          {body}
        </button>
      ) : (
        <div class="p-open">{body}</div>
      )}
      {task && (
        <button
          class="p-second"
          onClick={() => {
            send('why', task);
            actions.openTab('why');
          }}
        >
          Why was {task} slow?
        </button>
      )}
      {conclusion.next && <Command>{conclusion.next}</Command>}
    </li>
  );
}

const sum = (list: Entry[], ...names: string[]): number =>
  list.reduce(
    (total, entry) => total + names.reduce((part, name) => part + amount(entry[name]), 0),
    0,
  );

/** What a VM's vCPUs did: parts that add to their life. */
export function vmParts(vcpus: Entry[]): Part[] {
  const stolen = sum(vcpus, 'preempted_ns', 'waking_ns');
  return [
    { name: 'guest', value: sum(vcpus, 'guest_ns'), tone: 'guest' },
    {
      name: 'hypervisor',
      value: sum(
        vcpus,
        'hypervisor_ns',
        'userspace_ns',
        'host_irq_ns',
        'polling_ns',
        'emulated_ns',
      ),
      tone: 'hyper',
    },
    { name: 'stolen', value: stolen, tone: 'stolen' },
    { name: 'halted', value: sum(vcpus, 'halted_ns'), tone: 'halted' },
    { name: 'blocked', value: sum(vcpus, 'blocked_ns', 'stopped_ns'), tone: 'blocked' },
    { name: 'unknown', value: sum(vcpus, 'unknown_ns'), tone: 'unknown' },
  ];
}

function VmCard({ machine, report }: { machine: string; report: Report }) {
  const vcpus = entries(report.sections['vcpu']).filter((one) => one['machine'] === machine);
  const steal = sum(vcpus, 'steal_ns');
  const demand = sum(vcpus, 'demand_ns');
  const thieves = thievesOf(entries(report.sections['thief']), machine);
  const exits = exitsOf(report, machine).slice(0, 4);
  const cost = (exit: Entry): number => amount(exit['handling_ns']) + amount(exit['userspace_ns']);
  const hit = entries(report.sections['hit_task'])
    .filter((one) => one['machine'] === machine)
    .slice(0, 4);
  return (
    <section class="p-card" aria-label={machine}>
      <header class="p-head">
        <h3>{machine}</h3>
        <span class="muted">
          {vcpus.length} vCPU{vcpus.length === 1 ? '' : 's'}
        </span>
        {demand > 0 && (
          <span class={steal / demand >= 0.05 ? 'p-figure p-bad' : 'p-figure'}>
            {percent(steal / demand)}{' '}
            <small>of what it asked for was stolen ({duration(steal)})</small>
          </span>
        )}
      </header>
      <StackedBar parts={vmParts(vcpus)} label={`Time of ${machine}'s vCPUs`} />
      <div class="p-columns">
        <Ranked
          title="Who took its CPU"
          rows={thieves.slice(0, 4).map((one) => ({
            label: one.label,
            share: steal > 0 ? one.ns / steal : 0,
            value: duration(one.ns),
            tone: 'stolen',
            open: () => void openEvidence(robberyBy(one, machine)),
          }))}
        />
        <Ranked
          title="Hit hardest"
          rows={hit.map((one) => ({
            label: `${text(one['comm'])} (${text(one['tid'])})`,
            share: steal > 0 ? amount(one['total_ns']) / steal : 0,
            value: duration(one['total_ns']),
            tone: 'stolen',
            open: () => void openEvidence(robberyOf(machine, amount(one['tid']))),
          }))}
        />
        <Ranked
          title="Exits by handling time"
          rows={exits.map((one) => ({
            label: `${text(one['reason'])} × ${amount(one['count']).toLocaleString('en')}`,
            share: cost(one) / Math.max(1, ...exits.map(cost)),
            value: duration(cost(one)),
            tone: 'hyper',
            open: () => void openEvidence(exitBy(text(one['reason']), machine)),
          }))}
        />
      </div>
    </section>
  );
}

const hostParts = [
  ['guest', 'guest'],
  ['hypervisor', 'hyper'],
  ['host', 'blocked'],
  ['idle', 'halted'],
  ['unknown', 'unknown'],
] as const;

function shareOf(part: Cell | undefined, whole: Cell | undefined): number {
  return amount(part) / Math.max(1, amount(whole));
}

/** Shows the pCPU's row. */
function openPcpu(pcpu: Entry): Promise<void> {
  return openRow('fused', { machine: pcpu['host_machine'] ?? null, cpu: pcpu['cpu'] ?? null });
}

function hostWords(pcpu: Entry): string {
  const parts = hostParts.map(([name]) => `${name} ${duration(pcpu[`${name}_ns`])}`);
  return `pCPU ${text(pcpu['cpu'])}: ${parts.join(', ')}`;
}

function HostCard({ pcpus }: { pcpus: Entry[] }) {
  if (pcpus.length === 0) return null;
  const several = new Set(pcpus.map((one) => text(one['host_machine']))).size > 1;
  return (
    <Card title="Physical CPUs">
      <ul class="p-lanes">
        {pcpus.map((one) => (
          <li key={`${text(one['host_machine'])}/${text(one['cpu'])}`}>
            <button class="p-link" onClick={() => void openPcpu(one)}>
              {several ? `${text(one['host_machine'])} ` : ''}pCPU {text(one['cpu'])}
            </button>
            <div class="p-bar" role="img" aria-label={hostWords(one)}>
              {hostParts.map(([name, tone]) => (
                <span
                  key={name}
                  class={`p-seg p-${tone}`}
                  title={`${name} ${duration(one[`${name}_ns`])}`}
                  style={{ width: `${shareOf(one[`${name}_ns`], one['life_ns']) * 100}%` }}
                />
              ))}
            </div>
            <span class="p-value">{percent(1 - shareOf(one['idle_ns'], one['life_ns']))} busy</span>
          </li>
        ))}
      </ul>
    </Card>
  );
}

/** What a process does when it waits for nothing. */
const noWaits = new Set(['root', 'nonroot', 'unknown']);

/** Waits of the totals of vprocess_state, longest first. */
export function waitsOf(totals: Section): Entry[] {
  return entries(totals)
    .filter((one) => !noWaits.has(text(one['state'])))
    .sort((a, b) => amount(b['total_ns']) - amount(a['total_ns']));
}

const waitWords: Record<string, string> = {
  task: 'another process',
  timer: 'a timer',
  disk: 'a disk',
  network: 'the network',
  device: 'another device',
  preempted_host: 'the CPU, which the host had',
  preempted_vm: 'the CPU, which another VM had',
  preempted_guest: 'the CPU, which its own guest used',
};

function waitLabel(wait: Entry): string {
  const state = text(wait['state']);
  return `${waitWords[state] ?? state} × ${amount(wait['count']).toLocaleString('en')}`;
}

/** What the guests' processes waited for, as the host's trace alone tells it. */
function WaitCard() {
  const missing = useStore((state) => state.views.find((view) => view.id === 'vprocess')?.missing);
  const [waits, setWaits] = useState<Entry[]>([]);
  const [problem, setProblem] = useState('');
  useEffect(() => {
    let live = true;
    api.totals('vprocess_state').then(
      (answer) => live && setWaits(waitsOf(answer)),
      (error: unknown) => live && setProblem(errorText(error)),
    );
    return () => void (live = false);
  }, []);
  const machines = [...new Set(waits.map((one) => text(one['machine'])))];
  const most = Math.max(1, ...waits.map((one) => amount(one['total_ns'])));
  return (
    <Card title="What the guests' processes waited for">
      {problem && <Problem>{problem}</Problem>}
      {waits.length === 0 && missing && (
        <>
          <p class="muted">{missingText(missing.message)}</p>
          <Command>{missing.command}</Command>
        </>
      )}
      {waits.length === 0 && !missing && !problem && <p class="muted">No wait was seen.</p>}
      {machines.map((machine) => (
        <Ranked
          key={machine}
          title={machine}
          rows={waits
            .filter((one) => one['machine'] === machine)
            .slice(0, 6)
            .map((one) => ({
              label: waitLabel(one),
              share: amount(one['total_ns']) / most,
              value: duration(one['total_ns']),
              tone: text(one['state']).startsWith('preempted') ? 'stolen' : 'waiting',
              open: () => void openEvidence(waitFor(text(one['state']), machine)),
            }))}
        />
      ))}
    </Card>
  );
}

export function OverviewPanel() {
  const report = useStore((state) => state.report);
  const running = useStore((state) => state.experiment?.status === 'RUNNING');
  if (!report)
    return (
      <div class="panel" data-panel="overview">
        <p role="status" class="muted">
          The report is not there yet{running && ': it needs all of the analysis'}.
        </p>
        <FirstLook />
      </div>
    );
  const conclusions = sortConclusions(report.conclusions);
  const machines = [
    ...new Set(entries(report.sections['vcpu']).map((one) => text(one['machine']))),
  ];
  return (
    <div class="panel p-overview" data-panel="overview">
      <h2>What stands out</h2>
      {conclusions.length === 0 ? (
        <p class="muted">No rule found anything to say about this recording.</p>
      ) : (
        <ul class="p-grid p-conclusions">
          {conclusions.map((one, i) => (
            <ConclusionCard key={i} conclusion={one} report={report} />
          ))}
        </ul>
      )}
      <h2>Machines</h2>
      <div class="p-grid">
        {machines.map((machine) => (
          <VmCard key={machine} machine={machine} report={report} />
        ))}
      </div>
      <div class="p-grid">
        <HostCard pcpus={entries(report.sections['pcpu'])} />
        <WaitCard />
        <DiskCard />
        <ClockCard clocks={entries(report.sections['clock'])} />
        <DataCards report={report} />
      </div>
    </div>
  );
}
