// Small parts that several panels draw: stacked bars, tables of cells, commands to copy.

import type { ComponentChildren, JSX } from 'preact';
import type { Cell } from '../api';
import { actions, useStore } from '../store';
import {
  duration,
  jump,
  num,
  percent,
  selectRow,
  text,
  timeColumns,
  download,
  toCsv,
} from './data';

const swatch = (tone: string) => <i class={`p-swatch p-${tone}`} />;

export interface Part {
  name: string;
  value: number;
  tone: string;
  label?: string;
}

/**
 * One bar of parts that add to the whole. The same numbers are in its text for those who do not see
 * it.
 */
export function StackedBar({ parts, label }: { parts: Part[]; label: string }) {
  const sum = parts.reduce((total, part) => total + Math.max(0, part.value), 0);
  if (sum <= 0) return <p class="muted">No time recorded</p>;
  const shown = parts.filter((part) => part.value > 0);
  const words = shown.map((part) => `${part.name} ${percent(part.value / sum)}`).join(', ');
  return (
    <div>
      <div class="p-bar" role="img" aria-label={`${label}: ${words}`}>
        {shown.map((part) => (
          <span
            key={part.name}
            class={`p-seg p-${part.tone}`}
            style={{ width: `${(part.value / sum) * 100}%` }}
            title={`${part.name}: ${duration(part.value)}, ${percent(part.value / sum)}`}
          />
        ))}
      </div>
      <ul class="p-key" aria-hidden="true">
        {shown.map((part) => (
          <li key={part.name}>
            {swatch(part.tone)} {part.name} <b>{percent(part.value / sum)}</b>{' '}
            <span class="muted">{duration(part.value)}</span>
          </li>
        ))}
      </ul>
    </div>
  );
}

export function Meter({ share, tone, label }: { share: number; tone: string; label: string }) {
  const width = Math.max(0, Math.min(1, share)) * 100;
  return (
    <span class="p-meter" role="img" aria-label={label}>
      <span class={`p-${tone}`} style={{ width: `${width}%` }} />
    </span>
  );
}

export function Command({ children }: { children: string }) {
  const copy = async (): Promise<void> => {
    try {
      await navigator.clipboard.writeText(children);
      actions.notify('Copied');
    } catch {
      actions.notify('The browser does not allow copying here; select the text instead.', 'error');
    }
  };
  return (
    <span class="p-command">
      <code>{children}</code>
      <button onClick={() => void copy()} aria-label={`Copy: ${children}`}>
        Copy
      </button>
    </span>
  );
}

function CellView({
  columns,
  row,
  at,
  times,
}: {
  columns: string[];
  row: Cell[];
  at: number;
  times: Map<number, number | null>;
}) {
  const cell = row[at] ?? null;
  if (cell === null) return <span class="muted">NULL</span>;
  const length = times.get(at);
  if (length !== undefined) {
    return (
      <button
        class="p-link"
        title="Show this time"
        onClick={() => jump(cell, length === null ? null : row[length])}
      >
        {text(cell)}
      </button>
    );
  }
  const machine = row[columns.indexOf('machine')];
  const tid = num(cell);
  if (columns[at] === 'tid' && typeof machine === 'string' && tid !== null) {
    return (
      <button
        class="p-link"
        title="Select this task"
        onClick={() => void selectRow(machine, { tid })}
      >
        {text(cell)}
      </button>
    );
  }
  return <>{text(cell)}</>;
}

/** The first line of a table; names behind a # are of numbers, and stand at the right. */
export function TableHead({ names }: { names: readonly string[] }) {
  return (
    <thead>
      <tr>
        {names.map((name, i) => (
          <th key={i} scope="col" class={name.startsWith('#') ? 'p-num' : ''}>
            {name.replace(/^#/, '')}
          </th>
        ))}
      </tr>
    </thead>
  );
}

/** A table of an answer; moments and task numbers are buttons. */
export function ResultTable({
  columns,
  rows,
  label,
}: {
  columns: string[];
  rows: Cell[][];
  label: string;
}) {
  const times = timeColumns(columns);
  const numeric = columns.map((_, i) => rows.some((row) => num(row[i]) !== null));
  return (
    <div class="p-scroll" tabIndex={0} role="region" aria-label={label}>
      <table class="p-table">
        <TableHead names={columns.map((name, i) => (numeric[i] ? `#${name}` : name))} />
        <tbody>
          {rows.map((row, r) => (
            <tr key={r}>
              {columns.map((_, i) => (
                <td key={i} class={numeric[i] ? 'p-num' : ''}>
                  <CellView columns={columns} row={row} at={i} times={times} />
                </td>
              ))}
            </tr>
          ))}
        </tbody>
      </table>
    </div>
  );
}

/** A table as a file. */
export function SaveCsv(props: { name: string; columns: string[]; rows: Cell[][] }) {
  const { name, columns, rows } = props;
  const save = (): void => download(`virtscope-${name}.csv`, 'text/csv', toCsv(columns, rows));
  return (
    <button type="button" aria-label={`Save ${name} as CSV`} onClick={save}>
      Save CSV
    </button>
  );
}

export function Problem({ children }: { children: string }) {
  return (
    <p class="p-problem" role="alert">
      {children}
    </p>
  );
}

type FieldProps = Pick<JSX.InputHTMLAttributes, 'placeholder' | 'maxLength' | 'size'> & {
  label: string;
  value: string;
  change: (value: string) => void;
  /** What the sentence goes on with behind the field. */
  children?: ComponentChildren;
};

/** A line of text with its name before it. */
export function Field({ label, change, children, ...input }: FieldProps) {
  return (
    <label>
      {label} <input {...input} onInput={(event) => change(event.currentTarget.value)} /> {children}
    </label>
  );
}

/** One of the machines; `all`: what stands for every one of them, as the empty value. */
export function MachineField(props: {
  value: string;
  change: (machine: string) => void;
  all?: string;
}) {
  const machines = useStore((state) => state.experiment)?.machines ?? [];
  const { value, change, all } = props;
  return (
    <label>
      Machine{' '}
      <select value={value} onChange={(event) => change(event.currentTarget.value)}>
        {all !== undefined && <option value="">{all}</option>}
        {machines.map(({ machine }) => (
          <option key={machine} value={machine}>
            {machine}
          </option>
        ))}
      </select>
    </label>
  );
}

/** Figures by size, each with a bar; `open` shows where a figure comes from. */
export function Ranked({
  title,
  rows,
}: {
  title: string;
  rows: Array<{
    label: string;
    share: number;
    value: string;
    tone: string;
    open?: (() => void) | undefined;
  }>;
}) {
  if (rows.length === 0) return null;
  return (
    <div class="p-ranked">
      <h4>{title}</h4>
      <ol>
        {rows.map((row) => (
          <li key={row.label}>
            {row.open ? (
              <button class="p-link" title={`Show the longest: ${row.label}`} onClick={row.open}>
                {row.label}
              </button>
            ) : (
              <span title={row.label}>{row.label}</span>
            )}
            <Meter share={row.share} tone={row.tone} label={`${row.label}: ${row.value}`} />{' '}
            <span class="p-value">{row.value}</span>
          </li>
        ))}
      </ol>
    </div>
  );
}

export function Card({ title, children }: { title: string; children: ComponentChildren }) {
  return (
    <section class="p-card" aria-label={title}>
      <header class="p-head">
        <h3>{title}</h3>
      </header>
      {children}
    </section>
  );
}
