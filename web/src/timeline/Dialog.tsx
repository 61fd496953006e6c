// Dialogs of the browser itself: focus stays inside, Escape closes them. What is in one is drawn
// only while it is open.

import type { ComponentChildren } from 'preact';
import { useLayoutEffect, useState } from 'preact/hooks';

export type DialogName = 'rows' | 'display' | 'filters';

const fillers = new Map<DialogName, () => void>();
const elementOf = (name: DialogName): HTMLDialogElement | null =>
  document.getElementById(`dialog-${name}`) as HTMLDialogElement | null;

/** Whether a dialog is open is only ever the browser's to say; what is in it follows. */
export function openDialog(name: DialogName): void {
  const element = elementOf(name);
  if (!element || element.open) return;
  element.showModal();
  fillers.get(name)?.();
}

export function Dialog(props: {
  name: DialogName;
  title: string;
  children: () => ComponentChildren;
}) {
  const { name, title, children } = props;
  const [filled, setFilled] = useState(false);
  useLayoutEffect(() => {
    fillers.set(name, () => setFilled(true));
    return () => void fillers.delete(name);
  }, [name]);
  // It was opened empty: the focus that the browser would have set goes to its first field.
  useLayoutEffect(() => {
    const element = elementOf(name);
    if (!filled || document.activeElement !== element) return;
    element?.querySelector<HTMLElement>('input, select, button:not(form button)')?.focus();
  }, [filled, name]);
  return (
    <dialog
      id={`dialog-${name}`}
      class="tool-dialog"
      aria-label={title}
      onClose={() => setFilled(elementOf(name)?.open ?? false)}
    >
      {filled && (
        <>
          <header>
            <h2>{title}</h2>
            <form method="dialog">
              <button aria-label={`Close ${title}`}>×</button>
            </form>
          </header>
          {children()}
        </>
      )}
    </dialog>
  );
}
