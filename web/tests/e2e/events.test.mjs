// The table of events: in step with the timeline, searchable, complete, saved as a file.
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { near, until } from './harness.mjs';

export const capture = 'twovms-tsc';

const open = async (page, time) => {
  await page.set({ time, tab: 'events', bottomOpen: true });
  await until('the table', async () => (await page.find('.p-events [role=row]').count()) > 0);
};

const current = (page) =>
  page.ask(() => {
    const row = document.querySelector('.p-events [aria-selected=true]');
    return (
      row && {
        index: Number(row.getAttribute('aria-rowindex')),
        text: row.innerText,
        time: row.firstElementChild.textContent,
      }
    );
  });

const begin = async (page) => BigInt((await page.state('experiment')).begin_ns);

/** Scrolls down through the table; gives what every row said, by its number. */
async function scrollThrough(page, wanted) {
  const seen = new Map();
  for (let i = 0; i < 400 && seen.size < wanted; ++i) {
    const rows = await page.ask(() => {
      const box = document.querySelector('.p-events');
      const list = [...box.querySelectorAll('[role=row]')].map((row) => [
        row.firstElementChild.textContent,
        row.children[1].textContent,
        row.children[4].textContent,
        Number(row.getAttribute('aria-rowindex')),
      ]);
      box.scrollTop += 250;
      return list;
    });
    for (const [time, machine, name, index] of rows) seen.set(index, [time, machine, name]);
    await page.frame();
  }
  return seen;
}

