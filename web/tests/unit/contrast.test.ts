// WCAG 2.1 contrast: text 4.5:1, parts of controls and of pictures 3:1, in both themes. The colours
// are read from where they stand: the style sheets and the palette.
import { readFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import {
  contrast,
  darkScheme,
  lightScheme,
  machineColour,
  mix,
  type Rgb,
  rgb,
  type Scheme,
  stateFill,
  textOn,
} from '../../src/timeline/palette';

const sheets = ['styles.css', 'panels.css'].map((name) =>
  readFileSync(new URL(`../../src/${name}`, import.meta.url), 'utf8'),
);

/** The variables of a theme; the light one overrides those of the dark one. */
function variables(light: boolean): Map<string, string> {
  const out = new Map<string, string>();
  for (const sheet of sheets) {
    for (const [, selector, body] of sheet.matchAll(/(:root[^{]*)\{([^}]*)\}/g)) {
      if (selector?.includes('light') && !light) continue;
      for (const [, name, value] of (body ?? '').matchAll(/--([\w-]+):\s*([^;]+);/g)) {
        out.set(name as string, (value as string).trim());
      }
    }
  }
  return out;
}

function colour(text: string | undefined): Rgb {
  if (!/^#[0-9a-f]{6}$/i.test(text ?? '')) throw new Error(`no colour: ${text}`);
  return rgb(text as string);
}

/** A translucent variable over a ground. */
function over(text: string | undefined, ground: Rgb): Rgb {
  const part = /^rgb\((\d+) (\d+) (\d+) \/ ([\d.]+)\)$/.exec(text ?? '');
  if (!part) throw new Error(`no colour with alpha: ${text}`);
  return mix([Number(part[1]), Number(part[2]), Number(part[3])], ground, Number(part[4]));
}

test('contrast: black on white is 21, a colour on itself 1', () => {
  expect(contrast([0, 0, 0], [255, 255, 255])).toBeCloseTo(21, 5);
  expect(contrast([90, 90, 90], [90, 90, 90])).toBe(1);
  expect(contrast(rgb('#777777'), [255, 255, 255])).toBeCloseTo(4.48, 2);
});

for (const [theme, light, scheme] of [
  ['dark', false, darkScheme],
  ['light', true, lightScheme],
] as Array<[string, boolean, Scheme]>) {
  const all = variables(light);
  const grounds = ['bg', 'surface', 'raised'] as const;

  test(`${theme}: every text on every ground is 4.5:1`, () => {
    for (const ground of grounds) {
      for (const ink of ['text', 'muted', 'accent', 'bad', 'warn', 'good', 'note']) {
        const back = colour(all.get(ground));
        expect(contrast(colour(all.get(ink)), back), `${ink} on ${ground}`).toBeGreaterThan(4.5);
        const selected = over(all.get('select'), back);
        expect(
          contrast(colour(all.get(ink)), selected),
          `${ink} on selected ${ground}`,
        ).toBeGreaterThan(4.5);
      }
    }
    const button = contrast(colour(all.get('accent-text')), colour(all.get('accent')));
    expect(button, 'text of a pressed button').toBeGreaterThan(4.5);
  });

  test(`${theme}: focus, edges of fields and parts of bars are 3:1`, () => {
    for (const ground of grounds) {
      for (const ink of ['focus', 'edge']) {
        const back = colour(all.get(ground));
        expect(contrast(colour(all.get(ink)), back), `${ink} on ${ground}`).toBeGreaterThan(3);
      }
    }
    for (const name of ['guest', 'hyper', 'stolen', 'blocked', 'waiting']) {
      const ratio = contrast(colour(all.get(`s-${name}`)), colour(all.get('bg')));
      expect(ratio, `bar of ${name}`).toBeGreaterThan(3);
    }
  });

  test(`${theme}: the timeline's text is 4.5:1, its lines and machines 3:1`, () => {
    for (const ground of [scheme.gap, scheme.background]) {
      expect(contrast(colour(scheme.text), ground), 'text').toBeGreaterThan(4.5);
      expect(contrast(colour(scheme.muted), ground), 'muted').toBeGreaterThan(4.5);
      expect(contrast(colour(scheme.accent), ground), 'accent').toBeGreaterThan(3);
      expect(contrast(colour(scheme.mark), ground), 'mark').toBeGreaterThan(4.5);
      const machines = ['host', 'vm1', 'vm2', 'vm3', 'vm4', 'vm5', 'vm6'].map((machine) => ({
        machine,
        kind: machine === 'host' ? 'host' : 'vm',
      }));
      for (const { machine } of machines) {
        const ratio = contrast(machineColour(machine, machines, scheme), ground);
        expect(ratio, machine).toBeGreaterThan(3);
      }
    }
    const states = ['user', 'syscall', 'irq', 'deprived', 'hypervisor', 'preempted', 'disk'];
    for (const name of [...states, 'network', 'task', 'read', 'write', 'runnable']) {
      const { base } = stateFill(name, scheme);
      expect(contrast(base, scheme.background), `state ${name}`).toBeGreaterThan(3);
    }
  });

  test(`${theme}: names written on states are 4.5:1`, () => {
    const states = ['user', 'syscall', 'irq', 'deprived', 'hypervisor', 'blocked', 'disk', 'timer'];
    for (const name of [...states, 'runnable', 'waking', 'polling', 'task', 'device']) {
      const { base } = stateFill(name, scheme);
      expect(contrast(textOn(base), base), `on ${name}`).toBeGreaterThan(4.5);
    }
  });
}
