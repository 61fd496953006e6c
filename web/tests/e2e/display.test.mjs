// How the timeline is drawn: rows on and off by check boxes, heights, marks that come again and
// again, colours of the legend; blocked and halted vCPUs.
import assert from 'node:assert/strict';
import { join } from 'node:path';
import { Page, Server, sleep, until } from './harness.mjs';

export const capture = 'twovms-tsc';

const shown = (page, view) =>
  page.ask(
    (wanted) =>
      virtscopeTimeline.scene.layout.lanes
        .filter((lane) => lane.kind === 'row' && lane.view === wanted)
        .map((lane) => lane.row.id),
    view,
  );

const relative = async (page, ns) =>
  Number(BigInt(ns) - BigInt((await page.state('experiment')).begin_ns));

const contrastOf = (page, a, b) =>
  page.ask(
    ([one, other]) => {
      const luminance = (colour) => {
        const [r, g, b] = colour.map((part) => {
          const share = part / 255;
          return share <= 0.04045 ? share / 12.92 : ((share + 0.055) / 1.055) ** 2.4;
        });
        return 0.2126 * r + 0.7152 * g + 0.0722 * b;
      };
      const [x, y] = [luminance(one), luminance(other)];
      return (Math.max(x, y) + 0.05) / (Math.min(x, y) + 0.05);
    },
    [a, b],
  );

/** The most frequent colour of a box of the lanes' pixels. */
async function colourAt(page, match, time) {
  const { x, y } = await page.place('vms', match, time);
  // What was scrolled into sight has its states a moment later.
  await page.quiet();
  return page.ask(
    ([left, top]) => {
      const { scene } = virtscopeTimeline;
      const box = scene.base.getBoundingClientRect();
      const { data } = scene.base
        .getContext('2d')
        .getImageData(Math.round(left - box.left) - 4, Math.round(top - box.top) - 5, 8, 8);
      const count = new Map();
      for (let i = 0; i < data.length; i += 4) {
        const key = [data[i], data[i + 1], data[i + 2]].join();
        count.set(key, (count.get(key) ?? 0) + 1);
      }
      const [most] = [...count].sort((a, b) => b[1] - a[1])[0];
      return most.split(',').map(Number);
    },
    [x, y],
  );
}

async function longestOf(page, state) {
  const [one] = await page.sql(
    `SELECT ts, dur, machine, vcpu FROM vcpu_state WHERE state = '${state}'
      ORDER BY dur DESC LIMIT 1`,
  );
  return (
    one && {
      time: (await relative(page, one.ts)) + Number(one.dur) / 2,
      length: Number(one.dur),
      row: { machine: one.machine, kind: 'vcpu', vcpu: Number(one.vcpu) },
    }
  );
}

