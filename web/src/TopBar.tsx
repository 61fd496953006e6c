import { store, useStore } from './store';

export function TopBar() {
  const experiment = useStore((state) => state.experiment);
  const theme = useStore((state) => state.theme);
  return (
    <header class="top">
      <h1>{experiment?.name}</h1>
      <button onClick={() => store.set({ theme: theme === 'dark' ? 'light' : 'dark' })} aria-label="Dark or light">◐</button>
    </header>
  );
}
