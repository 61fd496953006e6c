// Which of the two colour schemes is on: what the user chose, else what the system says.

import { type State, useStore } from '../store';
import { darkScheme, lightScheme, type Scheme } from './palette';

/** What the system says; asked for in every frame, so it is looked up once. */
export const systemIsLight = window.matchMedia('(prefers-color-scheme: light)');

export function isDark(theme: State['theme']): boolean {
  return theme === 'system' ? !systemIsLight.matches : theme === 'dark';
}

export function schemeOf(theme: State['theme']): Scheme {
  return isDark(theme) ? darkScheme : lightScheme;
}

export function useScheme(): Scheme {
  return useStore((state) => schemeOf(state.theme));
}
