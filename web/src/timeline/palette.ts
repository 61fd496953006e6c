// Colours and patterns. The hues are those of Okabe and Ito (2008), which people with any of the
// three kinds of colour blindness can tell apart; every state that matters also has its own
// pattern, so no meaning hangs on hue alone. Vermilion with a hatch is kept for one meaning
// everywhere: somebody else had the processor.

import type { MachineInfo } from '../api';

export const rulerHeight = 26;

/** Only a plain hex colour reaches the screen; anything else is shown grey. */
export function safeColour(value: string): string {
  return /^#[0-9a-f]{6}$/i.test(value) ? value : '#888888';
}

export type PatternName = 'solid' | 'slash' | 'backslash' | 'cross' | 'dots' | 'lines' | 'bars';

/** [y][x] masks of 8 × 8: 1 takes the ink. */
const masks: Record<PatternName, (x: number, y: number) => boolean> = {
  solid: () => false,
  slash: (x, y) => (x + y) % 4 === 0,
  backslash: (x, y) => (x - y + 8) % 8 < 2,
  cross: (x, y) => (x + y) % 8 === 0 || (x - y + 8) % 8 === 0,
  dots: (x, y) => x % 4 === 1 && y % 4 === 1,
  lines: (_x, y) => y % 4 === 3,
  bars: (x) => x % 4 === 0,
};

export function patternMask(name: PatternName, x: number, y: number): boolean {
  return masks[name](x & 7, y & 7);
}

export type Rgb = readonly [number, number, number];

export interface Fill {
  base: Rgb;
  ink: Rgb;
  pattern: PatternName;
}

export interface Scheme {
  dark: boolean;
  background: Rgb;
  /** Between lanes. */
  gap: Rgb;
  text: string;
  muted: string;
  line: string;
  accent: string;
  select: string;
  /** Marks A and B. */
  mark: string;
  /** Colours that somebody chose, by state, or by machine behind an @. */
  colours: Readonly<Record<string, Rgb>>;
}

export const darkScheme: Scheme = {
  dark: true,
  background: [18, 22, 28],
  gap: [14, 17, 22],
  text: '#e8ecf1',
  muted: '#a0abb8',
  line: '#2a323d',
  accent: '#6cb8f0',
  select: 'rgba(108,184,240,0.20)',
  mark: '#ffd166',
  colours: {},
};
export const lightScheme: Scheme = {
  dark: false,
  background: [250, 251, 252],
  gap: [255, 255, 255],
  text: '#161b22',
  muted: '#55606d',
  line: '#d8dee6',
  accent: '#0b62a8',
  select: 'rgba(11,98,168,0.16)',
  mark: '#8a4b00',
  colours: {},
};

export function rgb(hex: string): Rgb {
  const value = parseInt(hex.slice(1), 16);
  return [(value >> 16) & 255, (value >> 8) & 255, value & 255];
}

export function css(colour: Rgb): string {
  return `rgb(${colour[0]},${colour[1]},${colour[2]})`;
}

export function mix(a: Rgb, b: Rgb, share: number): Rgb {
  const one = (i: 0 | 1 | 2): number => Math.round(a[i] * share + b[i] * (1 - share));
  return [one(0), one(1), one(2)];
}

function luminance(colour: Rgb): number {
  const linear = (value: number): number => {
    const share = value / 255;
    return share <= 0.04045 ? share / 12.92 : ((share + 0.055) / 1.055) ** 2.4;
  };
  return 0.2126 * linear(colour[0]) + 0.7152 * linear(colour[1]) + 0.0722 * linear(colour[2]);
}

/** Contrast of two colours, 1 to 21, as WCAG 2.1 defines it. */
export function contrast(a: Rgb, b: Rgb): number {
  const [x, y] = [luminance(a), luminance(b)];
  return (Math.max(x, y) + 0.05) / (Math.min(x, y) + 0.05);
}

/** What WCAG asks of parts of a picture that carry meaning. */
const partContrast = 3;

