// What is known about an interval: the tooltip, the details with the statement that gives them, and
// why on a selected span.
import assert from 'node:assert/strict';
import { near, until } from './harness.mjs';

export const capture = 'twovms-tsc';

/** An interval of vm1's vCPU 0 that is wide on the screen; the window is put around it. */
async function wideInterval(page) {
  const [one] = await page.sql(
    `SELECT ts, dur, state, pcpu, exit_reason FROM vcpu_state WHERE machine = 'vm1' AND vcpu = 0
      AND state = 'preempted' ORDER BY dur DESC LIMIT 1`,
  );
  const from = Number(BigInt(one.ts) - BigInt((await page.state('experiment')).begin_ns));
  const to = from + Number(one.dur);
  await page.set({ window: { from: from - 1e6, to: to + 1e6 } });
  await page.quiet();
  const at = await page.place('vms', { kind: 'vcpu', machine: 'vm1', vcpu: 0 }, (from + to) / 2);
  return { ...one, from, to, at };
}

const attributes = (page, list) =>
  page.ask((selector) => {
    const names = [...document.querySelectorAll(`${selector} dt`)].map((item) => item.textContent);
    const values = [...document.querySelectorAll(`${selector} dd`)].map((item) => item.textContent);
    return Object.fromEntries(names.map((name, i) => [name, values[i]]));
  }, list);

export const tests = {
  'the tooltip names the row, the state and every attribute': async (page) => {
    const { at, pcpu, exit_reason } = await wideInterval(page);
    await page.mouse.move(at.x, at.y);
    const seen = await until('the attributes', async () => {
      const list = await attributes(page, '.tip');
      return list['pcpu'] && list;
    });
    assert.match(await page.text('.tip strong'), /vCPU 0/);
    assert.match(await page.text('.tip'), /preempted/);
    const answer = await page.api('at', {
      view: 'vms',
      row: at.row.id,
      time_ns: await page.ask(
        ([x, left]) => {
          const { scene, store } = virtscopeTimeline;
          const begin = BigInt(store.get().experiment.begin_ns);
          return (begin + BigInt(Math.round(scene.time(x - left)))).toString();
        },
        [at.x, at.left],
      ),
    });
    for (const [name, value] of answer.attributes)
      assert.equal(seen[name], String(value ?? ''), name);
    assert.equal(seen.pcpu, String(pcpu));
    assert.equal(seen.exit_reason, String(exit_reason));
    assert.match(await page.text('.tip'), /Press F to follow/);
    await page.mouse.move(5, 5);
    await until('it goes away', async () => (await page.find('.tip').count()) === 0);
  },

  'the details carry the statement, which gives that very interval': async (page) => {
    const { at, from, to, state } = await wideInterval(page);
    await page.mouse.click(at.x, at.y);
    await until('the state', async () => (await page.find('.details .p-state').count()) === 1);
    assert.equal(await page.text('.details .p-state'), state);
    const statement = await page.text('.details .p-sql');
    const rows = await page.sql(statement);
    assert.equal(rows.length, 1, statement);
    assert.equal(rows[0].state, state);
    near(Number(rows[0].dur), to - from, 'length');
    await page.control('button', 'Open in SQL').click();
    assert.equal(await page.state('tab'), 'sql');
    assert.equal(await page.find('#p-sql').inputValue(), statement);
  },

  'a row without a state at the moment says so': async (page) => {
    const at = await page.place('vms', { machine: 'vm1', label: 'critical' }, 1e8);
    await page.mouse.click(at.x, at.y);
    await until('the reason', async () => /Nothing is known/.test(await page.text('.details')));
  },

  'why on a selected span names the thief, and its steps jump': async (page) => {
    const { row } = await page.place('vms', { machine: 'vm1', label: 'filler' });
    const [run] = await page.sql(
      `SELECT ts, dur FROM thread_state WHERE machine = 'vm1' AND tid = 156
        AND effective = 'deprived' ORDER BY dur DESC LIMIT 1`,
    );
    const time = Number(BigInt(run.ts) - BigInt((await page.state('experiment')).begin_ns));
    const range = { from: time - 1e7, to: time + Number(run.dur) + 1e7 };
    await page.set({ row: { view: 'vms', id: row.id }, time, range });
    await page.control('button', /^Why, over the selected/).click();
    const answer = await until('the answer', async () => {
      const seen = await page.text('.tab-panel');
      return /Who decided/.test(seen) && seen;
    });
    assert.match(answer, /vm2.*(burst1|burst0|CPU 1\/KVM|CPU 0\/KVM)/);
    assert.equal(await page.state('task'), 'vm1/156');
    const asked = await page.api('why', {
      task: 'vm1/156',
      from_ns: await page.ask(
        (ns) => (BigInt(virtscopeTimeline.store.get().experiment.begin_ns) + BigInt(ns)).toString(),
        range.from,
      ),
      to_ns: await page.ask(
        (ns) => (BigInt(virtscopeTimeline.store.get().experiment.begin_ns) + BigInt(ns)).toString(),
        range.to,
      ),
    });
    assert.ok(answer.includes(asked.headline), `${asked.headline} is the headline`);
    await page.find('.tab-panel ol .p-link').first().click();
    const shown = await page.state('range', 'window');
    assert.ok(
      shown.range.from >= range.from - 2 && shown.range.to <= range.to + 2,
      'the step lies in the span',
    );
  },

  'why on what is no thread says what to select': async (page) => {
    const at = await page.place('fused', { kind: 'pcpu', cpu: 2 }, 11e9);
    await page.mouse.click(at.x, at.y);
    await page.control('button', /^Why did this task/).click();
    await until('the notice', async () => /Select a thread first/.test(await page.notice()));
  },
};
