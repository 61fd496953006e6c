// What the data cannot say is drawn, not hidden: how far clocks may be off, where events are lost,
// and views without data.
import assert from 'node:assert/strict';
import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { Page, Server, until } from './harness.mjs';

export const capture = 'preempt-mono';

/** Colours of the overlay in a box around a point. */
const overlay = (page, x, y, width = 1, height = 1) =>
  page.ask(
    ([left, top, wide, tall]) => {
      const { over } = virtscopeTimeline.scene;
      const ratio = over.width / over.getBoundingClientRect().width;
      const box = over.getBoundingClientRect();
      const data = over
        .getContext('2d')
        .getImageData(
          Math.round((left - box.left) * ratio),
          Math.round((top - box.top) * ratio),
          wide,
          tall,
        ).data;
      return [...new Set(new Uint32Array(data.buffer))];
    },
    [x, y, width, height],
  );

export const tests = {
  'the bound of a clock is a band around the moment, on the rows of that machine only': async (
    page,
  ) => {
    const { clocks } = await page.state('marks');
    const bound = Number(clocks.find((clock) => clock.machine === 'vm1').error_ns);
    assert.ok(bound > 10_000, `the clock of vm1 is within ${bound} ns`);
    assert.match(await page.text('.status'), /clocks within ±2\d\.\d µs/);
    const time = 5e9;
    await page.set({
      grid: false,
      time,
      window: { from: time - bound * 10, to: time + bound * 10 },
    });
    await page.quiet();
    const guest = await page.place('vms', { machine: 'vm1', kind: 'vcpu', vcpu: 0 }, time);
    const width = (bound / (bound * 20)) * guest.width;
    const inside = await overlay(page, guest.x + width * 0.8, guest.y);
    const outside = await overlay(page, guest.x + width * 1.2, guest.y);
    assert.notDeepEqual(inside, outside, 'the band ends at the bound');
    const host = await page.place('fused', { kind: 'pcpu', cpu: 0 }, time);
    assert.deepEqual(
      await overlay(page, host.x + width * 0.8, host.y),
      await overlay(page, host.x + width * 1.2, host.y),
    );
  },

  'a span of lost events is hatched over the rows that it blinds': async (page) => {
    const begin = BigInt((await page.state('experiment')).begin_ns);
    const marks = await page.state('marks');
    await page.set({
      grid: false,
      window: { from: 4e9, to: 6e9 },
      marks: {
        ...marks,
        losses: [
          {
            machine: 'host',
            cpu: 1,
            ts_ns: String(begin + 5_000_000_000n),
            dur_ns: '200000000',
            lost_events: '77',
          },
        ],
      },
    });
    await page.quiet();
    const blind = await page.place('fused', { kind: 'pcpu', cpu: 1 }, 5.1e9);
    assert.ok((await overlay(page, blind.x, blind.y - 8, 20, 16)).length > 2, 'hatched');
    const seeing = await page.place('fused', { kind: 'pcpu', cpu: 2 }, 5.1e9);
    assert.deepEqual(
      await overlay(page, seeing.x, seeing.y - 6, 20, 12),
      [0],
      'the other processor is not',
    );
    const later = await page.place('fused', { kind: 'pcpu', cpu: 1 }, 5.3e9);
    assert.deepEqual(await overlay(page, later.x, later.y - 6, 20, 12), [0], 'nor is a later time');
    await page.mouse.move(blind.x, blind.y);
    await until('the tooltip', async () => /77 events are lost here/.test(await page.text('.tip')));
    await page.set({ marks });
  },

  'a view without data says why, and how to record what it needs': async (page) => {
    for (const name of ['Disks', 'Network']) await page.control('button', name, '.views').click();
    await until('the reasons', async () => (await page.find('.empty').count()) === 2);
    const text = await page.text('.labels');
    assert.match(text, /block_rq_issue/);
    assert.match(text, /trace-cmd record .*net:/);
  },

  'a trace of a guest alone opens, and says what its host would tell': async (page, at) => {
    const guest = readdirSync(at.folder).find((file) => file.startsWith('vm1'));
    const server = await Server.start(at.virtscope, [join(at.folder, guest)]);
    try {
      const alone = await Page.open(at.browser, server.link);
      const text = await until('the reason', async () => {
        const seen = await alone.text('.labels');
        return /kvm_entry/.test(seen) && seen;
      });
      assert.match(text, /trace-cmd record -e kvm:kvm_entry/);
      await alone.control('button', 'Threads', '.views').click();
      await alone.quiet();
      assert.ok(
        await alone.ask(
          () =>
            virtscopeTimeline.scene.layout.lanes.filter(
              (lane) => lane.view === 'control' && lane.kind === 'row',
            ).length > 5,
        ),
      );
      assert.deepEqual(alone.problems, []);
      await alone.close();
    } finally {
      await server.stop();
    }
  },
};
