"""Every request of the block layer, host and guests: place, size, operation, submitter, time in the queue and in
service, from the raw insert, issue and complete records; on the host also the VM whose thread submitted it."""

import collections

import rawtrace

NAME = "block"
_BEGINS = ("block_rq_insert", "block_rq_issue")

Request = collections.namedtuple("Request", "device sector bytes op tid begin issue end")


def applies(capture):
    counts = capture.counts
    return any("block_rq_complete" in counts[machine]["events"] for machine in capture.traces)


def operation(args):
    """The contract's word for `rwbs`: ftrace's letters, or LTTng's bits (1 write, 2 discard, 4 read)."""
    bits = rawtrace.number(args, "rwbs")
    if bits is None:
        letters = rawtrace.text(args, "rwbs") or ""
        letters = letters.split()[0] if letters.split() else ""
        word = letters[1:2] if letters.startswith("F") else letters[:1]
        return {"R": "read", "W": "write", "D": "discard", "F": "flush"}.get(word, "other")
    for bit, word in ((2, "discard"), (1, "write"), (4, "read")):
        if bits & bit:
            return word
    return "other"


def requests(trace):
    """Requests in the order of their completion; those that began before the trace or did not end in it are left out.

    Good for captures without merges, requeues and partial completions, which a caller must make sure of.
    """
    queued, issued, done = {}, {}, []
    for event in rawtrace.select(trace, *_BEGINS, "block_rq_complete"):
        key = (rawtrace.number(event.args, "dev"), rawtrace.number(event.args, "sector"),
               rawtrace.number(event.args, "nr_sector"))
        if event.name == "block_rq_insert":
            queued.setdefault(key, []).append(event)
        elif event.name == "block_rq_issue":
            before = queued[key].pop(0) if queued.get(key) else event
            issued.setdefault(key, []).append((before, event))
        elif issued.get(key):
            begin, issue = issued[key].pop(0)
            done.append(Request(key[0], key[1], rawtrace.number(issue.args, "bytes"), operation(issue.args),
                                begin.tid, begin.ts, issue.ts, event.ts))
    return done


def device_names(trace):
    """{device number: name} of LTTng's state dump."""
    return {rawtrace.number(event.args, "dev"): rawtrace.text(event.args, "diskname")
            for event in rawtrace.select(trace, "lttng_statedump_block_device")}


def _vms_of_threads(check):
    """{host tid: VM's name in the answers} from what the laboratory wrote down about QEMU's threads."""
    out = {}
    known = {r["machine"] for r in check.query("SELECT machine FROM machine WHERE vmm_pid IS NOT NULL")}
    for vm in check.capture.truth.get("vms", []) + check.capture.truth.get("vms_at_end", []):
        name = check.machine_of(vm["vm"])
        for thread in vm["threads"] if name in known else []:
            out[thread["tid"]] = name
    return out


def _compare(check, machine, trace, name):
    wanted = requests(trace)
    names = device_names(trace)
    rows = check.query(
        "SELECT ts, dur, vm, device, sector, bytes, op, queue_ns, service_ns, tid FROM block_request"
        f" WHERE machine = '{name}' AND dur IS NOT NULL ORDER BY ts + dur, ts, device, sector"
    )
    check.same(f"{machine}: requests", len(rows), len(wanted))
    wanted.sort(key=lambda r: (r.end, r.begin))
    timeline = check.timeline
    # A guest's lengths are stretched to the host's clock, which may run a little differently.
    drift = 0 if machine == "host" else 5e-6
    vms = _vms_of_threads(check) if machine == "host" else {}
    seen = told = 0
    for index, (row, one) in enumerate(zip(rows, wanted)):
        place = f"{machine}, request {index}"
        known = names.get(one.device) or f"{one.device >> 20}:{one.device & 0xfffff}"
        found = (row["device"], row["sector"], row["bytes"], row["op"], row["tid"])
        ok = check.same(f"{place}: device, sector, bytes, op, tid", found,
                        (known, one.sector, one.bytes, one.op, one.tid))
        for column, raw in (("queue_ns", one.issue - one.begin), ("service_ns", one.end - one.issue),
                            ("dur", one.end - one.begin)):
            length = timeline.length(raw)
            slack = (1 if timeline.ticks or drift else 0) + drift * length
            ok &= check.near(f"{place}: {column}", row[column], length, slack)
        if machine == "host":
            ok &= check.near(f"{place}: ts", row["ts"], timeline.at(one.begin), 2 if timeline.ticks else 0)
            if one.tid in vms:
                seen += 1
                told += row["vm"] is not None
                ok &= check.holds(row["vm"] in (None, vms[one.tid]), f"{place}: vm {row['vm']}, not {vms[one.tid]}")
        else:
            ok &= check.same(f"{place}: vm", row["vm"], name)
        if not ok:
            break
    # Without thread groups (trace.dat) a VMM's helpers are only known once they have shown what they are.
    check.holds(told >= (0.9 if timeline.ticks else 1) * seen, f"{machine}: {told} of {seen} requests with their VM")
    check.note(f"{machine}: {len(wanted)} requests, {sum(r.bytes for r in wanted)} bytes")


def run(check):
    capture = check.capture
    for machine, trace in capture.traces.items():
        complex_ones = rawtrace.select(trace, "block_rq_requeue", "block_rq_merge", "block_bio_backmerge",
                                       "block_bio_frontmerge")
        if complex_ones:
            check.note(f"{machine}: merges or requeues, which these sums do not know")
            continue
        name = check.host_name if machine == "host" else check.machine_of(machine)
        _compare(check, machine, trace, name)
