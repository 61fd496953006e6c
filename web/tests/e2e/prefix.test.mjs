// Behind a reverse proxy with a path prefix; how much is loaded, and from where; how one gets in.
import assert from 'node:assert/strict';
import { createServer, request } from 'node:http';
import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { Page, Server, until } from './harness.mjs';

export const capture = 'preempt-tsc';

const mostGzipped = 200_000;
const prefix = '/traces/one';

/** Passes on what lies below the prefix, with the Host that the server wants; all else is 404. */
async function reverseProxy(origin) {
  const target = new URL(origin);
  const strays = [];
  const proxy = createServer((incoming, outgoing) => {
    if (!incoming.url.startsWith(`${prefix}/`)) {
      strays.push(incoming.url);
      outgoing.writeHead(404).end();
      return;
    }
    const headers = { ...incoming.headers, host: target.host };
    if (headers.origin) headers.origin = target.origin;
    const onward = request(
      {
        host: target.hostname,
        port: target.port,
        path: incoming.url,
        method: incoming.method,
        headers,
      },
      (answer) => {
        outgoing.writeHead(answer.statusCode, answer.headers);
        answer.pipe(outgoing);
      },
    );
    onward.on('error', () => outgoing.destroy());
    incoming.pipe(onward);
  });
  await new Promise((resolve) => proxy.listen(0, '127.0.0.1', resolve));
  return { origin: `http://127.0.0.1:${proxy.address().port}`, strays, close: () => proxy.close() };
}

export const tests = {
  'it works behind a path prefix, and asks for nothing outside of it': async (_page, at) => {
    const traces = readdirSync(at.folder)
      .filter((file) => file.endsWith('.dat'))
      .map((file) => join(at.folder, file));
    const server = await Server.start(at.virtscope, traces, ['--prefix', prefix]);
    const proxy = await reverseProxy(server.origin);
    try {
      const page = await Page.open(at.browser, server.link.replace(server.origin, proxy.origin));
      assert.ok(
        page.browserPage.url().startsWith(`${proxy.origin}${prefix}/`),
        page.browserPage.url(),
      );
      for (const tab of ['overview', 'events', 'sql', 'help']) {
        await page.set({ tab, bottomOpen: true });
        await until('the tab', async () => (await page.find(`[data-panel=${tab}]`).count()) === 1);
      }
      await until(
        'events',
        async () =>
          (await page.api('events', { from_ns: '0', limit: 1, direction: 1 })).rows.length === 1,
      );
      const link = page.browserPage.url();
      await page.key('w');
      await page.goto(link);
      const outside = page.requests.filter(
        (path) => !path.startsWith(`${prefix}/`) && path !== 'blank',
      );
      assert.deepEqual(outside, []);
      assert.deepEqual(proxy.strays, []);
      assert.deepEqual(page.problems, []);
      await page.close();
    } finally {
      proxy.close();
      await server.stop();
    }
  },

  'all that is loaded is at most 200 kB gzipped': async (page, at) => {
    const fetched = new Map();
    page.browserPage.on('response', (response) => fetched.set(response.url(), response));
    await page.goto(at.server.link);
    let sum = 0;
    for (const [url, response] of fetched) {
      if (new URL(url).pathname.startsWith('/api/')) continue;
      const size = gzipSync(await response.body()).length;
      console.log(`  ${new URL(url).pathname}: ${size} bytes gzipped`);
      sum += size;
    }
    console.log(`  together ${sum} bytes`);
    assert.ok(fetched.size >= 4, 'page, script, style and icon');
    assert.ok(sum > 10_000 && sum <= mostGzipped, `${sum} bytes`);
  },

  'without the token the page asks for it; a wrong one is refused, the right one lets in': async (
    page,
    at,
  ) => {
    const context = await at.browser.newContext();
    const tab = await context.newPage();
    tab.setDefaultTimeout(15_000);
    await tab.goto(at.server.origin);
    await tab.getByRole('textbox', { name: 'Token' }).fill('0'.repeat(32));
    await tab.getByRole('button', { name: 'Open' }).click();
    const alert = tab.getByRole('alert');
    await until('the refusal', async () => /token/i.test(await alert.innerText()));
    await tab
      .getByRole('textbox', { name: 'Token' })
      .fill(new URL(at.server.link).hash.replace('#token=', ''));
    await tab.getByRole('button', { name: 'Open' }).click();
    await Object.assign(new Page(), { browserPage: tab }).ready();
    await context.close();
  },

  'the token stays in no address and no history': async (page, at) => {
    await page.goto(at.server.link);
    assert.ok(!page.browserPage.url().includes('token'));
    await page.browserPage.reload();
    await page.ready();
    assert.ok(!page.browserPage.url().includes('token'));
  },
};
