// Layout: top bar; the timeline with the details at its right; the bottom panel with tabs.

import { useEffect } from 'preact/hooks';
import { BottomPanel } from './Bottom';
import { GrowingLine, Progress } from './Growing';
import { DetailsPanel } from './panels';
import './panels.css';
import { store, useStore } from './store';
import { loginWith } from './start';
import { isDark, systemIsLight } from './timeline/theme';
import { Timeline } from './timeline/Timeline';
import { TopBar } from './TopBar';

function Fatal() {
  const fatal = useStore((state) => state.fatal);
  if (!fatal) return null;
  return (
    <main class="fatal" role="alert">
      <h1>{fatal.title}</h1>
      <p>{fatal.detail}</p>
      {fatal.login && (
        <form
          onSubmit={(event) => {
            event.preventDefault();
            const field = (event.currentTarget as HTMLFormElement).elements.namedItem(
              'token',
            ) as HTMLInputElement;
            void loginWith(field.value);
          }}
        >
          <label>
            Token <input name="token" autocomplete="off" autofocus />
          </label>
          <button type="submit">Open</button>
          <p class="hint">virtscope serve prints it as part of the link.</p>
        </form>
      )}
    </main>
  );
}

/** Stays until the server answers again: what is on the screen is what came before. */
function Offline() {
  const offline = useStore((state) => state.offline);
  const command = useStore((state) => state.experiment?.command);
  if (!offline) return null;
  return (
    <div class="offline" role="alert">
      The server does not answer; what was loaded stays. Start it again with <code>{command}</code>{' '}
      and open its link.
    </div>
  );
}

function Notice() {
  const notice = useStore((state) => state.notice);
  useEffect(() => {
    if (!notice) return undefined;
    const timer = setTimeout(() => store.set({ notice: null }), 5000);
    return () => clearTimeout(timer);
  }, [notice]);
  return (
    <div class={`notice ${notice?.kind ?? ''}`} role="status" aria-live="polite" hidden={!notice}>
      {notice?.text}
    </div>
  );
}

function useTheme(): void {
  const theme = useStore((state) => state.theme);
  useEffect(() => {
    const apply = (): void => {
      document.documentElement.dataset['theme'] = isDark(theme) ? 'dark' : 'light';
      // The timeline paints with the colours of the theme, and draws when the store changes.
      store.set({});
    };
    apply();
    systemIsLight.addEventListener('change', apply);
    return () => systemIsLight.removeEventListener('change', apply);
  }, [theme]);
}

export function App() {
  useTheme();
  const fatal = useStore((state) => state.fatal);
  const ready = useStore((state) => state.views.length > 0);
  if (fatal) return <Fatal />;
  if (!ready) return <Progress />;
  return (
    <div class="app">
      <div>
        <TopBar />
        <Offline />
        <GrowingLine />
      </div>
      <div class="middle">
        <Timeline />
        <aside class="details" aria-label="Details">
          <DetailsPanel />
        </aside>
      </div>
      <BottomPanel />
      <Notice />
    </div>
  );
}
