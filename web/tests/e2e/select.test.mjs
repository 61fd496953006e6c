// Selecting on the timeline: moments, spans, states of a row one after the other, rows, going to a
// time, measuring.
import assert from 'node:assert/strict';
import { near, until } from './harness.mjs';

export const capture = 'twovms-tsc';

const vcpu0 = { kind: 'vcpu', machine: 'vm1', vcpu: 0 };

async function drag(page, from, to) {
  await page.mouse.move(from.x, from.y);
  await page.mouse.down();
  await page.mouse.move(to.x, to.y, { steps: 4 });
  await page.mouse.up();
}

/** The intervals of vm1's vCPU 0, as the database has them. */
function vcpuStates(page) {
  return page.sql(
    `SELECT ts, dur, state FROM vcpu_state WHERE machine = 'vm1' AND vcpu = 0
      ORDER BY ts LIMIT 9000`,
  );
}

export const tests = {
  'a click selects a moment and the row, and the details follow': async (page) => {
    const at = await page.place('vms', vcpu0, 6e9);
    await page.mouse.click(at.x, at.y);
    const { time, row, range } = await page.state('time', 'row', 'range');
    near(time, 6e9, 'moment', 1e7);
    assert.deepEqual(row, { view: 'vms', id: at.row.id });
    assert.equal(range, null);
    assert.ok(Number.isInteger(time), 'moments are whole nanoseconds');
    await until('the row in the details', async () =>
      (await page.text('.details')).includes('vm1 vCPU 0'),
    );
  },

  'a drag selects a span; Shift+click extends it; Escape clears it': async (page) => {
    const at = await page.place('vms', vcpu0);
    await drag(page, { x: at.left + 300, y: at.y }, { x: at.left + 400, y: at.y });
    const range = await page.stateWhen('selected', (span) => span !== null, 'range');
    const [from, to, later] = await page.ask(() =>
      [300, 400, 500].map((x) => virtscopeTimeline.scene.time(x)),
    );
    const pixel = (to - from) / 100;
    near(range.from, from, 'begin', pixel);
    near(range.to, to, 'end', pixel);
    await page.browserPage.keyboard.down('Shift');
    await page.mouse.click(at.left + 500, at.y);
    await page.browserPage.keyboard.up('Shift');
    const longer = await page.state('range');
    near(longer.from, range.from, 'the begin stays');
    near(longer.to, later, 'the end moves', pixel);
    assert.match(await page.text('.status'), /Selected .*Δ/);
    await page.key('Escape');
    assert.equal(await page.state('range'), null);
  },

  'the arrow keys walk the states of a row, exactly those of the data': async (page) => {
    const states = await vcpuStates(page);
    const begin = BigInt((await page.state('experiment')).begin_ns);
    const first = 200;
    const from = Number(BigInt(states[first].ts) - begin);
    const row = (await page.place('vms', vcpu0)).row;
    await page.set({
      row: { view: 'vms', id: row.id },
      time: from,
      window: { from: from - 1e6, to: from + 1e6 },
    });
    for (let i = 1; i <= 3; ++i) {
      await page.key('ArrowRight');
      const wanted = Number(BigInt(states[first + i].ts) - begin);
      const { range } = await page.stateWhen(
        `state ${i}`,
        ({ time }) => time === wanted,
        'time',
        'range',
      );
      near(range.to - range.from, Number(states[first + i].dur), 'length of the state');
    }
    await page.key('ArrowLeft');
    await page.stateWhen(
      'one back',
      (time) => time === Number(BigInt(states[first + 2].ts) - begin),
      'time',
    );
    await page.key('Shift+ArrowRight');
    const range = await page.stateWhen(
      'extended',
      (span) => span.to > Number(BigInt(states[first + 3].ts) - begin),
      'range',
    );
    near(range.from, Number(BigInt(states[first + 2].ts) - begin), 'both states');
  },

  'the arrow keys walk the rows': async (page) => {
    const { row } = await page.place('vms', vcpu0);
    await page.set({ row: { view: 'vms', id: row.id } });
    await page.key('ArrowDown');
    assert.deepEqual(await page.state('row'), { view: 'vms', id: row.id + 1 });
    await page.key('ArrowUp');
    await page.key('ArrowUp');
    assert.deepEqual(await page.state('row'), { view: 'vms', id: row.parent });
    const active = await page.find('.lanes').getAttribute('aria-activedescendant');
    assert.equal(await page.find(`#${active}`).getAttribute('aria-selected'), 'true');
  },

  'Home and End go to the first and to the last row': async (page) => {
    const ends = await page.ask(() => {
      const rows = virtscopeTimeline.scene.layout.lanes.filter((lane) => lane.kind === 'row');
      return [rows[0], rows[rows.length - 1]].map(({ view, row }) => ({ view, id: row.id }));
    });
    await page.key('End');
    assert.deepEqual(await page.state('row'), ends[1]);
    await page.key('Home');
    assert.deepEqual(await page.state('row'), ends[0]);
  },

  'L goes to a time: since the begin, from here, absolute; and refuses what is none': async (
    page,
  ) => {
    const go = async (text) => {
      await page.key('l');
      await page.find('#go-to-time input').fill(text);
      await page.key('Enter');
    };
    const arrives = (wanted) => page.stateWhen(`at ${wanted}`, (time) => time === wanted, 'time');
    const { experiment } = await page.state('experiment', 'time');
    await go('6.5s');
    await arrives(6.5e9);
    await go('+5ms');
    await arrives(6.505e9);
    await go((BigInt(experiment.begin_ns) + 7_000_000_001n).toString());
    await arrives(7_000_000_001);
    await go('noon');
    await until('the notice', async () => /“noon” is not a time/.test(await page.notice()));
    assert.equal(await page.state('time'), 7_000_000_001);
    await page.key('l');
    await page.key('Escape');
    assert.ok(!(await page.find('#go-to-time').isVisible()));
  },

  'L shows the time that it went to, at the zoom that there was': async (page) => {
    await page.set({ window: { from: 1e9, to: 2e9 } });
    await page.key('l');
    await page.find('#go-to-time input').fill('9s');
    await page.key('Enter');
    const window = await page.stateWhen(
      'there',
      (span) => span.from < 9e9 && span.to > 9e9,
      'window',
    );
    near(window.to - window.from, 1e9, 'same zoom');
  },

  'M measures between two marks, and the ruler carries their names': async (page) => {
    const at = await page.place('vms', vcpu0);
    await page.mouse.move(at.left + 300, at.y);
    await page.key('m');
    await page.mouse.move(at.left + 420, at.y);
    await page.key('m');
    const [a, b] = await page.state('measure');
    const [from, to] = await page.ask(() => [300, 420].map((x) => virtscopeTimeline.scene.time(x)));
    near(a, from, 'A', (to - from) / 100);
    near(b, to, 'B', (to - from) / 100);
    assert.match(await page.text('.status .measure'), /A→B 1\.\d+ s/);
    assert.match(await page.text('.details'), /Between the marks: 1\.\d+ s/);
    await page.key('m');
    assert.equal((await page.state('measure'))[1], null, 'the third press begins again');
  },
};
