// What the browser tests share: the real server in a process of its own, Chromium, and a page whose
// every wait has an end. The page is asked through page.evaluate only: page.waitForFunction
// evaluates text, which the server's Content-Security-Policy forbids.
import assert from 'node:assert/strict';
import { execFileSync, spawn } from 'node:child_process';
import { existsSync, mkdirSync, mkdtempSync, readdirSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';

export const waitMs = 15_000;
const startMs = 60_000;
const pollMs = 25;

export const sleep = (ms) => new Promise((resolve) => setTimeout(resolve, ms));

/** Why the browser tests cannot run here; null when they can. */
export function whatLacks(browserPath) {
  if (!existsSync(browserPath)) return `no ${browserPath} (Debian package chromium)`;
  const modules = new URL('../../node_modules/playwright-core', import.meta.url);
  if (!existsSync(modules)) return 'no web/node_modules (npm ci in web/)';
  return null;
}

/** Asks `probe` until it gives something truthy. */
export async function until(what, probe, limitMs = waitMs) {
  const end = Date.now() + limitMs;
  let last;
  do {
    last = await probe();
    if (last) return last;
    await sleep(pollMs);
  } while (Date.now() < end);
  throw new Error(`${what}: not within ${limitMs} ms`);
}

const packed = '.ctf.tar.zst';

/** The folder of a capture's traces; packed ones are unpacked into `scratch` first. */
function tracesOf(capture, scratch) {
  if (!statSync(capture).isDirectory()) return capture;
  const archives = readdirSync(capture).filter((name) => name.endsWith(packed));
  if (archives.length === 0) return capture;
  const folder = join(scratch, basename(capture));
  for (const archive of archives) {
    const place = join(folder, archive.slice(0, -packed.length));
    mkdirSync(place, { recursive: true });
    execFileSync('tar', ['--zstd', '-xf', join(capture, archive), '-C', place]);
  }
  return folder;
}

/** `virtscope serve` of captures on a free port of loopback, with a cache of its own. */
export class Server {
  static async start(program, captures, options = []) {
    const server = new Server();
    server.cache = mkdtempSync(join(tmpdir(), 'virtscope-e2e-'));
    server.said = '';
    const traces = captures.map((capture) => tracesOf(capture, server.cache));
    server.process = spawn(program, ['serve', ...traces, ...options], {
      stdio: ['ignore', 'pipe', 'pipe'],
      env: { ...process.env, XDG_CACHE_HOME: server.cache, NO_COLOR: '1', LC_ALL: 'C.UTF-8' },
    });
    for (const stream of [server.process.stdout, server.process.stderr]) {
      stream.on('data', (chunk) => (server.said += chunk.toString()));
    }
    server.ended = new Promise((resolve) => server.process.once('exit', resolve));
    try {
      server.link = await until(
        'the link of serve',
        () => {
          if (server.process.exitCode !== null) throw new Error(`serve ended: ${server.said}`);
          return /http:\/\/127\.0\.0\.1:\d+\/\S*/.exec(server.said)?.[0];
        },
        startMs,
      );
    } catch (error) {
      await server.stop();
      throw error;
    }
    server.origin = new URL(server.link).origin;
    return server;
  }

  async stop() {
    if (this.process.exitCode === null) {
      this.process.kill('SIGTERM');
      const ended = await Promise.race([this.ended.then(() => true), sleep(5000)]);
      if (!ended) this.process.kill('SIGKILL');
      await this.ended;
    }
    rmSync(this.cache, { recursive: true, force: true });
  }
}

/**
 * A page of the browser, its problems collected: errors of the console and of scripts, and requests
 * to anywhere else.
 */
export class Page {
  static async open(browser, link, options = {}) {
    const self = await Page.blank(browser, link, options);
    await self.goto(link);
    return self;
  }

  /** A page that is nowhere yet, for the server of `link`. */
  static async blank(browser, link, options = {}) {
    const context = await browser.newContext({
      viewport: { width: 1440, height: 900 },
      acceptDownloads: true,
      colorScheme: 'dark',
      ...options,
    });
    const self = new Page();
    self.context = context;
    self.problems = [];
    self.requests = [];
    self.browserPage = await context.newPage();
    self.browserPage.setDefaultTimeout(waitMs);
    self.browserPage.setDefaultNavigationTimeout(waitMs);
    self.listen(new URL(link).origin);
    return self;
  }

  listen(origin) {
    const { browserPage, problems } = this;
    browserPage.on('console', (message) => {
      if (message.type() === 'error')
        problems.push(`console: ${message.text()} ${message.location().url}`);
    });
    browserPage.on('pageerror', (error) => problems.push(`script: ${error.message}`));
    browserPage.on('request', (request) => {
      const url = new URL(request.url());
      this.requests.push(url.pathname);
      if (/^(https?|wss?):$/.test(url.protocol) && url.origin !== origin)
        problems.push(`request to ${request.url()}`);
    });
  }

  async goto(link) {
    await this.browserPage.goto('about:blank');
    await this.browserPage.goto(link);
    await this.ready();
  }

  /** The timeline is there, with rows and their states on the screen. */
  async ready() {
    await until(
      'the timeline',
      () => this.ask(() => globalThis.virtscopeTimeline?.store.get().views.length > 0),
      startMs,
    );
    await this.quiet();
  }

  /** Nothing is being fetched for the timeline, and a frame has been drawn since. */
  async quiet() {
    await until('states of all rows', () =>
      this.ask(() => {
        const { scene, store } = virtscopeTimeline;
        const { openViews, views, rows } = store.get();
        const loaded = openViews.every(
          (view) => rows[view] || !views.some((item) => item.id === view),
        );
        return loaded && scene.settled();
      }),
    );
    await this.frame();
  }

  frame() {
    return this.ask(
      () =>
        new Promise((resolve) =>
          requestAnimationFrame(() => requestAnimationFrame(() => resolve(true))),
        ),
    );
  }

  /** Runs a function in the page. */
  ask(run, argument) {
    return this.browserPage.evaluate(run, argument);
  }

  /** One field of the store, or several. */
  state(...names) {
    return this.ask((wanted) => {
      const all = virtscopeTimeline.store.get();
      return wanted.length === 1
        ? all[wanted[0]]
        : Object.fromEntries(wanted.map((name) => [name, all[name]]));
    }, names);
  }

  set(change) {
    return this.ask((wanted) => virtscopeTimeline.store.set(wanted), change);
  }

  /** Waits until what the store says satisfies `test`; gives it. */
  async stateWhen(what, test, ...names) {
    let seen;
    await until(what, async () => test((seen = await this.state(...names)))).catch((error) => {
      throw new Error(`${error.message}; last: ${JSON.stringify(seen)}`);
    });
    return seen;
  }

  key(name) {
    return this.browserPage.keyboard.press(name);
  }

  get mouse() {
    return this.browserPage.mouse;
  }

  find(selector, options) {
    return this.browserPage.locator(selector, options);
  }

  /** A control by its role and name. */
  control(role, name, within = '') {
    return (within ? this.find(within) : this.browserPage).getByRole(role, {
      name,
      exact: typeof name === 'string',
    });
  }

  text(selector) {
    return this.find(selector).innerText();
  }

  notice() {
    return this.text('.notice');
  }

  /** A call of the page API with the page's own cookie. */
  async api(path, body) {
    return this.ask(
      async ([where, what]) => {
        const answer = await fetch(
          `./api/${where}`,
          what === null
            ? {}
            : {
                method: 'POST',
                body: JSON.stringify(what),
                headers: { 'Content-Type': 'application/json' },
              },
        );
        return answer.status === 204 ? null : answer.json();
      },
      [path, body ?? null],
    );
  }

  async sql(statement) {
    const answer = await this.api('sql', { sql: statement, limit: 10000 });
    assert.ok(answer.rows, `${statement}: ${answer.detail}`);
    return answer.rows.map((row) =>
      Object.fromEntries(answer.columns.map((name, i) => [name, row[i]])),
    );
  }

  /** Where a moment of a row is on the screen; scrolls there. `match`: fields of the row. */
  async place(view, match, time = null) {
    return this.ask(
      async ([wantedView, wanted, at]) => {
        const { scene } = virtscopeTimeline;
        const lane = scene.layout.lanes.find(
          (item) =>
            item.kind === 'row' &&
            item.view === wantedView &&
            !item.fixed &&
            Object.entries(wanted).every(([name, value]) => item.row[name] === value),
        );
        if (!lane) throw new Error(`no lane ${wantedView} ${JSON.stringify(wanted)}`);
        const box = document.querySelector('.lanes');
        box.scrollTop = Math.max(0, lane.top - 60);
        await new Promise((resolve) => requestAnimationFrame(() => requestAnimationFrame(resolve)));
        const frame = scene.over.getBoundingClientRect();
        return {
          x: frame.left + (at === null ? scene.width / 2 : scene.x(at)),
          y: frame.top + scene.laneTop(lane) + lane.height / 2,
          left: frame.left,
          width: scene.width,
          row: lane.row,
        };
      },
      [view, match, time],
    );
  }

  /** The first position of everything that a test may have changed. */
  async reset() {
    await this.ask(() => {
      const { store } = virtscopeTimeline;
      document.activeElement?.blur?.();
      document.querySelector('.lanes').scrollTop = 0;
      store.reset({ bottomOpen: false });
    });
    await this.mouse.move(5, 5);
    await this.quiet();
  }

  close() {
    return this.context.close();
  }
}

/** Times are whole nanoseconds, and a pixel's edge may be rounded either way. */
export function near(actual, wanted, what, tolerance = 2) {
  assert.ok(
    Math.abs(actual - wanted) <= tolerance,
    `${what}: ${actual}, wanted ${wanted} ± ${tolerance}`,
  );
}
