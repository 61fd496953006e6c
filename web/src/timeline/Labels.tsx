// The left column: names of the lanes on the screen, as a tree that screen readers and the keyboard
// can use.

import type { Series } from '../api';
import { actions, type RowRef, store, useStore } from '../store';
import { CopyFilter, copyView } from './CopyFilter';
import { type Lane, pathView, refOf, seriesView } from './lanes';
import { sameRow } from './rows';
import { css, machineColour } from './palette';
import { useScheme } from './theme';

/** Of the element that names a row; pinned rows are named twice, their element has no id. */
export function rowId({ view, id, copy }: RowRef): string {
  return copy === undefined ? `row-${view}-${id}` : `row-${view}-${id}-copy-${copy}`;
}

function Swatch({ machine }: { machine: string }) {
  const machines = useStore((state) => state.experiment)?.machines ?? [];
  return (
    <i
      class="swatch"
      style={{ background: css(machineColour(machine, machines, useScheme())) }}
      aria-hidden="true"
    />
  );
}

function Header({ lane }: { lane: Lane & { kind: 'header' } }) {
  const close = (): void => {
    if (lane.view === pathView) store.set({ task: null });
    else if (lane.view === 'pins') store.set({ pins: [] });
    else actions.toggleView(lane.view);
  };
  if (lane.copy !== undefined)
    return (
      <>
        <b title={lane.description}>{lane.name}</b>
        <span class="count">{lane.count}</span>
        <CopyFilter number={lane.copy} name={lane.name} />
      </>
    );
  const canCopy = ![pathView, 'pins', seriesView].includes(lane.view);
  return (
    <>
      <b title={lane.description}>{lane.name}</b>
      <span class="count">{lane.count}</span>
      {canCopy && (
        <button
          class="bare copy"
          aria-label={`Copy ${lane.name}`}
          title="Once more, with a filter of its own (Shift+C)"
          onClick={() => copyView(lane.view)}
        >
          ⧉
        </button>
      )}
      <button class="bare" aria-label={`Close ${lane.name}`} onClick={close}>
        ×
      </button>
    </>
  );
}

function RowLabel({ lane }: { lane: Lane & { kind: 'row' } }) {
  const ref = { view: lane.view, id: lane.row.id };
  const pinned = useStore((state) => state.pins.some((pin) => sameRow(pin, ref)));
  return (
    <>
      {lane.parent ? (
        <button
          class="bare"
          tabIndex={-1}
          aria-label={lane.open ? 'Fold' : 'Unfold'}
          onClick={(event) => {
            event.stopPropagation();
            actions.toggleCollapsed(ref);
          }}
        >
          {lane.open ? '▾' : '▸'}
        </button>
      ) : (
        <span class="no-fold" />
      )}
      {lane.depth === 0 && <Swatch machine={lane.row.machine} />}
      <span class="name">{lane.row.label}</span>
      <span class="sub">{lane.row.sub}</span>
      {lane.row.kind !== 'group' && (
        <button
          class={`bare pin${pinned ? ' on' : ''}`}
          tabIndex={-1}
          aria-label={pinned ? 'Unpin' : 'Pin'}
          aria-pressed={pinned}
          onClick={(event) => {
            event.stopPropagation();
            actions.togglePin(ref);
          }}
        >
          ◆
        </button>
      )}
    </>
  );
}

/** Without the machine, which stands beside it. */
export function seriesName(series: Series): string {
  const { name, machine } = series;
  return name.endsWith(` ${machine}`) ? name.slice(0, -machine.length - 1) : name;
}

function LaneLabel({ lane, top }: { lane: Lane; top: number }) {
  const selected = useStore(
    (state) => lane.kind === 'row' && sameRow(state.row, { view: lane.view, id: lane.row.id }),
  );
  const style = { top: `${top}px`, height: `${lane.height}px` };
  if (lane.kind === 'header')
    return (
      <div class="label header" style={style}>
        <Header lane={lane} />
      </div>
    );
  if (lane.kind === 'empty') {
    return (
      <div class="empty" style={style} role="note">
        <span>{lane.message}</span>
        {lane.command && <code>{lane.command}</code>}
      </div>
    );
  }
  if (lane.kind === 'series') {
    return (
      <div class="label series" style={style}>
        <Swatch machine={lane.series.machine} />
        <span class="name">{seriesName(lane.series)}</span>
        <span class="sub">{lane.series.machine}</span>
      </div>
    );
  }
  const select = (): void => {
    const { time, window } = store.get();
    store.set({
      row: refOf(lane),
      time: time ?? (window.from + window.to) / 2,
    });
  };
  return (
    <div
      class={`label row ${lane.row.kind}${selected ? ' selected' : ''}`}
      style={{
        ...style,
        paddingLeft: `${4 + lane.depth * 12}px`,
        fontSize: lane.height < 13 ? '0px' : undefined,
      }}
      {...(lane.fixed ? {} : { id: rowId(refOf(lane)) })}
      role="treeitem"
      aria-level={lane.depth + 1}
      aria-selected={selected}
      title={`${lane.row.label} ${lane.row.sub}`}
      {...(lane.parent ? { 'aria-expanded': lane.open } : {})}
      onClick={select}
    >
      <RowLabel lane={lane} />
    </div>
  );
}

export function Labels(props: {
  lanes: Lane[];
  fixedHeight: number;
  scroll: number;
  height: number;
}) {
  const { lanes, fixedHeight, scroll, height } = props;
  const seen = lanes.filter(
    (lane) => lane.fixed || (lane.top + lane.height > scroll && lane.top < scroll + height),
  );
  const top = (lane: Lane): number => (lane.fixed ? lane.top : lane.top - scroll);
  return (
    <div class="labels" role="presentation">
      <div class="labels-fixed" style={{ height: `${fixedHeight}px` }}>
        {seen
          .filter((lane) => lane.fixed)
          .map((lane) => (
            <LaneLabel key={lane.key} lane={lane} top={top(lane)} />
          ))}
      </div>
      <div
        class="labels-scroll"
        style={{ top: `${fixedHeight}px`, height: `${Math.max(0, height - fixedHeight)}px` }}
      >
        {seen
          .filter((lane) => !lane.fixed)
          .map((lane) => (
            <LaneLabel key={lane.key} lane={lane} top={top(lane)} />
          ))}
      </div>
    </div>
  );
}
