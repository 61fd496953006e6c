// What the colours and patterns of each kind of lane mean, and where their figures come from.

/** A state, what it says, and its look where that has another name. */
export type Word = readonly [name: string, says: string, look?: string];

/** `own`: the column is the one that the table's totals are about. */
export interface Figures {
  table: string;
  column: string;
  time: string;
  own: boolean;
}

export interface Legend {
  name: string;
  /** The view that draws it. */
  view: string;
  /** How often and how long: from this table, by this column; null where no table has it. */
  figures: Figures | null;
  words: readonly Word[];
}

const unknown: Word = ['unknown', 'not recorded'];

export const legends: readonly Legend[] = [
  {
    name: 'Processors',
    view: 'fused',
    figures: { table: 'fused_cpu', column: 'condition', time: 'SUM(dur)', own: true },
    words: [
      ['guest', 'guest code runs; the colour is the machine'],
      ['hypervisor', 'a vCPU in root mode, striped'],
      ['host', 'a task of the host, level lines'],
      unknown,
    ],
  },
  {
    name: 'vCPUs',
    view: 'vms',
    figures: { table: 'vcpu_state', column: 'state', time: 'SUM(dur)', own: true },
    words: [
      ['guest', 'guest code runs'],
      ['hypervisor', 'in KVM'],
      ['userspace', 'in the VMM'],
      ['emulated', 'an instruction is emulated'],
      ['host_irq', 'interrupt of the host'],
      ['polling', 'polls before it halts'],
      ['preempted', 'robbed: wants to run, is off its pCPU'],
      ['waking', 'woken, waits for a pCPU'],
      ['halted', 'the guest is idle'],
      ['blocked', 'waits for the VMM or a device', 'vcpu_blocked'],
      ['stopped', 'stopped by its VMM'],
      unknown,
    ],
  },
  {
    name: 'What threads believe',
    view: 'vms',
    figures: { table: 'thread_state', column: 'state', time: 'SUM(dur)', own: true },
    words: [
      ['user', 'runs its own code'],
      ['syscall', 'runs in a system call'],
      ['irq', 'interrupted'],
      ['runnable', 'waits for a CPU'],
      ['preempted', 'was put off its CPU and waits'],
      ['blocked', 'sleeps or waits'],
      ['fork', 'just made'],
      unknown,
    ],
  },
  {
    name: 'What threads get',
    view: 'control',
    figures: { table: 'thread_state', column: 'effective', time: 'SUM(dur)', own: false },
    words: [
      ['running', 'runs'],
      ['hypervisor', 'its vCPU is in the hypervisor'],
      ['deprived', 'believes it runs; its vCPU does not'],
      ['waiting', 'waits'],
    ],
  },
  {
    name: 'Guest processes',
    view: 'vprocess',
    figures: { table: 'vprocess_state', column: 'state', time: 'SUM(dur)', own: true },
    words: [
      ['nonroot', 'guest code'],
      ['root', 'hypervisor'],
      ['preempted_host', 'robbed by the host'],
      ['preempted_vm', 'robbed by another VM'],
      ['preempted_guest', 'another process of its guest runs'],
      ['disk', 'waits for a disk'],
      ['network', 'waits for the network'],
      ['timer', 'sleeps'],
      ['task', 'waits for another process'],
      ['device', 'waits for another device'],
      unknown,
    ],
  },
  {
    name: 'Disks',
    view: 'disk',
    figures: { table: 'block_request', column: 'op', time: 'SUM(dur)', own: true },
    words: [
      ['read', 'a request that reads'],
      ['write', 'a request that writes'],
      ['discard', 'gives blocks back'],
      ['flush', 'empties the cache'],
      ['other', 'anything else'],
    ],
  },
  {
    name: 'Network',
    view: 'net',
    figures: { table: 'net_packet', column: 'direction', time: 'NULL', own: false },
    words: [
      ['rx', 'a packet comes in'],
      ['tx', 'a packet goes out'],
    ],
  },
  {
    name: 'Critical path',
    view: 'vms',
    figures: null,
    words: [
      ['run', 'runs'],
      ['preempted', 'another task had the CPU'],
      ['host_preempted', 'its vCPU was off its pCPU'],
      ['hypervisor', 'in the hypervisor'],
      ['transit', 'on its way between CPUs'],
      ['wait_task', 'waits for a task'],
      ['wait_timer', 'sleeps'],
      ['wait_disk', 'waits for a disk'],
      ['wait_network', 'waits for the network'],
      ['wait_ipi', 'waits for another CPU'],
      ['wait_irq', 'waits for a device'],
      ['wait_unknown', 'waits, for what is not known'],
    ],
  },
];
