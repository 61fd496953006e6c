// Places to come back to, with a note and a colour. The server keeps them as long as it runs.

import { useEffect, useState } from 'preact/hooks';
import { api, type Bookmark } from '../api';
import { actions, store, useStore } from '../store';
import { formatDuration, formatRel, toAbs, toRel } from '../time';
import { safeColour } from '../timeline/palette';
import { errorText } from './data';
import { Field, Problem } from './parts';

export const colours: ReadonlyArray<readonly [string, string]> = [
  ['#e69f00', 'orange'],
  ['#56b4e9', 'sky'],
  ['#009e73', 'green'],
  ['#d55e00', 'red'],
  ['#cc79a7', 'pink'],
];

async function reload(): Promise<void> {
  store.set({ bookmarks: await api.bookmarks() });
}

function List({ list, fail }: { list: Bookmark[]; fail: (error: unknown) => void }) {
  if (list.length === 0)
    return <p class="muted">None yet. Select a time or a span, then add one.</p>;
  const open = (one: Bookmark): void =>
    actions.goTo({
      from: toRel(one.from_ns),
      to: toRel(one.to_ns),
      view: one.view ?? null,
      row: one.row ?? null,
    });
  return (
    <ul class="p-plain p-bookmarks">
      {list.map((one, i) => {
        const [from, to] = [toRel(one.from_ns), toRel(one.to_ns)];
        return (
          <li key={one.id ?? i}>
            <i class="p-dot" style={{ background: safeColour(one.colour) }} aria-hidden="true" />
            <button class="p-link" onClick={() => open(one)}>
              {one.name}
            </button>
            <span class="muted">
              {formatRel(from, 1e3)} s{to > from ? `, ${formatDuration(to - from)}` : ''}
            </span>
            <span>{one.note}</span>
            {one.id !== undefined && (
              <button
                aria-label={`Delete ${one.name}`}
                onClick={() =>
                  void api
                    .deleteBookmark(one.id as string)
                    .then(reload)
                    .catch(fail)
                }
              >
                Delete
              </button>
            )}
          </li>
        );
      })}
    </ul>
  );
}

export function BookmarksPanel() {
  const list = useStore((state) => state.bookmarks);
  const time = useStore((state) => state.time);
  const range = useStore((state) => state.range);
  const [name, setName] = useState('');
  const [note, setNote] = useState('');
  const [colour, setColour] = useState(colours[0]?.[0] ?? '');
  const [problem, setProblem] = useState('');
  const fail = (error: unknown): void => setProblem(errorText(error));
  useEffect(() => {
    reload().catch(fail);
  }, []);
  const add = (): void => {
    const span = range ?? {
      from: time ?? store.get().window.from,
      to: time ?? store.get().window.to,
    };
    const { row } = store.get();
    setProblem('');
    api
      .addBookmark({
        name: name.trim() || `At ${formatRel(span.from, 1e6)} s`,
        from_ns: toAbs(span.from),
        to_ns: toAbs(span.to),
        colour,
        ...(note.trim() ? { note: note.trim() } : {}),
        ...(row ? { view: row.view, row: row.id } : {}),
      })
      .then(() => {
        setName('');
        setNote('');
        return reload();
      })
      .catch(fail);
  };
  return (
    <div class="panel" data-panel="bookmarks">
      <form
        class="p-form"
        onSubmit={(event) => {
          event.preventDefault();
          add();
        }}
      >
        <Field label="Name" value={name} maxLength={120} change={setName} />
        <Field label="Note" value={note} maxLength={500} size={40} change={setNote} />
        <label>
          Colour{' '}
          <select value={colour} onChange={(event) => setColour(event.currentTarget.value)}>
            {colours.map(([value, word]) => (
              <option key={value} value={value}>
                {word}
              </option>
            ))}
          </select>
        </label>
        <button type="submit" class="p-primary">
          Add {range ? 'the selected span' : time === null ? 'what is shown' : 'this time'}
        </button>
      </form>
      {problem && <Problem>{problem}</Problem>}
      <List list={list} fail={fail} />
    </div>
  );
}