/** The colour, moved away from the background as far as it has to be to stand out from it. */
function standingOut(colour: Rgb, scheme: Scheme): Rgb {
  const away: Rgb = scheme.dark ? [255, 255, 255] : [0, 0, 0];
  for (let share = 1; share > 0; share -= 0.04) {
    const tried = mix(colour, away, share);
    if (contrast(tried, scheme.background) > partContrast * 1.02) return tried;
  }
  return away;
}

const darkText: Rgb = [12, 14, 18];
const lightText: Rgb = [255, 255, 255];

const black: Rgb = [0, 0, 0];
/** What WCAG asks of text. */
const textContrast = 4.5;

/** The colour of text on a fill; one of them is always far enough from it. */
export function textOn(base: Rgb): Rgb {
  const dark = contrast(darkText, base);
  const light = contrast(lightText, base);
  if (Math.max(dark, light) < textContrast) return black;
  return dark >= light ? darkText : lightText;
}

/** Little-endian RGBA of an ImageData pixel. */
export function pack(colour: Rgb): number {
  return ((255 << 24) | (colour[2] << 16) | (colour[1] << 8) | colour[0]) >>> 0;
}

const sky = rgb('#56b4e9');
const orange = rgb('#e69f00');
const green = rgb('#009e73');
const yellow = rgb('#f0e442');
const blue = rgb('#0072b2');
const vermilion = rgb('#d55e00');
const purple = rgb('#cc79a7');

const vmColours: readonly Rgb[] = [sky, orange, green, purple, yellow, blue];

/** VMs take the palette in the order of the experiment; hosts are grey. */
export function machineColour(
  machine: string,
  machines: ReadonlyArray<Pick<MachineInfo, 'machine' | 'kind'>>,
  scheme: Scheme,
): Rgb {
  const chosen = scheme.colours[`@${machine}`];
  if (chosen) return standingOut(chosen, scheme);
  const index = machines
    .filter((one) => one.kind !== 'host')
    .findIndex((one) => one.machine === machine);
  if (index < 0) return standingOut([126, 136, 150], scheme);
  return standingOut(vmColours[index % vmColours.length] as Rgb, scheme);
}

export const stolen: Fill = { base: vermilion, ink: [92, 26, 0], pattern: 'backslash' };

/**
 * How a state looks: hue, pattern, and how much of it over the background (idle states stay faint).
 */
interface Look {
  hue: Rgb;
  pattern?: PatternName;
  strength?: number;
  ink?: Rgb;
}

const grey: Rgb = [128, 138, 150];

/** Looks of less strength are meant to stay in the background. */
const faintBelow = 0.5;

const looks: Record<string, Look> = {
  // Threads
  user: { hue: green },
  syscall: { hue: blue, pattern: 'lines' },
  irq: { hue: purple, pattern: 'dots' },
  softirq: { hue: purple, pattern: 'bars' },
  runnable: { hue: yellow, pattern: 'dots' },
  preempted: stolenLook(),
  blocked: { hue: grey, strength: 0.22 },
  fork: { hue: sky, pattern: 'bars' },
  exited: { hue: grey, strength: 0 },
  // Effective
  running: { hue: green },
  hypervisor: { hue: blue, pattern: 'slash' },
  deprived: stolenLook(),
  waiting: { hue: grey, strength: 0.22 },
  // vCPUs
  guest: { hue: green },
  userspace: { hue: purple, pattern: 'lines' },
  host_irq: { hue: purple, pattern: 'dots' },
  polling: { hue: sky, pattern: 'dots', strength: 0.55 },
  halted: { hue: grey, strength: 0.22 },
  // A vCPU that waits for its VMM would do something; a thread that sleeps is as usual.
  vcpu_blocked: { hue: yellow, pattern: 'bars', strength: 0.7 },
  waking: { hue: orange, pattern: 'cross' },
  stopped: { hue: grey, pattern: 'bars', strength: 0.5 },
  emulated: { hue: blue, pattern: 'cross' },
  off: { hue: grey, strength: 0 },
  // pCPUs
  idle: { hue: grey, strength: 0.14 },
  kernel: { hue: blue, pattern: 'lines' },
  host: { hue: grey },
  // Guest processes from outside
  root: { hue: blue, pattern: 'slash' },
  nonroot: { hue: green },
  task: { hue: purple, pattern: 'bars', strength: 0.7 },
  timer: { hue: yellow, pattern: 'dots', strength: 0.6 },
  disk: { hue: orange, pattern: 'lines', strength: 0.8 },
  network: { hue: sky, pattern: 'lines', strength: 0.8 },
  device: { hue: purple, pattern: 'dots', strength: 0.7 },
  preempted_host: stolenLook(),
  preempted_vm: stolenLook(),
  preempted_guest: { hue: orange, pattern: 'cross' },
  // Critical path
  run: { hue: green },
  host_preempted: stolenLook(),
  transit: { hue: sky, pattern: 'dots' },
  wait_task: { hue: purple, pattern: 'bars', strength: 0.7 },
  wait_timer: { hue: yellow, pattern: 'dots', strength: 0.6 },
  wait_disk: { hue: orange, pattern: 'lines', strength: 0.8 },
  wait_network: { hue: sky, pattern: 'lines', strength: 0.8 },
  wait_user_input: { hue: grey, strength: 0.4 },
  wait_ipi: { hue: purple, pattern: 'dots', strength: 0.7 },
  wait_irq: { hue: purple, pattern: 'cross', strength: 0.7 },
  wait_unknown: { hue: grey, pattern: 'dots', strength: 0.35 },
  // Disks and network
  read: { hue: sky },
  write: { hue: orange, pattern: 'slash' },
  discard: { hue: grey, pattern: 'bars' },
  flush: { hue: purple, pattern: 'dots' },
  other: { hue: grey, pattern: 'dots' },
  rx: { hue: sky },
  tx: { hue: orange, pattern: 'slash' },
  busy: { hue: orange, pattern: 'lines' },
  unknown: { hue: grey, pattern: 'dots', strength: 0.3 },
};

