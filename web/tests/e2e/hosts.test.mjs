// Two hosts in one experiment: their processors have equal numbers, and following leads to those of
// the machine's own host.
import assert from 'node:assert/strict';
import { until } from './harness.mjs';

export const capture = ['twovms-tsc', 'preempt-tsc'];

const rowOf = (page, ref) =>
  page.ask(
    (wanted) => virtscopeTimeline.store.get().rows[wanted.view].find((row) => row.id === wanted.id),
    ref,
  );

async function select(page, view, match, ts) {
  await page.set({ openViews: ['fused', 'vms', 'control'] });
  await page.quiet();
  const { row } = await page.place(view, match);
  const time = Number(BigInt(ts) - BigInt((await page.state('experiment')).begin_ns));
  const window = { from: time - 1e7, to: time + 1e7 };
  await page.set({ row: { view, id: row.id }, time, range: null, window });
  await page.quiet();
}

/** Presses a key, and gives the row that it led to. */
async function after(page, key) {
  const before = await page.state('row');
  await page.key(key);
  const ref = await page.stateWhen('another row', (row) => row.id !== before.id, 'row');
  return { view: ref.view, ...(await rowOf(page, ref)) };
}

/** The middle of the longest run of a thread. */
async function longestRun(page, machine, comm) {
  const [run] = await page.sql(
    `SELECT s.ts + s.dur / 2 AS ts, s.tid, s.cpu FROM thread_state s
      JOIN thread t ON t.machine = s.machine AND t.tid = s.tid
      WHERE s.machine = '${machine}' AND t.comm = '${comm}' AND s.state = 'user'
        AND s.effective = 'running' ORDER BY s.dur DESC LIMIT 1`,
  );
  return run;
}

const fusedAt = (page, host, cpu, ts) =>
  page.sql(
    `SELECT machine, vcpu, tid FROM fused_cpu(${ts}, ${BigInt(ts) + 1n})
      WHERE host_machine = '${host}' AND cpu = ${cpu}`,
  );

export const tests = {
  'C leads from a thread and from a vCPU to the processor of their own host, T back': async (
    page,
  ) => {
    for (const [machine, host, comm] of [
      ['vm1', 'host', 'filler'],
      ['vm1#2', 'host#2', 'guesthog0'],
    ]) {
      const run = await longestRun(page, machine, comm);
      await select(page, 'vms', { machine, tid: Number(run.tid) }, run.ts);
      const pcpu = await after(page, 'c');
      assert.deepEqual([pcpu.view, pcpu.machine], ['fused', host]);
      const [truth] = await fusedAt(page, host, pcpu.cpu, run.ts);
      assert.deepEqual([truth.machine, Number(truth.tid)], [machine, Number(run.tid)]);
      const thread = await after(page, 't');
      assert.deepEqual(
        [thread.view, thread.machine, thread.tid],
        ['vms', machine, Number(run.tid)],
      );
      const vcpu = { machine, kind: 'vcpu', vcpu: Number(truth.vcpu) };
      await select(page, 'vms', vcpu, run.ts);
      assert.equal((await after(page, 'c')).id, pcpu.id, 'from the vCPU');
      await select(page, 'vms', vcpu, run.ts);
      assert.equal((await after(page, 't')).id, thread.id, 'the thread on the vCPU');
    }
  },

  'a task of the second host: C to its processor, T back to it, and between the views': async (
    page,
  ) => {
    const run = await longestRun(page, 'host#2', 'hosthog');
    await select(page, 'control', { machine: 'host#2', tid: Number(run.tid) }, run.ts);
    const pcpu = await after(page, 'c');
    assert.deepEqual([pcpu.machine, pcpu.cpu], ['host#2', Number(run.cpu)]);
    const thread = await after(page, 't');
    assert.deepEqual(
      [thread.view, thread.machine, thread.tid],
      ['control', 'host#2', Number(run.tid)],
    );
    const guest = await longestRun(page, 'vm1#2', 'guesthog0');
    await select(page, 'control', { machine: 'vm1#2', tid: Number(guest.tid) }, guest.ts);
    const same = await after(page, 't');
    assert.deepEqual([same.view, same.tid], ['vms', Number(guest.tid)]);
  },

  'F leads from a robbed vCPU to the task of its own host': async (page) => {
    const [one] = await page.sql(
      `SELECT ts + 1000 AS ts, vcpu, by_tid FROM preemption WHERE machine = 'vm1#2'
        AND by_machine = 'host#2' AND by_comm = 'hosthog' ORDER BY dur DESC LIMIT 1`,
    );
    const vcpu = { machine: 'vm1#2', kind: 'vcpu', vcpu: Number(one.vcpu) };
    await select(page, 'vms', vcpu, one.ts);
    const thief = await after(page, 'f');
    assert.deepEqual([thief.machine, thief.tid], ['host#2', Number(one.by_tid)]);
    await until('the message', async () => /host#2 hosthog had the CPU/.test(await page.notice()));
  },

  'cards of processors name their host': async (page) => {
    await page.set({ tab: 'overview', bottomOpen: true });
    const card = page.find('section[aria-label="Physical CPUs"]');
    await card.getByRole('button', { name: 'host#2 pCPU 1' }).click();
    const ref = await page.stateWhen('the processor', (row) => row !== null, 'row');
    const { machine, cpu } = await rowOf(page, ref);
    assert.deepEqual([machine, cpu], ['host#2', 1]);
  },
};
