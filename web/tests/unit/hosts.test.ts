import { expect, test } from 'vitest';
import { darkScheme, machineColour } from '../../src/timeline/palette';
import { hostOf } from '../../src/timeline/hosts';

const of = (machine: string, kind: string, parent: string | null) => ({
  machine,
  kind,
  parent,
  vcpus: 1,
});
const machines = [
  of('a', 'host', null),
  of('b', 'host', null),
  of('vm1', 'vm', 'a'),
  of('vm1#2', 'vm', 'b'),
  of('inner', 'vm', 'vm1'),
];

test('each machine has the processors of its own host', () => {
  const hosts = new Set(['a', 'b']);
  expect(['a', 'b', 'vm1', 'vm1#2', 'inner'].map((name) => hostOf(name, machines, hosts))).toEqual([
    ...['a', 'b', 'a', 'b', 'a'],
  ]);
  // The processors of a VM that has VMs are shown, too: those of the inner one are the nearest.
  const both = new Set(['a', 'b', 'vm1']);
  expect(hostOf('inner', machines, both)).toBe('vm1');
  expect(hostOf('vm1', machines, both)).toBe('a');
  expect(hostOf('elsewhere', machines, hosts)).toBeNull();
});

test('hosts are grey, however many there are, and VMs have colours of their own', () => {
  const colour = (name: string) => machineColour(name, machines, darkScheme).join();
  expect(colour('b')).toBe(colour('a'));
  expect(new Set(['a', 'vm1', 'vm1#2', 'inner'].map(colour)).size).toBe(4);
});
