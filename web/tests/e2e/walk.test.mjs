// The walk that the page is for: the overview says who was robbed, its card leads to the evidence,
// one key leads to the culprit, the details name the task, and the link leads others to the same
// place.
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { near, Page, until } from './harness.mjs';

export const capture = 'twovms-tsc';

const placeNames = ['window', 'range', 'time', 'row'];

function samePlace(seen, wanted) {
  near(seen.time, wanted.time, 'time');
  for (const name of ['window', 'range']) {
    near(seen[name].from, wanted[name].from, `${name}.from`);
    near(seen[name].to, wanted[name].to, `${name}.to`);
  }
  assert.deepEqual(seen.row, wanted.row);
}

/**
 * From the overview to the culprit of the time that vm1 was robbed of; gives the culprit's place.
 */
async function walk(page) {
  await page.control('tab', 'Overview').click();
  const card = page.find('.p-conclusion').filter({ hasText: 'vm1 was robbed' });
  assert.match(await card.innerText(), /vm1 was robbed of .* of CPU/);
  await card.getByRole('button', { name: /Show on the timeline/ }).click();
  const evidence = await page.stateWhen(
    'the evidence is selected',
    ({ row, range }) => row && range,
    'row',
    'range',
  );
  const victim = await page.ask(
    (ref) => virtscopeTimeline.store.get().rows[ref.view].find((row) => row.id === ref.id),
    evidence.row,
  );
  assert.equal(victim.machine, 'vm1');
  assert.equal(victim.kind, 'vcpu');
  assert.equal(await page.text('.details .p-state'), 'preempted');
  await page.key('f');
  await page.stateWhen('the culprit is selected', (row) => row.id !== evidence.row.id, 'row');
  await page.quiet();
  return page.state(...placeNames);
}

export const tests = {
  'three steps lead to the task that the workload says it was': async (page, at) => {
    const truth = JSON.parse(readFileSync(join(at.folder, 'truth.json'), 'utf8'));
    const { row } = await walk(page);
    const task = await page.ask(
      (ref) => virtscopeTimeline.store.get().rows[ref.view].find((one) => one.id === ref.id),
      row,
    );
    assert.equal(task.machine, 'vm2');
    const names = Object.keys(truth.tasks.vm2).filter((name) => name.startsWith('burst'));
    assert.ok(names.includes(task.label), `${task.label} is none of ${names}`);
    assert.equal(task.tid, truth.tasks.vm2[task.label].tid);
    const details = await until('the name in the details', async () => {
      const seen = await page.text('.details');
      return seen.includes(task.label) && seen;
    });
    assert.ok(details.includes(`vm2/${task.tid}`), details);
  },

  'the shared link opens at the same place, here and for somebody else': async (page, at) => {
    await page.context.grantPermissions(['clipboard-read', 'clipboard-write'], {
      origin: at.server.origin,
    });
    const place = await walk(page);
    await page.control('button', 'Share').click();
    const link = await until('the link on the clipboard', async () => {
      const text = await page.ask(() => navigator.clipboard.readText());
      return text.startsWith(at.server.origin) && text;
    });
    assert.ok(!link.includes('token'), 'the link carries no token');
    await page.goto(link);
    samePlace(await page.state(...placeNames), place);

    const other = await at.browser.newContext();
    const tab = await other.newPage();
    tab.setDefaultTimeout(15_000);
    await tab.goto(link);
    await tab
      .getByRole('textbox', { name: 'Token' })
      .fill(new URL(at.server.link).hash.replace('#token=', ''));
    await tab.getByRole('button', { name: 'Open' }).click();
    const seen = Object.assign(new Page(), { browserPage: tab });
    await seen.ready();
    samePlace(await seen.state(...placeNames), place);
    await other.close();
  },
};
