// What was recorded, which machines, and the look of the page.

import { store, useStore } from './store';
import { actions } from './store';
import { formatDuration } from './time';
import { press } from './timeline/commands';
import { css, machineColour } from './timeline/palette';
import { isDark, useScheme } from './timeline/theme';
import { encodePosition } from './url';

function Machines() {
  const experiment = useStore((state) => state.experiment);
  const chosen = useStore((state) => state.machine);
  const scheme = useScheme();
  const machines = experiment?.machines ?? [];
  return (
    <div class="machines" role="group" aria-label="Highlight a machine">
      {machines.map(({ machine: name }) => (
        <button
          key={name}
          class="machine"
          aria-pressed={chosen === name}
          title={`Highlight ${name} (H)`}
          onClick={() => store.set({ machine: chosen === name ? null : name })}
        >
          <i
            class="swatch"
            style={{ background: css(machineColour(name, machines, scheme)) }}
            aria-hidden="true"
          />
          {name}
        </button>
      ))}
    </div>
  );
}

async function copyLink(): Promise<void> {
  try {
    // The address follows a moment later than the page.
    const link = new URL(location.href);
    link.hash = encodePosition(store.get());
    await navigator.clipboard.writeText(link.href);
    actions.notify('Link copied: it opens at this place.');
  } catch {
    actions.notify('The address of the page is the link.');
  }
}

const noLoss = 'no loss seen';

/** `lost`: null where a trace does not say; what it shows of losses counts then. */
export function lossText(lost: string | null, windows: number): string {
  if (lost !== null && lost !== '0') return `${Number(lost).toLocaleString('en')} lost`;
  return windows > 0 ? `${windows} spans of loss` : noLoss;
}

export function TopBar() {
  const losses = useStore((state) => state.marks.losses);
  const experiment = useStore((state) => state.experiment);
  const limit = useStore((state) => state.limit);
  const theme = useStore((state) => state.theme);
  if (!experiment) return null;
  const lost = lossText(experiment.lost_events, losses.length);
  return (
    <header class="top">
      <img src="./icon.svg" width="20" height="20" alt="" />
      <h1>{experiment.name}</h1>
      <span class="muted">{formatDuration(limit.to - limit.from)}</span>
      <span class="muted">{Number(experiment.events ?? 0).toLocaleString('en')} events</span>
      <span class={lost === noLoss ? 'muted' : 'lossy'}>{lost}</span>
      <Machines />
      <span class="spring" />
      <button onClick={() => press('x')} title="Picture of the timeline as PNG (X)">
        PNG
      </button>
      <button onClick={() => press('X')} title="Picture of the timeline as SVG (Shift+X)">
        SVG
      </button>
      <button onClick={() => void copyLink()} title="Copy the link to this place">
        Share
      </button>
      <button
        aria-label="Dark or light"
        title="Dark or light"
        onClick={() => actions.setTheme(isDark(theme) ? 'light' : 'dark')}
      >
        ◐
      </button>
      <button
        aria-label="Keys and legend"
        title="Keys and legend (?)"
        onClick={() => actions.openTab('help')}
      >
        ?
      </button>
    </header>
  );
}
