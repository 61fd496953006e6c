// @vitest-environment happy-dom Each panel in a DOM, with the report of a shipped capture and
// answers of the server that are right, odd and wrong.
import { render } from 'preact';
import { act } from 'preact/test-utils';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import {
  api,
  ApiError,
  type Conclusion,
  type EventRow,
  type Experiment,
  type Report,
  type Row,
  type ViewInfo,
  type WhyAnswer,
} from '../api';
import { store } from '../store';
import { isKnownState, safeColour } from '../timeline/palette';
import { setOrigin } from '../time';
import { BookmarksPanel } from './Bookmarks';
import { ComparePanel, CompareResult, difference } from './Compare';
import { DetailsPanel } from './Details';
import { EventsPanel, visibleRows } from './Events';
import { ascending, fresh, queryOf, rowAt } from './eventPages';
import { countsOf, HelpPanel } from './Help';
import { legends } from './legend';
import { bytesText, devicesOf } from './DiskCard';
import { evidenceOf, quote, thievesOf } from './evidence';
import { OverviewPanel, sortConclusions, taskOf, vmParts } from './Overview';
import { SqlPanel } from './Sql';
import { flowParts, headlineOf, WhyPanel, WhyResult } from './Why';
import { diskText } from './WhyWaits';
import { entries } from './data';
import reportJson from './fixtures/report.json';
import whyJson from './fixtures/why.json';

const report = reportJson as unknown as Report;
const why = whyJson as unknown as WhyAnswer;
const begin = 54556227853;
const experiment = {
  name: 'twovms-tsc',
  begin_ns: String(begin),
  end_ns: '68376784226',
  machines: [
    { machine: 'host', kind: 'host', parent: null, vcpus: null },
    { machine: 'vm1', kind: 'vm', parent: 'host', vcpus: 2 },
    { machine: 'vm2', kind: 'vm', parent: 'host', vcpus: 2 },
  ],
} as unknown as Experiment;
const hostile = '<img src=x onerror=alert(1)>';
const thread: Row = {
  id: 7,
  parent: 0,
  label: 'filler',
  sub: '156',
  machine: 'vm1',
  kind: 'thread',
  cpu: null,
  vcpu: null,
  tid: 156,
  begin_ns: String(begin),
  end_ns: '68376784226',
  has_data: true,
  ran_ns: '7',
};

let root: HTMLElement;
const show = (node: preact.ComponentChild): void =>
  act(() => render(node, root)) as unknown as void;
const settle = (ms = 0): Promise<void> =>
  act(async () => {
    await new Promise((done) => setTimeout(done, ms));
  });
const button = (name: string | RegExp): HTMLButtonElement => {
  const found = [...root.querySelectorAll('button')].find((one) =>
    typeof name === 'string' ? one.textContent?.includes(name) : name.test(one.textContent ?? ''),
  );
  if (!found) throw new Error(`no button ${String(name)} in ${root.textContent}`);
  return found;
};
const click = async (name: string | RegExp): Promise<void> => {
  await act(() => button(name).click());
  await settle();
};
const type = async (selector: string, value: string): Promise<void> => {
  const field = root.querySelector(selector) as HTMLInputElement;
  await act(() => {
    field.value = value;
    field.dispatchEvent(new Event('input', { bubbles: true }));
  });
};
const submit = async (): Promise<void> => {
  await act(() => {
    root
      .querySelector('form')
      ?.dispatchEvent(new Event('submit', { bubbles: true, cancelable: true }));
  });
  await settle();
};

beforeEach(() => {
  root = document.createElement('div');
  document.body.append(root);
  setOrigin(String(begin), false);
  localStorage.clear();
  // No test reaches a server.
  vi.stubGlobal('fetch', () => Promise.reject(new TypeError('no server in tests')));
  store.reset({
    experiment,
    report,
    limit: { from: 0, to: 13820556373 },
    window: { from: 0, to: 13820556373 },
    rows: { vms: [thread] },
  });
});
afterEach(() => {
  render(null, root);
  root.remove();
  vi.restoreAllMocks();
});

