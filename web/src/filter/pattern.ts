// Regular expressions whose time is bounded: a pattern becomes a program of an automaton without
// backtracking (Thompson 1968, as Pike's machine), so that matching takes at most the length of the
// text times the size of the program. The browser's own RegExp takes exponential time on patterns
// such as (a+)+$, and nothing can stop it.
//
// Known: literals, ., [a-z], [^a-z], \d \w \s \D \W \S \b \t, ^, $, |, (...), (?:...), * + ? {m,n}
// and their lazy forms (which match the same texts). Unknown, with an error: back references and
// looking around. Case does not matter.

export class PatternError extends Error {
  constructor(
    /** Where in the pattern, from 0. */
    readonly at: number,
    message: string,
  ) {
    super(message);
  }
}

/** More of a text is not looked at. */
const longestText = 500;
const longestPattern = 300;
const largestProgram = 500;
const mostRepeats = 100;
const deepest = 30;

type Test = (code: number) => boolean;
type Node =
  | { kind: 'test'; test: Test }
  | { kind: 'edge'; where: 'begin' | 'end' | 'word' }
  | { kind: 'all'; parts: Node[] }
  | { kind: 'any'; parts: Node[] }
  | { kind: 'repeat'; what: Node; least: number; most: number };

type Step =
  | { kind: 'test'; test: Test }
  | { kind: 'edge'; where: 'begin' | 'end' | 'word' }
  | { kind: 'split'; to: [number, number] }
  | { kind: 'jump'; to: number }
  | { kind: 'match' };

const isDigit: Test = (code) => code >= 48 && code <= 57;
const isWord: Test = (code) => isDigit(code) || code === 95 || (code >= 97 && code <= 122);
const isSpace: Test = (code) => code === 32 || (code >= 9 && code <= 13) || code === 160;
const not =
  (test: Test): Test =>
  (code) =>
    !test(code);
const classes: Record<string, Test> = {
  d: isDigit,
  w: isWord,
  s: isSpace,
  D: not(isDigit),
  W: not(isWord),
  S: not(isSpace),
};
const controls: Record<string, number> = { t: 9, n: 10, r: 13 };

class Reader {
  at = 0;
  private depth = 0;
  constructor(private readonly text: string) {}

  fail(message: string, at = this.at): never {
    throw new PatternError(at, message);
  }

  whole(): Node {
    const node = this.either();
    if (this.at < this.text.length) this.fail('this ) closes nothing');
    return node;
  }

  private peek(): string {
    return this.text.charAt(this.at);
  }

  private take(char: string): boolean {
    if (this.peek() !== char) return false;
    ++this.at;
    return true;
  }

  private either(): Node {
    if (++this.depth > deepest) this.fail('the groups are nested too deeply');
    const parts = [this.row()];
    while (this.take('|')) parts.push(this.row());
    --this.depth;
    return parts.length === 1 ? (parts[0] as Node) : { kind: 'any', parts };
  }

  private row(): Node {
    const parts: Node[] = [];
    while (this.at < this.text.length && this.peek() !== '|' && this.peek() !== ')')
      parts.push(this.repeated());
    return { kind: 'all', parts };
  }

  private repeated(): Node {
    const begin = this.at;
    let node = this.one();
    for (let count = 0; ; ++count) {
      const bounds = this.bounds();
      if (!bounds) return node;
      if (count > 0) this.fail('a repetition follows a repetition; put the first into ( )');
      if (node.kind === 'edge') this.fail('there is nothing to repeat', begin);
      this.take('?');
      node = { kind: 'repeat', what: node, ...bounds };
    }
  }

  private bounds(): { least: number; most: number } | null {
    if (this.take('*')) return { least: 0, most: Infinity };
    if (this.take('+')) return { least: 1, most: Infinity };
    if (this.take('?')) return { least: 0, most: 1 };
    const found = /^\{(\d{1,6})(?:(,)(\d{0,6}))?\}/.exec(this.text.slice(this.at));
    if (!found) return null;
    const least = Number(found[1]);
    const most = !found[2] ? least : found[3] ? Number(found[3]) : Infinity;
    if (least > mostRepeats || (most !== Infinity && most > mostRepeats))
      this.fail(`at most ${mostRepeats} repetitions`);
    if (most < least) this.fail('the bounds are the wrong way round');
    this.at += found[0].length;
    return { least, most };
  }

  private one(): Node {
    const begin = this.at;
    const char = this.peek();
    ++this.at;
    if (char === '(') return this.group(begin);
    if (char === '[') return { kind: 'test', test: this.set(begin) };
    if (char === '.') return { kind: 'test', test: (code) => code !== 10 };
    if (char === '^') return { kind: 'edge', where: 'begin' };
    if (char === '$') return { kind: 'edge', where: 'end' };
    if (char === '\\') return this.escaped(begin);
    if (/[*+?]/.test(char)) this.fail('there is nothing to repeat', begin);
    return literal(char);
  }

  private group(begin: number): Node {
    if (this.take('?') && !this.take(':')) this.fail('only (?: ) is known after ( and ?', begin);
    const node = this.either();
    if (!this.take(')')) this.fail('this ( is not closed', begin);
    return node;
  }

  private escaped(begin: number): Node {
    const char = this.peek();
    ++this.at;
    if (char === '') this.fail('the pattern ends in \\', begin);
    if (char === 'b') return { kind: 'edge', where: 'word' };
    const test = classes[char];
    if (test) return { kind: 'test', test };
    if (controls[char] !== undefined) return literal(String.fromCharCode(controls[char]));
    if (/[0-9]/.test(char)) this.fail('references to groups are not known', begin);
    if (/[a-zA-Z]/.test(char)) this.fail(`\\${char} is not known`, begin);
    return literal(char);
  }

