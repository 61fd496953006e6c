// What is wrong with the data leads to where it is: a capture whose files are damaged on purpose, and
// one whose clocks are known to within some microseconds only.
import assert from 'node:assert/strict';
import { cpSync, mkdtempSync, openSync, closeSync, rmSync, statSync, writeSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { near, Page, Server, until } from './harness.mjs';

export const capture = 'preempt-mono';

/** A copy of a capture with a stretch in the middle of the host's file overwritten. */
function damaged(folder) {
  const copy = mkdtempSync(join(tmpdir(), 'virtscope-damaged-'));
  cpSync(folder, copy, { recursive: true });
  const path = join(copy, 'host.dat');
  const file = openSync(path, 'r+');
  writeSync(file, Buffer.alloc(3000, 0x5a), 0, 3000, Math.floor(statSync(path).size / 2));
  closeSync(file);
  return copy;
}

const overview = async (page) => {
  await page.set({ tab: 'overview', bottomOpen: true, bottomShare: 70 });
  return until('cards', async () => (await page.find('section[aria-label=Clocks]').count()) > 0);
};

const relative = async (page, ns) =>
  Number(BigInt(ns) - BigInt((await page.state('experiment')).begin_ns));

async function withDamaged(at, run) {
  const folder = damaged(at.folder);
  const server = await Server.start(at.virtscope, [folder]);
  try {
    const page = await Page.open(at.browser, server.link);
    await run(page);
    assert.deepEqual(page.problems, []);
    await page.close();
  } finally {
    await server.stop();
    rmSync(folder, { recursive: true, force: true });
  }
}

export const tests = {
  'a clock leads to the segment with the largest bound, on the rows of its machine': async (
    page,
  ) => {
    await overview(page);
    const [worst] = await page.sql(
      "SELECT * FROM clock_sync WHERE machine = 'vm1' ORDER BY error_ns DESC LIMIT 1",
    );
    assert.ok(Number(worst.error_ns) > 10_000);
    await page.control('button', 'vm1', 'section[aria-label=Clocks]').click();
    const { range, row } = await page.stateWhen(
      'the segment',
      (seen) => seen.range !== null && seen.row !== null,
      'range',
      'row',
    );
    near(range.from, await relative(page, worst.begin_ts), 'begin');
    near(range.to, await relative(page, worst.end_ts), 'end');
    const { machine } = (await page.state('rows'))[row.view].find((one) => one.id === row.id);
    assert.equal(machine, 'vm1');
    assert.match(await page.notice(), /The segment of the clock with the largest bound/);
    await page.set({ range: null, row: null });
    await page.control('button', 'host', 'section[aria-label=Clocks]').click();
    const host = await page.stateWhen('the host', (seen) => seen !== null, 'row');
    assert.equal(host.view, 'fused', 'the host is where its processors are');
  },

  'an issue without a place in time opens its row, with the advice': async (page) => {
    await overview(page);
    const [issue] = await page.sql(
      "SELECT * FROM issue WHERE code = 'loss_counter_unknown' LIMIT 1",
    );
    const card = page.find('section[aria-label=Data]');
    await card.getByRole('button', { name: issue.place, exact: true }).first().click();
    const panel = await until('the answer', async () => {
      const shown = page.find('[data-panel=sql] table');
      return (await shown.count()) > 0 && shown.innerText();
    });
    assert.ok(panel.includes(issue.advice), panel);
    assert.match(await page.notice(), /no place in time/);
  },

  'losses lead to the longest span, of all and of one CPU; damage leads to what it cost': async (
    _page,
    at,
  ) => {
    await withDamaged(at, async (page) => {
      await overview(page);
      const shownAfter = async (click) => {
        await page.set({ row: null, range: null });
        await click();
        return page.stateWhen('the loss', (seen) => seen.range && seen.row, 'range', 'row');
      };
      const longest = async (where) => {
        const rows = await page.sql(`SELECT * FROM loss WHERE ${where} ORDER BY dur DESC LIMIT 1`);
        assert.equal(rows.length, 1, 'the damage is a loss');
        return rows[0];
      };
      const worst = await longest('dur >= 0');
      const seen = await shownAfter(() =>
        page.control('button', 'Show the longest span of loss').click(),
      );
      near(seen.range.from, await relative(page, worst.ts), 'begin');
      near(seen.range.to, (await relative(page, worst.ts)) + Number(worst.dur), 'end');
      const row = (await page.state('rows'))[seen.row.view].find((one) => one.id === seen.row.id);
      assert.deepEqual([row.machine, row.cpu], ['host', Number(worst.cpu)]);
      const card = page.find('.p-conclusion').filter({ hasText: /lost/ });
      const concluded = await shownAfter(() =>
        card.getByRole('button', { name: /Show on the timeline/ }).click(),
      );
      assert.deepEqual(concluded, seen, 'the conclusion leads there');
      const line = page
        .find('section[aria-label="Lost events"] .p-ranked button')
        .filter({ hasText: `host CPU ${worst.cpu}` })
        .first();
      const same = await shownAfter(() => line.click());
      assert.deepEqual(same, seen, 'the line of the CPU leads there, too');
      const issue = page.find('section[aria-label=Data] li').filter({ hasText: 'error' }).first();
      const cost = await shownAfter(() => issue.locator('button.p-link').click());
      assert.equal(cost.row.view, 'fused');
      assert.match(await page.notice(), /The longest loss of that trace/);
    });
  },
};