describe('overview', () => {
  it('puts the worst first and keeps the order of equals', () => {
    const of = (kind: string, subject: string) => ({ kind, subject }) as unknown as Conclusion;
    expect(
      sortConclusions([
        of('good', 'a'),
        of('odd', 'b'),
        of('bad', 'c'),
        of('warn', 'd'),
        of('bad', 'e'),
      ]).map((one) => one.subject),
    ).toEqual(['c', 'e', 'd', 'a', 'b']);
  });
  it('shows the capture: who stole, how much, what lacks', () => {
    show(<OverviewPanel />);
    expect(root.textContent).toContain('vm2 was robbed of 2.74 s of CPU');
    expect(root.textContent).toContain('31 % of what it asked for was stolen');
    expect(root.textContent).toContain('trace-cmd record -e net:net_dev_xmit');
    expect(root.textContent).toContain('error up to 1 ns');
  });
  it('opens the timeline at the evidence', async () => {
    show(<OverviewPanel />);
    await click('Show on the timeline');
    expect(store.get().row).toEqual({ view: 'vms', id: 1 });
    expect(store.get().range).toEqual({ from: 56000000000 - begin, to: 57000000000 - begin });
  });
  it('adds the parts of the vCPUs to their life, nothing lost', () => {
    const vcpus = entries(report.sections['vcpu']).filter((one) => one['machine'] === 'vm1');
    const life = vcpus.reduce((total, one) => total + Number(one['life_ns']), 0);
    expect(vmParts(vcpus).reduce((total, part) => total + part.value, 0)).toBe(life);
    expect(vmParts(vcpus).find((part) => part.name === 'stolen')?.value).toBeGreaterThan(2.9e9);
  });
  it('adds a thief over vCPUs', () => {
    const row = (vcpu: number, ns: number) => ({
      machine: 'vm1',
      vcpu,
      by_machine: 'vm2',
      by_vcpu: vcpu,
      by_comm: 'x',
      by_tid: 9,
      total_ns: String(ns),
      count: 1,
    });
    expect(thievesOf([row(0, 5), row(1, 7), { ...row(0, 99), machine: 'vm2' }], 'vm1')).toEqual([
      { label: 'vm2 x (9)', machine: 'vm2', tid: 9, ns: 12, count: 2 },
    ]);
  });
  it('finds the evidence of a conclusion: the worst exit, the state, the thief that nobody is', () => {
    const of = (rule: string): Conclusion => ({
      kind: 'warn',
      rule,
      subject: 'vm1',
      message: '',
      next: null,
      target: null,
    });
    const exits = {
      columns: ['machine', 'vcpu', 'reason', 'handling_ns', 'userspace_ns'],
      rows: [
        ['vm1', null, 'HLT', 5, 0],
        ['vm1', null, 'IOIO', 3, 4],
        ['vm1', 0, 'MSR', 99, 0],
        ['vm2', null, 'NPF', 99, 0],
      ],
    };
    const thieves = {
      columns: [
        'machine',
        'vcpu',
        'by_machine',
        'by_vcpu',
        'by_tid',
        'by_comm',
        'count',
        'total_ns',
      ],
      rows: [
        ['vm1', 0, null, null, null, null, 2, 50],
        ['vm1', 0, 'host', null, 9, 'x', 1, 40],
      ],
    };
    const made = { sections: { exit: exits, thief: thieves }, conclusions: [] } as Report;
    expect(evidenceOf(of('exit_overhead'), made)?.sql).toContain("reason = 'IOIO'");
    expect(evidenceOf(of('blocked_in_vmm'), made)?.sql).toContain("state = 'blocked'");
    expect(evidenceOf(of('stolen_time'), made)?.sql).toContain('by_machine IS NULL');
    expect(evidenceOf({ ...of('stolen_time'), subject: 'vm1/0' }, made)?.sql).toContain('vcpu = 0');
    expect(evidenceOf(of('stolen_time'), report)).toBeNull();
    expect(evidenceOf(of('got_its_cpu'), made)).toBeNull();
    expect(quote("it's")).toBe("'it''s'");
  });
  it('says how long requests took beside others and alone, and nothing of none', () => {
    const disk = { machine: 'host', device: 'vdc', shared: 2, shared_took_ns: 4e6 };
    expect(diskText({ ...disk, alone: 0, alone_took_ns: 0 })).toBe(
      'host vdc: 2 of its requests were beside those of others: 2.00 ms each.',
    );
    expect(diskText({ ...disk, shared: 0, alone: 1, alone_took_ns: 5e3 })).toBe(
      'host vdc: 1 of its requests were alone: 5.00 µs each.',
    );
  });
  it('puts devices first that several machines share', () => {
    const of = (device: string, vm: string) => ({ machine: 'host', device, vm });
    const devices = devicesOf([of('sda', 'vm1'), of('sdb', 'vm1'), of('sdb', 'vm2')]);
    expect(devices.map((one) => [one.device, one.users.length])).toEqual([
      ['sdb', 2],
      ['sda', 1],
    ]);
    expect([bytesText(12), bytesText(15_728_640), bytesText(2e9)]).toEqual([
      '12 B',
      '15.7 MB',
      '2.00 GB',
    ]);
  });
  it('shows text as text, never as markup', () => {
    store.set({
      report: {
        sections: {
          issue: {
            columns: ['severity', 'place', 'message', 'advice'],
            rows: [['error', hostile, hostile, hostile]],
          },
        },
        conclusions: [
          {
            kind: 'bad',
            rule: '',
            subject: hostile,
            message: hostile,
            next: hostile,
            target: null,
          },
        ],
      },
    });
    show(<OverviewPanel />);
    expect(root.querySelector('img')).toBeNull();
    expect(root.textContent).toContain(hostile);
  });
  it('stands an empty report and one that has not come', () => {
    store.set({ report: { sections: {}, conclusions: [] } });
    show(<OverviewPanel />);
    expect(root.textContent).toContain('No rule found anything');
    act(() => store.set({ report: null }));
    expect(root.textContent).toContain('not there yet');
  });
  it.each([null, '', 'virtscope stat x', '--task', '--task vm1', '--task /5'])(
    '%j names no task',
    (next) => {
      expect(taskOf(next)).toBeNull();
    },
  );
  it('reads the task of an advice', () =>
    expect(taskOf('virtscope why x --task vm2/burst1 --slowest 5')).toBe('vm2/burst1'));
});

