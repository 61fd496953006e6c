// What a filter says of rows and of the states on them. A row is shown while the filter can hold for
// something on it; a state stays as it is where the filter holds, else it is faded or left out.

import type { Row } from '../api';
import { type Expression, FilterError, type Look, parseFilter } from './language';

/** CPUs that the rows of a view ran on in the window, by row; those that did not run are missing. */
export type RanOn = ReadonlyMap<number, readonly number[]>;
/** By view; of one that is not here it is not known. */
export type RanOnOf = Readonly<Record<string, RanOn>>;

/** true, false, or what is left to ask of the states of a row. */
export type Verdict = boolean | Expression;

function negate(verdict: Verdict): Verdict {
  return typeof verdict === 'boolean' ? !verdict : { kind: 'not', of: verdict };
}

function join(kind: 'and' | 'or', verdicts: Verdict[]): Verdict {
  const decides = kind === 'or';
  if (verdicts.includes(decides)) return decides;
  const open = verdicts.filter((one): one is Expression => typeof one !== 'boolean');
  if (open.length === 0) return !decides;
  return open.length === 1 ? (open[0] as Expression) : { kind, parts: open };
}

/** Decides what can be decided without looking at states. */
function reduce(expression: Expression, look: Look): Verdict {
  if (expression.kind === 'term')
    return expression.term.of === 'row' ? expression.term.test(look) : expression;
  if (expression.kind === 'not') return negate(reduce(expression.of, look));
  return join(
    expression.kind,
    expression.parts.map((part) => reduce(part, look)),
  );
}

function holds(expression: Expression, look: Look): boolean {
  if (expression.kind === 'term') return expression.term.test(look);
  if (expression.kind === 'not') return !holds(expression.of, look);
  return expression.kind === 'and'
    ? expression.parts.every((part) => holds(part, look))
    : expression.parts.some((part) => holds(part, look));
}

function asks(expression: Expression, name: string): boolean {
  if (expression.kind === 'term') return expression.term.name === name;
  if (expression.kind === 'not') return asks(expression.of, name);
  return expression.parts.some((part) => asks(part, name));
}

function lookAtRow(row: Row, ranOn: RanOn | undefined): Look {
  return (name) => {
    if (name === 'ran_on') return row.kind === 'pcpu' ? row.cpu : (ranOn?.get(row.id) ?? null);
    if (name === '') return `${row.label} ${row.sub} ${row.machine} ${row.kind} ${row.tid ?? ''}`;
    if (name === 'ran_ns') return row.kind === 'thread' ? Number(row.ran_ns) : null;
    return row[name as 'label' | 'sub' | 'machine' | 'kind' | 'cpu' | 'vcpu' | 'tid'];
  };
}

/** A state: the names of its view's layers, and how long it lasts where that is known. */
function lookAtState(layers: readonly string[], names: readonly string[], ns: number): Look {
  return (name) => {
    if (name === 'duration') return ns;
    if (name === 'state')
      return layers
        .flatMap((layer, i) => (layer === 'machine' ? [] : [names[i] ?? '']))
        .filter(Boolean)
        .join('\n');
    const at = layers.indexOf(name.slice('layer:'.length));
    return at < 0 ? null : names[at] || null;
  };
}

/** What is asked of the states of some rows. */
export class StateTest {
  /** Whether the answer depends on how long a state lasts. */
  readonly byDuration: boolean;
  constructor(
    private readonly expression: Expression,
    /** Tells tests apart. */
    readonly id: number,
  ) {
    this.byDuration = asks(expression, 'duration');
  }

  holds(layers: readonly string[], names: readonly string[], ns = 0): boolean {
    return holds(this.expression, lookAtState(layers, names, ns));
  }
}

/** Rows of which the server says where they ran. */
export const hasRun: ReadonlyArray<Row['kind']> = ['thread', 'vcpu'];
const none: RanOn = new Map();

/** A filter that was understood. */
export class Filter {
  /** By what was known of the rows. */
  private readonly verdicts = new WeakMap<object, WeakMap<Row, boolean | StateTest>>();
  private readonly tests = new Map<string, StateTest>();
  private readonly numbers = new Map<Expression, number>();
  /** Whether it depends on where rows ran. */
  readonly asksRanOn: boolean;
  /** Null: nothing is filtered. */
  constructor(private readonly expression: Expression | null) {
    this.asksRanOn = expression !== null && asks(expression, 'ran_on');
  }

  get empty(): boolean {
    return this.expression === null;
  }

  /** true: shown, all states as they are; false: not shown; else what is asked of its states. */
  of(row: Row, ranOn?: RanOn): boolean | StateTest {
    if (!this.expression) return true;
    // Not known yet: nothing is hidden that comes back a moment later.
    if (this.asksRanOn && !ranOn && hasRun.includes(row.kind)) return true;
    const facts = ranOn ?? none;
    let byRow = this.verdicts.get(facts);
    if (!byRow) this.verdicts.set(facts, (byRow = new WeakMap()));
    const known = byRow.get(row);
    if (known !== undefined) return known;
    const verdict = reduce(this.expression, lookAtRow(row, ranOn));
    const found = typeof verdict === 'boolean' ? verdict : this.test(verdict);
    byRow.set(row, found);
    return found;
  }

  /** Rows of which the same is asked share one test. */
  private test(expression: Expression): StateTest {
    const key = this.keyOf(expression);
    let test = this.tests.get(key);
    if (!test) this.tests.set(key, (test = new StateTest(expression, this.tests.size + 1)));
    return test;
  }

  private keyOf(expression: Expression): string {
    if (expression.kind === 'not') return `!${this.keyOf(expression.of)}`;
    if (expression.kind !== 'term')
      return `${expression.kind}(${expression.parts.map((part) => this.keyOf(part)).join()})`;
    // Terms are never copied, so they are told apart by what they are.
    let number = this.numbers.get(expression);
    if (number === undefined) this.numbers.set(expression, (number = this.numbers.size));
    return String(number);
  }
}

const everything = new Filter(null);

interface Understood {
  filter: Filter;
  error: FilterError | null;
}

function understand(text: string): Understood {
  try {
    return { filter: new Filter(parseFilter(text)), error: null };
  } catch (error) {
    if (!(error instanceof FilterError)) throw error;
    return { filter: everything, error };
  }
}

/** More than are in use at a time: one for all views and those of copies. */
const mostKept = 16;
const kept = new Map<string, Understood>();

/** The filter of a text, kept for those who ask again; one that is wrong filters nothing. */
export function filterOf(text: string): Understood {
  const known = kept.get(text);
  if (known) return known;
  const made = understand(text);
  if (kept.size >= mostKept) kept.delete(kept.keys().next().value as string);
  kept.set(text, made);
  return made;
}
