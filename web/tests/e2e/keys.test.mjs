// Keys that walk: rows in steps, arrows, bookmarks and marks; zoom at the selection; heights; states
// that the filter asks for.
import assert from 'node:assert/strict';
import { near, until } from './harness.mjs';

export const capture = 'twovms-tsc';

const length = (window) => window.to - window.from;
const relative = async (page, ns) =>
  Number(BigInt(ns) - BigInt((await page.state('experiment')).begin_ns));
const rowOf = (page, ref) =>
  page.ask(
    (wanted) => virtscopeTimeline.store.get().rows[wanted.view].find((row) => row.id === wanted.id),
    ref,
  );

export const tests = {
  'plus and minus zoom at the selection, wherever the pointer is': async (page) => {
    const { limit } = await page.state('limit', 'window');
    const time = Math.round(limit.to * 0.8);
    await page.set({ time });
    const at = await page.place('fused', { kind: 'pcpu', cpu: 0 });
    await page.mouse.move(at.left + at.width * 0.1, at.y);
    await page.key('+');
    let window = await page.state('window');
    near(length(window), limit.to / 2, 'half');
    near((time - window.from) / length(window), 0.8, 'the selection stays in its place', 0.001);
    await page.set({ range: { from: time - 1e9, to: time + 2e9 } });
    await page.key('-');
    window = await page.state('window');
    assert.deepEqual(window, limit);
    await page.set({ time: null, range: null });
    await page.key('w');
    window = await page.state('window');
    near((limit.to * 0.1 - window.from) / length(window), 0.1, 'W: the pointer', 0.002);
  },

  'page up and page down walk rows in tens, the star unfolds all': async (page) => {
    const lanes = () =>
      page.ask(() =>
        virtscopeTimeline.scene.layout.lanes
          .filter((lane) => lane.kind === 'row')
          .map((lane) => ({ view: lane.view, id: lane.row.id })),
      );
    const all = await lanes();
    await page.set({ row: all[2] });
    await page.key('PageDown');
    assert.deepEqual(await page.state('row'), all[12]);
    await page.key('PageUp');
    assert.deepEqual(await page.state('row'), all[2]);
    const group = await page.ask(() =>
      virtscopeTimeline.store.get().rows.vms.find((row) => row.kind === 'group'),
    );
    await page.set({ collapsed: { [`vms:${group.id}`]: true } });
    await until('folded', async () => (await lanes()).length < all.length);
    await page.key('*');
    await until('unfolded', async () => (await lanes()).length === all.length);
  },

  'Ctrl+Shift+wheel makes rows taller and lower': async (page) => {
    const at = await page.place('fused', { kind: 'pcpu', cpu: 0 });
    await page.mouse.move(at.x, at.y);
    await page.browserPage.keyboard.down('Control');
    await page.browserPage.keyboard.down('Shift');
    await page.mouse.wheel(0, -100);
    await page.stateWhen('taller', (height) => height > 18, 'rowHeight');
    for (let i = 0; i < 3; ++i) await page.mouse.wheel(0, 100);
    await page.stateWhen('lower', (height) => height < 18, 'rowHeight');
    await page.browserPage.keyboard.up('Shift');
    await page.browserPage.keyboard.up('Control');
    const { window, limit } = await page.state('window', 'limit');
    assert.deepEqual(window, limit, 'nothing is zoomed');
  },

  'J follows the next arrow of the row to its other end, Shift+J the one before': async (page) => {
    await page.set({ openViews: ['control'] });
    await page.quiet();
    const { row } = await page.place('control', { machine: 'host', tid: 180 });
    const [woken] = await page.sql(
      `SELECT ts + dur AS at FROM thread_state WHERE machine = 'host' AND tid = 180
        AND state = 'blocked' AND waker_tid = 181 ORDER BY ts LIMIT 1 OFFSET 100`,
    );
    const time = await relative(page, woken.at);
    await page.set({
      row: { view: 'control', id: row.id },
      time: time - 1,
      window: { from: time - 1e6, to: time + 1e6 },
    });
    await until('the arrows', () => page.ask(() => virtscopeTimeline.scene.arrows.length > 0));
    await page.key('j');
    const ref = await page.stateWhen('the other end', (now) => now.id !== row.id, 'row');
    assert.equal((await rowOf(page, ref)).tid, 181);
    near(await page.state('time'), time, 'the time of the arrow');
    await page.set({ row: { view: 'control', id: row.id }, time: time + 1 });
    await until('the arrows again', () =>
      page.ask(
        (id) =>
          virtscopeTimeline.scene.arrows.length > 0 &&
          virtscopeTimeline.scene.arrows.every(
            (arrow) => arrow.from_row === id || arrow.to_row === id,
          ),
        row.id,
      ),
    );
    await page.key('Shift+J');
    await page.stateWhen('back', (now) => now.id !== row.id, 'row');
    near(await page.state('time'), time, 'the same arrow');
  },

  'N walks bookmarks and marks in the order of time, and flags stand in the ruler': async (
    page,
  ) => {
    const { begin_ns: begin } = await page.state('experiment');
    const abs = (at) => (BigInt(begin) + BigInt(at)).toString();
    const made = await page.api('bookmarks', {
      name: 'slow here',
      from_ns: abs(5e9),
      to_ns: abs(6e9),
      colour: '#d55e00',
    });
    const list = await page.api('bookmarks');
    await page.set({ bookmarks: list.bookmarks ?? list, measure: [3e9, null] });
    await page.key('n');
    assert.equal(await page.state('time'), 3e9, 'mark A');
    await page.key('n');
    const { time, range } = await page.state('time', 'range');
    assert.equal(time, 5e9);
    assert.deepEqual(range, { from: 5e9, to: 6e9 });
    assert.match(await page.notice(), /slow here/);
    await page.key('n');
    await until('no more', async () => /No later bookmark/.test(await page.notice()));
    await page.key('Shift+N');
    assert.equal(await page.state('time'), 3e9, 'back');
    await page.set({ range: null, measure: [null, null] });
    await page.frame();
    const flag = await page.ask(() => {
      const { scene } = virtscopeTimeline;
      const x = Math.round(scene.x(5.5e9));
      return [...scene.ruler.getContext('2d').getImageData(x, 24, 1, 1).data];
    });
    assert.deepEqual(flag.slice(0, 3), [0xd5, 0x5e, 0x00]);
    await page.ask((id) => fetch(`./api/bookmarks/${id}`, { method: 'DELETE' }), made.id);
    await page.set({ bookmarks: [] });
  },

  'the filter state:NAME fades what is in another state, and hides no row': async (page) => {
    const [one] = await page.sql(
      `SELECT ts, dur, vcpu FROM vcpu_state WHERE machine = 'vm1' AND state = 'preempted'
        ORDER BY dur DESC LIMIT 1`,
    );
    const from = await relative(page, one.ts);
    const to = from + Number(one.dur);
    await page.set({ window: { from: from - 5e6, to: to + 5e6 } });
    await page.quiet();
    const count = () => page.ask(() => virtscopeTimeline.scene.layout.lanes.length);
    const before = await count();
    const vcpu = { machine: 'vm1', kind: 'vcpu', vcpu: Number(one.vcpu) };
    const colours = async () => {
      const at = await page.place('vms', vcpu, (from + to) / 2);
      return page.ask(
        ([x, y, out]) => {
          const { scene } = virtscopeTimeline;
          const box = scene.base.getBoundingClientRect();
          const c = scene.base.getContext('2d');
          return [x, out].map((one) =>
            [
              ...c.getImageData(Math.round(one - box.left), Math.round(y - box.top), 8, 1).data,
            ].join(),
          );
        },
        [at.x, at.y, (await page.place('vms', vcpu, from - 2e6)).x],
      );
    };
    const plain = await colours();
    await page.find('#row-filter').fill('state:preempted');
    await page.find('#row-filter').blur();
    await page.frame();
    const faded = await colours();
    assert.equal(faded[0], plain[0], 'the robbed time is as it was');
    assert.notEqual(faded[1], plain[1], 'the rest is faded');
    assert.equal(await count(), before);
  },
};