  /** [...], the bracket is taken already. */
  private set(begin: number): Test {
    const negated = this.take('^');
    const tests: Test[] = [];
    for (let first = true; first || this.peek() !== ']'; first = false) {
      if (this.at >= this.text.length) this.fail('this [ is not closed', begin);
      tests.push(this.setPart());
    }
    ++this.at;
    const any: Test = (code) => tests.some((test) => test(code));
    return negated ? not(any) : any;
  }

  private setPart(): Test {
    const begin = this.at;
    const low = this.setChar();
    if (typeof low !== 'number') return low;
    if (this.peek() !== '-' || /^-(\]|$)/.test(this.text.slice(this.at))) return (c) => c === low;
    ++this.at;
    const high = this.setChar();
    if (typeof high !== 'number' || high < low)
      this.fail('the range is the wrong way round', begin);
    return (code) => code >= low && code <= (high as number);
  }

  private setChar(): number | Test {
    const begin = this.at;
    let char = this.peek();
    ++this.at;
    if (char !== '\\') return char.toLowerCase().charCodeAt(0);
    char = this.peek();
    ++this.at;
    if (char === '') this.fail('the pattern ends in \\', begin);
    return classes[char] ?? controls[char] ?? char.toLowerCase().charCodeAt(0);
  }
}

function literal(char: string): Node {
  const wanted = char.toLowerCase().charCodeAt(0);
  return { kind: 'test', test: (code) => code === wanted };
}

class Program {
  readonly steps: Step[] = [];

  add(step: Step): number {
    if (this.steps.length >= largestProgram)
      throw new PatternError(0, 'the pattern is too large: repeat less');
    this.steps.push(step);
    return this.steps.length - 1;
  }

  node(node: Node): void {
    if (node.kind === 'test' || node.kind === 'edge') this.add(node);
    else if (node.kind === 'all') for (const part of node.parts) this.node(part);
    else if (node.kind === 'any') this.any(node.parts);
    else this.repeat(node.what, node.least, node.most);
  }

  private any(parts: Node[]): void {
    const ends: number[] = [];
    parts.forEach((part, i) => {
      if (i === parts.length - 1) return this.node(part);
      const split = this.add({ kind: 'split', to: [0, 0] });
      this.node(part);
      ends.push(this.add({ kind: 'jump', to: 0 }));
      this.steps[split] = { kind: 'split', to: [split + 1, this.steps.length] };
    });
    for (const end of ends) this.steps[end] = { kind: 'jump', to: this.steps.length };
  }

  private repeat(what: Node, least: number, most: number): void {
    for (let i = 0; i < least; ++i) this.node(what);
    if (most === Infinity) {
      const split = this.add({ kind: 'split', to: [0, 0] });
      this.node(what);
      this.add({ kind: 'jump', to: split });
      this.steps[split] = { kind: 'split', to: [split + 1, this.steps.length] };
      return;
    }
    const splits: number[] = [];
    for (let i = least; i < most; ++i) {
      splits.push(this.add({ kind: 'split', to: [0, 0] }));
      this.node(what);
    }
    for (const split of splits)
      this.steps[split] = { kind: 'split', to: [split + 1, this.steps.length] };
  }
}

function atEdge(where: 'begin' | 'end' | 'word', text: string, at: number): boolean {
  if (where === 'begin') return at === 0;
  if (where === 'end') return at === text.length;
  const before = at > 0 && isWord(text.charCodeAt(at - 1));
  return before !== (at < text.length && isWord(text.charCodeAt(at)));
}

/**
 * Whether a text has a part that matches: the steps that can be reached, each once per character.
 */
function run(steps: readonly Step[], text: string): boolean {
  const seen = new Int32Array(steps.length).fill(-1);
  let now: number[] = [];
  /** Adds a step and what it leads to without taking a character; true: the end is reached. */
  const reach = (list: number[], from: number, at: number): boolean => {
    const stack = [from];
    for (let step = stack.pop(); step !== undefined; step = stack.pop()) {
      if (seen[step] === at) continue;
      seen[step] = at;
      const what = steps[step] as Step;
      if (what.kind === 'match') return true;
      if (what.kind === 'jump') stack.push(what.to);
      else if (what.kind === 'split') stack.push(what.to[1], what.to[0]);
      else if (what.kind === 'test') list.push(step);
      else if (atEdge(what.where, text, at)) stack.push(step + 1);
    }
    return false;
  };
  if (reach(now, 0, 0)) return true;
  for (let at = 0; at < text.length; ++at) {
    const code = text.charCodeAt(at);
    const next: number[] = [];
    for (const step of now) {
      const { test } = steps[step] as Step & { kind: 'test' };
      if (test(code) && reach(next, step + 1, at + 1)) return true;
    }
    // A match may begin at any character.
    if (reach(next, 0, at + 1)) return true;
    now = next;
  }
  return false;
}

/** Throws PatternError. What it gives says whether a text has a part that matches. */
export function compilePattern(pattern: string): (text: string) => boolean {
  if (pattern.length > longestPattern)
    throw new PatternError(longestPattern, `a pattern has at most ${longestPattern} characters`);
  const program = new Program();
  program.node(new Reader(pattern).whole());
  program.add({ kind: 'match' });
  const { steps } = program;
  return (text) => run(steps, text.slice(0, longestText).toLowerCase());
}