function stolenLook(): Look {
  return { hue: stolen.base, pattern: stolen.pattern, ink: stolen.ink };
}

/** The look of a state: of a vCPU, `blocked` means something else than of a thread. */
export function lookOf(state: string, vcpu: boolean): string {
  return vcpu && state === 'blocked' ? 'vcpu_blocked' : state;
}

export function isKnownState(state: string): boolean {
  return looks[state] !== undefined;
}

export function isStolen(state: string): boolean {
  return looks[state]?.ink === stolen.ink;
}

function inkFor(base: Rgb, scheme: Scheme): Rgb {
  return mix(base, scheme.dark ? textOn(base) : darkText, 0.45);
}

/** The fill of a named state; names that this page does not know get the look of "unknown". */
export function stateFill(state: string, scheme: Scheme): Fill {
  const look = looks[state] ?? (looks['unknown'] as Look);
  const chosen = scheme.colours[state];
  const pattern = look.pattern ?? 'solid';
  if (chosen) {
    const base = standingOut(chosen, scheme);
    return { base, ink: inkFor(base, scheme), pattern };
  }
  const strength = look.strength ?? 1;
  const plain = mix(look.hue, scheme.background, strength);
  // Faint looks are of states in which nothing happens.
  const base = strength >= faintBelow ? standingOut(plain, scheme) : plain;
  return { base, ink: look.ink ?? inkFor(base, scheme), pattern };
}

const conditionPattern: Record<string, PatternName> = {
  guest: 'solid',
  hypervisor: 'slash',
  host: 'lines',
  unknown: 'dots',
};

/** Fused lanes: colour says whose code ran, pattern says in which mode. */
export function fusedFill(machine: Rgb, condition: string, state: string, scheme: Scheme): Fill {
  if (state === 'idle') return stateFill('idle', scheme);
  let pattern = conditionPattern[condition] ?? 'solid';
  if (condition === 'guest' && (state === 'syscall' || state === 'kernel')) pattern = 'lines';
  if (state === 'irq' || state === 'softirq') pattern = 'dots';
  const base = condition === 'guest' ? machine : mix(machine, scheme.background, 0.72);
  return { base, ink: inkFor(base, scheme), pattern };
}

/** Fades everything that is not of the highlighted machine. */
export function fade(fill: Fill, scheme: Scheme): Fill {
  return {
    base: mix(fill.base, scheme.background, 0.18),
    ink: mix(fill.ink, scheme.background, 0.18),
    pattern: fill.pattern,
  };
}
