// From an address to a filled store: login with the token of the fragment, the experiment, the
// position of the link, then what may come later (report, marks, bookmarks). While the analysis
// still runs, the experiment is asked again, and what there is of it is shown.

import { api, ApiError, type Experiment, onReach } from './api';
import { actions, store } from './store';
import { storedColours } from './timeline/colours';
import { setOrigin, toRel } from './time';
import { decodePosition, encodePosition } from './url';

const pollMs = 700;

/** Takes the token out of the address, so that it is in no link and no history. */
async function login(): Promise<void> {
  const parameters = new URLSearchParams(location.hash.replace(/^#/, ''));
  const token = parameters.get('token');
  if (token === null) return;
  parameters.delete('token');
  const rest = parameters.toString();
  history.replaceState(null, '', rest ? `#${rest}` : location.pathname + location.search);
  await api.login(token);
}

function fail(error: unknown): void {
  if (error instanceof ApiError)
    store.set({ fatal: { title: error.title, detail: error.detail, login: error.status === 401 } });
  else store.set({ fatal: { title: 'The page failed', detail: String(error), login: false } });
}

async function later(): Promise<void> {
  const [report, marks, bookmarks] = await Promise.allSettled([
    api.report(),
    api.marks(),
    api.bookmarks(),
  ]);
  if (report.status === 'fulfilled') store.set({ report: report.value });
  else actions.notify(`The report did not load: ${String(report.reason)}`, 'error');
  if (marks.status === 'fulfilled') store.set({ marks: marks.value });
  if (bookmarks.status === 'fulfilled') store.set({ bookmarks: bookmarks.value });
}

/** Rows of a view, once. */
export async function loadRows(view: string): Promise<void> {
  if (store.get().rows[view]) return;
  const rows = await api.rows(view);
  store.set({ rows: { ...store.get().rows, [view]: rows } });
}

/** What the server can show for the first time: the timeline at the place of the link. */
async function show(experiment: Experiment): Promise<void> {
  setOrigin(experiment.begin_ns, experiment.epoch);
  const limit = { from: 0, to: Math.max(1, toRel(experiment.end_ns)) };
  const [views, marks] = await Promise.all([api.views(), api.marks()]);
  store.set({
    ...{ experiment, views, marks, limit, window: limit, colours: storedColours() },
    ...decodePosition(location.hash),
  });
  document.title = `${experiment.name} · virtscope`;
  keepUrl();
}

/** More of it: the rows that are known are asked for again; where one is, stays. */
async function renew(experiment: Experiment): Promise<void> {
  const known = Object.keys(store.get().rows);
  const [views, ...rows] = await Promise.all([api.views(), ...known.map((id) => api.rows(id))]);
  store.set({
    experiment,
    views,
    rows: { ...store.get().rows, ...Object.fromEntries(known.map((id, i) => [id, rows[i] ?? []])) },
  });
}

const rest = (): Promise<void> => new Promise((resolve) => setTimeout(resolve, pollMs));

/** The number of what is on the screen; 0: nothing. */
function shownNumber(): number {
  const { views, experiment } = store.get();
  return views.length > 0 ? (experiment?.shown?.number ?? 0) : 0;
}

async function step(experiment: Experiment): Promise<void> {
  const complete = experiment.status === 'COMPLETED';
  if (store.get().views.length === 0) {
    if (complete || experiment.shown) await show(experiment);
    else store.set({ experiment });
  } else if ((experiment.shown?.number ?? 0) !== shownNumber()) {
    await renew(experiment);
  } else {
    store.set({ experiment });
  }
}

/** Asks again until all is there. Once something is shown, an answer that fails is waited for. */
async function open(): Promise<void> {
  for (;;) {
    try {
      const experiment = await api.experiment();
      if (experiment.status === 'FAILED') {
        const fatal = { title: 'The analysis failed', detail: experiment.message, login: false };
        return store.set({ experiment, fatal });
      }
      await step(experiment);
      if (experiment.status === 'COMPLETED') return await later();
    } catch (error) {
      if (store.get().views.length === 0) throw error;
    }
    await rest();
  }
}

/**
 * Writes the position back, at most every 200 ms: browsers refuse faster changes of the address.
 */
function keepUrl(): void {
  let timer: ReturnType<typeof setTimeout> | null = null;
  const write = (): void => {
    timer = null;
    const text = encodePosition(store.get());
    if (`#${text}` !== location.hash)
      history.replaceState(null, '', text ? `#${text}` : location.pathname + location.search);
  };
  store.subscribe(() => {
    if (timer === null) timer = setTimeout(write, 200);
  });
  // A link that is pasted into the open page: what it leaves out is as at the beginning.
  window.addEventListener('hashchange', () => {
    const { undo, window: before } = store.get();
    store.reset({
      ...{ undo: [...undo, before], colours: storedColours() },
      ...decodePosition(location.hash),
    });
  });
}

export async function start(): Promise<void> {
  onReach((answers) => {
    if (store.get().offline === answers) store.set({ offline: !answers });
  });
  try {
    await login();
    await open();
  } catch (error) {
    fail(error);
  }
}

export async function loginWith(token: string): Promise<void> {
  try {
    await api.login(token.trim());
    store.set({ fatal: null });
    await open();
  } catch (error) {
    fail(error);
  }
}
