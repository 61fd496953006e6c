// Contact sheets for the eye: every view and panel of captures, in both themes, on two sheets each.
//   node tests/e2e/sheets.mjs --virtscope BIN --out DIR CAPTURE...
// DIR gets NAME-THEME-views.png and NAME-THEME-panels.png. What a view or panel lacks, and errors of
// the page, are printed; exit code 1 when the page had an error.
import { mkdirSync } from 'node:fs';
import { basename, join } from 'node:path';
import { parseArgs } from 'node:util';
import { chromium } from 'playwright-core';
import { Page, Server, sleep, until } from './harness.mjs';

const viewport = { width: 1180, height: 700 };
const shown = 520;

async function shot(page, title) {
  await page.mouse.move(5, 5);
  await page.set({ notice: null });
  await page.quiet();
  await sleep(350);
  const picture = await page.browserPage.screenshot({ type: 'jpeg', quality: 80 });
  return { title, picture: picture.toString('base64') };
}

/** One picture of all, three in a line. */
async function sheet(browser, shots, path) {
  const page = await browser.newPage({ viewport: { width: 3 * shown + 12, height: 400 } });
  await page.setContent(
    `<style>body{margin:0;display:flex;flex-wrap:wrap;gap:4px;background:#777;font:14px sans-serif}
     figure{margin:0;width:${shown}px}img{width:100%;display:block}</style>` +
      shots
        .map(
          ({ title, picture }) =>
            `<figure>${title}<img src="data:image/jpeg;base64,${picture}"></figure>`,
        )
        .join(''),
  );
  await page.screenshot({ path, fullPage: true });
  await page.close();
}

/** What the lanes of a view say instead of showing something. */
const emptiness = (page) =>
  page.ask(() =>
    virtscopeTimeline.scene.layout.lanes
      .filter((lane) => lane.kind === 'empty')
      .map((lane) => `${lane.view}: ${lane.message} ${lane.command}`),
  );

/** Rows of a view on which nothing is drawn at all. */
const blankRows = (page) =>
  page.ask(() => {
    const { scene, store } = virtscopeTimeline;
    return scene.layout.lanes
      .filter((lane) => lane.kind === 'row' && lane.row.kind !== 'group')
      .filter((lane) => scene.laneTop(lane) >= 0 && scene.laneTop(lane) < scene.height)
      .filter((lane) => scene.runs(lane, store.get()).every((run) => run.combo === 0))
      .map((lane) => `${lane.view}/${lane.row.label}`);
  });

async function views(page, say) {
  const shots = [];
  for (const view of [...(await page.state('views')).map((one) => one.id), 'series']) {
    await page.reset();
    await page.set({ openViews: [view] });
    shots.push(await shot(page, view));
    for (const text of await emptiness(page)) say(`view ${text}`);
    for (const text of await blankRows(page)) say(`nothing drawn in ${text}`);
  }
  return shots;
}

/** A thread that was robbed or ran long, as `why` takes it, and where. */
async function someTask(page) {
  const [row] = await page.sql(
    "SELECT machine, tid, ts, dur FROM thread_state WHERE machine != 'host' AND tid > 0 AND " +
      "state IN ('user', 'syscall') ORDER BY (effective = 'deprived') DESC, dur DESC LIMIT 1",
  );
  return row ?? null;
}

async function panels(page) {
  await page.reset();
  const shots = [];
  await page.set({ bottomOpen: true, bottomShare: 80, tab: 'overview' });
  shots.push(await shot(page, 'overview'));
  await page.ask(() => document.querySelector('.tab-panel').scrollTo(0, 1e6));
  shots.push(await shot(page, 'overview, the end'));
  const card = page.find('.p-conclusion').getByRole('button', { name: /Show on the timeline/ });
  await page.set({ bottomShare: 36 });
  if ((await card.count()) > 0) {
    await card.first().click();
    await sleep(400);
    shots.push(await shot(page, 'evidence of the first card'));
    await page.key('f');
    await sleep(700);
    shots.push(await shot(page, 'F'));
  }
  const task = await someTask(page);
  for (const tab of ['events', 'sql', 'compare', 'bookmarks', 'help']) {
    await page.set({ tab, bottomOpen: true });
    await sleep(500);
    shots.push(await shot(page, tab));
  }
  if (task) {
    await page.reset();
    await page.set({ tab: 'why', bottomOpen: true, bottomShare: 60 });
    await page.find('.tab-panel input').first().fill(`${task.machine}/${task.tid}`);
    await page.control('button', 'Ask').click();
    await until('an answer', async () => (await page.find('.p-why, .p-problem').count()) > 0);
    shots.push(await shot(page, `why ${task.machine}/${task.tid}`));
  }
  return shots;
}

async function sheetsOf(browser, capture, options) {
  const name = basename(capture);
  const say = (text) => console.log(`${name}: ${text}`);
  const server = await Server.start(options.virtscope, [capture]);
  let problems = 0;
  try {
    for (const theme of ['dark', 'light']) {
      const page = await Page.open(browser, server.link, { viewport, colorScheme: theme });
      const first = theme === 'dark' ? say : () => undefined;
      await sheet(
        browser,
        await views(page, first),
        join(options.out, `${name}-${theme}-views.png`),
      );
      await sheet(browser, await panels(page), join(options.out, `${name}-${theme}-panels.png`));
      for (const problem of page.problems) say(`PROBLEM ${problem}`);
      problems += page.problems.length;
      await page.close();
    }
  } finally {
    await server.stop();
  }
  return problems;
}

const { values, positionals } = parseArgs({
  options: { virtscope: { type: 'string' }, out: { type: 'string' } },
  allowPositionals: true,
});
mkdirSync(values.out, { recursive: true });
const browser = await chromium.launch({
  executablePath: process.env.CHROMIUM ?? '/usr/bin/chromium',
  args: ['--no-sandbox', '--disable-gpu'],
});
let problems = 0;
try {
  for (const capture of positionals) {
    problems += await sheetsOf(browser, capture, values).catch((error) => {
      console.log(`${basename(capture)}: ${error.message}`);
      return 1;
    });
  }
} finally {
  await browser.close();
}
process.exit(problems === 0 ? 0 : 1);