export const tests = {
  'a moment on the timeline is the current event, and an event moves the cursor': async (page) => {
    const [one] = await page.sql(
      "SELECT ts, name FROM event WHERE name = 'kvm_exit' LIMIT 1 OFFSET 2000",
    );
    const time = Number(BigInt(one.ts) - (await begin(page)));
    await open(page, time);
    await until('the event', async () => (await current(page))?.text.includes('kvm_exit'));
    await page.find('.p-events').focus();
    const before = await current(page);
    await page.key('ArrowDown');
    await until('the next', async () => (await current(page)).index === before.index + 1);
    const moved = await page.state('time');
    assert.ok(moved >= time);
    await page.key('ArrowUp');
    await until('back', async () => (await current(page)).index === before.index);
    near(await page.state('time'), time, 'the cursor');
    await page.find('.p-events [role=row]').nth(3).click();
    await until('the clicked one', async () => (await page.state('time')) !== time);
  },

  'events of the same time are each reached by the arrow keys': async (page) => {
    const [same] = await page.sql(
      'SELECT ts, COUNT(*) AS c FROM event GROUP BY ts HAVING c > 1 ORDER BY ts LIMIT 1',
    );
    const time = Number(BigInt(same.ts) - (await begin(page)));
    await open(page, time);
    await until('one of them', async () => (await current(page)) !== null);
    const last = await current(page);
    await page.find('.p-events').focus();
    await page.key('ArrowUp');
    await until(
      'the other of the same time',
      async () => (await current(page)).index === last.index - 1,
    );
    assert.equal((await current(page)).time, last.time);
    await page.key('ArrowUp');
    await until('an earlier one', async () => (await current(page)).index === last.index - 2);
    assert.notEqual((await current(page)).time, last.time);
  },

  'no event is skipped or repeated where pages meet': async (page) => {
    const start = 10_460_000_000;
    await open(page, start);
    await until('the cursor', async () => (await current(page)) !== null);
    const wanted = 900;
    const seen = await scrollThrough(page, wanted + 400);
    const from = (await begin(page)) + BigInt(start);
    const truth = await page.sql(
      `SELECT ts, machine, name FROM event WHERE ts >= ${from} ORDER BY ts LIMIT ${wanted}`,
    );
    const text = (ts) => {
      const rel = BigInt(ts) - BigInt(from) + BigInt(start);
      const digits = (rel % 1_000_000_000n).toString().padStart(9, '0');
      return `${rel / 1_000_000_000n}.${digits.replace(/(\d{3})(?=\d)/g, '$1\u2009')}`;
    };
    const normal = (time) => time.replace(/[\s\u2009\u202f\u00a0]/g, '');
    const list = [...seen.entries()].sort((a, b) => a[0] - b[0]).map(([, row]) => row);
    const first = list.findIndex((row) => normal(row[0]) === normal(text(truth[0].ts)));
    assert.ok(first >= 0, 'the first event is in the table');
    const shown = list.slice(first, first + wanted).map((row) => normal(row[0]));
    assert.deepEqual(
      shown,
      truth.map((row) => normal(text(row.ts))),
    );
  },

  'it is searched by name, text and machine, and steps from match to match': async (page) => {
    await open(page, 6e9);
    await page.control('textbox', 'Names').fill('sched_switch');
    await page.control('textbox', 'Contains').fill('burst1');
    await page.control('combobox', 'Machine').selectOption('vm2');
    const rows = await until('only matches', async () => {
      const all = await page.find('.p-events [role=row]').allInnerTexts();
      return (
        all.length > 0 &&
        all.every((row) => row.includes('sched_switch') && row.includes('vm2')) &&
        all
      );
    });
    assert.ok(rows.every((row) => row.includes('burst1')));
    const from = (await begin(page)) + 6_000_000_000n;
    const truth = await page.sql(
      `SELECT ts FROM event WHERE machine = 'vm2' AND name = 'sched_switch'
        AND fields LIKE '%burst1%' AND ts > ${from} ORDER BY ts LIMIT 2`,
    );
    for (const one of truth) {
      await page.control('button', '↓ Next').click();
      const time = Number(BigInt(one.ts) - (await begin(page)));
      await page.stateWhen('the next match', (seen) => seen === time, 'time');
    }
    await page.control('button', '↑ Previous').click();
    await page.stateWhen(
      'the one before',
      (seen) => seen === Number(BigInt(truth[0].ts) - BigInt(from) + 6_000_000_000n),
      'time',
    );
    await page.set({ range: { from: 6e9, to: 7e9 } });
    const download = page.browserPage.waitForEvent('download');
    await page.control('button', 'Save CSV', '[data-panel=events]').click();
    const lines = readFileSync(await (await download).path(), 'utf8')
      .trim()
      .split('\r\n');
    const [count] = await page.sql(
      `SELECT COUNT(*) AS n FROM event WHERE machine = 'vm2' AND name = 'sched_switch'
        AND fields LIKE '%burst1%' AND ts >= ${from} AND ts < ${from + 1_000_000_000n}`,
    );
    assert.equal(lines[0], 'ts_ns,trace,machine,cpu,tid,name,fields');
    assert.equal(lines.length - 1, Number(count.n));
    await page.control('textbox', 'Names').fill('');
    await page.control('textbox', 'Contains').fill('');
    await page.control('combobox', 'Machine').selectOption('all');
  },

  'each column takes a regular expression; what is wrong in one is said with its place': async (
    page,
  ) => {
    await open(page, 6e9);
    await page.control('textbox', 'event matches').fill('^sched_(switch|wak.*)$');
    await page.control('textbox', 'machine matches').fill('vm[2-9]');
    await page.control('textbox', 'fields matches').fill('burst[01]\\b');
    const rows = await until('only matches', async () => {
      const all = await page.find('.p-events [role=row]').allInnerTexts();
      return (
        all.length > 0 &&
        all.every((row) => /sched_(switch|wak)/.test(row) && /vm2/.test(row)) &&
        all
      );
    });
    assert.ok(rows.every((row) => /burst[01]/.test(row)));
    const from = (await begin(page)) + 6_000_000_000n;
    const where = `machine = 'vm2' AND (name = 'sched_switch' OR name LIKE 'sched_wak%')
      AND (fields LIKE '%burst0%' OR fields LIKE '%burst1%')`;
    const [next] = await page.sql(
      `SELECT ts FROM event WHERE ${where} AND ts > ${from} ORDER BY ts LIMIT 1`,
    );
    await page.control('button', '↓ Next').click();
    const wanted = Number(BigInt(next.ts) - (await begin(page)));
    await page.stateWhen('the next match', (seen) => seen === wanted, 'time');
    await page.set({ range: { from: 6e9, to: 6.5e9 } });
    const download = page.browserPage.waitForEvent('download');
    await page.control('button', 'Save CSV', '[data-panel=events]').click();
    const lines = readFileSync(await (await download).path(), 'utf8')
      .trim()
      .split('\r\n');
    const [count] = await page.sql(
      `SELECT COUNT(*) AS n FROM event WHERE ${where} AND ts >= ${from}
        AND ts < ${from + 500_000_000n}`,
    );
    assert.equal(lines.length - 1, Number(count.n));
    await page.control('textbox', 'tid matches').fill('15(');
    const problem = page.find('[data-panel=events] .p-problem');
    await until('the problem', async () => (await problem.count()) === 1);
    assert.match(await problem.innerText(), /tid, at character 3: this \( is not closed/);
    await page.control('textbox', 'tid matches').fill('^no$');
    await until('none', async () => /No event matches here/.test(await page.text('.tab-panel')));
    for (const name of ['event', 'machine', 'fields', 'tid'])
      await page.control('textbox', `${name} matches`).fill('');
  },
};
