// What is on the screen as a file: PNG of the pixels, or SVG with one rectangle per run of a state.

import { store } from '../store';
import { formatRel, tickStep } from '../time';
import { css, rulerHeight } from './palette';
import type { Scene } from './scene';

const labelWidth = 200;

function save(blob: Blob, ending: string): void {
  const link = document.createElement('a');
  link.href = URL.createObjectURL(blob);
  link.download = `${store.get().experiment?.name ?? 'timeline'}.${ending}`;
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 10_000);
}

export function exportPng(scene: Scene): void {
  const canvas = document.createElement('canvas');
  canvas.width = labelWidth + scene.width;
  canvas.height = rulerHeight + scene.height;
  const c = canvas.getContext('2d');
  if (!c) return;
  c.fillStyle = css(scene.scheme.gap);
  c.fillRect(0, 0, canvas.width, canvas.height);
  c.drawImage(scene.ruler, labelWidth, 0, scene.width, rulerHeight);
  c.drawImage(scene.base, labelWidth, rulerHeight);
  c.drawImage(scene.over, labelWidth, rulerHeight, scene.width, scene.height);
  c.fillStyle = scene.scheme.text;
  c.font = '11px system-ui, sans-serif';
  c.textBaseline = 'middle';
  for (const lane of scene.visible())
    c.fillText(
      laneName(lane),
      8,
      rulerHeight + scene.laneTop(lane) + lane.height / 2,
      labelWidth - 12,
    );
  canvas.toBlob((blob) => blob && save(blob, 'png'), 'image/png');
}

function laneName(lane: ReturnType<Scene['visible']>[number]): string {
  if (lane.kind === 'row')
    return `${'  '.repeat(lane.depth)}${lane.row.label} ${lane.row.sub}`.trimEnd();
  if (lane.kind === 'header') return lane.name;
  return lane.kind === 'series' ? `${lane.series.machine} ${lane.series.name}` : lane.message;
}

function escape(text: string): string {
  return text
    .replace(/&/g, '&amp;')
    .replace(/</g, '&lt;')
    .replace(/>/g, '&gt;')
    .replace(/"/g, '&quot;');
}

export function svgOf(scene: Scene): string {
  const state = store.get();
  const width = labelWidth + scene.width;
  const height = rulerHeight + scene.height;
  const out = [
    `<svg xmlns="http://www.w3.org/2000/svg" width="${width}" height="${height}" ` +
      'font-family="sans-serif" font-size="11">',
  ];
  out.push(`<rect width="${width}" height="${height}" fill="${css(scene.scheme.gap)}"/>`);
  const step = tickStep(state.window.to - state.window.from, scene.width, 96);
  for (let at = Math.ceil(state.window.from / step) * step; at <= state.window.to; at += step) {
    const x = labelWidth + scene.x(at);
    out.push(
      `<path d="M${x.toFixed(1)} 20V${height}" stroke="${scene.scheme.line}"/>`,
      `<text x="${(x + 3).toFixed(1)}" y="14" fill="${scene.scheme.muted}">`,
      `${formatRel(at, step)} s</text>`,
    );
  }
  for (const lane of scene.visible()) {
    const y = rulerHeight + scene.laneTop(lane);
    out.push(
      `<text x="8" y="${y + lane.height / 2 + 4}" fill="${scene.scheme.text}">`,
      `${escape(laneName(lane))}</text>`,
    );
    if (lane.kind !== 'row' || lane.row.kind === 'group') continue;
    for (const run of scene.runs(lane, state)) {
      const style = run.combo === 0 ? null : scene.looks.styleOf(lane, run, state);
      if (!style) continue;
      const names = escape(scene.looks.comboNames(lane.view, run.combo).filter(Boolean).join(' '));
      const size = `width="${run.to - run.from}" height="${lane.height - 2}"`;
      const place = `x="${labelWidth + run.from}" y="${y}" ${size}`;
      out.push(`<rect ${place} fill="${css(style.upper.base)}"><title>${names}</title></rect>`);
    }
  }
  out.push('</svg>');
  return out.join('\n');
}

export function exportSvg(scene: Scene): void {
  save(new Blob([svgOf(scene)], { type: 'image/svg+xml' }), 'svg');
}
