// Rows: filter with '/', highlight, pins, folding, views on and off, heights, grid; views without
// data.
import assert from 'node:assert/strict';
import { until } from './harness.mjs';

export const capture = 'twovms-tsc';

const shown = (page, fixed = false) =>
  page.ask(
    (pinned) =>
      virtscopeTimeline.scene.layout.lanes
        .filter((lane) => lane.kind === 'row' && lane.fixed === pinned)
        .map((lane) => ({ view: lane.view, ...lane.row })),
    fixed,
  );

const pixel = (page, view, match, time) =>
  page.place(view, match, time).then((at) =>
    page.ask(
      ([x, y]) => {
        const { scene } = virtscopeTimeline;
        const box = scene.base.getBoundingClientRect();
        return [
          ...scene.base
            .getContext('2d')
            .getImageData(Math.round(x - box.left), Math.round(y - box.top), 1, 1).data,
        ];
      },
      [at.x, at.y],
    ),
  );

export const tests = {
  'the slash filters rows by words and fields, with what is above them': async (page) => {
    const all = (await shown(page)).length;
    await page.key('/');
    await page.browserPage.keyboard.type('kind:pcpu cpu:1');
    await until(
      'one processor',
      async () => (await shown(page)).filter((row) => row.kind !== 'group').length === 1,
    );
    const rows = await shown(page);
    assert.deepEqual(
      rows.map((row) => row.kind),
      ['group', 'pcpu'],
    );
    assert.equal(rows[1].cpu, 1);
    await page.find('#row-filter').fill('burst !burst1');
    await until(
      'burst0',
      async () =>
        (await shown(page))
          .filter((row) => row.kind !== 'group')
          .map((row) => row.label)
          .join() === 'burst0',
    );
    await page.find('#row-filter').fill('no such row');
    await until('the reason', async () =>
      /No row matches “no such row”/.test(await page.text('.labels')),
    );
    await page.key('Escape');
    assert.ok(
      await page.ask(() => document.activeElement.id !== 'row-filter'),
      'Escape leaves the field',
    );
    await page.set({ filter: '' });
    await until('all again', async () => (await shown(page)).length === all);
  },

  'threads that never ran are hidden until one asks for them': async (page) => {
    const threads = async () => (await shown(page)).filter((row) => row.kind === 'thread');
    const ran = await page.sql(
      `SELECT DISTINCT machine, tid FROM thread_state WHERE state IN ('user', 'syscall', 'irq')`,
    );
    const names = new Set(ran.map((row) => `${row.machine}/${row.tid}`));
    const before = await threads();
    assert.ok(before.length > 5);
    for (const row of before) assert.ok(names.has(`${row.machine}/${row.tid}`), row.label);
    await page.key('i');
    await until('all', async () => (await threads()).length > before.length);
    await page.control('button', 'Idle').click();
    await until('fewer', async () => (await threads()).length === before.length);
    const rows = (await page.state('rows')).vms;
    const hidden = rows.find(
      (row) => row.kind === 'thread' && !names.has(`${row.machine}/${row.tid}`),
    );
    await page.set({ filter: `tid:${hidden.tid} vm:${hidden.machine}` });
    await until('found by the filter', async () =>
      (await threads()).some((row) => row.id === hidden.id),
    );
    await page.set({ filter: '', row: { view: 'vms', id: hidden.id } });
    await until('the selected one', async () =>
      (await threads()).some((row) => row.id === hidden.id),
    );
  },

  'E leaves the rows that do something in the window, at any zoom; the selected one stays': async (
    page,
  ) => {
    const { begin_ns: begin } = await page.state('experiment');
    const threads = async () => (await shown(page)).filter((row) => row.kind === 'thread');
    const before = (await threads()).length;
    const asleep = (await threads())[0];
    await page.key('e');
    for (const from of [6e9, 11e9]) {
      const window = { from, to: from + 2e7 };
      await page.set({ window });
      const [first, last] = [from, window.to].map((at) => BigInt(begin) + BigInt(at));
      const awake = await page.sql(
        `SELECT DISTINCT machine, tid FROM thread_state(${first}, ${last})
          WHERE state NOT IN ('unknown', 'blocked', 'exited') AND machine <> 'host'`,
      );
      const wanted = awake.map((row) => `${row.machine}/${row.tid}`).sort();
      await until('those that are awake', async () => {
        const seen = (await threads()).map((row) => `${row.machine}/${row.tid}`).sort();
        return seen.join() === wanted.join();
      });
      assert.ok(wanted.length < before / 2, `${wanted.length} of ${before}`);
    }
    assert.match(
      await page.ask(
        () =>
          virtscopeTimeline.scene.layout.lanes.find(
            (lane) => lane.kind === 'header' && lane.view === 'vms',
          ).description,
      ),
      /without activity in this window: press E to see/,
    );
    await page.set({ row: { view: 'vms', id: asleep.id } });
    await until('the selected one', async () =>
      (await threads()).some((row) => row.id === asleep.id),
    );
    await page.set({ row: null });
    await page.control('button', 'Active').click();
    await until('all again', async () => (await threads()).length === before);
  },

  'threads that ran longest come first; O orders them by number, by name, by beginning': async (
    page,
  ) => {
    const threads = async () =>
      (await shown(page)).filter((row) => row.machine === 'vm1' && row.kind === 'thread');
    const [most] = await page.sql(
      `SELECT tid FROM thread_state WHERE machine = 'vm1' AND state IN ('user', 'syscall', 'irq')
        GROUP BY 1 ORDER BY SUM(dur) DESC LIMIT 1`,
    );
    assert.equal((await threads())[0].tid, Number(most.tid));
    const count = (await threads()).length;
    const inOrder = (what, before) =>
      until(what, async () => {
        const list = await threads();
        return list.length === count && list.every((row, i) => i === 0 || before(list[i - 1], row));
      });
    await page.key('o');
    await inOrder('by number', (a, b) => a.tid < b.tid);
    assert.match(await page.notice(), /Threads: by number/);
    await page.key('o');
    await inOrder(
      'by name',
      (a, b) => a.label.localeCompare(b.label, 'en', { numeric: true }) <= 0,
    );
    await page.key('o');
    await inOrder('by beginning', (a, b) => BigInt(a.begin_ns) <= BigInt(b.begin_ns));
    await page.key('o');
    assert.equal(await page.state('order'), 'ran', 'and around');
  },

  'Shift+O orders threads so that arrows are shorter': async (page) => {
    await page.set({ openViews: ['control'], window: { from: 6e9, to: 7e9 } });
    await page.quiet();
    const length = () =>
      page.ask(async () => {
        const { scene, store } = virtscopeTimeline;
        const ids = scene.layout.lanes
          .filter((lane) => lane.kind === 'row' && lane.row.kind === 'thread')
          .map((lane) => lane.row.id);
        const { begin_ns: begin } = store.get().experiment;
        const { window } = store.get();
        const answer = await fetch('./api/arrows', {
          method: 'POST',
          headers: { 'Content-Type': 'application/json' },
          body: JSON.stringify({
            view: 'control',
            rows: ids,
            from_ns: String(BigInt(begin) + BigInt(window.from)),
            to_ns: String(BigInt(begin) + BigInt(window.to)),
            limit: 2000,
          }),
        });
        const { arrows } = await answer.json();
        const at = new Map(ids.map((id, i) => [id, i]));
        return arrows.reduce(
          (sum, one) => sum + Math.abs((at.get(one.from_row) ?? 0) - (at.get(one.to_row) ?? 0)),
          0,
        );
      });
    const before = await length();
    assert.ok(before > 0);
    await page.key('O');
    assert.equal(await page.state('order'), 'linked');
    await until('shorter arrows', async () => (await length()) < before * 0.9);
  },

  'highlighting one machine fades the others, by key and by button': async (page) => {
    const [run] = await page.sql(
      `SELECT ts, dur, cpu FROM fused_cpu WHERE machine = 'vm2' AND condition = 'guest'
        ORDER BY dur DESC LIMIT 1`,
    );
    const time =
      Number(BigInt(run.ts) - BigInt((await page.state('experiment')).begin_ns)) +
      Number(run.dur) / 2;
    await page.set({
      window: { from: time - Number(run.dur) / 4, to: time + Number(run.dur) / 4 },
    });
    await page.quiet();
    const cpu = { kind: 'pcpu', cpu: Number(run.cpu) };
    const plain = await pixel(page, 'fused', cpu, time);
    const { row } = await page.place('vms', { machine: 'vm1', kind: 'vcpu', vcpu: 0 });
    await page.set({ row: { view: 'vms', id: row.id } });
    await page.key('h');
    assert.equal(await page.state('machine'), 'vm1', 'the machine of the selected row');
    await page.frame();
    assert.notDeepEqual(await pixel(page, 'fused', cpu, time), plain, 'vm2 is faded');
    await page.key('h');
    assert.equal(await page.state('machine'), 'vm2', 'then the next');
    await page.frame();
    assert.deepEqual(await pixel(page, 'fused', cpu, time), plain, 'vm2 is as it was');
    await page.key('h');
    assert.equal(await page.state('machine'), null, 'then none');
    const button = page.control('button', 'vm1', '.machines');
    await button.click();
    assert.equal(await button.getAttribute('aria-pressed'), 'true');
    assert.equal(await page.state('machine'), 'vm1');
  },

  'a pinned row stays on top while the others scroll': async (page) => {
    const { row } = await page.place('vms', { machine: 'vm1', label: 'critical' });
    await page.set({ row: { view: 'vms', id: row.id } });
    await page.key('p');
    await until('the pin', async () => (await shown(page, true)).length === 1);
    assert.equal((await shown(page, true))[0].label, 'critical');
    await page.ask(() => (document.querySelector('.lanes').scrollTop = 400));
    await page.quiet();
    const top = await page.ask(() => {
      const { scene } = virtscopeTimeline;
      return scene.laneTop(scene.layout.lanes.find((lane) => lane.fixed && lane.kind === 'row'));
    });
    assert.ok(top < 40, `pinned at ${top}`);
    await page.find('.labels-fixed .label.row').hover();
    await page.control('button', 'Unpin', '.labels-fixed').click();
    await until('no pin', async () => (await shown(page, true)).length === 0);
  },

  'groups fold and unfold, by key and by button': async (page) => {
    const group = (await shown(page)).find((row) => row.view === 'vms' && row.label === 'vm1');
    const children = async () =>
      (await shown(page)).filter((row) => row.view === 'vms' && row.machine === 'vm1').length;
    const all = await children();
    assert.ok(all > 5);
    await page.set({ row: { view: 'vms', id: group.id } });
    await page.key('[');
    await until('folded', async () => (await children()) === 1);
    await page.key(']');
    await until('unfolded', async () => (await children()) === all);
    await page.key('Enter');
    await until('folded again', async () => (await children()) === 1);
    const label = page.find('.label.group', { hasText: 'vm1' });
    assert.equal(await label.first().getAttribute('aria-expanded'), 'false');
    await page.control('button', 'Unfold').first().click();
    await until('unfolded again', async () => (await children()) === all);
  },

  'views go on and off, and each has its rows': async (page) => {
    const names = ['Threads', 'Guest processes', 'Disks', 'Network', 'Rates'];
    for (const name of names) await page.control('button', name, '.views').click();
    await page.quiet();
    const lanes = await until('lanes of all', () =>
      page.ask(() => {
        const { lanes: all } = virtscopeTimeline.scene.layout;
        const count = (view) =>
          all.filter((lane) => lane.view === view && lane.kind !== 'header').length;
        const counts = Object.fromEntries(
          ['fused', 'vms', 'control', 'vprocess', 'disk', 'net', 'series'].map((view) => [
            view,
            count(view),
          ]),
        );
        return counts.series > 1 && counts;
      }),
    );
    for (const [view, count] of Object.entries(lanes)) assert.ok(count > 0, `${view} is empty`);
    for (const name of names) await page.control('button', name, '.views').click();
    await page.ask(() => (document.querySelector('.lanes').scrollTop = 0));
    await page.quiet();
    await page.control('button', 'Close Virtual machines').click();
    await until('only processors', async () =>
      (await shown(page)).every((row) => row.view === 'fused'),
    );
  },

  'what is on the screen stays there when the view above it goes': async (page) => {
    await page.set({ openViews: ['fused'] });
    await page.quiet();
    await page.control('button', 'Virtual machines', '.views').click();
    const top = () =>
      page.ask(() => {
        const { scene } = virtscopeTimeline;
        const lane = scene.layout.lanes.find((one) => one.kind === 'row' && one.view === 'vms');
        return lane && scene.laneTop(lane);
      });
    await until('the view', async () => (await top()) < 40);
    await page.frame();
    await page.control('button', 'CPUs', '.views').click();
    await until('only one view', async () =>
      (await shown(page)).every((row) => row.view === 'vms'),
    );
    await page.frame();
    const now = await top();
    assert.ok(now >= 0 && now < 40, `the first row is at ${now}`);
  },

  'rows get higher and lower by < and >, the grid goes with G': async (page) => {
    await page.key('>');
    assert.ok((await page.state('rowHeight')) > 18);
    for (let i = 0; i < 9; ++i) await page.key('<');
    assert.equal(await page.state('rowHeight'), 4);
    await page.key('\\');
    assert.equal(await page.state('rowHeight'), 18, 'the usual height');
    await page.key('g');
    assert.equal(await page.state('grid'), false);
  },
};
