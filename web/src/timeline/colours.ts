// Colours that somebody chose in the legend: in the link, and kept in the browser for links that
// say nothing of colours.

import { store } from '../store';
import { parseColours } from '../url';
import { contrast, rgb, type Rgb, safeColour, textOn } from './palette';

const storageKey = 'virtscope.colours';

function keep(colours: Record<string, string>): void {
  try {
    if (Object.keys(colours).length === 0) localStorage.removeItem(storageKey);
    else localStorage.setItem(storageKey, JSON.stringify(colours));
  } catch {
    // Storage is switched off: the link still has them.
  }
}

/** Only names with plain hex colours; anything else counts as none. */
export function readColours(stored: string | null): Record<string, string> {
  try {
    const found: unknown = JSON.parse(stored ?? '{}');
    if (typeof found !== 'object' || found === null) return {};
    const text = Object.entries(found)
      .filter((pair): pair is [string, string] => typeof pair[1] === 'string')
      .map(([name, hex]) => `${name}.${hex.replace(/^#/, '')}`)
      .join('*');
    return parseColours(text) ?? {};
  } catch {
    return {};
  }
}

export function storedColours(): Record<string, string> {
  try {
    return readColours(localStorage.getItem(storageKey));
  } catch {
    return {};
  }
}

export function setColour(name: string, hex: string | null): void {
  const colours = { ...store.get().colours };
  if (hex === null) delete colours[name];
  else colours[name] = safeColour(hex);
  store.set({ colours });
  keep(colours);
}

export function clearColours(): void {
  store.set({ colours: {} });
  keep({});
}

/** #rrggbb, as a field for colours takes it. */
export function hexOf(colour: Rgb): string {
  return `#${colour.map((part) => part.toString(16).padStart(2, '0')).join('')}`;
}

/** Contrast of the text that stands on a colour. */
export function textContrast(hex: string): number {
  const base = rgb(safeColour(hex));
  return contrast(textOn(base), base);
}
