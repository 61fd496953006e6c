// The language of the filter: what somebody types behind '/', as a tree.
//
//   expression: terms joined by && (or just a blank), ||, !, and parentheses
//   term:       field == value, !=, matches, contains, >, >=, <, <=; field present
//               field == 0-3,7 holds for any of these numbers
//               field:value is short for field == value, and a word alone for "contains it anywhere"
//
// A value is a word or stands in quotes. Case does not matter.

import { compilePattern, PatternError } from './pattern';

export class FilterError extends Error {
  constructor(
    /** Where in the text, from 0, and how much of it is meant. */
    readonly at: number,
    readonly length: number,
    message: string,
  ) {
    super(message);
  }
}

export type Field = 'row' | 'event';
type Kind = 'text' | 'number' | 'time';

/** What can be asked; a row has the fields of rows, an event (a state on a row) also the others. */
export const fields: ReadonlyMap<string, { of: Field; kind: Kind; name: string; says: string }> =
  new Map(
    (
      [
        ['label', 'row', 'text', 'label', 'name of the row'],
        ['name', 'row', 'text', 'label', 'the same'],
        ['sub', 'row', 'text', 'sub', 'what stands behind the name'],
        ['machine', 'row', 'text', 'machine', 'machine of the row'],
        ['vm', 'row', 'text', 'machine', 'the same'],
        ['kind', 'row', 'text', 'kind', 'pcpu, vcpu, thread, vprocess or device'],
        ['cpu', 'row', 'number', 'cpu', 'number of the processor'],
        ['vcpu', 'row', 'number', 'vcpu', 'number of the vCPU'],
        ['tid', 'row', 'number', 'tid', 'number of the thread'],
        ['ran', 'row', 'time', 'ran_ns', 'how long the thread ran in all'],
        ['ran_on', 'row', 'number', 'ran_on', 'any CPU it ran on in the window: a vCPU on pCPUs'],
        ['state', 'event', 'text', 'state', 'any of the names of a state'],
        ['believed', 'event', 'text', 'layer:state', 'state as its own machine has it'],
        ['effective', 'event', 'text', 'layer:effective', 'what the thread gets'],
        ['condition', 'event', 'text', 'layer:condition', 'mode of a processor'],
        ['runs', 'event', 'text', 'layer:machine', 'whose code a processor runs'],
        ['op', 'event', 'text', 'layer:op', 'operation of a disk'],
        ['direction', 'event', 'text', 'layer:direction', 'of a packet'],
        ['duration', 'event', 'time', 'duration', 'how long it lasts, as it is drawn'],
      ] as const
    ).map(([word, of, kind, name, says]) => [word, { of, kind, name, says }]),
  );

/**
 * What a test looks at. Numbers and times (ns) as numbers, null where it has no such field; of
 * several numbers a test holds when it holds for one of them.
 */
export type Look = (name: string) => string | number | readonly number[] | null;

export interface Term {
  of: Field;
  /** The field's name as `Look` takes it; empty: anything that the row says of itself. */
  name: string;
  test: (look: Look) => boolean;
}
export type Expression =
  | { kind: 'term'; term: Term }
  | { kind: 'not'; of: Expression }
  | { kind: 'and' | 'or'; parts: Expression[] };

interface Token {
  kind: 'word' | 'quoted' | 'op' | 'end';
  text: string;
  at: number;
  end: number;
  /** Of quoted text: where each of its characters stands. */
  places?: number[];
}

const longest = 500;
const deepest = 50;
const signs = ['&&', '||', '==', '!=', '>=', '<=', '>', '<', '!', '(', ')'];
const comparisons = ['==', '!=', '>=', '<=', '>', '<', 'matches', 'contains'];

function quoted(text: string, at: number): Token {
  let value = '';
  const places: number[] = [];
  let i = at + 1;
  for (; i < text.length && text[i] !== '"'; ++i) {
    // Other backslashes belong to the value: patterns are full of them.
    if (text[i] === '\\' && text[i + 1] === '"') ++i;
    places.push(i);
    value += text[i];
  }
  if (i >= text.length) throw new FilterError(at, 1, 'this quote is not closed');
  return { kind: 'quoted', text: value, at, end: i + 1, places };
}

