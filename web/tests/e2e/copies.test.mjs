// A view once more below itself, with a filter of its own: by key and by button, its rows and states,
// the keyboard within it, the link, and closing it.
import assert from 'node:assert/strict';
import { until } from './harness.mjs';

export const capture = 'twovms-tsc';

/** Machines of the rows of the view itself (copy undefined) or of one of its copies. */
const machines = (page, copy) =>
  page.ask((number) => {
    const found = virtscopeTimeline.scene.layout.lanes.filter(
      (lane) => lane.kind === 'row' && lane.view === 'vms' && lane.copy === (number ?? undefined),
    );
    return [...new Set(found.map((lane) => lane.row.machine))].join();
  }, copy ?? null);

const headers = (page) =>
  page.ask(() =>
    virtscopeTimeline.scene.layout.lanes
      .filter((lane) => lane.kind === 'header')
      .map((lane) => lane.name),
  );

/** A copy of the VMs by the key, with this filter. */
async function copyOfVms(page, filter) {
  const before = (await page.state('copies')).length;
  await page.key('C');
  await page.stateWhen('the copy', (copies) => copies.length === before + 1, 'copies');
  const name = `Filter of Virtual machines ${before + 2}`;
  await until('the focus in its filter', () =>
    page.ask((wanted) => document.activeElement?.getAttribute('aria-label') === wanted, name),
  );
  await page.browserPage.keyboard.type(filter);
  await page.key('Enter');
  await until('the focus out of it', () =>
    page.ask(() => document.activeElement?.tagName !== 'INPUT'),
  );
}

const chooseVms = async (page) => {
  const { row } = await page.place('vms', { kind: 'vcpu', machine: 'vm1', vcpu: 0 });
  await page.set({ row: { view: 'vms', id: row.id } });
};

/** What the colours of all states of a row come to, in the view itself or in one of its copies. */
const coloursOf = (page, copy, id) =>
  page.ask(
    ([number, wanted]) => {
      const { scene, store } = virtscopeTimeline;
      const lane = scene.layout.lanes.find(
        (one) => one.kind === 'row' && one.copy === (number ?? undefined) && one.row.id === wanted,
      );
      return scene.looks.table(lane, store.get()).upper.reduce((a, b) => (a * 31 + b) >>> 0, 7);
    },
    [copy ?? null, id],
  );

export const tests = {
  'a copy has a filter of its own, the view keeps its': async (page) => {
    await chooseVms(page);
    await copyOfVms(page, 'vm == vm2');
    await until('rows of one VM', async () => (await machines(page, 0)) === 'vm2');
    assert.equal(await machines(page), 'vm1,vm2');
    await page.set({ filter: 'vm == vm1' });
    await until('the other VM above', async () => (await machines(page)) === 'vm1');
    assert.equal(await machines(page, 0), 'vm2');
    const names = await headers(page);
    assert.deepEqual(
      names.filter((name) => name.startsWith('Virtual')),
      ['Virtual machines', 'Virtual machines 2'],
    );
  },

  'states are left out by the filter of the copy': async (page) => {
    await chooseVms(page);
    const { id } = await page.state('row');
    await copyOfVms(page, 'vm == vm1 && state == halted');
    await until('rows of one VM', async () => (await machines(page, 0)) === 'vm1');
    await page.quiet();
    assert.notEqual(await coloursOf(page, 0, id), await coloursOf(page, undefined, id));
    await page.set({ filter: 'vm == vm1 && state == halted' });
    await page.frame();
    assert.equal(await coloursOf(page, 0, id), await coloursOf(page, undefined, id));
  },

  'the keyboard stays in the copy, and the link leads into it': async (page) => {
    await chooseVms(page);
    await copyOfVms(page, 'vm == vm2');
    await until('rows of one VM', async () => (await machines(page, 0)) === 'vm2');
    await page.key('End');
    const last = await page.stateWhen('the last row', (row) => row?.copy === 0, 'row');
    await page.key('ArrowUp');
    const above = await page.stateWhen('the row above', (row) => row.id !== last.id, 'row');
    assert.equal(above.copy, 0);
    const active = await page.find('.lanes').getAttribute('aria-activedescendant');
    assert.match(active, /copy-0$/);
    await until('its label', async () => (await page.find(`#${active}`).count()) === 1);
    const link = await until('the address', () =>
      page.ask(
        ([id]) =>
          location.hash.includes('copy=vms.') &&
          location.hash.includes(`.${id}.0`) &&
          location.href,
        [above.id],
      ),
    );
    await page.goto(link);
    assert.deepEqual(await page.state('copies'), [{ view: 'vms', filter: 'vm == vm2' }]);
    assert.deepEqual(await page.state('row'), above);
    assert.equal(await machines(page, 0), 'vm2');
  },

  'by button; a filter that is wrong says so; closing': async (page) => {
    await page.set({ openViews: ['vms'] });
    await page.quiet();
    // What was on the screen stays there when views go; the header is above it.
    await page.ask(() => (document.querySelector('.lanes').scrollTop = 0));
    await page.control('button', 'Copy Virtual machines').click();
    const field = page.find('.copy-filter');
    await until('the field', async () => (await field.count()) === 1);
    await field.fill('tid == x');
    await until('the mark', async () => (await field.getAttribute('aria-invalid')) === 'true');
    assert.match(await field.getAttribute('title'), /At character 8: a number is wanted here/);
    await field.fill('nothing of this kind');
    const empty = page.find('.empty');
    await until('why it is empty', async () =>
      /No row matches “nothing of this kind”/.test((await empty.allInnerTexts()).join()),
    );
    await page.control('button', 'Close Virtual machines 2').click();
    await page.stateWhen('none', (copies) => copies.length === 0, 'copies');
    await until('no field', async () => (await field.count()) === 0);
  },
};
