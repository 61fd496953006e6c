// The bottom panel: tabs, and an edge that makes it higher or lower, by pointer or keyboard.

import { bottomTabs } from './panels';
import { actions, store, useStore } from './store';
import { bottomLeast, bottomMost } from './url';

function setShare(share: number): void {
  store.set({ bottomShare: Math.max(bottomLeast, Math.min(bottomMost, Math.round(share))) });
}

function drag(event: PointerEvent): void {
  const edge = event.currentTarget as HTMLElement;
  edge.setPointerCapture(event.pointerId);
  const move = (next: PointerEvent): void => {
    setShare((1 - next.clientY / window.innerHeight) * 100);
  };
  edge.addEventListener('pointermove', move);
  edge.addEventListener('pointerup', () => edge.removeEventListener('pointermove', move), {
    once: true,
  });
}

function resize(event: KeyboardEvent): void {
  const step = { ArrowUp: 4, ArrowDown: -4, PageUp: 20, PageDown: -20 }[event.key];
  if (step === undefined) return;
  event.preventDefault();
  event.stopPropagation();
  setShare(store.get().bottomShare + step);
}

function Edge({ share }: { share: number }) {
  return (
    <div
      class="edge"
      role="separator"
      tabIndex={0}
      aria-label="Height of the panel"
      aria-orientation="horizontal"
      aria-valuenow={share}
      aria-valuemin={bottomLeast}
      aria-valuemax={bottomMost}
      onPointerDown={drag}
      onKeyDown={resize}
    />
  );
}

function Tabs({ current, open }: { current: string; open: boolean }) {
  return (
    <div class="tabs">
      <div class="tab-list" role="tablist" aria-label="Panels">
        {bottomTabs.map((item) => (
          <button
            key={item.id}
            role="tab"
            id={`tab-${item.id}`}
            aria-selected={open && item.id === current}
            {...(open ? { 'aria-controls': 'tab-panel' } : {})}
            onClick={() => actions.openTab(item.id)}
          >
            {item.name}
          </button>
        ))}
      </div>
      <button
        class="fold"
        aria-expanded={open}
        aria-label={open ? 'Fold the panel' : 'Unfold the panel'}
        onClick={() => store.set({ bottomOpen: !open })}
      >
        {open ? '▾' : '▴'}
      </button>
    </div>
  );
}

export function BottomPanel() {
  const tab = useStore((state) => state.tab);
  const open = useStore((state) => state.bottomOpen);
  const share = useStore((state) => state.bottomShare);
  const current = bottomTabs.find((item) => item.id === tab) ?? bottomTabs[0];
  if (!current) return null;
  return (
    <section
      class={`bottom${open ? '' : ' closed'}`}
      aria-label="Panels"
      style={{ height: open ? `${share}vh` : 'auto' }}
    >
      {open && <Edge share={share} />}
      <Tabs current={current.id} open={open} />
      {open && (
        <div class="tab-panel" id="tab-panel" role="tabpanel" aria-labelledby={`tab-${current.id}`}>
          {current.panel()}
        </div>
      )}
    </section>
  );
}
