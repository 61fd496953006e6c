// Views on and off, which rows, zoom and undo, and the small dialog of "go to time".

import { actions, useStore } from '../store';
import { press } from './commands';
import { DisplayDialog } from './Display';
import { FilterBox, FilterDialog } from './FilterBox';
import { RowsDialog } from './RowsDialog';
import { seriesView } from './lanes';

/** A native dialog: focus stays inside, Escape closes it. */
export function askTime(): Promise<string | null> {
  const dialog = document.getElementById('go-to-time') as HTMLDialogElement | null;
  const field = dialog?.querySelector('input');
  if (!dialog || !field) return Promise.resolve(null);
  field.value = '';
  dialog.returnValue = '';
  dialog.showModal();
  return new Promise((resolve) =>
    dialog.addEventListener(
      'close',
      () => resolve(dialog.returnValue === 'go' ? field.value : null),
      { once: true },
    ),
  );
}

function ViewButtons() {
  const views = useStore((state) => state.views);
  const open = useStore((state) => state.openViews);
  const all = [
    ...views.map((view) => ({ id: view.id, name: view.name, missing: view.missing !== null })),
    { id: seriesView, name: 'Rates', missing: false },
  ];
  return (
    <div class="views" role="group" aria-label="Views">
      {all.map((view) => (
        <button
          key={view.id}
          data-view={view.id}
          aria-pressed={open.includes(view.id)}
          class={view.missing ? 'missing' : ''}
          onClick={() => actions.toggleView(view.id)}
        >
          {view.name}
        </button>
      ))}
    </div>
  );
}

function Toggle(props: { name: string; title: string; on: boolean; press: string }) {
  const { name, title, on, press: key } = props;
  return (
    <button aria-pressed={on} title={`${title} (${key.toUpperCase()})`} onClick={() => press(key)}>
      {name}
    </button>
  );
}

export function ZoomButtons({ width }: { width: number }) {
  const canUndo = useStore((state) => state.undo.length > 0);
  const canRedo = useStore((state) => state.redo.length > 0);
  const all = [
    { sign: '+', name: 'Zoom in', key: '+', can: true },
    { sign: '−', name: 'Zoom out', key: '-', can: true },
    { sign: 'All', name: 'Show all', key: '0', can: true },
    { sign: '↶', name: 'Undo zoom', key: 'Backspace', can: canUndo },
    { sign: '↷', name: 'Redo zoom', key: 'U', can: canRedo },
  ];
  return (
    <div class="zooms" role="group" aria-label="Zoom" style={{ width: `${width}px` }}>
      {all.map(({ sign, name, key, can }) => (
        <button
          key={key}
          aria-label={name}
          title={`${name} (${key === 'U' ? 'Shift+U' : key.length > 1 ? key : key.toUpperCase()})`}
          disabled={!can}
          onClick={() => press(key)}
        >
          {sign}
        </button>
      ))}
    </div>
  );
}

export function Toolbar() {
  const idle = useStore((state) => state.idle);
  const active = useStore((state) => state.active);
  const someOff = useStore((state) => Object.keys(state.hidden).length > 0);
  return (
    <div class="toolbar" role="toolbar" aria-label="Timeline">
      <ViewButtons />
      <FilterBox />
      <Toggle name="Active" title="Only rows that do something here" on={active} press="e" />
      <Toggle name="Idle" title="Show threads that never ran" on={idle} press="i" />
      <button onClick={() => press('k')} aria-pressed={someOff} title="Rows on and off (K)">
        Rows
      </button>
      <button onClick={() => press('q')} title="Order, height, marks, colours (Q)">
        Display
      </button>
      <span class="spring" />
      <button onClick={() => press('f')} title="Follow the culprit (F)">
        Follow culprit
      </button>
      <RowsDialog />
      <DisplayDialog />
      <FilterDialog />
      <dialog id="go-to-time" aria-label="Go to a time">
        <form method="dialog">
          <label>
            Time{' '}
            <input autofocus autocomplete="off" placeholder="1.5s   200ms   +5us   54556227853" />
          </label>
          <button value="go">Go</button>
        </form>
      </dialog>
    </div>
  );
}
