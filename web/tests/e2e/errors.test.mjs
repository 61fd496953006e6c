// What the page says when it has to wait, and when the server is gone.
import assert from 'node:assert/strict';
import { Page, Server, until } from './harness.mjs';

export const capture = 'preempt-tsc';

export const tests = {
  'while the analysis runs the page says how far it is, and opens by itself': async (page) => {
    const { browserPage } = page;
    let running = true;
    await browserPage.route('**/api/experiment', async (route) => {
      const response = await route.fetch();
      const answer = await response.json();
      if (running) {
        const early = { status: 'RUNNING', progress: 0.37, message: 'states', shown: null };
        Object.assign(answer, early);
      }
      await route.fulfill({ response, json: answer });
    });
    await browserPage.reload();
    await until('the progress', async () => /states · 37 %/.test(await page.text('.loading')));
    assert.equal(await page.find('.loading progress').getAttribute('value'), '0.37');
    running = false;
    await page.ready();
    await browserPage.unroute('**/api/experiment');
    assert.equal(await page.find('.loading').count(), 0);
  },

  'an analysis that failed says why': async (page) => {
    const { browserPage } = page;
    await browserPage.route('**/api/experiment', async (route) => {
      const response = await route.fetch();
      const answer = { ...(await response.json()), status: 'FAILED', message: 'host.dat: cut off' };
      await route.fulfill({ response, json: answer });
    });
    await browserPage.reload();
    await until('the reason', async () => /host.dat: cut off/.test(await page.text('.fatal')));
    await browserPage.unroute('**/api/experiment');
    await browserPage.reload();
    await page.ready();
  },

  'when the server is gone a line stays that says so, and how to start it again': async (
    _page,
    at,
  ) => {
    const server = await Server.start(at.virtscope, [at.folder]);
    const page = await Page.open(at.browser, server.link);
    try {
      assert.equal(await page.find('.offline').count(), 0);
      await server.stop();
      await page.set({ window: { from: 1e9, to: 1.01e9 } });
      const words = await until('the line', async () => {
        const line = page.find('.offline');
        return (await line.count()) > 0 && (await line.innerText());
      });
      assert.match(words, /does not answer.*virtscope serve .*preempt-tsc/s);
      assert.match(await page.text('.labels'), /vCPU 0/, 'the rows stay');
      await page.key('0');
      assert.deepEqual(await page.state('window'), await page.state('limit'), 'keys work');
      // One answer is enough, whichever it is.
      await page.browserPage.route('**/api/states', (route) => route.fulfill({ status: 503 }));
      await page.set({ window: { from: 2e9, to: 2.01e9 } });
      await until('it goes away', async () => (await page.find('.offline').count()) === 0);
      assert.deepEqual(
        page.problems.filter((one) => !/Failed to load resource/.test(one)),
        [],
      );
    } finally {
      await page.close();
      await server.stop();
    }
  },
};
