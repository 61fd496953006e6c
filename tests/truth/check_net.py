"""Every packet of every device, host and guests, from the raw net_dev_xmit and netif_receive_skb records; on the host
of a single VM also that its tap is told from the other devices. Where the records carry TCP headers, also every wake-up
by a packet that another machine sent."""

import collections

import check_twovms
import expect
import rawtrace

NAME = "net"
_RECEIVED = ("netif_receive_skb", "net_if_receive_skb")


def applies(capture):
    return any("net_dev_xmit" in capture.counts[machine]["events"] for machine in capture.traces)


def packets(trace):
    """{(device, direction): [(ts, bytes)]}"""
    out = collections.defaultdict(list)
    for event in rawtrace.select(trace, "net_dev_xmit", *_RECEIVED):
        sent = event.name == "net_dev_xmit"
        if sent and rawtrace.number(event.args, "rc") != 0:
            continue
        key = (rawtrace.text(event.args, "name"), "tx" if sent else "rx")
        out[key].append((event.ts, rawtrace.number(event.args, "len")))
    return out


def _compare(check, machine, trace, name):
    wanted = packets(trace)
    rows = check.query(
        f"SELECT ts, vm, device, direction, bytes FROM net_packet WHERE machine = '{name}' ORDER BY ts"
    )
    found = collections.defaultdict(list)
    for row in rows:
        found[(row["device"], row["direction"])].append(row)
    check.same(f"{machine}: devices and directions", sorted(found), sorted(wanted))
    slack = 2 if check.timeline.ticks else 0
    single = len(check.capture.guests) == 1
    for key in sorted(set(found) & set(wanted)):
        place = f"{machine}, {key[0]} {key[1]}"
        check.same(f"{place}: packets", len(found[key]), len(wanted[key]))
        check.same(f"{place}: bytes in order", [r["bytes"] for r in found[key]], [b for _, b in wanted[key]])
        if machine != "host":
            check.same(f"{place}: vm", {r["vm"] for r in found[key]}, {name})
            continue
        times = zip(found[key], wanted[key])
        check.holds(all(abs(row["ts"] - check.timeline.at(ts)) <= slack for row, (ts, _) in times),
                    f"{place}: not the times of the records")
        if single:
            owner = check.machine_of(next(iter(check.capture.guests))) if key[0].startswith("tap") else None
            check.same(f"{place}: vm", {r["vm"] for r in found[key]}, {owner})
        check.note(f"{place}: {len(wanted[key])} packets, {sum(b for _, b in wanted[key])} bytes")


# -- wake-ups by packets
_WAKEUP_EVENTS = ("net_dev_queue", *_RECEIVED, "sched_waking", "sched_switch") + tuple(
    f"{name}_{edge}" for name in ("irq_softirq", "softirq", "irq_handler", "timer_hrtimer_expire", "hrtimer_expire")
    for edge in ("entry", "exit"))
_NET_RX = 3
_CLOCK_SLACK_NS = 2


def _header(event):
    """What tells a TCP segment, or None."""
    if rawtrace.number(event.args, "ack_seq") is None:
        return None
    transport = event.args[event.args.index("source_port"):]
    return tuple(rawtrace.number(transport, field) for field in ("source_port", "dest_port", "seq", "ack_seq", "flags"))


class _Cpu:
    """What a CPU is inside of, and the packet that it received there: ((machine, tid, ts of the sending), bytes)."""

    def __init__(self):
        self.inside = []
        self.packet = None

    def note(self, event):
        if event.name.endswith("_entry"):
            self.inside.append((event.name, rawtrace.number(event.args, "vec")))
            if "softirq" in event.name:
                self.packet = None
        elif event.name.endswith("_exit") and self.inside:
            if "softirq" in self.inside.pop()[0]:
                self.packet = None

    def in_net_rx(self):
        return bool(self.inside) and "softirq" in self.inside[-1][0] and self.inside[-1][1] == _NET_RX


