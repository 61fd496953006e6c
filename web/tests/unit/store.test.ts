import { beforeEach, expect, test } from 'vitest';
import { actions, firstPosition, mostCopies, store } from '../../src/store';
import { setOrigin } from '../../src/time';
import { decodePosition, encodePosition } from '../../src/url';

beforeEach(() => {
  setOrigin('54556227853', false);
  store.reset({ limit: { from: 0, to: 1e9 }, window: { from: 0, to: 1e9 } });
});

test('undo and redo walk through the windows, a new one ends redo', () => {
  actions.show({ from: 0, to: 100 });
  actions.show({ from: 10, to: 20 });
  actions.undo();
  expect(store.get().window).toEqual({ from: 0, to: 100 });
  actions.redo();
  expect(store.get().window).toEqual({ from: 10, to: 20 });
  actions.undo();
  actions.show({ from: 50, to: 60 });
  expect(store.get().redo).toEqual([]);
  actions.undo();
  actions.undo();
  expect(store.get().window).toEqual({ from: 0, to: 1e9 });
});

test('a gesture is one step of undo', () => {
  const before = store.get().window;
  for (let i = 1; i < 9; ++i) actions.show({ from: i, to: 1000 + i }, false);
  actions.recordFrom(before);
  actions.undo();
  expect(store.get().window).toEqual(before);
});

test('a link restores the whole position', () => {
  const place = {
    window: { from: 1_000_001, to: 2_000_003 },
    range: { from: 1_100_000, to: 1_200_007 },
    time: 1_100_000,
    row: { view: 'vms', id: 12, copy: 1 },
    copies: [
      { view: 'vms', filter: 'vm == vm1 && label matches "^b.c&=+#"' },
      { view: 'vms', filter: '' },
    ],
    task: 'vm1/156',
    openViews: ['fused', 'control', 'series'],
    pins: [{ view: 'fused', id: 2 }],
    collapsed: { 'vms:3': true as const },
    filter: 'kind:thread burst',
    idle: true,
    active: true,
    order: 'linked' as const,
    filterHides: true,
    hidden: { 'vms:3': true as const, 'vms:4': true as const, 'control:9': true as const },
    colours: { guest: '#112233', host_irq: '#abcdef', '@vm1#2': '#00ff00' },
    period: { every: 16_700_000, from: 5 },
    machine: 'vm2',
    measure: [5, 77] as [number, number],
    arrows: false,
    grid: false,
    rowHeight: 24,
    theme: 'light' as const,
    tab: 'sql' as const,
    bottomOpen: false,
  };
  store.set(place);
  expect(decodePosition(`#${encodePosition(store.get())}`)).toEqual(place);
});

test('reset goes back to where the page begins and keeps what the server said', () => {
  const limit = { from: 0, to: 5e9 };
  store.set({ limit, rows: { vms: [] } });
  const begin = { ...store.get(), ...firstPosition(), window: limit };
  store.set({ window: { from: 1, to: 2 }, filter: 'x', row: { view: 'vms', id: 1 }, pins: [] });
  store.set({ bottomShare: 70, undo: [{ from: 0, to: 9 }], measure: [1, 2], theme: 'light' });
  store.reset();
  expect(store.get()).toEqual(begin);
});

test('copies of views: one more, its filter, one less', () => {
  actions.copyView('disk');
  expect(store.get().copies, 'a view that is not open').toEqual([]);
  store.set({ filter: 'burst' });
  actions.copyView('vms');
  actions.copyView('fused');
  actions.filterCopy(1, 'cpu == 1');
  expect(store.get().copies).toEqual([
    { view: 'vms', filter: 'burst' },
    { view: 'fused', filter: 'cpu == 1' },
  ]);
  store.set({ row: { view: 'fused', id: 3, copy: 1 } });
  actions.closeCopy(0);
  expect(store.get().copies).toEqual([{ view: 'fused', filter: 'cpu == 1' }]);
  expect(store.get().row, 'numbers have changed').toEqual({ view: 'fused', id: 3 });
  for (let i = 0; i < 20; ++i) actions.copyView('vms');
  expect(store.get().copies.length).toBe(mostCopies);
  expect(store.get().notice?.text).toMatch(/close one first/);
});

test('wrong parts of a link are left out', () => {
  expect(
    decodePosition('#w=9-3&s=x&t=1e5&r=vms.-1&h=9999&tab=nothing&theme=pink&copy=V.x&copy=vms'),
  ).toEqual({});
});
