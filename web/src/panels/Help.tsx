// All keys, and what the colours mean, per view.

import { useEffect, useRef, useState } from 'preact/hooks';
import { api, type Cell } from '../api';
import { useStore } from '../store';
import { keys } from '../timeline/commands';
import { missingText } from '../timeline/lanes';
import { clearColours, hexOf, setColour } from '../timeline/colours';
import {
  css,
  type Fill,
  fusedFill,
  machineColour,
  patternMask,
  type Rgb,
  type Scheme,
  stateFill,
} from '../timeline/palette';
import { useScheme } from '../timeline/theme';
import { amount, duration, errorText, text } from './data';
import { type Figures, type Legend, legends, type Word } from './legend';
import { Problem } from './parts';

const inPanels: ReadonlyArray<readonly [string, string]> = [
  ['↑ / ↓ in Events', 'Previous and next event; moves the cursor'],
  ['Ctrl+Enter in SQL', 'Run the statement'],
];

/** Counts and times of the states of a view, by state. */
export function countsOf(answer: {
  rows: Cell[][];
}): Record<string, { count: string; time: string }> {
  return Object.fromEntries(
    answer.rows.map((row) => [
      text(row[0]),
      { count: Number(text(row[1])).toLocaleString('en'), time: duration(row[2]) },
    ]),
  );
}

function fillOf(view: string, name: string, scheme: Scheme): Fill {
  if (view !== 'fused') return stateFill(name, scheme);
  const whose = name === 'host' ? 'host' : 'guest';
  const machine = machineColour(whose, [{ machine: 'guest', kind: 'vm' }], scheme);
  return fusedFill(machine, name, 'user', scheme);
}

/** The very fill of the timeline. */
function Swatch({ view, name }: { view: string; name: string }) {
  const scheme = useScheme();
  const canvas = useRef<HTMLCanvasElement>(null);
  useEffect(() => {
    const pen = canvas.current?.getContext('2d');
    if (!pen) return;
    const fill = fillOf(view, name, scheme);
    for (let y = 0; y < 16; ++y) {
      for (let x = 0; x < 24; ++x) {
        pen.fillStyle = css(patternMask(fill.pattern, x, y) ? fill.ink : fill.base);
        pen.fillRect(x, y, 1, 1);
      }
    }
  }, [scheme, view, name]);
  return <canvas ref={canvas} width={24} height={16} aria-hidden="true" />;
}

/** Of a state, or of a machine behind an @: its colour as it is, to be changed. */
function ColourField({ name, says, colour }: { name: string; says: string; colour: Rgb }) {
  const chosen = useStore((state) => state.colours[name]);
  return (
    <span class="p-colour">
      <input
        type="color"
        aria-label={`Colour of ${says}`}
        value={chosen ?? hexOf(colour)}
        onInput={(event) => setColour(name, event.currentTarget.value)}
      />
      {chosen && (
        <button aria-label={`Usual colour of ${says}`} onClick={() => setColour(name, null)}>
          ↺
        </button>
      )}
    </span>
  );
}

function StateColour({ legend, word }: { legend: Legend; word: Word }) {
  const scheme = useScheme();
  const [name, , look = name] = word;
  // What a processor runs has the colour of its machine.
  if (legend.view === 'fused') return null;
  const { base } = stateFill(look, scheme);
  return <ColourField name={look} says={`${name}, ${legend.name}`} colour={base} />;
}

function MachineColours() {
  const machines = useStore((state) => state.experiment)?.machines ?? [];
  const any = useStore((state) => Object.keys(state.colours).length > 0);
  const scheme = useScheme();
  return (
    <section class="p-card" aria-label="Colours">
      <header class="p-head">
        <h3>Machines</h3>
        <button disabled={!any} onClick={clearColours}>
          Usual colours
        </button>
      </header>
      <table class="p-table">
        <tbody>
          {machines.map(({ machine, kind }) => (
            <tr key={machine}>
              <td>
                <ColourField
                  name={`@${machine}`}
                  says={machine}
                  colour={machineColour(machine, machines, scheme)}
                />
              </td>
              <th scope="row">{machine}</th>
              <td>{kind}</td>
            </tr>
          ))}
        </tbody>
      </table>
      <p class="muted">
        A colour that is too close to the background is moved away from it; text on it is black or
        white, whichever is easier to read. The link carries the colours.
      </p>
    </section>
  );
}

