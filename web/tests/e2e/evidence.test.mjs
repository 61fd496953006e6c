// Every figure of the overview leads to the interval on the timeline that it rests on. A disk that
// two VMs share: who asked for how much, and the slowest request.
import assert from 'node:assert/strict';
import { near, until } from './harness.mjs';

export const capture = 'disk-contended-lttng';

/** What the page shows after a click: the row and the span. */
async function shownAfter(page, click) {
  await page.set({ row: null, range: null, time: null });
  await click();
  const place = await page.stateWhen('the evidence', ({ row }) => row !== null, 'row', 'range');
  const row = await page.ask(
    (ref) => virtscopeTimeline.store.get().rows[ref.view].find((one) => one.id === ref.id),
    place.row,
  );
  return { view: place.row.view, row, range: place.range };
}

async function sameAs(page, shown, sql, row) {
  const [truth] = await page.sql(sql);
  const { begin_ns: begin } = await page.state('experiment');
  const from = Number(BigInt(truth.ts) - BigInt(begin));
  near(shown.range.from, from, 'begin');
  near(shown.range.to, from + Number(truth.dur), 'end');
  for (const [name, value] of Object.entries(row(truth)))
    assert.equal(String(shown.row[name]), String(value), name);
}

const overview = async (page) => {
  await page.set({ tab: 'overview', bottomOpen: true, bottomShare: 60 });
  return until('cards', async () => (await page.find('.p-conclusion').count()) > 0);
};

/** A line of a card, by what it says. */
const line = (page, card, words) =>
  page.find(`section[aria-label="${card}"] button.p-link`).filter({ hasText: words }).first();

