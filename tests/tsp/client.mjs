// Drives `virtscope serve CAPTURE --tsp-open` with the client of Theia and VS Code.
// usage: node client.mjs VIRTSCOPE TRACE...     exit code 1 when an answer breaks a rule.
import { spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join, resolve } from 'node:path';
import { wrongAnswer } from './schemas.mjs';

const require = createRequire(import.meta.url);
const { HttpTspClient } = require('tsp-typescript-client/lib/protocol/http-tsp-client');
const { RestClient } = require('tsp-typescript-client/lib/protocol/rest-client');
const { QueryHelper } = require('tsp-typescript-client/lib/models/query/query-helper');

// Required members, from the protocol's description 0.6.0.
const REQUIRED = {
  server: ['version', 'tspVersion'],
  trace: ['UUID', 'name', 'path', 'start', 'end', 'nbEvents', 'indexingStatus', 'properties'],
  experiment: ['UUID', 'name', 'start', 'end', 'nbEvents', 'indexingStatus', 'traces'],
  output: ['id', 'name', 'description', 'type'],
  generic: ['status', 'statusMessage'],
  tree: ['headers', 'entries'],
  header: ['name', 'tooltip'],
  entry: ['id', 'labels'],
  row: ['entryId', 'states'],
  state: ['start', 'end'],
  arrow: ['sourceId', 'targetId', 'start', 'end'],
  series: ['seriesId', 'seriesName', 'yValues', 'style', 'xValuesDescription',
    'yValuesDescription'],
  column: ['id', 'name', 'description', 'type'],
  table: ['lowIndex', 'size', 'columnIds', 'lines'],
  line: ['index', 'cells'],
  bookmark: ['uuid', 'name', 'start', 'end'],
  annotation: ['entryId', 'time', 'duration', 'type'],
  error: ['title'],
};
const TREES = {
  TIME_GRAPH: 'fetchTimeGraphTree', TREE_TIME_XY: 'fetchXYTree',
  TREE_GENERIC_XY: 'fetchGenericXYTree', DATA_TREE: 'fetchDataTree',
};
const UNKNOWN = '00000000-0000-0000-0000-000000000000';

let checks = 0;
let failures = 0;
const counts = {};
const count = (what, n = 1) => { counts[what] = (counts[what] ?? 0) + n; };
function check(holds, what) {
  checks += 1;
  if (holds) return;
  failures += 1;
  if (failures <= 40) console.log(`FAIL ${what}`);
}
function has(object, kind, where) {
  const missing = REQUIRED[kind].filter((key) => object?.[key] === undefined);
  check(missing.length === 0, `${where}: ${kind} without ${missing.join(', ')}`);
}
function list(value, kind, where) {
  check(Array.isArray(value), `${where}: not a list`);
  for (const one of value ?? []) has(one, kind, where);
  return value ?? [];
}
const sleep = (ms) => new Promise((done) => { setTimeout(done, ms); });

/// Every answer that the client gets, whatever it asked for, is held against the schemas.
function watchAnswers(base) {
  const request = RestClient.httpRequest.bind(RestClient);
  RestClient.httpRequest = async (asked) => {
    const answer = await request(asked);
    const path = new URL(asked.url).pathname.slice(new URL(base).pathname.length + 1);
    let value;
    try { value = answer.text === '' ? undefined : JSON.parse(answer.text); } catch { value = 'not JSON'; }
    const wrong = wrongAnswer(asked.method.toUpperCase(), path, answer.status, value);
    check(wrong === undefined, `${asked.method} ${path}: ${answer.status}: ${wrong}`);
    count('answers by schema');
    return answer;
  };
}

/// The model of an answer as the client reads it; asks again while the server says RUNNING.
async function completed(where, ask) {
  for (let attempt = 0; attempt < 300; attempt += 1) {
    const answer = await ask();
    check(answer.isOk(), `${where}: status ${answer.getStatusCode()} ${answer.getText()}`);
    if (!answer.isOk()) return undefined;
    const raw = JSON.parse(answer.getText());
    has(raw, 'generic', where);
    if (raw.status !== 'RUNNING') {
      check(raw.status === 'COMPLETED', `${where}: ${raw.status} ${raw.statusMessage}`);
      return answer.getModel()?.model;
    }
    await sleep(100);
  }
  check(false, `${where}: still RUNNING`);
  return undefined;
}
async function plain(where, ask) {
  const answer = await ask();
  check(answer.isOk(), `${where}: status ${answer.getStatusCode()} ${answer.getText()}`);
  return answer.isOk() ? answer.getModel() : undefined;
}
async function refused(where, statuses, ask) {
  const answer = await ask();
  check(statuses.includes(answer.getStatusCode()),
    `${where}: status ${answer.getStatusCode()}, not ${statuses}`);
  let body;
  try { body = JSON.parse(answer.getText()); } catch { body = undefined; }
  has(body, 'error', where);
  count('refusals');
}

