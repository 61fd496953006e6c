// The line below the timeline: the selected moment and span, the marks, the bound of the clocks.

import { useStore } from '../store';
import { formatAbs, formatDuration, formatRel } from '../time';
import { describeSpan } from './scene';

export function StatusLine() {
  const time = useStore((state) => state.time);
  const range = useStore((state) => state.range);
  const [a, b] = useStore((state) => state.measure);
  const clocks = useStore((state) => state.marks.clocks);
  const worst = Math.max(0, ...clocks.map((clock) => Number(clock.error_ns ?? 0)));
  return (
    <div class="status" role="status">
      <span>{time === null ? 'Click a state for its details' : `T ${formatRel(time)} s`}</span>
      {time !== null && <span class="muted">{formatAbs(time)}</span>}
      {range && <span>Selected {describeSpan(range.from, range.to)}</span>}
      {a !== null && b !== null && <span class="measure">A→B {formatDuration(b - a)}</span>}
      <span class="muted right">clocks within ±{formatDuration(worst)}</span>
    </div>
  );
}
