// Makes the pictures of docs/images from a shipped capture, with the real server; run from the top
// of the tree, so that the paths in the pictures are those of the documents.
//   node web/tests/e2e/pictures.mjs --virtscope build/virtscope
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { chromium } from 'playwright-core';
import { Page, Server, sleep, until } from './harness.mjs';

const { values } = parseArgs({ options: { virtscope: { type: 'string' } } });
const folder = 'docs/images';
const viewport = { width: 1280, height: 800 };

async function shot(page, name) {
  await page.quiet();
  await sleep(600);
  await page.browserPage.screenshot({ path: join(folder, `${name}.png`) });
}

async function evidence(page) {
  const card = page.find('.p-conclusion').filter({ hasText: 'vm1 was robbed' });
  await card.getByRole('button', { name: /Show on the timeline/ }).click();
  await page.stateWhen('the evidence', (row) => row !== null, 'row');
}

/** The overview, and the time that its second card leads to. */
async function overview(page) {
  await evidence(page);
  await page.mouse.move(5, 5);
  await shot(page, 'page');
}

/** Who had the processor meanwhile, and what the tooltip says of it. */
async function culprit(page) {
  await page.set({ bottomOpen: false });
  const { time } = await page.state('time', 'row');
  await page.key('f');
  await until('burst1', async () => (await page.text('.details')).includes('burst1'));
  await page.set({ notice: null, range: null });
  const at = await page.place('vms', { machine: 'vm1', label: 'filler' }, time + 4e6);
  await page.mouse.move(at.x, at.y);
  await until('the attributes', async () => /lossy/.test(await page.text('.tip')));
  await shot(page, 'page-culprit');
}

/** Critical path and rates of a slow stretch of the periodic task. */
async function path(page) {
  await page.set({
    bottomOpen: false,
    openViews: ['fused', 'series'],
    task: 'vm1/155',
    row: null,
    time: null,
    range: { from: 6.0e9, to: 6.3e9 },
    window: { from: 5.99e9, to: 6.31e9 },
  });
  await until('the path', () =>
    page.ask(() => virtscopeTimeline.scene.layout.lanes.some((lane) => lane.view === 'path')),
  );
  await page.set({ range: null });
  await shot(page, 'page-path');
}

const browser = await chromium.launch({
  executablePath: process.env.CHROMIUM ?? '/usr/bin/chromium',
  args: ['--no-sandbox', '--disable-gpu'],
});
const server = await Server.start(values.virtscope, ['tests/captures/twovms-tsc']);
try {
  const dark = await Page.open(browser, server.link, { viewport, colorScheme: 'dark' });
  await overview(dark);
  await path(dark);
  const light = await Page.open(browser, server.link, { viewport, colorScheme: 'light' });
  await evidence(light);
  await culprit(light);
} finally {
  await server.stop();
  await browser.close();
}