/** Name, count and time of the states. Those of a table's own states cost nothing. */
async function ask({ table, column, time, own }: Figures): Promise<{ rows: Cell[][] }> {
  if (!own) return api.sql(`SELECT ${column}, COUNT(*), ${time} FROM ${table} GROUP BY 1`);
  const sums = new Map<string, [number, number]>();
  for (const row of (await api.totals(table)).rows) {
    const [count, ns] = sums.get(text(row[1])) ?? [0, 0];
    sums.set(text(row[1]), [count + amount(row[2]), ns + amount(row[3])]);
  }
  return { rows: [...sums].map(([name, [count, ns]]) => [name, count, ns]) };
}

function useFigures({ figures }: Legend) {
  const [counts, setCounts] = useState<Record<string, { count: string; time: string }>>({});
  const [problem, setProblem] = useState('');
  useEffect(() => {
    if (!figures) return undefined;
    let live = true;
    ask(figures).then(
      (answer) => live && setCounts(countsOf(answer)),
      (error: unknown) => live && setProblem(errorText(error)),
    );
    return () => void (live = false);
  }, [figures]);
  return { counts, problem };
}

function LegendCard({ legend }: { legend: Legend }) {
  const { counts, problem } = useFigures(legend);
  return (
    <section class="p-card" aria-label={`Legend of ${legend.name}`}>
      <header class="p-head">
        <h3>{legend.name}</h3>
      </header>
      {problem && <Problem>{problem}</Problem>}
      <table class="p-table">
        <tbody>
          {legend.words.map((word) => {
            const [name, says, look = name] = word;
            return (
              <tr key={name}>
                <td class="p-look">
                  <Swatch view={legend.view} name={look} />
                  <StateColour legend={legend} word={word} />
                </td>
                <th scope="row">{name}</th>
                <td>{says}</td>
                <td class="p-num">{counts[name]?.count ?? ''}</td>
                <td class="p-num">{counts[name]?.time ?? ''}</td>
              </tr>
            );
          })}
        </tbody>
      </table>
    </section>
  );
}

/** What the colours of the open views mean, in short. */
export function ShortLegend() {
  const openViews = useStore((state) => state.openViews);
  const path = useStore((state) => state.task !== null);
  // The critical path is of no view, and has no figures.
  const shown = legends.filter((one) => (one.figures ? openViews.includes(one.view) : path));
  return (
    <>
      {shown.map((legend) => (
        <section key={legend.name} class="p-legend" aria-label={`Colours of ${legend.name}`}>
          <h4>{legend.name}</h4>
          <dl>
            {legend.words.map(([name, says, look = name]) => [
              <dt key={name} title={says}>
                <Swatch view={legend.view} name={look} /> {name}
              </dt>,
              <dd key={`${name} says`}>{says}</dd>,
            ])}
          </dl>
        </section>
      ))}
    </>
  );
}

export function HelpPanel() {
  const views = useStore((state) => state.views);
  return (
    <div class="panel" data-panel="help">
      <h2>Keys</h2>
      <dl class="p-keys p-card">
        {[...keys.map((key) => [key.label, key.text] as const), ...inPanels].map(([key, says]) => [
          <dt key={`k${key}`}>
            <kbd>{key}</kbd>
          </dt>,
          <dd key={`d${key}`}>{says}</dd>,
        ])}
      </dl>
      <h2>
        Legend <small class="muted">how often and how long in this recording</small>
      </h2>
      <div class="p-grid">
        <MachineColours />
        {legends
          .filter((legend) => views.some((view) => view.id === legend.view))
          .map((legend) => (
            <LegendCard key={legend.name} legend={legend} />
          ))}
      </div>
      {views
        .filter((view) => view.missing)
        .map((view) => (
          <p key={view.id} class="muted">
            {view.name}: {missingText(view.missing?.message ?? '')}
          </p>
        ))}
    </div>
  );
}
