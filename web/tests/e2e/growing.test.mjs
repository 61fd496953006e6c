// A timeline that grows while the traces are analysed: the overview at once, then states as far as
// they are known, the rest hatched, and at the end the same place with everything there.
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { Page, Server, until } from './harness.mjs';

export const capture = 'twovms-tsc';

const copies = 20;
const growMs = 40_000;

/** The capture many times as long, so that its analysis takes seconds. */
function longCapture(at, folder) {
  const script = fileURLToPath(new URL('../../../bench/multiply/capture.py', import.meta.url));
  const programs = ['--multiply', at.multiply, '--virtscope', at.virtscope];
  const how = ['--seam-loss', '--plain'];
  execFileSync('python3', [script, at.folder, folder, String(copies), ...programs, ...how]);
  return folder;
}

/**
 * Lets the server run a third of the time only, whatever the machine's speed, so that there is time
 * to look at parts. Gives what ends that.
 */
function slowDown(server) {
  const run = (signal) => server.process.exitCode === null && server.process.kill(signal);
  let resume;
  const stop = setInterval(() => {
    run('SIGSTOP');
    resume = setTimeout(() => run('SIGCONT'), 100);
  }, 150);
  return () => {
    clearInterval(stop);
    clearTimeout(resume);
    run('SIGCONT');
  };
}

const shown = (page) => page.ask(() => virtscopeTimeline.store.get().experiment.shown);

/** How full the overlay is between two moments of a row, 0 to 1. */
const cover = (page, row, from, to) =>
  page.ask(
    ([id, begin, end]) => {
      const { scene } = virtscopeTimeline;
      const lane = scene.layout.lanes.find((one) => one.kind === 'row' && one.row.id === id);
      const ratio = scene.over.width / scene.width;
      const left = Math.max(0, Math.round(scene.x(begin) * ratio));
      const right = Math.min(scene.over.width, Math.round(scene.x(end) * ratio));
      const top = Math.round((scene.laneTop(lane) + 2) * ratio);
      const tall = Math.max(1, Math.round((lane.height - 5) * ratio));
      const { data } = scene.over
        .getContext('2d')
        .getImageData(left, top, Math.max(1, right - left), tall);
      let full = 0;
      for (let i = 3; i < data.length; i += 4) if (data[i] > 40) ++full;
      return full / (data.length / 4);
    },
    [row, from, to],
  );

const namesAlong = (page, row, window) =>
  page.ask(
    ([id, { from, to }]) => {
      const { scene } = virtscopeTimeline;
      const lane = scene.layout.lanes.find((one) => one.kind === 'row' && one.row.id === id);
      return [0.1, 0.3, 0.5, 0.7, 0.9].map((part) =>
        scene.namesAt(lane, scene.x(from + part * (to - from))).join(),
      );
    },
    [row, window],
  );

/**
 * Whether threads are shown whose last state has not ended in the part: they end at one moment. Not
 * in every part: where the copies of the capture meet, all states have just begun.
 */
async function someGoOn(page) {
  const ask = await page.ask(() => {
    const { rows, experiment } = virtscopeTimeline.store.get();
    if (experiment.shown.complete) return null;
    const threads = rows.vms.filter((one) => one.kind === 'thread');
    const alike = (one) => threads.filter((other) => other.end_ns === one.end_ns).length;
    const one = threads.sort((a, b) => alike(b) - alike(a))[0];
    const time_ns = String(BigInt(one.end_ns) - 1n);
    return alike(one) > 10 && { view: 'vms', row: one.id, time_ns };
  });
  return Boolean(ask) && (await page.api('at', ask))?.open === true;
}

export const tests = {
  'the timeline grows, and stays where one looks when all is there': async (_page, at) => {
    const scratch = mkdtempSync(join(tmpdir(), 'virtscope-growing-'));
    const folder = longCapture(at, join(scratch, 'long'));
    const server = await Server.start(at.virtscope, [folder], ['--no-cache', '--jobs', '1']);
    const page = await Page.blank(at.browser, server.link);
    let fullSpeed = () => {};
    try {
      await page.browserPage.goto(server.link);
      const look = await until('the overview', async () => {
        const first = page.find('.loading .first-look');
        const words = (await first.count()) > 0 ? await first.innerText({ timeout: 1000 }) : '';
        return /vm1 · VM · 2 vCPUs on host/.test(words) && words;
      });
      assert.match(look, /long\/host\.dat\s+trace\.dat/);
      fullSpeed = slowDown(server);
      await page.ready();

      const first = await shown(page);
      assert.equal(first.complete, false);
      const { limit, experiment } = await page.state('limit', 'experiment');
      assert.equal(experiment.status, 'RUNNING');
      assert.match(await page.text('.growing'), /have been analysed/);
      const known = Number(BigInt(first.until_ns) - BigInt(experiment.begin_ns));
      assert.ok(known > 0 && known < limit.to / 2, `${known} of ${limit.to}`);

      const { row } = await page.place('vms', { kind: 'vcpu', machine: 'vm1', vcpu: 0 });
      await until(
        'the hatch',
        async () => (await cover(page, row.id, limit.to * 0.9, limit.to)) > 0.9,
      );
      assert.ok((await cover(page, row.id, 0, known * 0.5)) < 0.6, 'not over what is known');

      const window = { from: Math.round(known * 0.2), to: Math.round(known * 0.3) };
      await page.set({ row: { view: 'vms', id: row.id }, window });
      await page.quiet();
      const before = await namesAlong(page, row.id, window);
      assert.ok(
        before.some((names) => names !== ''),
        `states are there: ${before}`,
      );

      let going = false;
      await until(
        'a larger part, and states that go on',
        async () => {
          going ||= await someGoOn(page);
          return going && (await shown(page)).number > first.number;
        },
        growMs,
      );
      fullSpeed();
      assert.deepEqual(await page.state('window'), window, 'the place stays');
      await until(
        'all of it',
        async () => (await page.state('experiment')).status === 'COMPLETED',
        growMs,
      );
      await page.quiet();
      assert.equal(await page.find('.growing').count(), 0);
      assert.deepEqual(await page.state('window'), window, 'the place stays');
      assert.deepEqual(await page.state('row'), { view: 'vms', id: row.id });
      assert.equal((await shown(page)).complete, true);
      assert.deepEqual(await namesAlong(page, row.id, window), before, 'the states are the same');
      await until('the report', async () => (await page.state('report')) !== null, growMs);

      await page.set({ window: limit });
      await page.quiet();
      assert.ok((await cover(page, row.id, limit.to * 0.9, limit.to)) < 0.6, 'losses only');
      const end = { from: limit.to * 0.8, to: limit.to * 0.9 };
      assert.ok((await namesAlong(page, row.id, end)).every((names) => names !== ''));
      assert.deepEqual(page.problems, []);
    } finally {
      fullSpeed();
      await page.close();
      await server.stop();
      rmSync(scratch, { recursive: true, force: true });
    }
  },
};
