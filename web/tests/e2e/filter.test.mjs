// The language behind '/': rows and states, faded or left out; what is wrong and where; patterns
// that would freeze other pages; saved filters.
import assert from 'node:assert/strict';
import { until } from './harness.mjs';

export const capture = 'twovms-tsc';

const labels = (page) =>
  page.ask(() =>
    virtscopeTimeline.scene.layout.lanes
      .filter((lane) => lane.kind === 'row' && lane.row.kind !== 'group')
      .map((lane) => `${lane.view} ${lane.row.machine} ${lane.row.kind} ${lane.row.label}`),
  );

const type = async (page, text) => {
  await page.key('/');
  await page.find('#row-filter').fill(text);
};

/** The colour that a column of a row has on the screen. */
const colourAt = (page, match, time) =>
  page.place('vms', match, time).then((at) =>
    page.ask(
      ([x, y]) => {
        const { scene } = virtscopeTimeline;
        const box = scene.base.getBoundingClientRect();
        const c = scene.base.getContext('2d');
        return [
          ...c.getImageData(Math.round(x - box.left), Math.round(y - box.top) - 3, 8, 8).data,
        ].join();
      },
      [at.x, at.y],
    ),
  );

const background = (page) =>
  page.ask(() => {
    const [r, g, b] = virtscopeTimeline.scene.scheme.background;
    return Array(64).fill(`${r},${g},${b},255`).join();
  });

async function robbed(page) {
  const [one] = await page.sql(
    `SELECT ts, dur, vcpu FROM vcpu_state WHERE machine = 'vm1' AND state = 'preempted'
      ORDER BY dur DESC LIMIT 1`,
  );
  const from = Number(BigInt(one.ts) - BigInt((await page.state('experiment')).begin_ns));
  const to = from + Number(one.dur);
  await page.set({ window: { from: from - (to - from), to: to + (to - from) } });
  await page.quiet();
  return { from, to, vcpu: { machine: 'vm1', kind: 'vcpu', vcpu: Number(one.vcpu) } };
}

