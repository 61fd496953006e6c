// The tooltip of an interval: at once what is drawn there, a moment later every attribute of it.

import { useRef, useState } from 'preact/hooks';
import { api, type AtAnswer, type Row } from '../api';
import { store } from '../store';
import { formatDuration, toAbs, toRel } from '../time';
import { pathView } from './lanes';
import { blinds } from './overlay';
import { namesOf, type Scene } from './scene';

const waitMs = 140;

export interface Tip {
  x: number;
  y: number;
  title: string;
  state: string;
  loss: string;
  answer: AtAnswer | null;
}

function lossAt(row: Row, time: number): string {
  for (const loss of store.get().marks.losses) {
    const from = toRel(loss.ts_ns);
    if (!blinds(loss, row) || time < from || time > from + Number(loss.dur_ns)) continue;
    return loss.lost_events === null
      ? 'Events are lost here'
      : `${Number(loss.lost_events).toLocaleString('en')} events are lost here`;
  }
  return '';
}

/** The tip under the pointer; `hover` and `leave` are for the events of the pointer. */
export function useTip(scene: Scene | null) {
  const [tip, setTip] = useState<Tip | null>(null);
  const timer = useRef<ReturnType<typeof setTimeout> | null>(null);
  const hide = (): void => {
    if (timer.current) clearTimeout(timer.current);
    setTip(null);
  };
  const hover = (event: PointerEvent): void => {
    if (!scene) return;
    const box = scene.over.getBoundingClientRect();
    const at = { x: event.clientX - box.left, y: event.clientY - box.top };
    scene.hover = at;
    scene.invalidate();
    if (timer.current) clearTimeout(timer.current);
    const lane = scene.laneAt(at.y);
    if (lane?.kind !== 'row' || lane.row.kind === 'group' || event.buttons !== 0) return hide();
    const { view, row } = lane;
    const time = scene.time(at.x);
    const shown = {
      x: event.clientX,
      y: event.clientY,
      title: `${row.label} ${row.sub}`,
      state: namesOf(scene.namesAt(lane, at.x)) || 'nothing',
      loss: lossAt(row, time),
    };
    setTip({ ...shown, answer: null });
    if (view === pathView) return;
    timer.current = setTimeout(() => {
      api
        .at(view, row.id, toAbs(time), scene.nearNs())
        .then((answer) => setTip((now) => (now ? { ...shown, answer } : null)))
        .catch(() => undefined);
    }, waitMs);
  };
  const leave = (): void => {
    hide();
    if (!scene) return;
    scene.hover = null;
    scene.invalidate();
  };
  return { tip, hover, leave, hide };
}

export function TipBox({ tip }: { tip: Tip }) {
  const { answer } = tip;
  const left = Math.min(tip.x + 14, globalThis.innerWidth - 330);
  const top = tip.y + 320 > globalThis.innerHeight ? Math.max(4, tip.y - 220) : tip.y + 16;
  return (
    <div class="tip" role="tooltip" style={{ left: `${left}px`, top: `${top}px` }}>
      <strong>{tip.title}</strong>
      <div>{answer?.state ?? tip.state}</div>
      {tip.loss && <div class="lossy">{tip.loss}</div>}
      {answer && (
        <dl>
          <dt>{answer.open ? 'so far' : 'duration'}</dt>
          <dd>{formatDuration(Number(BigInt(answer.end_ns) - BigInt(answer.begin_ns)))}</dd>
          {answer.attributes.map(([name, value]) => (
            <>
              <dt>{name}</dt>
              <dd>{String(value ?? '')}</dd>
            </>
          ))}
        </dl>
      )}
      {answer?.culprit && (
        <div class="culprit">taken by {answer.culprit.label}. Press F to follow.</div>
      )}
    </div>
  );
}
