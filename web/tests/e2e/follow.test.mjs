// Following: to the culprit, to the processor, to the thread, along the critical path; and the
// arrows between rows.
import assert from 'node:assert/strict';
import { until } from './harness.mjs';

export const capture = 'twovms-tsc';

const relative = async (page, ns) =>
  Number(BigInt(ns) - BigInt((await page.state('experiment')).begin_ns));
const rowOf = (page, ref) =>
  page.ask(
    (wanted) => virtscopeTimeline.store.get().rows[wanted.view].find((row) => row.id === wanted.id),
    ref,
  );

/** The longest time that vm2's burst1 took from vm1. */
async function robbery(page) {
  const [one] = await page.sql(
    `SELECT ts, dur, vcpu, pcpu, tid FROM preemption WHERE machine = 'vm1' AND by_machine = 'vm2'
      AND by_comm = 'burst1' ORDER BY dur DESC LIMIT 1`,
  );
  return { ...one, at: await relative(page, one.ts) };
}

async function select(page, view, match, time) {
  await page.set({ openViews: ['fused', 'vms'] });
  await page.quiet();
  const { row } = await page.place(view, match);
  await page.set({
    row: { view, id: row.id },
    time,
    range: null,
    window: { from: time - 2e7, to: time + 4e7 },
  });
  await page.quiet();
}