describe('details', () => {
  const answer = {
    row: 7,
    begin_ns: '54556227953',
    end_ns: '54556228953',
    state: 'deprived',
    attributes: [
      ['comm', hostile],
      ['pcpu', null],
    ] as Array<[string, string | null]>,
    sql: 'SELECT 1',
    culprit: {
      view: 'fused',
      row: 2,
      begin_ns: '54556227953',
      end_ns: '54556228953',
      label: 'vm2/1 burst1 (156)',
    },
  };
  it('shows every attribute and follows the culprit', async () => {
    vi.spyOn(api, 'at').mockResolvedValue(answer);
    const follow = vi
      .spyOn(api, 'follow')
      .mockResolvedValue({ ...answer.culprit, message: 'took it' });
    const views = ['fused', 'vms'].map((id) => ({ id }) as ViewInfo);
    store.set({ views, rows: { fused: [], vms: [] }, row: { view: 'vms', id: 7 }, time: 200 });
    show(<DetailsPanel />);
    await settle(90);
    expect(root.textContent).toContain('1.00 µs');
    expect(root.textContent).toContain('not known');
    expect(root.querySelector('img')).toBeNull();
    await click('Follow the culprit');
    expect(follow).toHaveBeenCalledWith('vms', 7, String(begin + 200));
    expect(store.get().row).toEqual({ view: 'fused', id: 2 });
  });
  it('says that a state goes on, and asks again when more has been analysed', async () => {
    const at = vi.spyOn(api, 'at').mockResolvedValue({ ...answer, open: true });
    store.set({ row: { view: 'vms', id: 7 }, time: 200 });
    show(<DetailsPanel />);
    await settle(90);
    expect(root.textContent).toContain('lasts so far1.00 µs');
    expect(root.textContent).not.toContain('SELECT 1');
    at.mockResolvedValue(answer);
    const shown = { number: 2, complete: true, until_ns: null };
    store.set({ experiment: { ...(store.get().experiment as Experiment), shown } });
    await settle(); // effects run at its end
    await settle(90);
    expect(root.textContent).toContain('lasts1.00 µs');
    expect(root.textContent).toContain('SELECT 1');
  });
  it('hands the statement to the console', async () => {
    vi.spyOn(api, 'at').mockResolvedValue(answer);
    store.set({ row: { view: 'vms', id: 7 }, time: 200 });
    show(<DetailsPanel />);
    await settle(90);
    await click('Open in SQL');
    expect(store.get().tab).toBe('sql');
    show(<SqlPanel />);
    await settle();
    expect((root.querySelector('textarea') as HTMLTextAreaElement).value).toBe('SELECT 1');
  });
  it('says that nothing is known, and shows an error of the server', async () => {
    const at = vi.spyOn(api, 'at').mockResolvedValue(null);
    store.set({ row: { view: 'vms', id: 7 }, time: 1 });
    show(<DetailsPanel />);
    await settle(90);
    expect(root.textContent).toContain('Nothing is known about this row');
    at.mockRejectedValue(new ApiError(404, 'No such row', 'row 7'));
    await act(() => store.set({ time: 2 }));
    await settle(90);
    expect(root.querySelector('[role=alert]')?.textContent).toBe('No such row: row 7');
  });
});