function checkTree(tree, where) {
  has(tree, 'tree', where);
  const headers = list(tree?.headers, 'header', where);
  const entries = list(tree?.entries, 'entry', where);
  const ids = new Set(entries.map((entry) => entry.id));
  check(ids.size === entries.length, `${where}: an id occurs twice`);
  for (const { id, parentId = -1, labels } of entries) {
    check(Number.isInteger(id) && id >= 0 && id < 2 ** 31, `${where}: id ${id}`);
    check(parentId === -1 || ids.has(parentId), `${where}: parent ${parentId} does not exist`);
    check(labels?.length === headers.length, `${where}: ${labels?.length} labels`);
  }
  count('entries', entries.length);
  return [...ids];
}

/// States of a row are in order, do not overlap and touch the window (gaps are allowed).
function checkRow(row, window, ids, where) {
  has(row, 'row', where);
  check(ids.includes(row.entryId), `${where}: row of an unknown entry ${row.entryId}`);
  let before;
  for (const state of row.states) {
    has(state, 'state', where);
    check(state.start <= state.end, `${where}: a state ends before it starts`);
    check(state.end >= window.start && state.start <= window.end, `${where}: outside the window`);
    check(before === undefined || state.start >= before, `${where}: states overlap`);
    before = state.end;
    if (state.style) check(state.style.values !== undefined, `${where}: style without values`);
  }
  count('states', row.states.length);
}

async function timeGraph(client, uuid, output, window, extra) {
  const at = output.id;
  const range = (items) => QueryHelper.selectionTimeRangeQuery(
    window.start, window.end, 500, items, extra);
  const tree = await completed(`${at} tree`, () => client.fetchTimeGraphTree(uuid, at,
    QueryHelper.timeRangeQuery(window.start, window.end, 2, extra)));
  const ids = checkTree(tree, `${at} tree`);
  const model = await completed(`${at} states`,
    () => client.fetchTimeGraphStates(uuid, at, range(ids)));
  for (const row of model?.rows ?? []) checkRow(row, window, ids, `${at} states`);
  const arrows = await completed(`${at} arrows`,
    () => client.fetchTimeGraphArrows(uuid, at, range(ids)));
  for (const arrow of list(arrows ?? [], 'arrow', `${at} arrows`)) {
    check(ids.includes(arrow.sourceId) && ids.includes(arrow.targetId), `${at}: arrow's ends`);
    count('arrows');
  }
  const row = model?.rows?.find(({ states }) => states.length > 0);
  if (row) {
    const [state] = row.states;
    const element = { elementType: 'state', time: state.start, duration: state.end - state.start };
    const tooltip = await completed(`${at} tooltip`, () => client.fetchTimeGraphTooltip(uuid, at,
      QueryHelper.selectionTimeQuery([state.start], [row.entryId],
        { ...extra, requested_element: element })));
    check(tooltip && Object.keys(tooltip).length > 0, `${at}: empty tooltip`);
  }
  const styles = await completed(`${at} style`,
    () => client.fetchStyles(uuid, at, QueryHelper.query(extra)));
  check(styles?.styles !== undefined, `${at}: no styles`);
  const categories = await completed(`${at} annotation categories`,
    () => client.fetchAnnotationsCategories(uuid, at));
  check(Array.isArray(categories?.annotationCategories), `${at}: no annotation categories`);
  const annotations = await completed(`${at} annotations`,
    () => client.fetchAnnotations(uuid, at, range(ids)));
  for (const group of Object.values(annotations?.annotations ?? {})) {
    list(group, 'annotation', `${at} annotations`);
    count('annotations', group.length);
  }
}

