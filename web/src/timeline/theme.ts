// Which of the two colour schemes is on: what the user chose, else what the system says.

import { type State, useStore } from '../store';
import { darkScheme, lightScheme, type Scheme } from './palette';

export function isDark(theme: State['theme']): boolean {
  if (theme !== 'system') return theme === 'dark';
  return !window.matchMedia('(prefers-color-scheme: light)').matches;
}

export function schemeOf(theme: State['theme']): Scheme {
  return isDark(theme) ? darkScheme : lightScheme;
}

export function useScheme(): Scheme {
  return useStore((state) => schemeOf(state.theme));
}