describe('events', () => {
  const events = Array.from(
    { length: 600 },
    (_, i): EventRow => ({
      ts_ns: String(begin + i * 1000),
      trace: 't',
      machine: 'vm1',
      cpu: 0,
      tid: i,
      name: 'sched_switch',
      fields: hostile,
    }),
  );
  it('draws only what is in sight', () => {
    expect(visibleRows(0, 220, 1000)).toEqual([0, 18]);
    expect(visibleRows(2200, 220, 1000)).toEqual([92, 118]);
    expect(visibleRows(1e9, 220, 10)).toEqual([10, 10]);
    expect(visibleRows(0, 0, 0)).toEqual([0, 0]);
  });
  it('finds the row of a time', () => {
    expect([-1, 0, 999, 1000, 1e12].map((time) => rowAt(events, time))).toEqual([-1, 0, 0, 1, 599]);
    expect(rowAt([], 5)).toBe(-1);
  });
  it('puts an answer that walked back in the order of time', () => {
    expect(ascending([...events].reverse())).toEqual(events);
    expect(ascending([])).toEqual([]);
  });
  it('skips no event of the time at the edge, and repeats none', () => {
    const at = (ts: number, name: string): EventRow => ({
      ...(events[0] as EventRow),
      ts_ns: String(ts),
      name,
    });
    const all = [at(1, 'a'), at(2, 'b'), at(2, 'c'), at(2, 'd'), at(3, 'e')];
    expect(fresh(all.slice(0, 3), all.slice(1), 1)).toEqual(all.slice(3));
    expect(fresh(all.slice(2), all.slice(0, 4), -1)).toEqual(all.slice(0, 2));
    expect(fresh(all, all.slice(4), 1)).toEqual([]);
    expect(fresh([], all, 1)).toEqual(all);
  });
  it('asks only for what is filled in', () => {
    expect(queryOf({ names: ' , ', contains: '  ', machine: '' }, '5', 1, 9)).toEqual({
      from_ns: '5',
      limit: 9,
      direction: 1,
    });
    expect(queryOf({ names: 'a b', contains: ' x ', machine: 'vm1' }, '5', -1, 9)).toEqual({
      from_ns: '5',
      limit: 9,
      direction: -1,
      names: ['a', 'b'],
      contains: 'x',
      machine: 'vm1',
    });
  });
  it('follows the cursor and moves it', async () => {
    const call = vi.spyOn(api, 'events').mockImplementation(async (query) => ({
      rows: query.direction === -1 ? [] : events,
      more: false,
    }));
    store.set({ time: 2500 });
    show(<EventsPanel />);
    await settle(200);
    expect(root.querySelector('[aria-selected="true"]')?.textContent).toContain('0.000 002 000');
    expect(root.querySelectorAll('[role=row]').length).toBeLessThan(60);
    expect(root.querySelector('img')).toBeNull();
    await act(() => (root.querySelectorAll('[role=row]')[5] as HTMLElement).click());
    expect(store.get().time).toBe(5000);
    expect(call).toHaveBeenCalledTimes(2);
    call.mockResolvedValue({ rows: [], more: false });
    await click('Next');
    expect(store.get().notice?.text).toBe('No match after the cursor.');
  });
  it('shows an error of the server', async () => {
    vi.spyOn(api, 'events').mockRejectedValue(new ApiError(0, 'The server does not answer', ''));
    show(<EventsPanel />);
    await settle(200);
    expect(root.querySelector('[role=alert]')?.textContent).toContain('does not answer');
  });
});

