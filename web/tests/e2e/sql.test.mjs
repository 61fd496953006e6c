// The SQL console: answers whose moments and tasks jump, errors that show where, files, history.
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { near, until } from './harness.mjs';

export const capture = 'twovms-tsc';

async function run(page, statement) {
  await page.set({ tab: 'sql', bottomOpen: true });
  await page.find('#p-sql').fill(statement);
  await page.key('Control+Enter');
}

const status = (page) => page.text('.tab-panel [role=status]');

async function saved(page, name) {
  const download = page.browserPage.waitForEvent('download');
  await page.control('button', name, '[data-panel=sql]').click();
  return readFileSync(await (await download).path(), 'utf8');
}

export const tests = {
  'a statement runs, and its moments and tasks jump': async (page) => {
    await run(
      page,
      `SELECT ts, dur, machine, tid, state FROM thread_state WHERE machine = 'vm2'
        AND effective = 'deprived' ORDER BY dur DESC LIMIT 5`,
    );
    await until('five rows', async () => (await page.find('.p-table tbody tr').count()) === 5);
    const cells = await page.find('.p-table tbody tr').first().locator('td').allInnerTexts();
    const from = Number(BigInt(cells[0]) - BigInt((await page.state('experiment')).begin_ns));
    await page.control('button', cells[0]).first().click();
    const { time, range, window } = await page.state('time', 'range', 'window');
    near(time, from, 'the moment');
    near(range.to - range.from, Number(cells[1]), 'the interval');
    assert.ok(window.from < from && window.to > from);
    await page
      .find('.p-table tbody tr')
      .first()
      .getByRole('button', { name: cells[3], exact: true })
      .click();
    const row = await page.stateWhen('the task', (ref) => ref !== null, 'row');
    const task = await page.ask(
      (ref) => virtscopeTimeline.store.get().rows[ref.view].find((one) => one.id === ref.id),
      row,
    );
    assert.deepEqual([task.machine, task.tid], ['vm2', Number(cells[3])]);
  },

  'every example runs': async (page) => {
    await page.set({ tab: 'sql', bottomOpen: true });
    const examples = await page
      .find('select[aria-label=Examples] option')
      .evaluateAll((all) => all.map((one) => one.value).filter(Boolean));
    assert.ok(examples.length >= 5);
    for (const statement of examples) {
      await page.find('select[aria-label=Examples]').selectOption(statement);
      assert.equal(await page.find('#p-sql').inputValue(), statement);
      await page.control('button', /^Run/).click();
      const busy = page.control('button', 'Cancel', '[data-panel=sql]');
      await until('the end', async () => (await busy.count()) === 0);
      assert.equal(await page.find('.p-problem').count(), 0, statement);
      const rows = await page.sql(statement);
      await until('its rows', async () => (await status(page)).startsWith(`${rows.length} rows`));
    }
  },

  'a wrong statement says what is wrong and where': async (page) => {
    await run(page, 'SELECT nosuch FROM vcpu_state');
    await until('the error', async () => (await page.find('.p-problem').count()) === 1);
    assert.match(await page.text('.p-problem'), /no such column: nosuch/);
    // The browser itself reports every answer of 400; that is no fault of the page.
    const own = page.problems.filter((problem) => !/status of 400/.test(problem));
    assert.deepEqual(own, []);
    page.problems.length = 0;
  },

  'the answer is saved as CSV and JSON; past statements come back': async (page) => {
    const statement = 'SELECT machine, kind FROM machine ORDER BY machine LIMIT 3';
    await run(page, statement);
    await until('three rows', async () => /^3 rows/.test(await status(page)));
    assert.equal(
      await saved(page, 'Save CSV'),
      'machine,kind\r\nhost,host\r\nvm1,vm\r\nvm2,vm\r\n',
    );
    assert.deepEqual(JSON.parse(await saved(page, 'Save JSON'))[1], { machine: 'vm1', kind: 'vm' });
    await page.find('#p-sql').fill('');
    await page.find('select[aria-label=History]').selectOption(statement);
    assert.equal(await page.find('#p-sql').inputValue(), statement);
  },
};
