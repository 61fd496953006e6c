// Which rows are shown, by check boxes: a tree per view, with a search in it.

import { useState } from 'preact/hooks';
import type { Row } from '../api';
import { store, useStore } from '../store';
import { Dialog } from './Dialog';

const mostListed = 400;

/** A row with all rows below it. */
function familyOf(rows: readonly Row[], id: number): number[] {
  const out = [id];
  for (const row of rows) if (row.parent === id) out.push(...familyOf(rows, row.id));
  return out;
}

/** Switches a row and all below it; a row that is switched on brings what stands above it. */
export function switchRows(
  view: string,
  rows: readonly Row[],
  ids: readonly number[],
  on: boolean,
  hidden: Readonly<Record<string, true>>,
): Record<string, true> {
  const out = { ...hidden };
  const above = new Map(rows.map((row) => [row.id, row.parent]));
  for (const id of ids) {
    for (const one of familyOf(rows, id)) {
      if (on) delete out[`${view}:${one}`];
      else out[`${view}:${one}`] = true;
    }
    for (let at = above.get(id); on && at !== undefined && at >= 0; at = above.get(at))
      delete out[`${view}:${at}`];
  }
  return out;
}

function says(row: Row, words: string): boolean {
  return words === '' || `${row.label} ${row.sub} ${row.machine}`.toLowerCase().includes(words);
}

function CheckRow({ view, row, rows }: { view: string; row: Row; rows: readonly Row[] }) {
  const hidden = useStore((state) => state.hidden);
  const off = hidden[`${view}:${row.id}`] === true;
  const family = row.kind === 'group' ? familyOf(rows, row.id) : [row.id];
  const count = family.filter((id) => hidden[`${view}:${id}`]).length;
  return (
    <label class="check-row" style={{ paddingLeft: `${row.parent < 0 ? 0 : 18}px` }}>
      <input
        type="checkbox"
        checked={!off}
        ref={(box) => {
          if (box) box.indeterminate = !off && count > 0;
        }}
        onChange={() =>
          store.set({ hidden: switchRows(view, rows, [row.id], off, store.get().hidden) })
        }
      />{' '}
      {row.label} <span class="muted">{row.sub}</span>
    </label>
  );
}

function ViewRows({ view, name, words }: { view: string; name: string; words: string }) {
  const rows = useStore((state) => state.rows[view]);
  if (!rows) return null;
  const found = rows
    .filter((row) => row.has_data || row.kind === 'group')
    .filter((row) => says(row, words));
  if (found.length === 0) return null;
  const all = (on: boolean): void => {
    const ids = found.filter((row) => row.kind !== 'group' || words === '').map((row) => row.id);
    store.set({ hidden: switchRows(view, rows, ids, on, store.get().hidden) });
  };
  return (
    <fieldset>
      <legend>{name}</legend>
      <button onClick={() => all(true)}>{words ? 'Show found' : 'Show all'}</button>{' '}
      <button onClick={() => all(false)}>{words ? 'Hide found' : 'Hide all'}</button>
      {found.slice(0, mostListed).map((row) => (
        <CheckRow key={row.id} view={view} row={row} rows={rows} />
      ))}
      {found.length > mostListed && (
        <p class="muted">{found.length - mostListed} more: search for them.</p>
      )}
    </fieldset>
  );
}

function Choice() {
  const [words, setWords] = useState('');
  const views = useStore((state) => state.views);
  const open = useStore((state) => state.openViews);
  const hidden = useStore((state) => Object.keys(state.hidden).length);
  return (
    <>
      <p>
        <input
          type="search"
          autofocus
          placeholder="Search rows"
          aria-label="Search rows"
          value={words}
          onInput={(event) => setWords(event.currentTarget.value)}
        />
        <button disabled={hidden === 0} onClick={() => store.set({ hidden: {} })}>
          Show every row
        </button>
        <span class="muted" role="status">
          {' '}
          {hidden === 0 ? 'none is off' : `${hidden} off`}
        </span>
      </p>
      <div class="check-views">
        {views
          .filter((view) => open.includes(view.id))
          .map((view) => (
            <ViewRows
              key={view.id}
              view={view.id}
              name={view.name}
              words={words.trim().toLowerCase()}
            />
          ))}
      </div>
    </>
  );
}

export function RowsDialog() {
  return (
    <Dialog name="rows" title="Rows">
      {() => <Choice />}
    </Dialog>
  );
}