export const tests = {
  'rows go off and on by check boxes, one, a machine, what a search finds; the link keeps it':
    async (page) => {
      const all = await shown(page, 'vms');
      await page.key('k');
      const dialog = page.find('#dialog-rows');
      const vms = dialog.locator('fieldset').filter({ hasText: 'Virtual machines' });
      await vms.getByRole('checkbox', { name: /^vm1/ }).first().uncheck();
      const rows = (await page.state('rows')).vms;
      const off = (id) => rows.find((row) => row.id === id).machine === 'vm1';
      await until('vm1 is off', async () => (await shown(page, 'vms')).every((id) => !off(id)));
      await vms.getByRole('checkbox', { name: /critical/ }).check();
      await until('one of it', async () => {
        const ids = (await shown(page, 'vms')).filter(off);
        const names = ids.map((id) => rows.find((row) => row.id === id));
        return names.length === 2 && names[0].kind === 'group' && names[1].label === 'critical';
      });
      assert.equal(
        await vms
          .getByRole('checkbox', { name: /^vm1/ })
          .first()
          .evaluate((box) => box.indeterminate),
        true,
        'a machine of which some are off',
      );
      await page.control('button', 'Show every row').click();
      await page.control('searchbox', 'Search rows').fill('burst');
      await vms.getByRole('button', { name: 'Hide found' }).click();
      await until('no burst', async () => {
        const ids = await shown(page, 'vms');
        return !ids.some((id) => /burst/.test(rows.find((row) => row.id === id).label));
      });
      const few = await shown(page, 'vms');
      assert.ok(few.length < all.length);
      await page.key('Escape');
      // The address follows a moment later.
      await sleep(400);
      const link = await page.ask(() => location.href);
      assert.match(link, /[#&]x=vms\./);
      await page.goto(link);
      await until('the same rows', async () => (await shown(page, 'vms')).join() === few.join());
      await page.ask(() => history.replaceState(null, '', location.pathname));
    },

  'the display dialog has order, height, arrows and grid, all by keyboard': async (page) => {
    await page.key('q');
    const dialog = page.find('#dialog-display');
    await dialog.getByRole('combobox', { name: 'Order of threads' }).selectOption('name');
    assert.equal(await page.state('order'), 'name');
    const height = dialog.getByRole('slider');
    await height.focus();
    await page.key('ArrowRight');
    assert.equal(await page.state('rowHeight'), 19);
    await dialog.getByRole('button', { name: 'Usual height' }).click();
    assert.equal(await page.state('rowHeight'), 18);
    await dialog.getByRole('checkbox', { name: 'Arrows (V)' }).focus();
    await page.key('Space');
    assert.equal(await page.state('arrows'), false);
    await dialog.getByRole('checkbox', { name: 'Grid lines (G)' }).uncheck();
    assert.equal(await page.state('grid'), false);
    await page.key('Escape');
    await until('closed', async () => !(await dialog.evaluate((element) => element.open)));
  },

  'marks come again and again, and N and comma go from one to the next': async (page) => {
    await page.set({ time: 5e9, window: { from: 4.9e9, to: 5.5e9 }, grid: false, arrows: false });
    await page.control('button', 'Display').click();
    const field = page.control('textbox', 'Marks every');
    await field.fill('soon');
    assert.equal(await field.getAttribute('aria-invalid'), 'true');
    await field.fill('50ms');
    assert.deepEqual(await page.state('period'), { every: 50_000_000, from: 5e9 });
    await page.key('Escape');
    await page.frame();
    const drawn = await page.ask(() => {
      const { scene, store } = virtscopeTimeline;
      const { window } = store.get();
      const ratio = scene.over.width / scene.width;
      const has = (time) => {
        const x = Math.round(((time - window.from) / (window.to - window.from)) * scene.width);
        const { data } = scene.over
          .getContext('2d')
          .getImageData(Math.round(x * ratio), 0, 1, Math.round(8 * ratio));
        return data.some((value) => value > 0);
      };
      return [has(5.05e9), has(5.1e9), has(5.075e9)];
    });
    assert.deepEqual(drawn, [true, true, false]);
    await page.key('n');
    assert.equal(await page.state('time'), 5.05e9);
    await page.key('.');
    assert.equal(await page.state('time'), 5.1e9);
    await page.key(',');
    assert.equal(await page.state('time'), 5.05e9);
    await page.set({ period: null });
  },

  'a colour of the legend changes the timeline, stays in the link and in the browser, and goes':
    async (page) => {
      const guest = await longestOf(page, 'guest');
      await page.set({
        window: { from: guest.time - guest.length / 4, to: guest.time + guest.length / 4 },
      });
      await page.quiet();
      const before = await colourAt(page, guest.row, guest.time);
      await page.set({ tab: 'help', bottomOpen: true });
      const field = page.find('input[type=color][aria-label="Colour of guest, vCPUs"]');
      const choose = (hex) =>
        field.evaluate((element, value) => {
          element.value = value;
          element.dispatchEvent(new Event('input', { bubbles: true }));
        }, hex);
      await choose('#3366ff');
      assert.deepEqual(await page.state('colours'), { guest: '#3366ff' });
      await page.frame();
      assert.deepEqual(await colourAt(page, guest.row, guest.time), [0x33, 0x66, 0xff]);
      // As dark as the background: it is moved away, so that it can be seen.
      await choose('#0e1116');
      await page.frame();
      const moved = await colourAt(page, guest.row, guest.time);
      const background = await page.ask(() => virtscopeTimeline.scene.scheme.background);
      assert.ok((await contrastOf(page, moved, background)) >= 3, moved.join());
      const link = await until('the address', () =>
        page.ask(() => /col=guest\.0e1116/.test(location.hash) && location.href),
      );
      await page.goto(link.replace(/#.*/, ''));
      assert.deepEqual(await page.state('colours'), { guest: '#0e1116' }, 'kept in the browser');
      await page.set({ tab: 'help', bottomOpen: true });
      await page
        .find('section[aria-label=Colours]')
        .getByRole('button', { name: 'Usual colours' })
        .click();
      assert.deepEqual(await page.state('colours'), {});
      await page.set({ window: await page.ask(() => virtscopeTimeline.store.get().limit) });
      await page.goto(link.replace(/#.*/, ''));
      assert.deepEqual(await page.state('colours'), {}, 'gone from the browser, too');
      await page.set({
        window: { from: guest.time - guest.length / 4, to: guest.time + guest.length / 4 },
      });
      await page.quiet();
      assert.deepEqual(await colourAt(page, guest.row, guest.time), before);
    },

  'a colour of a machine shows everywhere that machine does': async (page) => {
    const has = (hex) =>
      page.ask((wanted) => {
        const { scene } = virtscopeTimeline;
        const canvases = [scene.base, document.querySelector('.minimap canvas')];
        const rgb = [1, 3, 5].map((at) => parseInt(wanted.slice(at, at + 2), 16));
        return canvases.map((canvas) => {
          const { data } = canvas.getContext('2d').getImageData(0, 0, canvas.width, canvas.height);
          for (let i = 0; i < data.length; i += 4)
            if (rgb.every((part, at) => data[i + at] === part)) return true;
          return false;
        });
      }, hex);
    // Near enough that it fills whole pixels.
    await page.set({ window: { from: 6e9, to: 6.1e9 } });
    await page.place('fused', { kind: 'pcpu', cpu: 1 });
    await page.quiet();
    assert.deepEqual(await has('#cc2255'), [false, false]);
    await page.set({ colours: { '@vm1': '#cc2255' } });
    await page.frame();
    assert.deepEqual(await has('#cc2255'), [true, true]);
    const button = page.control('button', 'vm1', '.machines').locator('.swatch');
    assert.equal(
      await button.evaluate((element) => getComputedStyle(element).backgroundColor),
      'rgb(204, 34, 85)',
    );
  },

  'a blocked vCPU is told from a halted one at a glance, in both themes': async (_page, at) => {
    const captures = ['twovms-tsc', 'migrate-tsc'].map((name) => join(at.captures, name));
    const server = await Server.start(at.virtscope, captures);
    try {
      const page = await Page.open(at.browser, server.link);
      for (const theme of ['dark', 'light']) {
        await page.set({ theme });
        const colours = [];
        for (const state of ['halted', 'blocked']) {
          const { row, time, length } = await longestOf(page, state);
          await page.set({ window: { from: time - length / 4, to: time + length / 4 } });
          await page.quiet();
          colours.push(await colourAt(page, row, time));
        }
        // Lightness tells them apart also for those who see no hues.
        const ratio = await contrastOf(page, colours[0], colours[1]);
        assert.ok(ratio >= 2, `${theme}: ${ratio.toFixed(2)}`);
        const background = await page.ask(() => virtscopeTimeline.scene.scheme.background);
        assert.ok((await contrastOf(page, colours[1], background)) >= 3, theme);
      }
      assert.deepEqual(page.problems, []);
      await page.close();
    } finally {
      await server.stop();
    }
  },
};
