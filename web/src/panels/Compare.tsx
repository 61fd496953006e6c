// Two spans or two machines side by side.

import { useState } from 'preact/hooks';
import { api, type CompareRow } from '../api';
import { store, useStore } from '../store';
import { formatDuration, formatRel, type Span, toAbs } from '../time';
import { errorText, parseEnds } from './data';
import { Field, MachineField, Meter, Problem, SaveCsv, TableHead } from './parts';

interface Side {
  machine: string;
  from: string;
  to: string;
}

export function valueText(value: number | null, unit: string): string {
  if (value === null) return '–';
  if (unit === 'ns') return formatDuration(value);
  const digits = Number.isInteger(value) ? value.toLocaleString('en') : value.toFixed(2);
  return unit ? `${digits} ${unit}` : digits;
}

/** What B has more or less than A; empty when one side is not known. */
export function difference(row: CompareRow): string {
  if (row.a === null || row.b === null) return '';
  const delta = row.b - row.a;
  if (delta === 0) return '=';
  const share = Math.abs((delta / row.a) * 100).toFixed(0);
  const times = row.a === 0 ? '' : ` (${delta > 0 ? '+' : '−'}${share} %)`;
  return `${delta > 0 ? '+' : '−'}${valueText(Math.abs(delta), row.unit)}${times}`;
}

const titles: Record<string, string> = { state: 'States', exit: 'Exits', steal: 'Stolen time' };

function Group({ group, rows }: { group: string; rows: CompareRow[] }) {
  const most: Record<string, number> = {};
  for (const row of rows) most[row.unit] = Math.max(most[row.unit] ?? 0, row.a ?? 0, row.b ?? 0);
  const share = (value: number | null, unit: string): number =>
    (value ?? 0) / Math.max(1e-9, most[unit] ?? 0);
  return (
    <section aria-label={titles[group] ?? group}>
      <h3>{titles[group] ?? group}</h3>
      <table class="p-table">
        <TableHead names={['name', '#A', 'A', 'B', '#B', '#B against A']} />
        <tbody>
          {rows.map((row, i) => (
            <tr key={i}>
              <th scope="row">{row.name}</th>
              <td class="p-num">{valueText(row.a, row.unit)}</td>
              <td>
                <Meter
                  share={share(row.a, row.unit)}
                  tone="guest"
                  label={`A ${valueText(row.a, row.unit)}`}
                />
              </td>
              <td>
                <Meter
                  share={share(row.b, row.unit)}
                  tone="hyper"
                  label={`B ${valueText(row.b, row.unit)}`}
                />
              </td>
              <td class="p-num">{valueText(row.b, row.unit)}</td>
              <td class="p-num">{difference(row)}</td>
            </tr>
          ))}
        </tbody>
      </table>
    </section>
  );
}

export function CompareResult({ rows }: { rows: CompareRow[] }) {
  const groups = [...new Set(rows.map((row) => row.group))];
  if (groups.length === 0) return <p class="muted">Nothing happened on either side.</p>;
  const columns = ['group', 'name', 'unit', 'a', 'b'] as const;
  return (
    <>
      <SaveCsv
        name="comparison"
        columns={[...columns]}
        rows={rows.map((row) => columns.map((name) => row[name]))}
      />
      {groups.map((group) => (
        <Group key={group} group={group} rows={rows.filter((row) => row.group === group)} />
      ))}
    </>
  );
}

const ends = (span: Span): { from: string; to: string } => ({
  from: `${(span.from / 1e9).toFixed(9)}s`,
  to: `${(span.to / 1e9).toFixed(9)}s`,
});

function SideForm({
  name,
  side,
  change,
}: {
  name: string;
  side: Side;
  change: (side: Side) => void;
}) {
  const range = useStore((state) => state.range);
  return (
    <fieldset class="p-side">
      <legend>{name}</legend>
      <MachineField value={side.machine} change={(machine) => change({ ...side, machine })} />
      <Field label="from" value={side.from} change={(from) => change({ ...side, from })} />
      <Field label="to" value={side.to} change={(to) => change({ ...side, to })} />
      <button
        type="button"
        disabled={!range}
        onClick={() => range && change({ ...side, ...ends(range) })}
      >
        {range ? `Take the selection (${formatRel(range.from, 1e6)} s)` : 'Take the selection'}
      </button>
    </fieldset>
  );
}

export function ComparePanel() {
  const { experiment, limit } = store.get();
  const vms = experiment?.machines.filter((one) => one.kind === 'vm') ?? [];
  const all = experiment?.machines ?? [];
  const [a, setA] = useState<Side>({ machine: (vms[0] ?? all[0])?.machine ?? '', ...ends(limit) });
  const [b, setB] = useState<Side>({
    machine: (vms[1] ?? vms[0] ?? all[0])?.machine ?? '',
    ...ends(limit),
  });
  const [rows, setRows] = useState<CompareRow[] | null>(null);
  const [problem, setProblem] = useState('');
  const run = (): void => {
    const [left, right] = [parseEnds(a.from, a.to), parseEnds(b.from, b.to)];
    if (!left || !right) {
      setProblem(
        `${left ? 'B' : 'A'}: the span must be two times such as 1.5s and 2s, or 1.5s and +20ms, ` +
          'the second one later.',
      );
      return;
    }
    setProblem('');
    const side = (one: Side, span: Span) => ({
      machine: one.machine,
      from_ns: toAbs(span.from),
      to_ns: toAbs(span.to),
    });
    api
      .compare(side(a, left), side(b, right))
      .then(setRows, (error: unknown) => setProblem(errorText(error)));
  };
  return (
    <div class="panel" data-panel="compare">
      <form
        class="p-form"
        onSubmit={(event) => {
          event.preventDefault();
          run();
        }}
      >
        <SideForm name="A" side={a} change={setA} />
        <SideForm name="B" side={b} change={setB} />
        <button type="submit" class="p-primary">
          Compare
        </button>
      </form>
      {problem && <Problem>{problem}</Problem>}
      {rows ? (
        <CompareResult rows={rows} />
      ) : (
        <p class="muted">
          Choose two machines, or one machine at two times. Two captures: open both with one serve
          command.
        </p>
      )}
    </div>
  );
}