export const tests = {
  'F goes from a robbed vCPU to the task that had the processor, and says so': async (page) => {
    const one = await robbery(page);
    await select(
      page,
      'vms',
      { machine: 'vm1', kind: 'vcpu', vcpu: Number(one.vcpu) },
      one.at + 1000,
    );
    await page.key('f');
    const ref = await page.stateWhen('the culprit', (row) => row !== null, 'row');
    await until(
      'the culprit',
      async () => (await rowOf(page, await page.state('row'))).label === 'burst1',
    );
    assert.equal(ref.view, 'vms');
    assert.equal((await rowOf(page, await page.state('row'))).machine, 'vm2');
    assert.match(await page.notice(), /vm2 burst1 had the CPU/);
    const range = await page.state('range');
    assert.ok(
      range.from <= one.at + 1000 && range.to >= one.at,
      'the interval of the culprit that holds the moment',
    );
  },

  'F on a guest thread that believes it runs goes there too': async (page) => {
    const [one] = await page.sql(
      `SELECT ts, dur, tid, cpu FROM thread_state WHERE machine = 'vm1'
        AND effective = 'deprived' AND tid = 156 ORDER BY dur DESC LIMIT 1`,
    );
    const time = (await relative(page, one.ts)) + 1000;
    await select(page, 'vms', { machine: 'vm1', tid: 156 }, time);
    await page.key('f');
    await until('vm2', async () => (await rowOf(page, await page.state('row'))).machine === 'vm2');
  },

  'the button in the details follows as F does': async (page) => {
    const one = await robbery(page);
    await select(
      page,
      'vms',
      { machine: 'vm1', kind: 'vcpu', vcpu: Number(one.vcpu) },
      one.at + 1000,
    );
    await page.control('button', 'Follow the culprit').click();
    await until(
      'the culprit',
      async () => (await rowOf(page, await page.state('row'))).label === 'burst1',
    );
  },

  'F where nobody was robbed says so, and F without a selection says what to select': async (
    page,
  ) => {
    await page.key('f');
    await until('the notice', async () => /Select a stolen/.test(await page.notice()));
    const [idle] = await page.sql(
      `SELECT ts, dur FROM vcpu_state WHERE machine = 'vm1' AND vcpu = 0 AND state = 'halted'
        ORDER BY dur DESC LIMIT 1`,
    );
    await select(
      page,
      'vms',
      { machine: 'vm1', kind: 'vcpu', vcpu: 0 },
      (await relative(page, idle.ts)) + 1000,
    );
    await page.key('f');
    await until('the notice', async () => /Nobody took the processor/.test(await page.notice()));
  },

  'C goes to the processor, T from there to the thread that ran': async (page) => {
    const [run] = await page.sql(
      `SELECT ts, dur, cpu FROM thread_state WHERE machine = 'vm1' AND tid = 155
        AND state = 'user' AND effective = 'running' ORDER BY dur DESC LIMIT 1`,
    );
    const middle = (await relative(page, run.ts)) + Math.floor(Number(run.dur) / 2);
    await select(page, 'vms', { machine: 'vm1', tid: 155 }, middle);
    await page.key('c');
    await page.stateWhen('a processor', (row) => row.view === 'fused', 'row');
    const pcpu = await rowOf(page, await page.state('row'));
    const inside = BigInt(run.ts) + BigInt(run.dur) / 2n;
    const [truth] = await page.sql(
      `SELECT cpu FROM fused_cpu WHERE machine = 'vm1' AND tid = 155
        AND ts <= ${inside}
        AND ts + dur > ${inside}`,
    );
    assert.equal(pcpu.cpu, Number(truth.cpu));
    await page.key('t');
    await page.stateWhen('a thread', (row) => row.view === 'vms', 'row');
    const thread = await rowOf(page, await page.state('row'));
    assert.deepEqual([thread.machine, thread.tid], ['vm1', 155]);
  },

  'Y shows the critical path of the selected thread, with arrows where it passes on': async (
    page,
  ) => {
    const [run] = await page.sql(
      `SELECT MIN(ts) AS ts FROM thread_state WHERE machine = 'vm1' AND tid = 155
        AND state = 'user'`,
    );
    const time = await relative(page, run.ts);
    await select(page, 'vms', { machine: 'vm1', tid: 155 }, time);
    await page.set({ range: { from: time, to: time + 3e8 } });
    await page.key('y');
    const lanes = await until('the lanes of the path', () =>
      page.ask(() => {
        const found = virtscopeTimeline.scene.layout.lanes.filter(
          (lane) => lane.view === 'path' && lane.kind === 'row',
        );
        return found.length > 0 && found.map((lane) => `${lane.row.machine}/${lane.row.tid}`);
      }),
    );
    assert.ok(lanes.includes('vm1/155'), lanes.join());
    await until('its name', async () =>
      /Critical path of vm1\/155/.test(await page.text('.labels')),
    );
    const arrows = await page.ask(
      () => virtscopeTimeline.scene.arrows.filter((arrow) => arrow.view === 'path').length,
    );
    assert.ok(lanes.length === 1 || arrows > 0, 'a path through several tasks has arrows');
    await page.key('y');
    await until('the path is gone', () =>
      page.ask(() => !virtscopeTimeline.scene.layout.lanes.some((lane) => lane.view === 'path')),
    );
  },

  'arrows lead from preemptor to victim and from waker to woken; V hides them': async (page) => {
    const one = await robbery(page);
    const vcpu = Number(one.vcpu);
    await select(page, 'vms', { machine: 'vm1', kind: 'vcpu', vcpu }, one.at);
    const preempts = await until('the arrows of the vCPU', () =>
      page.ask(() => {
        const own = virtscopeTimeline.scene.arrows.filter((arrow) => arrow.kind === 'preempt');
        return own.length > 0 && own;
      }),
    );
    const victim = await page.state('row');
    const into = preempts.find(
      (arrow) => arrow.to_row === victim.id && arrow.from_ns === String(one.ts),
    );
    assert.ok(into, 'an arrow where the vCPU was preempted');
    const from = await rowOf(page, { view: 'vms', id: into.from_row });
    assert.equal(from.machine, 'vm2');
    const [woken] = await page.sql(
      `SELECT ts + dur AS at FROM thread_state WHERE machine = 'host' AND tid = 180
        AND state = 'blocked' AND waker_tid = 181 ORDER BY ts LIMIT 1 OFFSET 100`,
    );
    await page.set({ openViews: ['control'] });
    await page.quiet();
    const { row } = await page.place('control', { machine: 'host', tid: 180 });
    const time = await relative(page, woken.at);
    await page.set({
      row: { view: 'control', id: row.id },
      time,
      window: { from: time - 1e6, to: time + 1e6 },
    });
    const wakes = await until('the wake-ups', () =>
      page.ask(() => {
        const all = virtscopeTimeline.scene.arrows.filter((arrow) => arrow.kind === 'wakeup');
        return all.length > 0 && all;
      }),
    );
    const mine = wakes.filter(
      (arrow) => arrow.to_row === row.id && arrow.from_ns === String(woken.at),
    );
    assert.equal(mine.length, 1, 'one arrow, at the end of the wait');
    await page.key('v');
    assert.equal(await page.state('arrows'), false);
    await until('no arrow', () => page.ask(() => virtscopeTimeline.scene.arrows.length === 0));
  },
};
