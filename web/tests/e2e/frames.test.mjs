// The work of a frame while 200 rows are zoomed, in software rendering: median and 95th percentile.
import assert from 'node:assert/strict';

export const capture = 'twovms-tsc';

const medianMs = 20;
const p95Ms = 40;

/** Zooms in and out around the middle; gives the times of the frames that were drawn. */
const zoomRound = () =>
  (async () => {
    const { frames, scene, store } = virtscopeTimeline;
    frames.length = 0;
    for (let i = 0; i < 80; ++i) {
      const { limit } = store.get();
      const half = (limit.to / 2) * Math.pow(0.93, i % 40);
      store.set({ window: { from: limit.to / 2 - half, to: limit.to / 2 + half } });
      await new Promise((resolve) => requestAnimationFrame(() => requestAnimationFrame(resolve)));
    }
    const sorted = [...frames].sort((a, b) => a - b);
    const rows = scene.visible().filter((lane) => lane.kind === 'row').length;
    return {
      rows,
      frames: sorted.length,
      median: sorted[sorted.length >> 1],
      p95: sorted[Math.floor(sorted.length * 0.95)],
    };
  })();

export const tests = {
  'zooming 200 rows stays within the time of a frame': async (page) => {
    await page.browserPage.setViewportSize({ width: 1440, height: 1500 });
    await page.set({
      rowHeight: 4,
      openViews: ['fused', 'vms', 'control', 'vprocess', 'disk', 'net'],
    });
    await page.quiet();
    for (let round = 0; round < 3; ++round) {
      const seen = await page.ask(zoomRound);
      const [middle, slow] = [seen.median, seen.p95].map((ms) => `${ms.toFixed(1)} ms`);
      const times = `median ${middle}, 95th percentile ${slow}`;
      console.log(`frame work: ${seen.rows} rows, ${seen.frames} frames, ${times}`);
      assert.ok(seen.rows >= 200, `${seen.rows} rows are on the screen`);
      assert.ok(seen.median <= medianMs && seen.p95 <= p95Ms, 'frame work too long');
    }
  },
};