async function xy(client, uuid, output, window) {
  const at = output.id;
  const generic = output.type === 'TREE_GENERIC_XY';
  const tree = await completed(`${at} tree`, () => client[TREES[output.type]](uuid, at,
    QueryHelper.timeRangeQuery(window.start, window.end, 2)));
  const ids = checkTree(tree, `${at} tree`);
  const query = QueryHelper.selectionTimeRangeQuery(window.start, window.end, 100, ids, {}, generic);
  const model = await completed(`${at} xy`, () => (generic
    ? client.fetchGenericXY(uuid, at, query) : client.fetchXY(uuid, at, query)));
  for (const series of list(model?.series, 'series', `${at} xy`)) {
    const x = series.xValues ?? series.xCategories ?? series.xRanges;
    check(x?.length === series.yValues.length, `${at}: x and y differ in number`);
    check(ids.includes(series.seriesId), `${at}: series of an unknown entry`);
    count('series');
  }
}

async function table(client, uuid, output) {
  const at = output.id;
  const columns = await completed(`${at} columns`,
    () => client.fetchTableColumns(uuid, at, QueryHelper.query()));
  const ids = list(columns, 'column', `${at} columns`).map(({ id }) => Number(id));
  const lines = await completed(`${at} lines`,
    () => client.fetchTableLines(uuid, at, QueryHelper.tableQuery(ids, 0, 20)));
  has(lines, 'table', `${at} lines`);
  check(lines?.lines?.length === Math.min(20, Number(lines?.size)), `${at}: number of lines`);
  (list(lines?.lines, 'line', `${at} lines`)).forEach((line, i) => {
    check(Number(line.index) === i, `${at}: line ${line.index} at place ${i}`);
    check(line.cells.length === ids.length, `${at}: ${line.cells.length} cells`);
    count('lines');
  });
}

/// The path of the busiest thread that has one; what every other time graph is asked is asked of it.
async function criticalPath(client, uuid, window) {
  const tree = await completed('threads', () => client.fetchTimeGraphTree(uuid, 'vms',
    QueryHelper.timeRangeQuery(window.start, window.end, 2)));
  const threads = (tree?.entries ?? []).filter(({ metadata }) => metadata?.tid !== undefined);
  let found = 0;
  for (const { metadata } of threads) {
    const extra = { selected_thread: `${metadata.machine[0]}/${metadata.tid[0]}` };
    const path = await completed('path', () => client.fetchTimeGraphTree(uuid, 'critical-path',
      QueryHelper.timeRangeQuery(window.start, window.end, 2, extra)));
    if (!path?.entries?.length) continue;
    found += 1;
    await timeGraph(client, uuid, { id: 'critical-path' }, window, extra);
    if (found === 3) break;
  }
  check(threads.length === 0 || found > 0, 'critical path: no thread has one');
  count('critical paths', found);
  await refused('a thread that is none', [400], () => client.fetchTimeGraphTree(uuid, 'critical-path',
    QueryHelper.timeRangeQuery(window.start, window.end, 2, { selected_thread: 'nonsense' })));
}

/// Every match of a pattern is found one after the other, both ways, and nothing else is.
async function search(client, uuid) {
  const ask = (index, direction, text, many = 1) => completed('search', () => client.fetchTableLines(uuid, 'events',
    QueryHelper.tableQuery([5], index, many, { table_search_expressions: { 5: text }, table_search_direction: direction })));
  const pattern = '^kvm_(entry|exit)$';
  const forth = [];
  for (let index = 0; forth.length < 5;) {
    const [line] = (await ask(index, 'NEXT', pattern))?.lines ?? [];
    if (line === undefined) break;
    check(new RegExp(pattern).test(line.cells[0].content), `search: ${line.cells[0].content}`);
    check(line.tags === 8, 'search: the match is not marked');
    forth.push(line.index);
    index = line.index + 1;
  }
  for (let i = forth.length - 1; i > 0; i -= 1) {
    const [line] = (await ask(forth[i] - 1, 'PREVIOUS', pattern))?.lines ?? [];
    check(line?.index === forth[i - 1], `search: back to ${line?.index}, not ${forth[i - 1]}`);
  }
  check((await ask(0, 'NEXT', '^no such event$'))?.lines.length === 0, 'search: finds nothing that is not there');
  await refused('a pattern that is none', [400], () => client.fetchTableLines(uuid, 'events',
    QueryHelper.tableQuery([5], 0, 1, { table_search_expressions: { 5: '(' }, table_search_direction: 'NEXT' })));
  count('matches', forth.length);
}

