// What one panel hands to another: a statement for the SQL console, a task for Why, a span for
// Compare.

/** `sql`: to be looked at; `run`: to be answered at once. */
type Kind = 'sql' | 'run' | 'why';
const waiting = new Map<Kind, string>();
const listeners = new Map<Kind, () => void>();

/** Leaves a text for a panel, which takes it when it is next shown, or at once when it is. */
export function send(kind: Kind, value: string): void {
  waiting.set(kind, value);
  listeners.get(kind)?.();
}

export function take(kind: Kind): string | null {
  const value = waiting.get(kind) ?? null;
  waiting.delete(kind);
  return value;
}

export function listen(kind: Kind, listener: () => void): () => void {
  listeners.set(kind, listener);
  return () => {
    if (listeners.get(kind) === listener) listeners.delete(kind);
  };
}