describe('SQL console', () => {
  it('jumps to the time and the task of a row', async () => {
    vi.spyOn(api, 'sql').mockResolvedValue({
      columns: ['ts', 'dur', 'machine', 'tid', 'x'],
      rows: [[String(begin + 5000), '1000', 'vm1', 156, hostile]],
      truncated: true,
      elapsed_ms: 3,
    });
    show(<SqlPanel />);
    await click('Run');
    expect(root.textContent).toContain('1 rows (cut: more exist) in 3 ms');
    expect(root.querySelector('img')).toBeNull();
    await click(String(begin + 5000));
    expect(store.get().range).toEqual({ from: 5000, to: 6000 });
    await click(/^156$/);
    expect(store.get().row).toEqual({ view: 'vms', id: 7 });
  });
  it('points at a mistake', async () => {
    vi.spyOn(api, 'sql').mockRejectedValue(new ApiError(400, 'no such column', 'x', 9));
    show(<SqlPanel />);
    await type('textarea', 'SELECT\n x');
    await click('Run');
    expect(root.querySelector('[role=alert]')?.textContent).toContain('(line 2, column 3)');
  });
  it('cancels', async () => {
    vi.spyOn(api, 'sql').mockImplementation(
      (_sql, _limit, signal) =>
        new Promise((_, fail) =>
          signal?.addEventListener('abort', () => fail(new Error('aborted'))),
        ),
    );
    show(<SqlPanel />);
    await type('textarea', 'SELECT 1');
    await click('Run');
    await click('Cancel');
    expect(root.querySelector('[role=alert]')?.textContent).toBe('Cancelled.');
    expect(button('Run')).toBeTruthy();
  });
  it('does not ask for nothing', async () => {
    const call = vi.spyOn(api, 'sql');
    show(<SqlPanel />);
    await type('textarea', ' \n ');
    await click('Run');
    expect(call).not.toHaveBeenCalled();
  });
});

describe('why', () => {
  it('shows the capture: headline, parts, culprits that jump', async () => {
    show(<WhyResult answer={why} />);
    expect(headlineOf(why)).toContain('burst1 (156) took 102 ms instead of 93.6 ms');
    expect(root.textContent).toContain('vm1/1 filler (156)');
    expect(flowParts(why).reduce((total, part) => total + part.value, 0)).toBe(296120795);
    await click(/^14\.1 ms$/);
    expect(store.get().range?.from).toBe(60453597012 - begin);
  });
  it.each(['', 'vm1', 'vm1/'])('asks nothing for %j', async (value) => {
    const call = vi.spyOn(api, 'why');
    show(<WhyPanel />);
    await type('input', value);
    await submit();
    expect(call).not.toHaveBeenCalled();
    expect(root.querySelector('[role=alert]')?.textContent).toContain('MACHINE/TID');
  });
  it('asks over the selected span, shows what the server says against it', async () => {
    const call = vi.spyOn(api, 'why').mockRejectedValue(new ApiError(400, 'No such task', 'vm1/9'));
    store.set({ range: { from: 10, to: 20 } });
    show(<WhyPanel />);
    await type('input', 'vm1/9');
    await submit();
    expect(call.mock.calls[0]?.[0]).toEqual({
      task: 'vm1/9',
      from_ns: String(begin + 10),
      to_ns: String(begin + 20),
    });
    expect(root.querySelector('[role=alert]')?.textContent).toBe('No such task: vm1/9');
  });
  it('stands an answer without anything', () => {
    show(<WhyResult answer={{ headline: '', text: '', sections: {}, path: [], flow: [] }} />);
    expect(root.textContent).toContain('Nothing stands out.');
  });
});