export const tests = {
  'fields, signs and parentheses choose rows': async (page) => {
    await type(page, '(kind == vcpu || label matches "^burst[01]$") && vm != vm1');
    const rows = await until('rows', async () => {
      const list = await labels(page);
      return list.length > 0 && list.length < 8 && list;
    });
    assert.ok(
      rows.every((row) => row.startsWith('vms vm2 ')),
      rows.join(),
    );
    assert.ok(
      rows.some((row) => row.endsWith('vcpu vCPU 0')) || rows.some((row) => /vcpu/.test(row)),
    );
    assert.ok(
      rows.some((row) => row.endsWith('burst0')) && rows.some((row) => row.endsWith('burst1')),
    );
    assert.ok(await until('the address', () => page.ask(() => location.hash.includes('f='))));
  },

  'states that do not match are faded, or left out with Hide; the link says so': async (page) => {
    const { from, to, vcpu } = await robbed(page);
    const middle = (from + to) / 2;
    const before = from - (to - from) / 2;
    const plain = [await colourAt(page, vcpu, middle), await colourAt(page, vcpu, before)];
    await type(page, 'state == preempted || effective == deprived');
    await page.key('Escape');
    await page.frame();
    assert.equal(await colourAt(page, vcpu, middle), plain[0], 'what matches is as it was');
    const faded = await colourAt(page, vcpu, before);
    assert.notEqual(faded, plain[1], 'the rest is faded');
    await page.control('button', 'Hide').click();
    await page.frame();
    assert.equal(await colourAt(page, vcpu, before), await background(page), 'or left out');
    assert.equal(await colourAt(page, vcpu, middle), plain[0]);
    await until('the address', () => page.ask(() => /fh=1/.test(location.hash)));
  },

  'the length of states counts, also where they go on beyond the window': async (page) => {
    const { from, to, vcpu } = await robbed(page);
    const middle = (from + to) / 2;
    const plain = await colourAt(page, vcpu, middle);
    const ms = (to - from) / 1e6;
    await page.set({ filter: `duration > ${(ms * 1.2).toFixed(3)}ms` });
    await page.frame();
    assert.notEqual(await colourAt(page, vcpu, middle), plain, 'shorter: faded');
    await page.set({ filter: `duration > ${(ms * 0.8).toFixed(3)}ms` });
    await page.frame();
    assert.equal(await colourAt(page, vcpu, middle), plain, 'longer: as it was');
    const third = (to - from) / 3;
    await page.set({ filter: '', window: { from: from + third, to: to - third } });
    await page.quiet();
    const inside = await colourAt(page, vcpu, middle);
    await page.set({ filter: `duration > ${(ms * 0.8).toFixed(3)}ms` });
    await page.frame();
    assert.equal(await colourAt(page, vcpu, middle), inside, 'it goes on at both sides');
  },

  'threads and vCPUs by the CPUs that they ran on in the window': async (page) => {
    const { from, to } = await page.state('limit');
    const middle = Math.round((from + to) / 2);
    const window = { from: middle, to: middle + Math.round((to - from) / 50) };
    const begin = BigInt((await page.state('experiment')).begin_ns);
    const ranOn = async (cpu) => {
      const [a, b] = [window.from, window.to].map((time) => begin + BigInt(time));
      const rows = await page.sql(
        `SELECT DISTINCT machine, tid AS n, 'thread' AS kind FROM thread_state WHERE cpu = ${cpu}
            AND ts < ${b} AND ts + dur > ${a} AND state IN ('user', 'syscall', 'irq')
          UNION SELECT DISTINCT machine, vcpu, 'vcpu' FROM vcpu_state WHERE pcpu = ${cpu}
            AND ts < ${b} AND ts + dur > ${a}
            AND state IN ('guest', 'hypervisor', 'userspace', 'host_irq', 'polling', 'emulated')`,
      );
      return rows.map((row) => `${row.machine} ${row.kind} ${row.n}`).sort();
    };
    const shown = () =>
      page.ask(() => [
        ...new Set(
          virtscopeTimeline.scene.layout.lanes
            .filter((lane) => lane.kind === 'row' && ['thread', 'vcpu'].includes(lane.row.kind))
            .map(({ row }) => `${row.machine} ${row.kind} ${row.tid ?? row.vcpu}`),
        ),
      ]);
    await page.set({ window, openViews: ['fused', 'vms', 'control'] });
    const here = await ranOn(1);
    const there = await ranOn(0);
    assert.ok(here.length > 2, 'something ran on CPU 1');
    assert.notDeepEqual(here, there);
    await type(page, 'ran_on == 1');
    const same = (wanted) => async () => (await shown()).sort().join() === wanted.join();
    await until('what ran on CPU 1', same(here));
    assert.ok((await labels(page)).includes('fused host pcpu CPU 1'));
    assert.equal((await labels(page)).filter((row) => row.includes(' pcpu ')).length, 1);
    await page.find('#row-filter').fill('ran_on == 0');
    await until('what ran on CPU 0', same(there));
    // Another window has others; the filter follows it.
    window.to = window.from + 1000;
    await page.set({ window });
    const fewer = await ranOn(0);
    assert.ok(fewer.length < there.length);
    await until('what ran on CPU 0 then', same(fewer));
  },

  'rows on which a filter cannot hold are not shown': async (page) => {
    await type(page, 'tid == 156 && state == syscall || kind == pcpu && runs == vm1');
    const rows = await until('rows', async () => {
      const list = await labels(page);
      return list.length < 12 && list;
    });
    assert.ok(rows.some((row) => row.startsWith('fused')));
    assert.ok(
      rows.every((row) => /fused|thread/.test(row)),
      rows.join(),
    );
  },

  'an error says what is wrong and where, and filters nothing': async (page) => {
    const all = (await labels(page)).length;
    await type(page, 'vm1 && tid == abc');
    const box = page.find('#filter-error');
    await until('the error', async () => (await box.count()) === 1);
    assert.match(await box.innerText(), /At character 15: a number is wanted here/);
    assert.equal(await box.locator('mark').innerText(), 'abc');
    assert.equal(await page.find('#row-filter').getAttribute('aria-invalid'), 'true');
    assert.equal((await labels(page)).length, all);
    await page.find('#row-filter').fill('label matches "(a"');
    await until('the next', async () => /this \( is not closed/.test(await box.innerText()));
    await page.find('#row-filter').fill('vm1');
    await until('no error', async () => (await box.count()) === 0);
  },

  'a pattern that backtracks without end elsewhere answers at once': async (page) => {
    const begin = Date.now();
    await type(page, 'label matches "(([a-z0-9]+)+)+#$"');
    await until('no row', async () => (await labels(page)).length === 0);
    assert.ok(Date.now() - begin < 3000, `${Date.now() - begin} ms`);
  },

  'up to four filters are kept, taken and removed again': async (page) => {
    for (const text of ['one', 'two', 'three', 'four', 'kind == vcpu']) {
      await page.set({ filter: text });
      await page.key('F');
      const dialog = page.find('#dialog-filters');
      await dialog.getByRole('button', { name: `Save ${text}` }).click();
      await page.key('Escape');
      await until('closed', async () => (await dialog.getByRole('button').count()) === 0);
    }
    await page.set({ filter: '' });
    await page.control('button', 'Saved filters').click();
    const list = page.find('.saved-filters li');
    assert.deepEqual(
      (await list.allInnerTexts()).map((text) => text.replace(/\s*×\s*/, '')),
      ['kind == vcpu', 'four', 'three', 'two'],
    );
    await page.control('button', 'Remove two').click();
    await until('three', async () => (await list.count()) === 3);
    await list.first().getByRole('button').first().click();
    assert.equal(await page.state('filter'), 'kind == vcpu');
    await until('vCPUs', async () => (await labels(page)).every((row) => / vcpu /.test(row)));
    await page.ask(() => localStorage.removeItem('virtscope.filters'));
  },
};