function wordEnd(text: string, at: number): number {
  let i = at;
  while (i < text.length && !/[\s()"]/.test(text.charAt(i))) {
    if (i > at && signs.some((sign) => sign !== '!' && text.startsWith(sign, i))) break;
    ++i;
  }
  return i;
}

export function tokens(text: string): Token[] {
  const out: Token[] = [];
  for (let at = 0; at < text.length; ) {
    if (/\s/.test(text.charAt(at))) {
      ++at;
      continue;
    }
    const sign = signs.find((one) => text.startsWith(one, at));
    if (sign) out.push({ kind: 'op', text: sign, at, end: at + sign.length });
    else if (text[at] === '"') out.push(quoted(text, at));
    else {
      const end = wordEnd(text, at);
      out.push({ kind: 'word', text: text.slice(at, end), at, end });
    }
    at = (out[out.length - 1] as Token).end;
  }
  out.push({ kind: 'end', text: '', at: text.length, end: text.length });
  return out;
}

const units: Record<string, number> = { '': 1, ns: 1, us: 1e3, µs: 1e3, ms: 1e6, s: 1e9 };

/** A number, or a time with its unit as ns; null when it is neither. */
export function numberOf(text: string, kind: Kind): number | null {
  const found = /^(-?\d{1,15}(?:\.\d{1,9})?)(ns|us|µs|ms|s)?$/i.exec(text);
  if (!found || (found[2] && kind !== 'time')) return null;
  const unit = units[(found[2] ?? '').toLowerCase()] as number;
  return Number(found[1]) * unit;
}

/** `3`, `0-3` or `0-3,7`; null when it is nothing like that. */
export function rangesOf(text: string): ((number: number) => boolean) | null {
  const ranges: Array<[number, number]> = [];
  for (const part of text.split(',')) {
    const found = /^(\d{1,9})-(\d{1,9})$/.exec(part);
    const one = found ? null : numberOf(part, 'number');
    if (!found && one === null) return null;
    ranges.push(found ? [Number(found[1]), Number(found[2])] : [one as number, one as number]);
  }
  return (number) => ranges.some(([from, to]) => number >= from && number <= to);
}

const order: Record<string, (a: number, b: number) => boolean> = {
  '>': (a, b) => a > b,
  '>=': (a, b) => a >= b,
  '<': (a, b) => a < b,
  '<=': (a, b) => a <= b,
};

class Parser {
  private at = 0;
  private depth = 0;
  private readonly list: Token[];
  constructor(text: string) {
    this.list = tokens(text);
  }

  private get token(): Token {
    return this.list[this.at] as Token;
  }

  private take(sign: string): boolean {
    if (this.token.kind !== 'op' || this.token.text !== sign) return false;
    ++this.at;
    return true;
  }

  private fail(message: string, token = this.token): never {
    throw new FilterError(token.at, Math.max(1, token.end - token.at), message);
  }

  whole(): Expression {
    const expression = this.either();
    if (this.token.kind !== 'end')
      this.fail(this.token.text === ')' ? 'this ) closes nothing' : 'a term is wanted here');
    return expression;
  }

  private either(): Expression {
    const parts = [this.all()];
    while (this.take('||')) parts.push(this.all());
    return parts.length === 1 ? (parts[0] as Expression) : { kind: 'or', parts };
  }

  private all(): Expression {
    const parts = [this.not()];
    for (;;) {
      const { kind, text } = this.token;
      if (this.take('&&')) parts.push(this.not());
      else if (kind === 'word' || kind === 'quoted' || text === '!' || text === '(')
        parts.push(this.not());
      else break;
    }
    return parts.length === 1 ? (parts[0] as Expression) : { kind: 'and', parts };
  }

  private not(): Expression {
    if (++this.depth > deepest) this.fail('the terms are nested too deeply');
    const negated = this.take('!');
    const inner = negated ? this.not() : this.primary();
    --this.depth;
    return negated ? { kind: 'not', of: inner } : inner;
  }

  private primary(): Expression {
    const begin = this.token;
    if (this.take('(')) {
      const inner = this.either();
      if (!this.take(')')) this.fail('this ( is not closed', begin);
      return inner;
    }
    if (begin.kind === 'end') this.fail('a term is missing at the end');
    if (begin.kind === 'op') this.fail('a term is wanted here');
    ++this.at;
    return { kind: 'term', term: this.term(begin) };
  }

  private term(first: Token): Term {
    const field = first.kind === 'word' ? fields.get(first.text.toLowerCase()) : undefined;
    const next = this.token;
    const operator = next.text.toLowerCase();
    const isSign = next.kind === 'op' && comparisons.includes(next.text);
    const isWord = next.kind === 'word' && /^(matches|contains|present)$/.test(operator);
    if (isSign && !field) this.unknownField(first);
    if (field && (isSign || isWord)) {
      ++this.at;
      if (operator === 'present') return present(field);
      return this.comparison(field, operator, next);
    }
    const short = first.kind === 'word' ? /^([a-z_]+):(.+)$/i.exec(first.text) : null;
    const shortField = short && fields.get((short[1] as string).toLowerCase());
    if (short && shortField) {
      const begin = first.at + (short[1] as string).length + 1;
      return this.compare(shortField, '==', short[2] as string, { ...first, at: begin });
    }
    return anywhere(first.text);
  }

  private unknownField(token: Token): never {
    return this.fail(`no field ${token.text}; fields: ${[...fields.keys()].join(', ')}`, token);
  }

  private comparison(field: FieldOf, operator: string, sign: Token): Term {
    const value = this.token;
    if (value.kind !== 'word' && value.kind !== 'quoted')
      this.fail(`a value is missing behind ${sign.text}`, value.kind === 'end' ? sign : value);
    ++this.at;
    return this.compare(field, operator, value.text, value);
  }

  private compare(field: FieldOf, operator: string, value: string, token: Token): Term {
    const { of, name } = field;
    if (operator === '!=') {
      const equal = this.compare(field, '==', value, token);
      return { of, name, test: (look) => !equal.test(look) };
    }
    if (operator === 'matches') return { of, name, test: textTest(name, pattern(value, token)) };
    const wanted = value.toLowerCase();
    if (operator === 'contains')
      return { of, name, test: textTest(name, (text) => text.toLowerCase().includes(wanted)) };
    if (field.kind === 'text') {
      if (operator !== '==')
        this.fail(`${operator} compares numbers and times; this field is a text`, token);
      return { of, name, test: textTest(name, (text) => text.toLowerCase() === wanted) };
    }
    const ranges = field.kind === 'number' && operator === '==' ? rangesOf(value) : null;
    const number = numberOf(value, field.kind);
    if (number === null && ranges === null)
      this.fail(
        field.kind === 'time'
          ? 'a time is wanted here: 200us, 5ms, 1.5s'
          : operator === '=='
            ? 'a number is wanted here, or some: 0-3,7'
            : 'a number is wanted here',
        token,
      );
    const compare = order[operator] ?? ((a: number, b: number) => a === b);
    const holds = ranges ?? ((seen: number) => compare(seen, number as number));
    const test = (look: Look): boolean => {
      const seen = look(name);
      if (typeof seen === 'number') return holds(seen);
      return Array.isArray(seen) && (seen as readonly number[]).some(holds);
    };
    return { of, name, test };
  }
}

type FieldOf = NonNullable<ReturnType<typeof fields.get>>;

function present({ of, name }: FieldOf): Term {
  const test = (look: Look): boolean => {
    const seen = look(name);
    return seen !== null && String(seen) !== '';
  };
  return { of, name, test };
}

/** `state` has several names, one below the other. */
function textTest(name: string, test: (text: string) => boolean): (look: Look) => boolean {
  return (look) => {
    const seen = look(name);
    if (seen === null) return false;
    const texts = typeof seen === 'object' ? seen.map(String) : String(seen).split('\n');
    return texts.some(test);
  };
}

function pattern(value: string, token: Token): (text: string) => boolean {
  try {
    return compilePattern(value);
  } catch (error) {
    if (!(error instanceof PatternError)) throw error;
    const at = token.places ? (token.places[error.at] ?? token.end - 1) : token.at + error.at;
    throw new FilterError(at, 1, error.message);
  }
}

function anywhere(word: string): Term {
  const wanted = word.toLowerCase();
  return {
    of: 'row',
    name: '',
    test: (look) =>
      String(look('') ?? '')
        .toLowerCase()
        .includes(wanted),
  };
}

/** Null: nothing was typed. Throws FilterError. */
export function parseFilter(text: string): Expression | null {
  if (text.length > longest)
    throw new FilterError(longest, 1, `a filter has at most ${longest} characters`);
  return text.trim() === '' ? null : new Parser(text).whole();
}
