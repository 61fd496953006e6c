// The filter: its line, what is wrong in it and where, and filters that are kept in the browser.

import { useState } from 'preact/hooks';
import { filterOf } from '../filter/evaluate';
import { fields, FilterError } from '../filter/language';
import { store, useStore } from '../store';
import { Dialog, openDialog } from './Dialog';

const storageKey = 'virtscope.filters';
export const mostSaved = 4;

/** Anything else in the browser's storage counts as none. */
export function readSaved(stored: string | null): string[] {
  try {
    const list: unknown = JSON.parse(stored ?? '[]');
    if (!Array.isArray(list)) return [];
    return list
      .filter((one): one is string => typeof one === 'string' && one.length <= 500)
      .slice(0, mostSaved);
  } catch {
    return [];
  }
}

/** With one more filter at the front; the oldest gives way. */
export function withSaved(list: readonly string[], text: string): string[] {
  return [text, ...list.filter((one) => one !== text)].slice(0, mostSaved);
}

function load(): string[] {
  try {
    return readSaved(localStorage.getItem(storageKey));
  } catch {
    return []; // Storage is switched off.
  }
}

function keep(list: string[]): void {
  try {
    localStorage.setItem(storageKey, JSON.stringify(list));
  } catch {
    // Storage is switched off: they last as long as the dialog.
  }
}

function Wrong({ text, error }: { text: string; error: FilterError }) {
  const { at, length, message } = error;
  return (
    <div id="filter-error" class="filter-error" role="alert">
      <code aria-hidden="true">
        {text.slice(Math.max(0, at - 40), at)}
        <mark>{text.slice(at, at + length) || '⎵'}</mark>
        {text.slice(at + length, at + length + 40)}
      </code>
      <span>
        At character {at + 1}: {message}.
      </span>
    </div>
  );
}

export function FilterBox() {
  const text = useStore((state) => state.filter);
  const hides = useStore((state) => state.filterHides);
  const { error } = filterOf(text);
  return (
    <div class="filter-box" role="search">
      <input
        id="row-filter"
        type="search"
        spellcheck={false}
        placeholder="Filter  /"
        aria-label="Filter rows and states"
        title="Words, or state == preempted && duration > 1ms. Shift+F: help, saved filters"
        value={text}
        aria-invalid={error !== null}
        {...(error ? { 'aria-describedby': 'filter-error' } : {})}
        onInput={(event) => store.set({ filter: event.currentTarget.value })}
        onKeyDown={(event) => {
          if (event.key === 'Escape' || event.key === 'Enter') event.currentTarget.blur();
        }}
      />
      <button
        aria-pressed={hides}
        title="States that do not match: leave them out, else they are faded"
        onClick={() => store.set({ filterHides: !hides })}
      >
        Hide
      </button>
      <button
        aria-label="Saved filters"
        title="Saved filters, and what a filter can say (Shift+F)"
        onClick={() => openDialog('filters')}
      >
        ★
      </button>
      {error && <Wrong text={text} error={error} />}
    </div>
  );
}

function Saved() {
  const text = useStore((state) => state.filter);
  const [list, setList] = useState(load);
  const change = (next: string[]): void => {
    keep(next);
    setList(next);
  };
  const canSave = text.trim() !== '' && filterOf(text).error === null && !list.includes(text);
  return (
    <section aria-label="Saved">
      <button disabled={!canSave} onClick={() => change(withSaved(list, text))}>
        Save {canSave ? <code>{text}</code> : 'the filter'}
      </button>
      {list.length === 0 && <p class="muted">None is saved. Up to {mostSaved} are kept here.</p>}
      <ol class="saved-filters">
        {list.map((one) => (
          <li key={one}>
            <button
              class="p-link"
              onClick={() => {
                store.set({ filter: one });
                (document.getElementById('dialog-filters') as HTMLDialogElement).close();
              }}
            >
              <code>{one}</code>
            </button>
            <button
              aria-label={`Remove ${one}`}
              onClick={() => change(list.filter((other) => other !== one))}
            >
              ×
            </button>
          </li>
        ))}
      </ol>
    </section>
  );
}

const samples: ReadonlyArray<readonly [string, string]> = [
  ['burst !burst1', 'rows that say burst and not burst1'],
  ['state == preempted || state == deprived', 'fades all but time that was robbed'],
  ['kind == thread && label matches "^kworker/[0-3]"', 'rows by a regular expression'],
  ['vm:vm1 && (tid < 100 || cpu present)', 'rows of a VM'],
  ['ran_on == 0-1 && !(ran_on > 1)', 'what ran on CPUs 0 and 1 in the window, and on no other'],
  ['duration > 2ms && !(state == blocked)', 'what lasts long'],
];

export function FilterDialog() {
  return (
    <Dialog name="filters" title="Filters">
      {() => (
        <>
          <Saved />
          <h3>What a filter can say</h3>
          <ul class="filter-samples">
            {samples.map(([sample, says]) => (
              <li key={sample}>
                <button class="p-link" onClick={() => store.set({ filter: sample })}>
                  <code>{sample}</code>
                </button>{' '}
                <span class="muted">{says}</span>
              </li>
            ))}
          </ul>
          <p class="muted">
            Terms: <code>field == value</code>, <code>!=</code>, <code>matches</code>,{' '}
            <code>contains</code>, <code>&gt;</code>, <code>&lt;</code>, <code>present</code>;
            joined by <code>&amp;&amp;</code>, <code>||</code>, <code>!</code> and parentheses. A
            word alone is looked for in the row.
          </p>
          <dl class="filter-fields">
            {[...fields].map(([word, { of, says }]) => [
              <dt key={word}>
                <code>{word}</code>
              </dt>,
              <dd key={`${word} says`}>
                {says} <span class="muted">{of === 'row' ? 'row' : 'state'}</span>
              </dd>,
            ])}
          </dl>
        </>
      )}
    </Dialog>
  );
}
