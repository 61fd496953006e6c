// Zooming and moving: keys, wheel, drags, the ruler, the minimap, undo and redo.
import assert from 'node:assert/strict';
import { near } from './harness.mjs';

export const capture = 'twovms-tsc';

const length = (span) => span.to - span.from;

async function wheel(page, modifier, delta) {
  await page.browserPage.keyboard.down(modifier);
  await page.mouse.wheel(0, delta);
  await page.browserPage.keyboard.up(modifier);
}

async function drag(page, from, to, button = 'left') {
  await page.mouse.move(from.x, from.y);
  await page.mouse.down({ button });
  await page.mouse.move((from.x + to.x) / 2, (from.y + to.y) / 2, { steps: 3 });
  await page.mouse.move(to.x, to.y, { steps: 3 });
  await page.mouse.up({ button });
}

async function box(page, selector) {
  return page.find(selector).boundingBox();
}

export const tests = {
  'W and S zoom by two, A and D move by a quarter': async (page) => {
    const { limit } = await page.state('limit', 'window');
    await page.key('w');
    let seen = await page.state('window');
    near(length(seen), length(limit) / 2, 'half');
    await page.key('d');
    near((await page.state('window')).from, seen.from + length(seen) / 4, 'moved right');
    await page.key('a');
    near((await page.state('window')).from, seen.from, 'moved back');
    await page.key('s');
    seen = await page.state('window');
    near(length(seen), length(limit), 'all again');
  },

  'W keeps the moment under the pointer': async (page) => {
    const at = await page.place('fused', { kind: 'pcpu', cpu: 0 });
    await page.mouse.move(at.left + at.width / 4, at.y);
    const before = await page.ask((x) => virtscopeTimeline.scene.time(x), at.width / 4);
    await page.key('w');
    const { window } = await page.state('window', 'limit');
    near(window.from + length(window) / 4, before, 'moment at a quarter', 4);
  },

  'Ctrl+wheel keeps the moment under the pointer, and is one step of undo': async (page) => {
    const at = await page.place('fused', { kind: 'pcpu', cpu: 0 });
    const { limit } = await page.state('limit', 'window');
    // Pointers are at whole pixels.
    const x = Math.round(at.left + at.width / 4);
    const share = (x - at.left) / at.width;
    await page.mouse.move(x, at.y);
    for (let i = 0; i < 4; ++i) await wheel(page, 'Control', -200);
    const window = await page.stateWhen(
      'zoomed in',
      (span) => length(span) < length(limit) / 4,
      'window',
    );
    near((length(limit) * share - window.from) / length(window), share, 'share', 0.001);
    const undo = await page.stateWhen('one step of undo', (list) => list.length > 0, 'undo');
    assert.equal(undo.length, 1);
    await page.key('Backspace');
    assert.deepEqual(await page.state('window'), limit);
  },

  'zooming goes down to single nanoseconds, and back': async (page) => {
    const at = await page.place('fused', { kind: 'pcpu', cpu: 0 });
    await page.mouse.move(at.left + at.width / 2, at.y);
    for (let i = 0; i < 34; ++i) await page.key('w');
    await page.quiet();
    const window = await page.state('window');
    near(length(window), 20, 'nanoseconds shown');
    const names = await page.ask(
      ([x, y]) => {
        const { scene } = virtscopeTimeline;
        const lane = scene.laneAt(y);
        return scene.namesAt(lane, x);
      },
      [at.width / 2, at.y - (await box(page, '.over')).y],
    );
    const [row] = await page.sql(
      `SELECT machine FROM fused_cpu WHERE cpu = 0 AND ts <= ${await absolute(page, window.from)}
        ORDER BY ts DESC LIMIT 1`,
    );
    assert.equal(names[0], row.machine, 'the state at this depth is that of the data');
    for (let i = 0; i < 34; ++i) await page.key('s');
    assert.deepEqual(await page.state('window'), await page.state('limit'));
  },

  'Shift+wheel, middle drag and Ctrl+drag move': async (page) => {
    await page.key('w');
    await page.key('w');
    const at = await page.place('fused', { kind: 'pcpu', cpu: 0 });
    const before = await page.state('window');
    await page.mouse.move(at.x, at.y);
    await wheel(page, 'Shift', 100);
    const right = await page.stateWhen('moved right', (span) => span.from > before.from, 'window');
    near(length(right), length(before), 'same length');
    const shift = (100 / at.width) * length(right);
    await drag(page, { x: at.x, y: at.y }, { x: at.x + 100, y: at.y }, 'middle');
    const back = await page.state('window');
    near(back.from, right.from - shift, 'moved by 100 pixels', shift / 50);
    await page.browserPage.keyboard.down('Control');
    await drag(page, { x: at.x, y: at.y }, { x: at.x - 100, y: at.y });
    await page.browserPage.keyboard.up('Control');
    near((await page.state('window')).from, right.from, 'moved back', shift / 50);
  },

  'drag on the ruler and right drag zoom to what is marked': async (page) => {
    const ruler = await box(page, '.ruler-canvas');
    const wanted = await page.ask(() => [
      virtscopeTimeline.scene.time(200),
      virtscopeTimeline.scene.time(500),
    ]);
    await drag(page, { x: ruler.x + 200, y: ruler.y + 10 }, { x: ruler.x + 500, y: ruler.y + 10 });
    const window = await page.stateWhen('zoomed', (span) => span.from > 0, 'window');
    near(window.from, wanted[0], 'begin', 2e7);
    near(window.to, wanted[1], 'end', 2e7);
    const at = await page.place('fused', { kind: 'pcpu', cpu: 0 });
    const inner = await page.ask(() => [
      virtscopeTimeline.scene.time(300),
      virtscopeTimeline.scene.time(420),
    ]);
    await drag(page, { x: at.left + 300, y: at.y }, { x: at.left + 420, y: at.y }, 'right');
    const deeper = await page.stateWhen(
      'zoomed again',
      (span) => length(span) < length(window) / 2,
      'window',
    );
    near(deeper.from, inner[0], 'begin', length(window) / 500);
    near(deeper.to, inner[1], 'end', length(window) / 500);
    assert.equal(await page.state('range'), null, 'nothing was selected by that');
  },

  'Z zooms to the selection; 0 and double click show all': async (page) => {
    const at = await page.place('fused', { kind: 'pcpu', cpu: 0 });
    await drag(page, { x: at.left + 200, y: at.y }, { x: at.left + 300, y: at.y });
    const range = await page.stateWhen('selected', (span) => span !== null, 'range');
    await page.key('z');
    const window = await page.state('window');
    near(window.from, range.from, 'begin');
    near(window.to, range.to, 'end');
    await page.mouse.dblclick(at.left + 400, at.y);
    const limit = await page.state('limit');
    await page.stateWhen('all', (span) => length(span) === length(limit), 'window');
    await page.key('w');
    await page.key('0');
    assert.deepEqual(await page.state('window'), limit);
  },

  'undo and redo of zoom, by key and by button': async (page) => {
    const seen = [await page.state('window')];
    for (const key of ['w', 'w', 'd']) {
      await page.key(key);
      seen.push(await page.state('window'));
    }
    await page.key('Backspace');
    assert.deepEqual(await page.state('window'), seen[2]);
    await page.control('button', 'Undo zoom').click();
    assert.deepEqual(await page.state('window'), seen[1]);
    await page.key('Shift+U');
    assert.deepEqual(await page.state('window'), seen[2]);
    await page.control('button', 'Redo zoom').click();
    assert.deepEqual(await page.state('window'), seen[3]);
    assert.ok(await page.control('button', 'Redo zoom').isDisabled());
    await page.key('Backspace');
    await page.key('w');
    assert.deepEqual(await page.state('redo'), [], 'a new zoom forgets what was undone');
  },

  'the minimap shows the window; its frame moves and its edges resize': async (page) => {
    await page.key('w');
    await page.key('w');
    await page.frame();
    const { window, limit } = await page.state('window', 'limit');
    const frame = await box(page, '.minimap .frame');
    const map = await box(page, '.minimap canvas');
    near((frame.x - map.x) / map.width, window.from / length(limit), 'left edge', 0.005);
    near(frame.width / map.width, length(window) / length(limit), 'width', 0.005);
    const y = frame.y + frame.height / 2;
    const middle = frame.x + frame.width / 2;
    await drag(page, { x: middle, y }, { x: middle + 100, y });
    const moved = await page.state('window');
    near(
      moved.from - window.from,
      (100 / map.width) * length(limit),
      'moved by 100 pixels',
      length(limit) / 300,
    );
    near(length(moved), length(window), 'same length');
    await page.frame();
    const next = await box(page, '.minimap .frame');
    await drag(page, { x: next.x + next.width - 1, y }, { x: next.x + next.width + 80, y });
    const grown = await page.state('window');
    near(grown.from, moved.from, 'left edge stays');
    assert.ok(length(grown) > length(moved), 'right edge moved');
    await page.mouse.click(map.x + 10, y);
    assert.equal((await page.state('window')).from, 0, 'a click elsewhere brings the window there');
  },
};

function absolute(page, relative) {
  return page.ask(
    (time) =>
      (
        BigInt(virtscopeTimeline.store.get().experiment.begin_ns) + BigInt(Math.round(time))
      ).toString(),
    relative,
  );
}
