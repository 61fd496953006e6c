// Where one is: the address holds the whole position, bookmarks come back to it; the look of the
// page, the keys and the legend.
import assert from 'node:assert/strict';
import { near, until } from './harness.mjs';

export const capture = 'twovms-tsc';

export const tests = {
  'the address holds the whole position': async (page) => {
    const { row } = await page.place('vms', { machine: 'vm1', label: 'critical' });
    const group = await page.ask(() =>
      virtscopeTimeline.store.get().rows.fused.find((one) => one.kind === 'group'),
    );
    const position = {
      window: { from: 6_000_000_001, to: 6_400_000_003 },
      range: { from: 6_100_000_007, to: 6_200_000_011 },
      time: 6_150_000_013,
      row: { view: 'vms', id: row.id },
      measure: [6_110_000_017, 6_120_000_019],
      openViews: ['vms', 'fused', 'disk', 'series'],
      copies: [{ view: 'vms', filter: 'vm == vm2 && ran_on == 1' }],
      collapsed: { [`fused:${group.id}`]: true },
      pins: [{ view: 'vms', id: row.id }],
      filter: 'kind:thread !swapper',
      idle: true,
      active: true,
      order: 'name',
      filterHides: true,
      hidden: { 'vms:4': true, 'vms:5': true },
      colours: { guest: '#3355aa' },
      period: { every: 250000000, from: 1000 },
      machine: 'vm1',
      arrows: false,
      grid: false,
      rowHeight: 24,
      theme: 'light',
      tab: 'events',
      bottomOpen: true,
      bottomShare: 50,
      task: 'vm1/155',
    };
    await page.set(position);
    const link = await until('the address', () =>
      page.ask(() => location.hash.includes('bottom=50') && location.href),
    );
    await page.goto(link);
    const names = Object.keys(position);
    const seen = await page.state(...names);
    for (const name of names) assert.deepEqual(seen[name], position[name], name);
    await page.ask(() => history.replaceState(null, '', location.pathname));
  },

  'an address with nonsense in it opens all the same': async (page) => {
    const [path] = page.browserPage.url().split('#');
    await page.goto(
      `${path}#w=9-1&s=x&t=1e9&r=..%2F1&v=fused.nosuch&tab=none&h=9999&theme=blue&p=a.b_c`,
    );
    const { window, limit, row, tab } = await page.state('window', 'limit', 'row', 'tab');
    assert.deepEqual(window, limit);
    assert.equal(row, null);
    assert.equal(tab, 'overview');
    await page.ask(() => history.replaceState(null, '', location.pathname));
  },

  'a link pasted into the open page goes there, too': async (page) => {
    const begin = BigInt((await page.state('experiment')).begin_ns);
    await page.ask(
      (hash) => (location.hash = hash),
      `w=${begin + 5_000_000_000n}-${begin + 6_000_000_000n}`,
    );
    const window = await page.stateWhen('there', (span) => span.from === 5e9, 'window');
    assert.equal(window.to, 6e9);
  },

  'a bookmark is made, noted, opened and deleted': async (page) => {
    const { row } = await page.place('vms', { machine: 'vm1', label: 'critical' });
    const range = { from: 6_000_000_000, to: 6_050_000_000 };
    await page.set({ row: { view: 'vms', id: row.id }, time: range.from, range });
    await page.key('b');
    await until('the bookmark', async () => (await page.state('bookmarks')).length === 1);
    assert.match((await page.state('bookmarks'))[0].name, /critical at 6\.00 s/);
    await page.control('tab', 'Bookmarks').click();
    await page.set({ range: null, time: 7e9 });
    await page.control('textbox', 'Name').fill('Second');
    await page.control('textbox', 'Note').fill('look <b>here</b>');
    await page.control('combobox', 'Colour').selectOption('green');
    await page.control('button', /^Add/).click();
    await until('two', async () => (await page.state('bookmarks')).length === 2);
    assert.match(await page.text('.p-bookmarks'), /look <b>here<\/b>/);
    await page.set({ row: null });
    await page.control('button', /^critical at/).click();
    const place = await page.state('range', 'row', 'window');
    near(place.range.from, range.from, 'begin');
    near(place.range.to, range.to, 'end');
    assert.deepEqual(place.row, { view: 'vms', id: row.id });
    assert.ok(place.window.from < range.from && place.window.to > range.to);
    await page.control('button', /^Delete critical/).click();
    await until('one left', async () => (await page.state('bookmarks')).length === 1);
    await page.control('button', 'Delete Second').click();
    await until('none', async () => (await page.state('bookmarks')).length === 0);
  },

  'dark and light: the button changes both page and timeline, the system decides before that':
    async (page) => {
      const look = () =>
        page.ask(() => {
          const { scene } = virtscopeTimeline;
          const lane = scene.layout.lanes.find((one) => one.kind === 'header');
          const [r] = scene.base
            .getContext('2d')
            .getImageData(2, Math.max(0, scene.laneTop(lane) + 2), 1, 1).data;
          return {
            theme: document.documentElement.dataset.theme,
            page: getComputedStyle(document.body).backgroundColor,
            lane: r,
          };
        });
      const dark = await look();
      assert.equal(dark.theme, 'dark');
      assert.ok(dark.lane < 60, `lanes ${dark.lane}`);
      await page.control('button', 'Dark or light').click();
      await until('light', async () => (await look()).lane > 200);
      const light = await look();
      assert.equal(light.theme, 'light');
      assert.notEqual(light.page, dark.page);
      await page.set({ theme: 'system' });
      await page.browserPage.emulateMedia({ colorScheme: 'light' });
      await until(
        'light of the system',
        async () => (await look()).theme === 'light' && (await look()).lane > 200,
      );
      await page.browserPage.emulateMedia({ colorScheme: 'dark' });
      await until(
        'dark of the system',
        async () => (await look()).theme === 'dark' && (await look()).lane < 60,
      );
    },

  'the question mark shows every key, and a legend with figures for each view': async (page) => {
    await page.key('?');
    assert.equal(await page.state('tab'), 'help');
    await until(
      'figures',
      async () =>
        /guest code runs/.test(await page.text('[data-panel=help]')) &&
        (await page.find('.p-num', { hasText: 's' }).count()) > 3,
    );
    const text = await page.text('[data-panel=help]');
    for (const says of [
      'Follow the culprit',
      'Undo zoom',
      'Filter rows',
      'Go to a time',
      'Bookmark the selection',
    ])
      assert.ok(text.includes(says), says);
    const sections = await page.find('[data-panel=help] section').count();
    assert.ok(sections >= 6, `${sections} legends`);
  },

  'the bottom panel folds, and its edge makes it higher by pointer and by key': async (page) => {
    await page.set({ bottomOpen: true });
    const edge = page.control('separator', 'Height of the panel');
    const box = await edge.boundingBox();
    await page.mouse.move(box.x + 300, box.y + 3);
    await page.mouse.down();
    await page.mouse.move(box.x + 300, box.y - 150, { steps: 3 });
    await page.mouse.up();
    const share = await page.state('bottomShare');
    assert.ok(share > 45, `${share} per cent`);
    await edge.focus();
    await page.key('ArrowDown');
    assert.equal(await page.state('bottomShare'), share - 4);
    await page.control('button', 'Fold the panel').click();
    assert.equal(await page.state('bottomOpen'), false);
    await page.control('tab', 'SQL').click();
    assert.equal(await page.state('bottomOpen'), true);
    await page.set({ bottomShare: 36 });
  },
};
