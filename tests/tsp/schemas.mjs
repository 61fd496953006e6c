// What every answer must look like: the members of the protocol's description 0.6.0, written down again by hand.
//   'int', 'number', 'text', 'bool', 'uuid'   a value; ['a', 'b'] one of these texts
//   { name: .., 'name?': .. }                 an object; ? may be missing; no other members are known
//   list(x), map(x), either(x, y)
const list = (of) => ({ list: of });
const map = (of) => ({ map: of });
const either = (...of) => ({ either: of });
const object = (members) => ({ members });

const style = object({ 'parentKey?': 'text', values: map(either('text', 'number')) });
const dataType = ['NUMBER', 'BINARY_NUMBER', 'TIMESTAMP', 'DURATION', 'STRING', 'TIME_RANGE'];
const indexing = ['RUNNING', 'COMPLETED', 'CLOSED'];
const trace = object({
  UUID: 'uuid', name: 'text', path: 'text', start: 'int', end: 'int', nbEvents: 'int', indexingStatus: indexing, properties: map('text'),
});
const experiment = object({
  UUID: 'uuid', name: 'text', start: 'int', end: 'int', nbEvents: 'int', indexingStatus: indexing, traces: list(trace),
});
const error = object({ title: 'text', 'detail?': 'text', 'trace?': trace, 'experiment?': experiment });
const generic = (model) => object({
  status: ['RUNNING', 'COMPLETED', 'FAILED', 'CANCELLED'], statusMessage: 'text', 'model?': either('null', model),
});
const entry = {
  id: 'int', labels: list('text'), 'parentId?': 'int', 'hasData?': 'bool', 'style?': style,
};
const tree = (members) => object({
  headers: list(object({ name: 'text', tooltip: 'text', 'dataType?': dataType })),
  entries: list(object(members)), 'autoExpandLevel?': 'int',
});
const axis = object({
  label: 'text', unit: 'text', dataType,
  'axisDomain?': either(object({ type: 'text', categories: list('text') }), object({ type: 'text', start: 'int', end: 'int' })),
});
const series = object({
  seriesId: 'int', seriesName: 'text', style, 'xValues?': list('int'), 'xCategories?': list('text'),
  'xRanges?': list(object({ start: 'int', end: 'int' })), yValues: list('number'), xValuesDescription: axis, yValuesDescription: axis,
});
const state = object({ start: 'int', end: 'int', 'label?': 'text', 'tags?': 'int', 'style?': style });
const arrow = object({ sourceId: 'int', targetId: 'int', start: 'int', end: 'int', 'style?': style });
const output = object({
  id: 'text', name: 'text', description: 'text',
  type: ['TABLE', 'TREE_TIME_XY', 'TIME_GRAPH', 'DATA_TREE', 'NONE', 'GANTT_CHART', 'TREE_GENERIC_XY'],
  'parentId?': 'text', 'capabilities?': object({ 'canCreate?': 'bool', 'canDelete?': 'bool' }),
});
const annotation = object({
  time: 'int', duration: 'int', entryId: 'int', type: ['CHART', 'TREE'], 'label?': 'text', 'style?': style,
});
const cell = object({ content: 'text', 'tags?': 'int' });
const bookmark = object({ uuid: 'uuid', name: 'text', start: 'int', end: 'int' });
const xyTree = generic(tree({ ...entry, 'isDefault?': 'bool' }));
const xy = generic(object({ title: 'text', series: list(series) }));
const sourceType = object({ id: 'text', name: 'text', 'description?': 'text', 'schema?': 'any', 'parameterDescriptors?': list('any') });