describe('compare, bookmarks, help', () => {
  it('tells differences, and none where a side is not known', () => {
    const row = (a: number | null, b: number | null, unit = 'ns') => ({
      group: 'state' as const,
      name: 'x',
      a,
      b,
      unit,
    });
    expect(difference(row(1e6, 3e6))).toBe('+2.00 ms (+200 %)');
    expect(difference(row(4, 1, ''))).toBe('−3 (−75 %)');
    expect(difference(row(0, 5, ''))).toBe('+5');
    expect(difference(row(2, 2))).toBe('=');
    expect(difference(row(null, 2))).toBe('');
    show(<CompareResult rows={[]} />);
    expect(root.textContent).toContain('Nothing happened');
  });
  it('compares two machines; a wrong span is not asked', async () => {
    const call = vi
      .spyOn(api, 'compare')
      .mockResolvedValue([{ group: 'steal', name: 'stolen', a: 1e9, b: 2e9, unit: 'ns' }]);
    show(<ComparePanel />);
    await submit();
    expect(call.mock.calls[0]?.map((side) => (side as { machine: string }).machine)).toEqual([
      'vm1',
      'vm2',
    ]);
    expect(root.textContent).toContain('+1.00 s (+100 %)');
    await type('fieldset:nth-of-type(2) input', 'later');
    await submit();
    expect(call).toHaveBeenCalledTimes(1);
    expect(root.querySelector('[role=alert]')?.textContent).toContain('B: the span');
  });
  it('adds, opens and deletes bookmarks', async () => {
    const one = {
      id: 3,
      name: hostile,
      from_ns: String(begin + 5),
      to_ns: String(begin + 9),
      colour: 'red;background:url(//x)',
      note: 'n',
    };
    vi.spyOn(api, 'bookmarks').mockResolvedValue([one]);
    const add = vi.spyOn(api, 'addBookmark').mockResolvedValue(one);
    const remove = vi.spyOn(api, 'deleteBookmark').mockResolvedValue();
    store.set({ range: { from: 1, to: 2 } });
    show(<BookmarksPanel />);
    await settle();
    expect(root.querySelector('img')).toBeNull();
    await submit();
    expect(add.mock.calls[0]?.[0]).toMatchObject({
      from_ns: String(begin + 1),
      to_ns: String(begin + 2),
    });
    await click(hostile);
    expect(store.get().range).toEqual({ from: 5, to: 9 });
    await click('Delete');
    expect(remove).toHaveBeenCalledWith(3);
  });
  it.each(['', 'red', '#12', '#1234567', 'url(x)', '#12345g'])('%j reaches no style', (value) =>
    expect(safeColour(value)).toBe('#888888'),
  );
  it('counts the states of the recording beside their colours', async () => {
    vi.spyOn(api, 'totals').mockResolvedValue({
      columns: ['machine', 'condition', 'count', 'total_ns'],
      rows: [
        ['host', 'guest', '1000', '1500000'],
        ['host#2', 'guest', 200, '500000'],
      ],
    });
    store.set({
      views: [{ id: 'fused', name: 'Physical CPUs', description: '', layers: [], missing: null }],
    });
    show(<HelpPanel />);
    await settle();
    expect(root.textContent).toContain('1,200');
    expect(root.textContent).toContain('2.00 ms');
    expect(root.textContent).toContain('Follow the culprit');
    expect(countsOf({ rows: [] })).toEqual({});
    const words = legends.flatMap((one) => one.words.map(([name]) => name));
    // Every state has a look of its own, not that of what the page does not know.
    for (const name of words.filter((one) => one !== 'unknown'))
      expect(isKnownState(name), name).toBe(true);
  });
});
