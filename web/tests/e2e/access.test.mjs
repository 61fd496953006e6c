// Reach by keyboard alone: every control by Tab, focus that can be seen, names and roles.
import assert from 'node:assert/strict';
import { until } from './harness.mjs';

export const capture = 'twovms-tsc';

/** Walks through the page with Tab, once around; gives what had the focus without showing it. */
async function walk(page, most = 300) {
  const step = () =>
    page.ask(() => {
      const here = document.activeElement;
      globalThis.reached ??= new Set();
      if (!here || here === document.body) return null;
      const again = globalThis.reached.has(here);
      globalThis.reached.add(here);
      const style = getComputedStyle(here);
      const shows = style.outlineStyle !== 'none' && parseFloat(style.outlineWidth) >= 2;
      return { again, shows, what: here.outerHTML.slice(0, 120) };
    });
  await page.ask(() => {
    globalThis.reached = new Set();
    document.querySelector('.machines button').focus();
  });
  const hidden = [];
  for (let i = 0; i < most; ++i) {
    const now = await step();
    if (now?.again) return hidden;
    if (i > 0 && now && !now.shows) hidden.push(now.what);
    await page.key('Tab');
  }
  throw new Error(`Tab does not come around within ${most} steps`);
}

const notReached = (page) =>
  page.ask(() =>
    [...document.querySelectorAll('button, input, select, textarea, a[href], [tabindex="0"]')]
      .filter((one) => !one.disabled && one.getAttribute('tabindex') !== '-1')
      .filter((one) => one.checkVisibility() && !one.closest('dialog:not([open])'))
      .filter((one) => !globalThis.reached.has(one))
      .map((one) => one.outerHTML.slice(0, 120)),
  );

/** Controls without a name, and clickable things that are no controls. */
const nameless = (page) =>
  page.ask(() =>
    [
      ...document.querySelectorAll(
        'button, input, select, textarea, [role=separator], [role=tree], [role=grid]',
      ),
    ]
      .filter((one) => one.checkVisibility())
      .filter((one) => {
        const labels = [...(one.labels ?? [])].map((label) => label.textContent).join('');
        const name = one.getAttribute('aria-label') ?? (labels || one.textContent) ?? '';
        return name.trim() === '';
      })
      .map((one) => one.outerHTML.slice(0, 150)),
  );

/** Texts within an element that stand out too little from what is behind them. */
const faint = (page, within) =>
  page.ask((selector) => {
    const parts = (colour) => (colour.match(/[\d.]+/g) ?? []).map(Number);
    const luminance = (colour) => {
      const [r, g, b] = colour.slice(0, 3).map((part) => {
        const share = part / 255;
        return share <= 0.04045 ? share / 12.92 : ((share + 0.055) / 1.055) ** 2.4;
      });
      return 0.2126 * r + 0.7152 * g + 0.0722 * b;
    };
    const behind = (element) => {
      for (let at = element; at; at = at.parentElement) {
        const colour = parts(getComputedStyle(at).backgroundColor);
        if (colour.length === 3 || colour[3] === 1) return colour;
      }
      return [255, 255, 255];
    };
    return [...document.querySelectorAll(`${selector}, ${selector} *`)]
      .filter((one) => one.checkVisibility() && !one.disabled)
      .filter((one) => [...one.childNodes].some((node) => node.nodeType === 3 && node.data.trim()))
      .map((one) => {
        const [x, y] = [luminance(parts(getComputedStyle(one).color)), luminance(behind(one))];
        return [(Math.max(x, y) + 0.05) / (Math.min(x, y) + 0.05), one.outerHTML.slice(0, 90)];
      })
      .filter(([ratio]) => ratio < 4.5);
  }, within);

