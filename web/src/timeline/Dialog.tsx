// Dialogs of the browser itself: focus stays inside, Escape closes them. What is in one is drawn
// only while it is open.

import type { ComponentChildren } from 'preact';
import { useEffect, useState } from 'preact/hooks';

export type DialogName = 'rows' | 'display' | 'filters';

const listeners = new Map<DialogName, () => void>();

export function openDialog(name: DialogName): void {
  listeners.get(name)?.();
}

export function Dialog(props: {
  name: DialogName;
  title: string;
  children: () => ComponentChildren;
}) {
  const { name, title, children } = props;
  const id = `dialog-${name}`;
  const [open, setOpen] = useState(false);
  useEffect(() => {
    listeners.set(name, () => setOpen(true));
    return () => void listeners.delete(name);
  }, [name]);
  useEffect(() => {
    const element = document.getElementById(id) as HTMLDialogElement | null;
    if (open && element && !element.open) element.showModal();
  }, [open, id]);
  return (
    <dialog id={id} class="tool-dialog" aria-label={title} onClose={() => setOpen(false)}>
      {open && (
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