/// The client 0.9.0 has no calls for these.
async function bookmarks(base, uuid) {
  const at = `${base}/experiments/${uuid}/bookmarks`;
  const ask = (method, url, parameters) => RestClient.httpRequest({
    method, url, headers: { 'Content-Type': 'application/json' }, body: parameters && JSON.stringify({ parameters }),
  });
  const made = JSON.parse((await ask('POST', at, { name: 'here', start: 5, end: 9 })).text);
  has(made, 'bookmark', 'bookmark');
  const changed = JSON.parse((await ask('PUT', `${at}/${made.uuid}`, { name: 'there', start: 6, end: 9 })).text);
  check(changed.uuid === made.uuid && changed.start === 6, 'bookmark: not changed');
  check(JSON.parse((await ask('GET', at)).text).some(({ name }) => name === 'there'), 'bookmark: not listed');
  check((await ask('DELETE', `${at}/${made.uuid}`)).status === 200, 'bookmark: not removed');
  check((await ask('GET', `${at}/${made.uuid}`)).status === 404, 'bookmark: still there');
  check((await ask('POST', at, { name: 'x', start: 9, end: 5 })).status === 400, 'bookmark: backwards');
}

/// As Theia opens a folder: trace by trace, then an experiment of them; below the root only.
async function openBelowRoot(client, root, ours) {
  const other = ['container-tsc', 'wait-tsc'].map((name) => join(root, name)).filter(existsSync)[0];
  if (other === undefined) return;
  const trace = await plain('open below the root', () => client.openTrace(QueryHelper.query({ uri: other })));
  check(trace?.nbEvents > 0, 'open below the root: no events');
  const again = await plain('open twice', () => client.openTrace(QueryHelper.query({ uri: `file://${other}/` })));
  check(again?.UUID === trace?.UUID, 'open twice: another UUID');
  await refused('outside of the root', [404], () => client.openTrace(QueryHelper.query({ uri: '/etc' })));
  await refused('out of the root', [404], () => client.openTrace(QueryHelper.query({ uri: `${root}/../../README.md` })));
  await refused('no trace', [406], () => client.openTrace(QueryHelper.query({ uri: join(other, 'truth.json') })));
  await refused('the name of another', [409], () => client.openTrace(
    QueryHelper.query({ uri: `${other}/vm1.dat`, name: trace.name })));
  const made = await plain('experiment below the root', () => client.createExperiment(
    QueryHelper.query({ name: 'below', traces: [trace.UUID] })));
  check(made !== undefined && made.UUID !== ours, 'experiment below the root: not its own');
  await refused('a trace in use', [409], () => client.deleteTrace(trace.UUID));
  const tree = await completed('tree below the root', () => client.fetchTimeGraphTree(made.UUID, 'fused',
    QueryHelper.timeRangeQuery(made.start, made.end, 2)));
  checkTree(tree, 'tree below the root');
  check(tree?.entries.length > 1, 'tree below the root: empty');
  await plain('close below the root', () => client.deleteExperiment(made.UUID));
  await refused('what was closed', [404], () => client.fetchExperiment(made.UUID));
  await plain('close trace', () => client.deleteTrace(trace.UUID));
  await refused('a trace that was closed', [404], () => client.fetchTrace(trace.UUID));
  count('opened below the root');
}

async function wrongInput(client, uuid, outputs, window) {
  const graph = outputs.find(({ type }) => type === 'TIME_GRAPH').id;
  const ask = QueryHelper.query();
  await refused('unknown trace', [404], () => client.fetchTrace(UNKNOWN));
  await refused('unknown experiment', [404], () => client.fetchExperiment(UNKNOWN));
  await refused('outputs of none', [404], () => client.experimentOutputs(UNKNOWN));
  await refused('unknown output', [404], () => client.fetchTimeGraphTree(uuid, 'none', ask));
  await refused('states without a range', [400],
    () => client.fetchTimeGraphStates(uuid, graph, ask));
  await refused('range backwards', [400], () => client.fetchTimeGraphStates(uuid, graph,
    QueryHelper.selectionTimeRangeQuery(window.end, window.start, 10, [0])));
  await refused('nbTimes 0', [400], () => client.fetchTimeGraphStates(uuid, graph,
    QueryHelper.query({ requested_timerange: { ...window, nbTimes: 0 }, requested_items: [0] })));
  await refused('another path', [404], () => client.openTrace(QueryHelper.query({ uri: '/none' })));
  await refused('trace without uri', [400], () => client.openTrace(ask));
  await refused('configuration type', [404], () => client.fetchConfigurationSourceType('none'));
  await refused('configurations', [404], () => client.fetchConfigurations('none'));
  await refused('configuration', [404], () => client.fetchConfiguration('none', 'none'));
}

