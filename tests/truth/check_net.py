"""Every packet of every device, host and guests, from the raw net_dev_xmit and netif_receive_skb records; on the host
of a single VM also that its tap is told from the other devices."""

import collections

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


def run(check):
    for machine, trace in check.capture.traces.items():
        name = check.host_name if machine == "host" else check.machine_of(machine)
        _compare(check, machine, trace, name)
