// Drives the page of the real server in Chromium, on real captures.
//   node tests/e2e/run.mjs --virtscope BIN --multiply BIN --captures DIR [NAME...]
// NAME: `zoom` is zoom.test.mjs; without one all run. Exit code 77: Chromium or the npm packages
// are missing.
//
// A test file exports `capture` (folder of --captures, or a list of them; the server is started on it)
// and `tests`, by name. Each test gets the page, put back to where it was opened, and `at`: {server, captures,
// virtscope, multiply, browser}. No test may leave an error on the console, or a request to anywhere else.
import assert from 'node:assert/strict';
import { readdirSync } from 'node:fs';
import { dirname, join, resolve } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { parseArgs } from 'node:util';
import { Page, Server, sleep, whatLacks } from './harness.mjs';

const here = dirname(fileURLToPath(import.meta.url));
const testMs = 45_000;
const fileMs = 120_000;
const flags = [
  '--no-sandbox',
  '--disable-gpu',
  '--disable-quic',
  '--no-first-run',
  '--disable-background-networking',
  '--disable-component-update',
  '--disable-sync',
  '--disable-default-apps',
];

async function timed(name, run) {
  const begin = Date.now();
  try {
    await Promise.race([
      run(),
      sleep(testMs).then(() => {
        throw new Error(`not done within ${testMs} ms`);
      }),
    ]);
    console.log(`ok    ${name} (${Date.now() - begin} ms)`);
    return true;
  } catch (error) {
    console.log(`FAIL  ${name}: ${error.stack}`);
    return false;
  }
}

async function runTests(page, at, tests, name) {
  let failed = 0;
  for (const [what, test] of Object.entries(tests)) {
    const ok = await timed(`${name}: ${what}`, async () => {
      await page.reset();
      await test(page, at);
      assert.deepEqual(page.problems, [], 'errors or requests elsewhere');
    });
    if (!ok) ++failed;
    page.problems.length = 0;
  }
  return failed;
}

async function runFile(name, browser, options) {
  const { capture, tests } = await import(pathToFileURL(join(here, `${name}.test.mjs`)));
  const folders = [capture].flat().map((one) => join(options.captures, one));
  const server = await Server.start(options.virtscope, folders);
  try {
    const at = { ...options, server, browser, folder: folders[0] };
    const page = await Page.open(browser, server.link);
    const failed = await runTests(page, at, tests, name);
    await page.close();
    return failed;
  } finally {
    await server.stop();
  }
}

async function main() {
  const { values, positionals } = parseArgs({
    options: {
      virtscope: { type: 'string' },
      multiply: { type: 'string' },
      captures: { type: 'string' },
    },
    allowPositionals: true,
  });
  const browserPath = process.env.CHROMIUM ?? '/usr/bin/chromium';
  const lacks = whatLacks(browserPath);
  if (lacks) {
    console.log(`skipped: ${lacks}`);
    return 77;
  }
  const { chromium } = await import('playwright-core');
  const names =
    positionals.length > 0
      ? positionals
      : readdirSync(here)
          .filter((file) => file.endsWith('.test.mjs'))
          .map((file) => file.slice(0, -9));
  const options = {
    virtscope: resolve(values.virtscope),
    multiply: resolve(values.multiply ?? 'multiply'),
    captures: resolve(values.captures),
  };
  const browser = await chromium.launch({
    executablePath: browserPath,
    args: flags,
    timeout: 30_000,
  });
  let failed = 0;
  try {
    for (const name of names) {
      const file = runFile(name, browser, options);
      failed += await Promise.race([
        file,
        sleep(fileMs).then(() => {
          throw new Error(`${name}: not done within ${fileMs} ms`);
        }),
      ]);
    }
  } finally {
    await browser.close();
  }
  return failed === 0 ? 0 : 1;
}

main().then(
  (code) => process.exit(code),
  (error) => {
    console.log(error.stack);
    process.exit(1);
  },
);