async function drive(base, root) {
  watchAnswers(base);
  const client = new HttpTspClient(base);
  check((await plain('health', () => client.checkHealth()))?.status === 'UP', 'health: not UP');
  const server = await plain('identifier', () => client.fetchIdentifier());
  has(server, 'server', 'identifier');
  check(server?.tspVersion === '0.6.0', `identifier: protocol ${server?.tspVersion}`);
  for (const trace of list(await plain('traces', () => client.fetchTraces()), 'trace', 'traces')) {
    has(await plain('trace', () => client.fetchTrace(trace.UUID)), 'trace', 'trace');
  }
  let [found] = list(await plain('experiments', () => client.fetchExperiments()),
    'experiment', 'experiments');
  for (let i = 0; i < 300 && found?.indexingStatus === 'RUNNING'; i += 1) {
    await sleep(100);
    found = await plain('experiment', () => client.fetchExperiment(found.UUID));
  }
  has(found, 'experiment', 'experiment');
  check(found?.indexingStatus === 'COMPLETED', `experiment: ${found?.indexingStatus}`);
  check(typeof found?.start === 'bigint' && found.start < found.end, 'experiment: its range');
  const uuid = found.UUID;
  const window = { start: found.start, end: found.end };
  const outputs = list(await plain('outputs', () => client.experimentOutputs(uuid)),
    'output', 'outputs');
  check(outputs.length > 0, 'outputs: none');
  for (const output of outputs) {
    count(output.type);
    if (output.type === 'TIME_GRAPH') await timeGraph(client, uuid, output, window, {});
    else if (output.type === 'TABLE') await table(client, uuid, output);
    else if (output.type === 'DATA_TREE') {
      checkTree(await completed(`${output.id} tree`, () => client.fetchDataTree(uuid, output.id,
        QueryHelper.timeRangeQuery(window.start, window.end))), `${output.id} tree`);
    } else if (TREES[output.type]) await xy(client, uuid, output, window);
    else check(false, `${output.id}: unknown type ${output.type}`);
    await plain(`${output.id} configTypes`,
      () => client.fetchOutputConfigurationTypes(uuid, output.id));
  }
  await completed('marker sets', () => client.fetchMarkerSets(uuid));
  await plain('config types', () => client.fetchConfigurationSourceTypes());
  await criticalPath(client, uuid, window);
  await search(client, uuid);
  await bookmarks(base, uuid);
  await openBelowRoot(client, root, uuid);
  await wrongInput(client, uuid, outputs, window);
  has(await plain('close', () => client.deleteExperiment(uuid)), 'experiment', 'close');
  const again = await plain('open again', () => client.createExperiment(
    QueryHelper.query({ name: found.name, traces: found.traces.map(({ UUID }) => UUID) })));
  check(again?.UUID === uuid, 'open again: another UUID');
}

// A schema that lets everything pass would be no check.
check(wrongAnswer('GET', 'health', 200, { status: 'DOWN' }) !== undefined, 'schemas: a wrong word');
check(wrongAnswer('GET', 'health', 200, {}) !== undefined, 'schemas: a missing member');
check(wrongAnswer('GET', 'health', 200, { status: 'UP', x: 1 }) !== undefined, 'schemas: an unknown member');
check(wrongAnswer('GET', 'nothing', 200, {}) !== undefined, 'schemas: an unknown path');
check(wrongAnswer('GET', 'traces', 200, [{}]) !== undefined, 'schemas: a list of the wrong kind');
check(wrongAnswer('GET', 'traces', 404, { detail: 'x' }) !== undefined, 'schemas: an error without a title');

const [program, ...traces] = process.argv.slice(2);
const root = dirname(resolve(traces[0]));
const child = spawn(program, ['serve', ...traces, '--port', '0', '--tsp-open', '--quiet',
  '--no-cache', '--root', root], { stdio: ['ignore', 'pipe', 'inherit'] });
try {
  const link = await new Promise((done, fail) => {
    let text = '';
    child.on('error', fail);
    child.on('exit', (code) => fail(new Error(`the server ended with ${code}`)));
    child.stdout.on('data', (bytes) => {
      text += bytes;
      const match = /http:\/\/127\.0\.0\.1:\d+/.exec(text);
      if (match && text.includes('\n')) done(match[0]);
    });
  });
  await drive(`${link}/tsp/api`, root);
} catch (error) {
  check(false, error.stack);
} finally {
  child.kill('SIGINT');
}
console.log(Object.entries(counts).map(([what, n]) => `${what} ${n}`).join(', '));
console.log(`${checks} checks, ${failures} failed`);
process.exitCode = failures > 0 ? 1 : 0;