export const tests = {
  'a robbery that nobody is behind leads to the longest wait for a processor': async (page) => {
    await overview(page);
    const card = page.find('.p-conclusion').filter({ hasText: 'vm2 was robbed' });
    assert.match(await card.innerText(), /nobody is known to have run in its place/);
    const shown = await shownAfter(page, () =>
      card.getByRole('button', { name: /Show on the timeline/ }).click(),
    );
    await sameAs(
      page,
      shown,
      `SELECT ts, dur, vcpu FROM preemption WHERE machine = 'vm2' AND by_machine IS NULL
        ORDER BY dur DESC LIMIT 1`,
      ({ vcpu }) => ({ machine: 'vm2', kind: 'vcpu', vcpu }),
    );
    assert.match(await page.notice(), /The longest, .*: vm2 was woken and nobody is known/);
  },

  'costly exits lead to the costliest of the worst reason': async (page) => {
    await overview(page);
    const card = page.find('.p-conclusion').filter({ hasText: 'vm2 spent' });
    const reason = /most of it (\w+)/.exec(await card.innerText())[1];
    const shown = await shownAfter(page, () =>
      card.getByRole('button', { name: /Show on the timeline/ }).click(),
    );
    const sql = `SELECT ts, dur, vcpu FROM vm_exit WHERE machine = 'vm2' AND reason = '${reason}'
      ORDER BY handling_ns + userspace_ns DESC LIMIT 1`;
    await sameAs(page, shown, sql, ({ vcpu }) => ({ machine: 'vm2', kind: 'vcpu', vcpu }));
    const same = await shownAfter(page, () => line(page, 'vm2', reason).click());
    assert.deepEqual(same.range, shown.range, 'the line of the VM leads there, too');
  },

  'a thief, a task that was hit and a processor': async (page) => {
    await overview(page);
    const [thief] = await page.sql(
      `SELECT by_machine, by_comm, by_tid FROM preemption WHERE machine = 'vm1' AND by_tid > 0
        GROUP BY 1, 2, 3 ORDER BY SUM(dur) DESC LIMIT 1`,
    );
    const label = `${thief.by_machine} ${thief.by_comm} (${thief.by_tid})`;
    const shown = await shownAfter(page, () => line(page, 'vm1', label).click());
    const taken = `SELECT ts, dur, vcpu FROM preemption WHERE machine = 'vm1'
      AND by_machine = '${thief.by_machine}' AND by_tid = ${thief.by_tid}
      ORDER BY dur DESC LIMIT 1`;
    await sameAs(page, shown, taken, ({ vcpu }) => ({ machine: 'vm1', kind: 'vcpu', vcpu }));
    const [hit] = await page.sql(
      `SELECT tid, comm FROM preemption WHERE machine = 'vm2' AND tid > 0 GROUP BY 1
        ORDER BY SUM(dur) DESC LIMIT 1`,
    );
    const robbed = await shownAfter(page, () => line(page, 'vm2', `(${hit.tid})`).click());
    const lost = `SELECT ts, dur, tid FROM preemption WHERE machine = 'vm2' AND tid = ${hit.tid}
      ORDER BY dur DESC LIMIT 1`;
    await sameAs(page, robbed, lost, ({ tid }) => ({ machine: 'vm2', kind: 'thread', tid }));
    const pcpu = await shownAfter(page, () => line(page, 'Physical CPUs', 'pCPU 1').click());
    assert.deepEqual([pcpu.view, pcpu.row.cpu], ['fused', 1]);
  },

  'the shared disk is named with who used it, and leads to the slowest request': async (page) => {
    await overview(page);
    const [device] = await page.sql(
      `SELECT device, COUNT(*) AS count FROM block_request WHERE machine = 'host' AND vm = 'vm2'
        GROUP BY 1 ORDER BY 2 DESC LIMIT 1`,
    );
    const card = page.find('section[aria-label="Disk requests"]');
    await until('the requests', async () => /shared by 2/.test(await card.innerText()));
    const text = await card.innerText();
    assert.ok(text.includes(`${device.device} of host, shared by 2`), text);
    const shown = await shownAfter(page, () =>
      line(page, 'Disk requests', `vm2: ${device.count} ×`).click(),
    );
    const slowest = `SELECT ts, dur, device FROM block_request WHERE machine = 'host'
      AND vm = 'vm2' AND device = '${device.device}' ORDER BY dur DESC LIMIT 1`;
    await sameAs(page, shown, slowest, () => ({ machine: 'host', label: device.device }));
    assert.equal(shown.view, 'disk');
    await page.control('button', 'Why did vm1 wait for it?').click();
    await until('the answer', async () =>
      /vm1's task reader .* vm2\/bulk's requests were in the way/.test(
        (await page.find('.p-headline').count()) > 0 ? await page.text('.p-headline') : '',
      ),
    );
    await page.set({ task: null });
  },

  'Why names who was at the disk that a task waited for, and leads to the longest': async (
    page,
  ) => {
    await page.set({ tab: 'why', bottomOpen: true, bottomShare: 60 });
    await page.find('[data-panel=why] input').first().fill('vm1/reader');
    await page.control('button', 'Ask').click();
    const section = page.find('section[aria-label="At the disk"]');
    await until('the disk', async () => (await section.count()) > 0);
    const answer = await page.api('why', { task: 'vm1/reader', slowest: 5 });
    const { columns, rows } = answer.sections.disk_culprit;
    const worst = Object.fromEntries(columns.map((name, i) => [name, rows[0][i]]));
    const line = section.locator('tbody tr').first();
    assert.ok((await line.innerText()).includes(`${worst.machine} ${worst.comm}`));
    assert.equal(worst.machine, 'vm2', 'the other VM is at the disk');
    await line.getByRole('button').click();
    const range = await page.stateWhen('the request', (span) => span !== null, 'range');
    const { begin_ns: begin } = await page.state('experiment');
    near(range.from, Number(BigInt(worst.longest_ts) - BigInt(begin)), 'begin');
    assert.match(await page.text('.p-why'), /Through which layers/);
    await page.set({ task: null });
  },

  'a wait of a guest process leads to the longest': async (page) => {
    await overview(page);
    const card = page.find(`section[aria-label="What the guests' processes waited for"]`);
    await until('the waits', async () => (await card.locator('button.p-link').count()) > 0);
    const shown = await shownAfter(page, () =>
      card.locator('button.p-link').filter({ hasText: 'a disk' }).first().click(),
    );
    const { machine } = shown.row;
    const wait = `SELECT ts, dur, vprocess FROM vprocess_state WHERE machine = '${machine}'
      AND state = 'disk' ORDER BY dur DESC LIMIT 1`;
    await sameAs(page, shown, wait, ({ vprocess }) => ({ label: vprocess }));
    assert.equal(shown.view, 'vprocess');
  },
};
