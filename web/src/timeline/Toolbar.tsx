// Views on and off, the filter, zoom and undo, and the small dialog of "go to time".

import { actions, store, useStore } from '../store';
import { followCulprit } from '../jump';
import { type Context, keys, zoom } from './commands';
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

export function Toolbar({ context }: { context: { current: Context | null } }) {
  const filter = useStore((state) => state.filter);
  const canUndo = useStore((state) => state.undo.length > 0);
  const canRedo = useStore((state) => state.redo.length > 0);
  const run = (key: string): void => {
    const found = keys.find((item) => item.keys.includes(key));
    if (found && context.current) found.run(context.current, new KeyboardEvent('keydown', { key }));
  };
  return (
    <div class="toolbar" role="toolbar" aria-label="Timeline">
      <ViewButtons />
      <input
        id="row-filter"
        type="search"
        placeholder="Filter rows  /"
        aria-label="Filter rows"
        value={filter}
        onInput={(event) => store.set({ filter: (event.currentTarget as HTMLInputElement).value })}
        onKeyDown={(event) =>
          (event.key === 'Escape' || event.key === 'Enter') &&
          (event.currentTarget as HTMLElement).blur()
        }
      />
      <span class="spring" />
      <button onClick={() => void followCulprit()} title="Follow the culprit (F)">
        Follow culprit
      </button>
      <button
        aria-label="Zoom in"
        title="Zoom in (W)"
        onClick={() => context.current && zoom(context.current.scene, 0.5)}
      >
        +
      </button>
      <button
        aria-label="Zoom out"
        title="Zoom out (S)"
        onClick={() => context.current && zoom(context.current.scene, 2)}
      >
        −
      </button>
      <button onClick={() => actions.showAll()} title="Show all (0)">
        All
      </button>
      <button
        aria-label="Undo zoom"
        title="Undo zoom (Backspace)"
        disabled={!canUndo}
        onClick={() => actions.undo()}
      >
        ↶
      </button>
      <button
        aria-label="Redo zoom"
        title="Redo zoom (Shift+U)"
        disabled={!canRedo}
        onClick={() => actions.redo()}
      >
        ↷
      </button>
      <button onClick={() => run('x')} title="Picture as PNG (X); Shift+X as SVG">
        PNG
      </button>
      <button onClick={() => run('X')} title="Picture as SVG (Shift+X)">
        SVG
      </button>
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
