// Drives the page in Chromium. With a link (as `virtscope serve` prints it) as argument it opens that; without one it
// serves the page with the made-up answers of mock/, which tests the page alone and nothing of the server.
//   node tests/e2e/page.mjs [LINK]
import assert from 'node:assert/strict';
import { existsSync } from 'node:fs';
import { chromium } from 'playwright-core';
import { createServer } from 'vite';

const browserPath = process.env.CHROMIUM ?? '/usr/bin/chromium';
if (!existsSync(browserPath)) {
  console.log(`skipped: no ${browserPath} (Debian package chromium)`);
  process.exit(77);
}
const flags = ['--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run', '--disable-background-networking', '--disable-component-update', '--disable-sync'];
const own = process.argv[2] ? null : await createServer({ server: { port: 0, host: '127.0.0.1' }, logLevel: 'error' });
await own?.listen();
const link = process.argv[2] ?? own.resolvedUrls.local[0];
const browser = await chromium.launch({ executablePath: browserPath, args: flags });
const page = await browser.newPage({ viewport: { width: 1440, height: 900 } });
const problems = [];
page.on('console', (message) => message.type() === 'error' && problems.push(message.text()));
page.on('pageerror', (error) => problems.push(error.message));
page.on('request', (request) => new URL(request.url()).host !== new URL(link).host && request.url().startsWith('http') && problems.push(`request to ${request.url()}`));

const state = (expression) => page.evaluate(`(() => { const s = virtscopeTimeline.store.get(); return ${expression}; })()`);
const until = (expression) => page.waitForFunction(`(() => { const s = virtscopeTimeline.store.get(); return ${expression}; })()`, undefined, { timeout: 15000 });
const key = async (name) => page.keyboard.press(name);
const lane = (view, kind) => page.evaluate(([wantedView, wantedKind]) => {
  const { scene } = virtscopeTimeline;
  const found = scene.visible().find((item) => item.kind === 'row' && item.view === wantedView && item.row.kind === wantedKind);
  const box = scene.over.getBoundingClientRect();
  return { x: box.left, y: box.top + scene.laneTop(found) + found.height / 2, width: scene.width };
}, [view, kind]);

const tests = {
  'opens with filled lanes': async () => {
    await page.goto(link);
    await page.waitForFunction(() => globalThis.virtscopeTimeline?.scene.cache.get('fused', 1)?.coarse, undefined, { timeout: 30000 });
  },
  'W, S, A, D and undo': async () => {
    const all = await state('s.window.to - s.window.from');
    await key('w');
    assert.equal(await state('s.window.to - s.window.from'), all / 2);
    await key('d');
    await key('a');
    await key('s');
    await key('Backspace');
    assert.equal(await state('s.window.to - s.window.from'), all / 2);
    await key('0');
    assert.equal(await state('s.window.to - s.window.from'), all);
  },
  'Ctrl+wheel keeps the moment under the pointer': async () => {
    const at = await lane('fused', 'pcpu');
    await page.mouse.move(at.x + at.width / 4, at.y);
    await page.keyboard.down('Control');
    await page.mouse.wheel(0, -300);
    await page.keyboard.up('Control');
    await until('s.window.from > 0');
    const share = await state('(s.limit.to / 4 - s.window.from) / (s.window.to - s.window.from)');
    assert.ok(Math.abs(share - 0.25) < 0.01, `share ${share}`);
    await key('0');
  },
  'drag selects, Z zooms to it, double click shows all': async () => {
    const at = await lane('fused', 'pcpu');
    await page.mouse.move(at.x + 200, at.y);
    await page.mouse.down();
    await page.mouse.move(at.x + 300, at.y, { steps: 4 });
    await page.mouse.up();
    await until('s.range !== null && s.row.view === "fused"');
    await key('z');
    assert.deepEqual(await state('s.window'), await state('({ from: Math.round(s.range.from), to: Math.round(s.range.to) })'));
    await page.mouse.dblclick(at.x + 50, at.y);
    await until('s.window.from === 0 && s.window.to === s.limit.to');
  },
  'arrows step through states and rows': async () => {
    const at = await lane('fused', 'pcpu');
    await page.mouse.click(at.x + 100, at.y);
    const before = await state('s.time');
    await key('ArrowRight');
    await until(`s.time > ${before}`);
    const row = await state('s.row.id');
    await key('ArrowDown');
    await until(`s.row.id === ${row} + 1`);
  },
  'slash filters, M measures, P pins, H highlights': async () => {
    await key('/');
    await page.keyboard.type('kind:pcpu cpu:1');
    await key('Escape');
    assert.equal(await page.evaluate(() => virtscopeTimeline.scene.layout.lanes.filter((item) => item.kind === 'row' && item.row.kind !== 'group').length), 1);
    await page.evaluate(() => virtscopeTimeline.store.set({ filter: '' }));
    await key('p');
    assert.equal(await state('s.pins.length'), 1);
    await key('p');
    await key('m');
    await page.mouse.move(500, 400);
    await key('m');
    assert.ok(await state('s.measure[1] !== null'));
    await key('h');
    assert.ok(await state('s.machine !== null'));
    await page.evaluate(() => virtscopeTimeline.store.set({ machine: null }));
  },
  'a link reopens at the same place': async () => {
    await key('w');
    await page.waitForTimeout(400);
    const place = await state('JSON.stringify([s.window, s.range, s.time, s.row, s.measure])');
    const copy = page.url();
    await page.goto('about:blank');
    await page.goto(copy);
    await page.waitForFunction(() => globalThis.virtscopeTimeline?.store.get().views.length > 0);
    assert.equal(await state('JSON.stringify([s.window, s.range, s.time, s.row, s.measure])'), place);
  },
  'frames of 200 rows': async () => {
    await page.setViewportSize({ width: 1440, height: 1400 });
    await page.evaluate(() => virtscopeTimeline.store.set({ rowHeight: 4, bottomOpen: false, openViews: ['fused', 'vms', 'control', 'vprocess'] }));
    await page.waitForTimeout(2500);
    // Three rounds, each of which must hold.
    const rounds = [];
    for (let round = 0; round < 3; ++round) rounds.push(await page.evaluate(async () => {
      const { frames, scene, store } = virtscopeTimeline;
      frames.length = 0;
      for (let i = 0; i < 120; ++i) {
        const { limit } = store.get();
        const half = (limit.to / 2) * Math.pow(0.95, i % 60);
        store.set({ window: { from: limit.to / 2 - half, to: limit.to / 2 + half } });
        await new Promise((resolve) => requestAnimationFrame(() => requestAnimationFrame(resolve)));
      }
      const sorted = [...frames].sort((a, b) => a - b);
      return { rows: scene.visible().length, frames: sorted.length, median: sorted[sorted.length >> 1], p95: sorted[Math.floor(sorted.length * 0.95)] };
    }));
    for (const report of rounds) console.log(`frame work: ${report.rows} rows, ${report.frames} frames, median ${report.median.toFixed(1)} ms, p95 ${report.p95.toFixed(1)} ms`);
    assert.ok(rounds.every((report) => report.median <= 20 && report.p95 <= 40), 'frame work too long');
  },
  'no console error, no request elsewhere': async () => assert.deepEqual(problems, []),
};

let failed = 0;
for (const [name, test] of Object.entries(tests)) {
  try {
    await test();
    console.log(`ok    ${name}`);
  } catch (error) {
    ++failed;
    console.log(`FAIL  ${name}: ${error.message}`);
  }
}
await browser.close();
await own?.close();
process.exit(failed === 0 ? 0 : 1);
