// Two machines, or one machine at two times, side by side.
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { until } from './harness.mjs';

export const capture = 'twovms-tsc';

const side = (page, name) => page.control('group', name, '[data-panel=compare]');

async function compare(page) {
  await page.control('button', 'Compare', '[data-panel=compare]').click();
  await until('an answer', async () => (await page.find('[data-panel=compare] table').count()) > 0);
  return page.text('[data-panel=compare]');
}

export const tests = {
  'two VMs: states, exits and stolen time, as the database has them': async (page) => {
    await page.control('tab', 'Compare').click();
    await side(page, 'A').getByRole('combobox').selectOption('vm1');
    await side(page, 'B').getByRole('combobox').selectOption('vm2');
    await compare(page);
    for (const group of ['States', 'Exits', 'Stolen time'])
      assert.equal(await page.find(`section[aria-label="${group}"]`).count(), 1, group);
    const [first] = await page.sql(
      "SELECT SUM(dur) AS ns FROM vcpu_state WHERE machine = 'vm1' AND state = 'guest'",
    );
    const download = page.browserPage.waitForEvent('download');
    await page.control('button', 'Save comparison as CSV').click();
    const lines = readFileSync(await (await download).path(), 'utf8')
      .trim()
      .split('\r\n')
      .map((line) => line.split(','));
    assert.deepEqual(lines[0], ['group', 'name', 'unit', 'a', 'b']);
    const guest = lines.find((line) => line[0] === 'state' && line[1] === 'guest');
    assert.equal(guest[2], 'ms/s');
    const { limit } = await page.state('limit', 'window');
    const rate = Number(first.ns) / 1e6 / ((limit.to - limit.from) / 1e9);
    assert.ok(Math.abs(Number(guest[3]) - rate) < rate / 1000, `${guest[3]}, by SQL ${rate}`);
  },

  'one machine at two times, taken from the selection': async (page) => {
    await page.set({ tab: 'compare', bottomOpen: true });
    await side(page, 'A').getByRole('combobox').selectOption('vm1');
    await side(page, 'B').getByRole('combobox').selectOption('vm1');
    await page.set({ range: { from: 1e9, to: 2e9 } });
    await side(page, 'A').getByRole('button').click();
    await page.set({ range: { from: 6e9, to: 7e9 } });
    await side(page, 'B').getByRole('button').click();
    assert.equal(await side(page, 'B').getByLabel('from').inputValue(), '6.000000000s');
    const text = await compare(page);
    assert.match(text, /guest/);
    await side(page, 'A').getByLabel('to').fill('never');
    await page.control('button', 'Compare', '[data-panel=compare]').click();
    await until('what is wrong', async () =>
      /A: the span must be two times/.test(await page.text('[data-panel=compare]')),
    );
  },
};
