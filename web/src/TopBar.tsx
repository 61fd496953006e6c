// What was recorded, which machines, and the look of the page.

import { store, useStore } from './store';
import { actions } from './store';
import { formatDuration } from './time';
import { css, machineColour } from './timeline/palette';
import { isDark, useScheme } from './timeline/theme';

function Machines() {
  const experiment = useStore((state) => state.experiment);
  const chosen = useStore((state) => state.machine);
  const scheme = useScheme();
  const names = (experiment?.machines ?? []).map((item) => item.machine);
  return (
    <div class="machines" role="group" aria-label="Highlight a machine">
      {names.map((name) => (
        <button
          key={name}
          class="machine"
          aria-pressed={chosen === name}
          title={`Highlight ${name} (H)`}
          onClick={() => store.set({ machine: chosen === name ? null : name })}
        >
          <i
            class="swatch"
            style={{ background: css(machineColour(name, names, scheme)) }}
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
    await navigator.clipboard.writeText(location.href);
    actions.notify('Link copied: it opens at this place.');
  } catch {
    actions.notify('The address of the page is the link.');
  }
}

export function TopBar() {
  const experiment = useStore((state) => state.experiment);
  const limit = useStore((state) => state.limit);
  const theme = useStore((state) => state.theme);
  if (!experiment) return null;
  const lost =
    experiment.lost_events === null
      ? 'losses unknown'
      : experiment.lost_events === '0'
        ? 'no loss seen'
        : `${Number(experiment.lost_events).toLocaleString('en')} lost`;
  return (
    <header class="top">
      <img src="./icon.svg" width="20" height="20" alt="" />
      <h1>{experiment.name}</h1>
      <span class="muted">{formatDuration(limit.to - limit.from)}</span>
      <span class="muted">{Number(experiment.events).toLocaleString('en')} events</span>
      <span class={experiment.lost_events === '0' ? 'muted' : 'lossy'}>{lost}</span>
      <Machines />
      <span class="spring" />
      <button onClick={() => void copyLink()}>Share</button>
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
