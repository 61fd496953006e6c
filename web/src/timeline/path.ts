// The critical path of a task as lanes: one per task that the path goes through, with arrows where
// it passes on.

import { type Arrow, api, type PathStep, type Row } from '../api';
import { toAbs, toRel, type Span } from '../time';
import { pathView } from './lanes';
import type { Geometry, RowPixels } from './paint';

export interface CriticalPath {
  task: string;
  name: string;
  headline: string;
  rows: Row[];
  arrows: Array<Arrow & { view: string }>;
  pixels: (
    id: number,
    window: Span,
    width: number,
    code: (label: string) => number,
  ) => RowPixels | null;
}

function rowOf(id: number, step: PathStep): Row {
  return {
    id,
    parent: -1,
    label: step.comm || `task ${step.tid ?? '?'}`,
    sub: `${step.machine}/${step.tid ?? '?'}`,
    machine: step.machine,
    kind: 'thread',
    cpu: step.cpu,
    vcpu: null,
    tid: step.tid,
    begin_ns: step.ts_ns,
    end_ns: step.ts_ns,
    has_data: true,
    ran_ns: step.dur_ns,
  };
}

export function pathFrom(task: string, headline: string, steps: PathStep[]): CriticalPath {
  const rows: Row[] = [];
  const ids = new Map<string, number>();
  const placed = steps.map((step) => {
    const key = `${step.machine}/${step.tid ?? step.comm}`;
    let id = ids.get(key);
    if (id === undefined) {
      id = rows.length;
      ids.set(key, id);
      rows.push(rowOf(id, step));
    }
    const from = toRel(step.ts_ns);
    return { id, from, to: from + Number(step.dur_ns), label: step.label };
  });
  const arrows: Array<Arrow & { view: string }> = [];
  placed.forEach((step, index) => {
    const next = placed[index + 1];
    if (!next || next.id === step.id) return;
    const at = toAbs(next.from);
    const preempt =
      step.label === 'preempted' ||
      step.label === 'host_preempted' ||
      next.label === 'host_preempted';
    arrows.push({
      view: pathView,
      kind: preempt ? 'preempt' : 'wakeup',
      from_row: step.id,
      to_row: next.id,
      from_ns: at,
      to_ns: at,
      label: `${step.label} → ${next.label}`,
    });
  });
  const pixels = (
    id: number,
    window: Span,
    width: number,
    code: (label: string) => number,
  ): RowPixels => {
    const geometry: Geometry = { from: window.from, to: window.to, pixels: width };
    const codes = new Uint16Array(width);
    const share = new Uint8Array(width).fill(255);
    const scale = width / (window.to - window.from);
    for (const step of placed) {
      if (step.id !== id || step.to <= window.from || step.from >= window.to) continue;
      const first = Math.max(0, Math.floor((step.from - window.from) * scale));
      codes.fill(
        code(step.label),
        first,
        Math.max(first + 1, Math.ceil((step.to - window.from) * scale)),
      );
    }
    return { geometry, codes: [codes], share };
  };
  return {
    task,
    name: `Critical path of ${task}`,
    headline,
    rows,
    arrows,
    pixels,
  };
}

export async function loadPath(task: string, span: Span | null): Promise<CriticalPath> {
  const answer = await api.why({
    task,
    ...(span ? { from_ns: toAbs(span.from), to_ns: toAbs(span.to) } : {}),
  });
  return pathFrom(task, answer.headline, answer.path);
}
