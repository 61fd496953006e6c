// The header of a view's copy: its filter, and closing it.

import { useEffect, useRef } from 'preact/hooks';
import { filterOf } from '../filter/evaluate';
import { actions, store, useStore } from '../store';

/** The copy that was just made: its filter gets the focus when it is there. */
let wanted: number | null = null;

export const wantedCopy = (): number | null => wanted;

export function copyView(view: string): void {
  const { length } = store.get().copies;
  actions.copyView(view);
  if (store.get().copies.length > length) wanted = length;
}

export function CopyFilter({ number, name }: { number: number; name: string }) {
  const input = useRef<HTMLInputElement>(null);
  const text = useStore((state) => state.copies[number]?.filter ?? '');
  const { error } = filterOf(text);
  useEffect(() => {
    if (wanted !== number) return;
    wanted = null;
    input.current?.focus();
  }, []);
  return (
    <>
      <input
        ref={input}
        class="copy-filter"
        type="search"
        spellcheck={false}
        placeholder="Filter"
        aria-label={`Filter of ${name}`}
        aria-invalid={error !== null}
        title={error ? `At character ${error.at + 1}: ${error.message}.` : `Filter of ${name}`}
        value={text}
        onInput={(event) => actions.filterCopy(number, event.currentTarget.value)}
        onKeyDown={(event) => {
          if (event.key === 'Escape' || event.key === 'Enter') event.currentTarget.blur();
        }}
      />
      <button class="bare" aria-label={`Close ${name}`} onClick={() => actions.closeCopy(number)}>
        ×
      </button>
    </>
  );
}