def wakeups_by_packets(traces, shifts):
    """[(machine, woken tid, ts of the sending, ts of the wake-up, sender's machine, sender's tid, bytes)], times in the
    host's own time. `shifts`: what to add to each machine's own."""
    order = sorted(((event.ts + shifts[machine], machine, event) for machine, trace in traces.items()
                    for event in rawtrace.select(trace, *_WAKEUP_EVENTS)), key=lambda item: item[0])
    cpus = collections.defaultdict(_Cpu)
    sent = {}
    asleep = set()
    for ts, machine, event in order:
        cpu = cpus[machine, event.cpu]
        if event.name == "net_dev_queue" and _header(event):
            origin = (machine, event.tid, ts)
            if cpu.inside:
                origin = cpu.packet[0] if cpu.packet and cpu.in_net_rx() else None
            sent[_header(event)] = (machine, origin)
        elif event.name in _RECEIVED:
            by, origin = sent.get(_header(event), (machine, None))
            cpu.packet = (origin, rawtrace.number(event.args, "len")) if by != machine and origin else None
        elif event.name == "sched_switch":
            asleep.discard((machine, rawtrace.number(event.args, "next_tid", "next_pid")))
            if not expect.is_runnable(rawtrace.number(event.args, "prev_state")):
                asleep.add((machine, rawtrace.number(event.args, "prev_tid", "prev_pid")))
        elif event.name == "sched_waking":
            woken = (machine, rawtrace.number(event.args, "tid", "pid"))
            if woken in asleep and cpu.packet and cpu.in_net_rx() and cpu.packet[0][0] != machine:
                (by, tid, when), size = cpu.packet
                yield (*woken, when, ts, by, tid, size)
            asleep.discard(woken)
        cpu.note(event)


def _on_timeline(check, trace, name):
    """{own timestamp: the host timeline's}, by the program's own clock map, which check_sync judges: what the event table
    says of the very events that the sums use. (clock_sync tells the drift in whole ppb, which is too coarse for this.)"""
    names = ("net_dev_queue", "sched_waking")
    own = sorted(event.ts for event in rawtrace.select(trace, *names))
    quoted = ", ".join(f"'{one}'" for one in names)
    rows = check.query_csv(f"SELECT ts FROM event WHERE machine = '{name}' AND name IN ({quoted}) ORDER BY ts")
    check.same(f"{name}: events that send or wake", len(rows), len(own))
    return dict(zip(own, (int(ts) for (ts,) in rows)))


def _compare_wakeups(check):
    capture = check.capture
    names = {m: check.host_name if m == "host" else check.machine_of(m) for m in capture.traces}
    shifts = {m: 0 if m == "host" else check_twovms.guest_to_host(capture, m)[0] for m in capture.traces}
    maps = {m: _on_timeline(check, trace, names[m]) for m, trace in capture.traces.items() if m != "host"}

    def at(machine, ts):
        if machine == "host":
            return check.timeline.at(ts)
        return maps[machine].get(ts - shifts[machine], 0)

    wanted = sorted((names[m], tid, at(by, sent), at(m, woken), names[by], by_tid, size)
                    for m, tid, sent, woken, by, by_tid, size in wakeups_by_packets(capture.traces, shifts))
    rows = check.query("SELECT machine, tid, ts, ts + dur AS woken, from_machine, from_tid, bytes FROM net_wakeup")
    found = sorted(tuple(row.values()) for row in rows)
    if not check.same("wake-ups by packets", len(found), len(wanted)):
        return
    for row, independent in zip(found, wanted):
        exact = [index for index in range(7) if index not in (2, 3)]
        check.same("wake-up by a packet", [row[i] for i in exact], [independent[i] for i in exact])
        for index, what in ((2, "sent"), (3, "woken")):
            check.near(f"wake-up by a packet, {what}", row[index], independent[index], _CLOCK_SLACK_NS)
    check.note(f"{len(wanted)} wake-ups by packets of another machine")


def run(check):
    for machine, trace in check.capture.traces.items():
        name = check.host_name if machine == "host" else check.machine_of(machine)
        _compare(check, machine, trace, name)
    if any(_header(event) for trace in check.capture.traces.values()
           for event in rawtrace.select(trace, "net_dev_queue")):
        _compare_wakeups(check)
    else:
        check.same("wake-ups by packets without headers", check.query("SELECT count(*) AS n FROM net_wakeup"), [{"n": 0}])
