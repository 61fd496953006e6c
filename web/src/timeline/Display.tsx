// How the timeline is drawn: order and height of rows, arrows, grid, marks that come again and
// again, and colours.

import { useState } from 'preact/hooks';
import { type Order, orders, store, useStore } from '../store';
import { formatDuration, parseTime } from '../time';
import { clearColours } from './colours';
import { press } from './commands';
import { Dialog } from './Dialog';
import { highestRow, lowestRow } from './gestures';

export const orderNames: Record<Order, string> = {
  ran: 'ran longest first',
  number: 'by number',
  name: 'by name',
  begin: 'in the order of their beginning',
  linked: 'so that arrows are short',
};

export function OrderField() {
  const order = useStore((state) => state.order);
  return (
    <label>
      Threads{' '}
      <select
        aria-label="Order of threads"
        title="Order of threads (O)"
        value={order}
        onChange={(event) => store.set({ order: event.currentTarget.value as Order })}
      >
        {orders.map((one) => (
          <option key={one} value={one}>
            {orderNames[one]}
          </option>
        ))}
      </select>
    </label>
  );
}

function Box(props: { name: string; on: boolean; change: (on: boolean) => void }) {
  const { name, on, change } = props;
  return (
    <label>
      <input
        type="checkbox"
        checked={on}
        onChange={(event) => change(event.currentTarget.checked)}
      />{' '}
      {name}
    </label>
  );
}

function PeriodField() {
  const period = useStore((state) => state.period);
  const [typed, setTyped] = useState(period ? `${period.every}ns` : '');
  const [wrong, setWrong] = useState(false);
  const change = (text: string): void => {
    setTyped(text);
    const every = text.trim() === '' ? 0 : parseTime(`+${text.trim().replace(/^\+/, '')}`, 0);
    setWrong(every === null || every < 0);
    if (every === 0) store.set({ period: null });
    else if (every !== null && every > 0) {
      const { time, window } = store.get();
      store.set({
        period: {
          every: Math.max(1, Math.round(every)),
          from: store.get().period?.from ?? time ?? window.from,
        },
      });
    }
  };
  return (
    <p>
      <label>
        Marks every{' '}
        <input
          value={typed}
          placeholder="16.7ms"
          aria-label="Marks every"
          aria-invalid={wrong}
          onInput={(event) => change(event.currentTarget.value)}
        />
      </label>
      <button
        disabled={!period}
        onClick={() => {
          const { time, window } = store.get();
          if (period) store.set({ period: { ...period, from: time ?? window.from } });
        }}
      >
        Begin at the cursor
      </button>{' '}
      <span class="muted">
        {wrong
          ? 'A length is wanted: 10ms, 200us.'
          : period
            ? `one every ${formatDuration(period.every)}; N goes to the next`
            : 'none'}
      </span>
    </p>
  );
}

function Choice() {
  const arrows = useStore((state) => state.arrows);
  const grid = useStore((state) => state.grid);
  const height = useStore((state) => state.rowHeight);
  const colours = useStore((state) => Object.keys(state.colours).length);
  return (
    <div class="display">
      <p>
        <OrderField />
      </p>
      <p>
        <label>
          Height of rows{' '}
          <input
            type="range"
            min={lowestRow}
            max={highestRow}
            value={height}
            onInput={(event) => store.set({ rowHeight: Number(event.currentTarget.value) })}
          />
        </label>
        <output>{height} px</output> <button onClick={() => press('=height')}>Usual height</button>
      </p>
      <p>
        <Box name="Arrows (V)" on={arrows} change={(on) => store.set({ arrows: on })} />{' '}
        <Box name="Grid lines (G)" on={grid} change={(on) => store.set({ grid: on })} />
      </p>
      <PeriodField />
      <p>
        <button disabled={colours === 0} onClick={clearColours}>
          Usual colours
        </button>{' '}
        <span class="muted">Colours are chosen in the legend (?).</span>
      </p>
    </div>
  );
}

export function DisplayDialog() {
  return (
    <Dialog name="display" title="Display">
      {() => <Choice />}
    </Dialog>
  );
}
