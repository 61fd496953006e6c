// Whose processors a machine runs on.

import type { MachineInfo } from '../api';

/** The machine whose processors are shown for a machine: itself, else the nearest one above it. */
export function hostOf(
  machine: string,
  machines: readonly MachineInfo[],
  hosts: ReadonlySet<string>,
): string | null {
  // VMs do not run on themselves, though one that has VMs has processors of its own.
  const parentOf = (name: string): string | null =>
    machines.find((one) => one.machine === name)?.parent ?? null;
  let at: string | null = parentOf(machine) ?? machine;
  for (let steps = 0; at !== null && steps < machines.length; ++steps) {
    if (hosts.has(at)) return at;
    at = parentOf(at);
  }
  return null;
}