export const tests = {
  'dialogs are reached and left by keyboard, and can be read in both themes': async (page) => {
    for (const theme of ['dark', 'light']) {
      await page.set({ theme, filter: 'tid ==' });
      await until('the error', async () => (await page.find('#filter-error').count()) === 1);
      assert.deepEqual(await faint(page, '.toolbar'), [], `toolbar, ${theme}`);
      await page.set({ filter: 'state == user' });
      for (const [key, name] of [
        ['k', 'rows'],
        ['q', 'display'],
        ['F', 'filters'],
      ]) {
        await page.key(key);
        const dialog = page.find(`#dialog-${name}`);
        await until(name, async () => (await dialog.getAttribute('open')) !== null);
        assert.deepEqual(await faint(page, `#dialog-${name}`), [], `${name}, ${theme}`);
        assert.deepEqual(await nameless(page), [], `${name}: without a name`);
        await page.key('Tab');
        assert.ok(
          await page.ask(() => document.activeElement.closest('dialog') !== null),
          `${name}: the focus stays inside`,
        );
        const window = await page.state('window');
        await page.key('d');
        assert.deepEqual(await page.state('window'), window, 'keys do nothing behind it');
        await page.key('Escape');
        await until('closed', async () => (await dialog.getAttribute('open')) === null);
      }
    }
  },

  'a key right after a dialog was closed is the timeline’s again': async (page) => {
    for (const name of ['rows', 'display', 'filters']) {
      await page.key('q');
      await until('a field', () =>
        page.ask(() => document.activeElement.closest('#dialog-display') !== null),
      );
      // Within one task: the browser draws no frame between that would take the focus away.
      await page.ask((key) => {
        document.querySelector('#dialog-display select').focus();
        document.getElementById('dialog-display').close();
        document.activeElement.dispatchEvent(new KeyboardEvent('keydown', { key, bubbles: true }));
      }, { rows: 'k', display: 'q', filters: 'F' }[name]);
      const dialog = page.find(`#dialog-${name}`);
      await until(name, async () => (await dialog.getAttribute('open')) !== null);
      await page.key('Escape');
      await until('closed', async () => (await dialog.getAttribute('open')) === null);
    }
  },

  'every control of every tab is reached by Tab, with a focus that can be seen': async (page) => {
    const { row } = await page.place('vms', { machine: 'vm1', kind: 'vcpu', vcpu: 0 });
    await page.set({ row: { view: 'vms', id: row.id }, time: 6e9, bottomOpen: true });
    for (const tab of ['overview', 'events', 'why', 'sql', 'compare', 'bookmarks', 'help']) {
      await page.set({ tab });
      await until('the tab', async () => (await page.find(`[data-panel=${tab}]`).count()) === 1);
      await page.quiet();
      assert.deepEqual(await walk(page), [], `${tab}: focus not visible`);
      assert.deepEqual(await notReached(page), [], `${tab}: not reached`);
      assert.deepEqual(await nameless(page), [], `${tab}: without a name`);
    }
  },

  'the walk to the culprit works with the keyboard alone': async (page) => {
    await page.control('tab', 'Overview').focus();
    await page.key('Enter');
    await page.stateWhen('open', (open) => open, 'bottomOpen');
    const button = page
      .find('.p-conclusion')
      .filter({ hasText: 'vm1 was robbed' })
      .getByRole('button', { name: /Show on the timeline/ });
    await button.focus();
    await page.key('Enter');
    const evidence = await page.stateWhen('the evidence', (row) => row !== null, 'row');
    await page.key('f');
    await page.stateWhen('the culprit', (row) => row.id !== evidence.id, 'row');
    await page.find('.lanes').focus();
    await page.key('ArrowDown');
    const before = await page.state('row');
    await page.key('ArrowUp');
    assert.notDeepEqual(await page.state('row'), before);
    const level = await page.find('[role=treeitem][aria-selected=true]').getAttribute('aria-level');
    assert.ok(Number(level) >= 1);
  },

  'landmarks, one heading of first rank, a language, live regions': async (page) => {
    const found = await page.ask(() => ({
      lang: document.documentElement.lang,
      title: document.title,
      headings: document.querySelectorAll('h1').length,
      main: document.querySelectorAll('main').length,
      live: document.querySelectorAll('[role=status], [aria-live]').length,
      tree: document.querySelectorAll('[role=tree] [role=treeitem]').length,
    }));
    assert.equal(found.lang, 'en');
    assert.match(found.title, /virtscope/);
    assert.equal(found.headings, 1);
    assert.equal(found.main, 1);
    assert.ok(found.live >= 2 && found.tree > 5);
  },

  'keys do nothing to the timeline while text is typed': async (page) => {
    await page.find('#row-filter').focus();
    const before = await page.state('window');
    await page.browserPage.keyboard.type('wsadfz');
    assert.deepEqual(await page.state('window'), before);
    assert.equal(await page.state('filter'), 'wsadfz');
  },
};
