// Who asked the disks for how much, and how long it took: a device that several machines share is
// where one waits for the other.

import { useEffect, useState } from 'preact/hooks';
import { api, type Section } from '../api';
import { guarded } from '../jump';
import { actions, useStore } from '../store';
import { send } from './bus';
import { amount, duration, entries, type Entry, errorText, num, text } from './data';
import { openEvidence, quote, requestOf } from './evidence';
import { missingText } from '../timeline/lanes';
import { Card, Command, Problem, Ranked } from './parts';

/** 1,536 kB as "1.54 MB". */
export function bytesText(bytes: number): string {
  for (const [size, unit] of [
    [1e9, 'GB'],
    [1e6, 'MB'],
    [1e3, 'kB'],
  ] as const) {
    if (bytes >= size) return `${(bytes / size).toPrecision(3)} ${unit}`;
  }
  return `${bytes} B`;
}

/** Users of disks with the mean time of a request; those that waited longest first. */
function usersOf(answer: Section): Entry[] {
  return entries(answer)
    .map((one) => ({
      ...one,
      mean_ns: amount(one['total_ns']) / Math.max(1, amount(one['count'])),
    }))
    .sort((a: Entry, b: Entry) => amount(b['total_ns']) - amount(a['total_ns']));
}

interface Device {
  machine: string;
  device: string;
  users: Entry[];
}

/** Devices with who used them; those that several share first. */
export function devicesOf(rows: Entry[]): Device[] {
  const out = new Map<string, Device>();
  for (const row of rows) {
    const [machine, device] = [text(row['machine']), text(row['device'])];
    const known = out.get(`${machine} ${device}`);
    if (known) known.users.push(row);
    else out.set(`${machine} ${device}`, { machine, device, users: [row] });
  }
  return [...out.values()].sort((a, b) => b.users.length - a.users.length);
}

/** Asks Why about the task of a machine that waited longest for disks. */
function askWaiter(machine: string): Promise<void> {
  return guarded(async () => {
    const answer = await api.sql(
      `SELECT tid FROM thread_state WHERE machine = ${quote(machine)} AND state = 'blocked' ` +
        "AND detail = 'disk' GROUP BY tid ORDER BY SUM(dur) DESC LIMIT 1",
      1,
    );
    const tid = num(answer.rows[0]?.[0]);
    if (tid === null) return actions.notify(`No task of ${machine} is known to wait for a disk.`);
    send('why', `${machine}/${tid}`);
    actions.openTab('why');
  });
}

function DeviceLines({ machine, device, users }: Device) {
  const total = users.reduce((sum, one) => sum + amount(one['total_ns']), 0);
  const shared = users.length > 1 ? `, shared by ${users.length}` : '';
  const waiters = users.length > 1 ? users.map((one) => text(one['vm'])).filter(Boolean) : [];
  return (
    <>
      <Ranked
        title={`${device} of ${machine}${shared}`}
        rows={users.map((one) => {
          const vm = text(one['vm']);
          const whose = vm && vm !== machine ? vm : `${machine} itself`;
          const count = amount(one['count']).toLocaleString('en');
          return {
            label: `${whose}: ${count} × ${duration(one['mean_ns'])}`,
            share: total > 0 ? amount(one['total_ns']) / total : 0,
            value: bytesText(amount(one['bytes'])),
            tone: users.length > 1 ? 'stolen' : 'waiting',
            open: () => void openEvidence(requestOf(machine, device, vm)),
          };
        })}
      />
      {waiters.map((vm) => (
        <button key={vm} class="p-second" onClick={() => void askWaiter(vm)}>
          Why did {vm} wait for it?
        </button>
      ))}
    </>
  );
}

export function DiskCard() {
  const missing = useStore((state) => state.views.find((view) => view.id === 'disk')?.missing);
  const [rows, setRows] = useState<Entry[]>([]);
  const [problem, setProblem] = useState('');
  useEffect(() => {
    let live = true;
    api.disks().then(
      (answer) => live && setRows(usersOf(answer)),
      (error: unknown) => live && setProblem(errorText(error)),
    );
    return () => void (live = false);
  }, []);
  return (
    <Card title="Disk requests">
      {problem && <Problem>{problem}</Problem>}
      {rows.length === 0 && missing && (
        <>
          <p class="muted">{missingText(missing.message)}</p>
          <Command>{missing.command}</Command>
        </>
      )}
      {rows.length === 0 && !missing && !problem && <p class="muted">No request was seen.</p>}
      {devicesOf(rows)
        .slice(0, 6)
        .map((one) => (
          <DeviceLines key={`${one.machine} ${one.device}`} {...one} />
        ))}
    </Card>
  );
}
