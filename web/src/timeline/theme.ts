// Which of the two colour schemes is on: what the user chose, else what the system says.

import { type State, useStore } from '../store';
import { darkScheme, lightScheme, rgb, safeColour, type Scheme } from './palette';

/** What the system says; asked for in every frame, so it is looked up once. */
export const systemIsLight = window.matchMedia('(prefers-color-scheme: light)');

export function isDark(theme: State['theme']): boolean {
  return theme === 'system' ? !systemIsLight.matches : theme === 'dark';
}

let last: { theme: Scheme; colours: State['colours']; scheme: Scheme } | null = null;

/** The same object as long as nothing changed. */
export function schemeOf(theme: State['theme'], colours: State['colours']): Scheme {
  const base = isDark(theme) ? darkScheme : lightScheme;
  if (last?.theme === base && last.colours === colours) return last.scheme;
  const chosen = Object.entries(colours).map(
    ([name, hex]) => [name, rgb(safeColour(hex))] as const,
  );
  last = { theme: base, colours, scheme: { ...base, colours: Object.fromEntries(chosen) } };
  return last.scheme;
}

export function useScheme(): Scheme {
  return useStore((state) => schemeOf(state.theme, state.colours));
}