// The first that fits; {} stands for one segment.
const ROUTES = [
  ['GET health', object({ status: ['UP'] })],
  ['GET identifier', object({
    version: 'text', tspVersion: 'text', productId: 'text', os: 'text', 'buildTime?': 'text', 'osArch?': 'text', 'osVersion?': 'text',
    'cpuCount?': 'int', 'maxMemory?': 'int', 'launcherName?': 'text',
  })],
  ['GET traces', list(trace)], ['POST traces', trace], ['GET traces/{}', trace], ['DELETE traces/{}', trace],
  ['GET experiments', list(experiment)], ['POST experiments', experiment],
  ['GET experiments/{}', experiment], ['DELETE experiments/{}', experiment],
  ['GET experiments/{}/bookmarks', list(bookmark)], ['POST experiments/{}/bookmarks', bookmark],
  ['GET experiments/{}/bookmarks/{}', bookmark], ['PUT experiments/{}/bookmarks/{}', bookmark],
  ['DELETE experiments/{}/bookmarks/{}', bookmark],
  ['GET experiments/{}/outputs', list(output)],
  ['GET experiments/{}/outputs/markerSets', generic(list(object({ id: 'text', name: 'text' })))],
  ['POST experiments/{}/outputs/timeGraph/{}/tree', generic(tree({
    ...entry, start: 'int', end: 'int', 'metadata?': map(list(either('text', 'number'))),
  }))],
  ['POST experiments/{}/outputs/timeGraph/{}/states', generic(object({ rows: list(object({ entryId: 'int', states: list(state) })) }))],
  ['POST experiments/{}/outputs/timeGraph/{}/arrows', generic(list(arrow))],
  ['POST experiments/{}/outputs/timeGraph/{}/tooltip', generic(map('text'))],
  ['POST experiments/{}/outputs/XY/{}/tree', xyTree], ['POST experiments/{}/outputs/XY/{}/xy', xy],
  ['POST experiments/{}/outputs/genericXY/{}/tree', xyTree], ['POST experiments/{}/outputs/genericXY/{}/xy', xy],
  ['POST experiments/{}/outputs/data/{}/tree', generic(tree(entry))],
  ['POST experiments/{}/outputs/table/{}/columns', generic(list(object({ id: 'int', name: 'text', description: 'text', type: 'text' })))],
  ['POST experiments/{}/outputs/table/{}/lines', generic(object({
    lowIndex: 'int', size: 'int', columnIds: list('int'),
    lines: list(object({ index: 'int', cells: list(cell), 'tags?': 'int' })),
  }))],
  ['POST experiments/{}/outputs/{}/style', generic(object({ styles: map(style) }))],
  ['GET experiments/{}/outputs/{}/annotations', generic(object({ annotationCategories: list('text') }))],
  ['POST experiments/{}/outputs/{}/annotations', generic(object({ 'annotations?': map(list(annotation)) }))],
  ['GET experiments/{}/outputs/{}/configTypes', list(sourceType)],
  ['GET experiments/{}/outputs/{}', output],
  ['GET config/types', list(sourceType)],
];

const UUID = /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/;
const VALUES = {
  int: (value) => Number.isInteger(value) || typeof value === 'bigint',
  number: (value) => typeof value === 'number',
  text: (value) => typeof value === 'string',
  bool: (value) => typeof value === 'boolean',
  uuid: (value) => typeof value === 'string' && UUID.test(value),
  null: (value) => value === null,
  any: () => true,
};

/// What is wrong with a value; undefined when nothing is.
export function mismatch(value, schema, place = 'answer') {
  if (typeof schema === 'string') {
    return VALUES[schema](value) ? undefined : `${place} is no ${schema}: ${JSON.stringify(value)?.slice(0, 80)}`;
  }
  if (Array.isArray(schema)) return schema.includes(value) ? undefined : `${place} is ${value}, none of ${schema}`;
  if (schema.either) {
    const wrong = schema.either.map((one) => mismatch(value, one, place));
    return wrong.includes(undefined) ? undefined : wrong[wrong.length - 1];
  }
  if (schema.list) {
    if (!Array.isArray(value)) return `${place} is no list`;
    return first(value.keys(), (i) => mismatch(value[i], schema.list, `${place}[${i}]`));
  }
  if (value === null || typeof value !== 'object' || Array.isArray(value)) return `${place} is no object`;
  if (schema.map) return first(Object.keys(value), (key) => mismatch(value[key], schema.map, `${place}.${key}`));
  return objectMismatch(value, schema.members, place);
}

function first(keys, look) {
  for (const key of keys) {
    const wrong = look(key);
    if (wrong !== undefined) return wrong;
  }
  return undefined;
}

function objectMismatch(value, members, place) {
  const unknown = Object.keys(value).find((key) => !(key in members) && !(`${key}?` in members));
  if (unknown !== undefined) return `${place} has the unknown member ${unknown}`;
  return first(Object.keys(members), (member) => {
    const key = member.replace('?', '');
    if (value[key] === undefined) return member.endsWith('?') ? undefined : `${place} has no ${key}`;
    return mismatch(value[key], members[member], `${place}.${key}`);
  });
}

/// What is wrong with the answer to `method path`, by the route that it fits.
export function wrongAnswer(method, path, status, value) {
  if (status === 204) return undefined;
  if (status >= 400) return mismatch(value, error);
  const parts = path.split('/');
  const fits = ([pattern]) => {
    const [verb, words] = pattern.split(' ');
    const wanted = words.split('/');
    return verb === method && wanted.length === parts.length && wanted.every((word, i) => word === '{}' || word === parts[i]);
  };
  const route = ROUTES.find(fits);
  return route === undefined ? `no schema for ${method} ${path}` : mismatch(value, route[1]);
}
