// The page's work for a frame while 200 rows are zoomed, in software rendering: median and 95th
// percentile. Work is processor time of the page's main thread, as Chromium's own trace has it for
// every task: all that the page does from one frame to the next (the frame's callback, answers that
// are decoded, components, layout and what is handed to the compositor), so that neither idle time
// nor other programs on the machine count. What the frame's callback took by the clock is reported
// beside it.
import assert from 'node:assert/strict';

export const capture = 'twovms-tsc';

const medianMs = 20;
const p95Ms = 40;
const zooms = 80;

/**
 * Zooms in and out around the middle, a step in every frame, as a wheel that is turned does; gives how
 * often it was drawn, and how long that took.
 */
const zoomRound = (count) =>
  (async () => {
    const { frames, scene, store } = virtscopeTimeline;
    frames.length = 0;
    for (let i = 0; i < count; ++i) {
      const { limit } = store.get();
      const half = (limit.to / 2) * Math.pow(0.93, i % 40);
      performance.mark(`zoom ${i}`);
      store.set({ window: { from: limit.to / 2 - half, to: limit.to / 2 + half } });
      await new Promise((resolve) => requestAnimationFrame(resolve));
    }
    performance.mark(`zoom ${count}`);
    // The last step is drawn too.
    await new Promise((resolve) => requestAnimationFrame(resolve));
    const rows = scene.visible().filter((lane) => lane.kind === 'row').length;
    return { rows, clock: [...frames] };
  })();

const categories = ['toplevel', 'blink.user_timing'];

/** Runs something and gives the events that Chromium traced meanwhile. */
async function traced(session, run) {
  const events = [];
  const collect = ({ value }) => events.push(...value);
  session.on('Tracing.dataCollected', collect);
  await session.send('Tracing.start', {
    transferMode: 'ReportEvents',
    traceConfig: { includedCategories: categories },
  });
  const result = await run();
  const complete = new Promise((resolve) => session.once('Tracing.tracingComplete', resolve));
  await session.send('Tracing.end');
  await complete;
  session.off('Tracing.dataCollected', collect);
  return { result, events };
}

/** Processor time of the main thread between each mark and the next, in ms. */
function workOf(events) {
  const marks = events
    .filter((one) => /^zoom \d+$/.test(one.name) && one.cat.includes('user_timing'))
    .sort((a, b) => a.ts - b.ts);
  assert.equal(marks.length, zooms + 1, 'marks in the trace');
  const [{ pid, tid }] = marks;
  const tasks = events.filter(
    (one) =>
      one.pid === pid && one.tid === tid && one.ph === 'X' && /RunTask$/.test(one.name) && one.tdur,
  );
  // The trace nests two names for a task; the outer one is enough.
  const outer = tasks.filter((one) => one.name === 'ThreadControllerImpl::RunTask');
  assert.ok(outer.length > zooms, 'tasks with processor time in the trace');
  return marks.slice(0, -1).map((mark, i) => {
    const between = outer.filter((one) => one.ts >= mark.ts && one.ts < marks[i + 1].ts);
    return between.reduce((sum, one) => sum + one.tdur, 0) / 1000;
  });
}

function spread(list) {
  const sorted = [...list].sort((a, b) => a - b);
  return { median: sorted[sorted.length >> 1], p95: sorted[Math.floor(sorted.length * 0.95)] };
}

const words = ({ median, p95 }) =>
  `median ${median.toFixed(1)} ms, 95th percentile ${p95.toFixed(1)} ms`;

export const tests = {
  'zooming 200 rows stays within the time of a frame': async (page) => {
    await page.browserPage.setViewportSize({ width: 1440, height: 1500 });
    await page.set({
      rowHeight: 4,
      idle: true,
      openViews: ['fused', 'vms', 'control', 'vprocess', 'disk', 'net'],
    });
    await page.quiet();
    const session = await page.context.newCDPSession(page.browserPage);
    for (let round = 0; round < 3; ++round) {
      const { result, events } = await traced(session, () => page.ask(zoomRound, zooms));
      const work = spread(workOf(events));
      console.log(`work of a frame: ${result.rows} rows, ${zooms} zooms, ${words(work)}`);
      console.log(
        `  of it the frame's callback, by the clock: ${words(spread(result.clock))} ` +
          `(${result.clock.length} frames)`,
      );
      assert.ok(result.rows >= 200, `${result.rows} rows are on the screen`);
      assert.ok(work.median <= medianMs && work.p95 <= p95Ms, 'frame work too long');
    }
  },
};
