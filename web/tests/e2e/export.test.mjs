// What is on the screen as a file: PNG and SVG.
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';

export const capture = 'twovms-tsc';

async function saved(page, act) {
  const download = page.browserPage.waitForEvent('download');
  await act();
  const file = await download;
  return { name: file.suggestedFilename(), bytes: readFileSync(await file.path()) };
}

export const tests = {
  'X saves the picture as PNG, of the size that is shown': async (page) => {
    await page.set({ window: { from: 5e9, to: 9e9 } });
    await page.quiet();
    const { name, bytes } = await saved(page, () => page.key('x'));
    assert.match(name, /\.png$/);
    assert.deepEqual([...bytes.subarray(0, 8)], [0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a]);
    const width = bytes.readUInt32BE(16);
    const shown = await page.ask(() => virtscopeTimeline.scene.width);
    assert.ok(width > shown, `${width} holds the lanes (${shown}) and their names`);
    const colours = await page.ask(
      async (data) => {
        const image = await createImageBitmap(
          new Blob([Uint8Array.from(data)], { type: 'image/png' }),
        );
        const canvas = new OffscreenCanvas(image.width, image.height);
        const pen = canvas.getContext('2d');
        pen.drawImage(image, 0, 0);
        return new Set(
          new Uint32Array(pen.getImageData(0, 0, image.width, image.height).data.buffer),
        ).size;
      },
      [...bytes],
    );
    assert.ok(colours > 20, `${colours} colours`);
  },

  'Shift+X and the button save it as SVG, with names and titles': async (page) => {
    await page.set({ window: { from: 5e9, to: 9e9 } });
    await page.quiet();
    for (const act of [() => page.key('Shift+X'), () => page.control('button', 'SVG').click()]) {
      const { name, bytes } = await saved(page, act);
      assert.match(name, /\.svg$/);
      const problem = await page.ask(
        (text) =>
          new DOMParser().parseFromString(text, 'image/svg+xml').querySelector('parsererror')
            ?.textContent ?? '',
        bytes.toString(),
      );
      assert.equal(problem, '');
      const text = bytes.toString();
      for (const word of ['vCPU 0', 'CPU 1', '<title>', ' s</text>'])
        assert.ok(text.includes(word), word);
      assert.ok((text.match(/<rect/g) ?? []).length > 200, 'runs of states');
      assert.ok(!/<script|on\w+=/.test(text));
    }
  },
};
