"""disk-*: for how long other VMs' requests were at the disk that a reader waited for, as `why` says, against sums over
the raw records: the guest's own sleeps and requests, and the host's requests by the threads of each VMM."""

import bisect
import collections

import check_block
import check_twovms
import check_waits

NAME = "disk"
READERS = (("vm1", "reader"), ("vm2", "bulk"))

Own = collections.namedtuple("Own", "begin end came")


def applies(capture):
    return capture.scenario.startswith("disk")


def threads_of(capture, vm):
    return {thread["tid"] for one in capture.truth["vms"] + capture.truth["vms_at_end"] if one["vm"] == vm
            for thread in one["threads"]}


def clip(pieces, low, high):
    return [(max(begin, low), min(end, high)) for begin, end in pieces if begin < high and end > low]


def total(pieces):
    """The length of a union."""
    sum_, at = 0, None
    for begin, end in sorted(pieces):
        begin = begin if at is None else max(begin, at)
        if end > begin:
            sum_ += end - begin
            at = end
    return sum_


def own_slices(requests, window):
    """The window cut where an own request comes or goes: [(begin, end, when the latest of those there came)]."""
    cuts = sorted({point for one in requests for point in (one.begin, one.end)})
    out = []
    for low, high in zip(cuts, cuts[1:]):
        came = [one.begin for one in requests if one.begin <= low and one.end >= high]
        for begin, end in clip([window], low, high) if came else []:
            out.append(Own(begin, end, max(came)))
    return out


def shared_in(slices, others):
    """([ahead], [ahead or beside]) of the others' requests in the slices."""
    ahead, both = [], []
    for own in slices:
        for one in others:
            first = one.begin < own.came
            pieces = clip([(one.begin if first else one.issue, one.end)], own.begin, own.end)
            both += pieces
            ahead += pieces if first else []
    return ahead, both


def expected(capture, vm, task):
    """{disk: [own ns, {other VM: ahead ns}, {other VM: ahead or beside ns}]} in the host's own time."""
    shift, _ = check_twovms.guest_to_host(capture, vm)
    tid = next(iter(capture.records(vm, task, "start")))["tid"]
    sleeps = [(begin + shift, end + shift) for begin, end, _ in check_waits.sleeps(capture.guests[vm]).get(tid, [])]
    mine = [(r.begin + shift, r.end + shift) for r in check_block.requests(capture.guests[vm]) if r.tid == tid]
    by_disk = collections.defaultdict(list)
    for request in check_block.requests(capture.host):
        by_disk[request.device].append(request)
    vm_of = {thread: name for name in capture.guests for thread in threads_of(capture, name)}
    out = collections.defaultdict(lambda: [0, collections.Counter(), collections.Counter(), collections.Counter()])
    waits = [piece for sleep in sleeps for piece in clip(mine, *sleep)]
    for disk, requests in by_disk.items():
        requests.sort(key=lambda r: r.begin)
        longest = max(r.end - r.begin for r in requests)
        begins = [r.begin for r in requests]
        for low, high in waits:
            near = requests[bisect.bisect_left(begins, low - longest): bisect.bisect_left(begins, high)]
            near = [r for r in near if r.end > low]
            slices = own_slices([r for r in near if vm_of.get(r.tid) == vm], (low, high))
            out[disk][0] += sum(one.end - one.begin for one in slices)
            for other in {vm_of.get(r.tid) for r in near} - {vm}:
                ahead, both = shared_in(slices, [r for r in near if vm_of.get(r.tid) == other])
                out[disk][1][other] += total(ahead)
                out[disk][2][other] += total(both)
                out[disk][3][other] += bool(both)
    return tid, len(waits), {disk: sums for disk, sums in out.items() if sums[0]}


def compare(check, vm, task):
    capture = check.capture
    tid, waits, wanted = expected(capture, vm, task)
    name = check.machine_of(vm)
    answer = check.program.json("why", check.traces, "--task", f"{name}/{tid}").rows
    error = check.query(f"SELECT MAX(error_ns) AS n FROM clock_sync WHERE machine = '{name}'")[0]["n"]
    doubt = check_twovms.guest_to_host(capture, vm)[1]
    # Both ends of every wait.
    slack = waits * 2 * (1000 + error + doubt)
    names = check_block.device_names(capture.host)
    rows = [row for row in answer if row["section"] == "disk" and row["machine"] == check.host_name]
    blamed = [row for row in answer if row["section"] == "disk_culprit" and row["disk_machine"] == check.host_name]
    check.holds(rows, f"{vm}/{task}: no disk of the host")
    for disk, (own, ahead, both, _) in wanted.items():
        label = names.get(disk) or f"{disk >> 20}:{disk & 0xfffff}"
        length = check.timeline.length
        found = {row["device"]: row for row in rows}.get(label, {"own_ns": 0})
        check.near(f"{vm}/{task}: own requests at {label}, ns", found["own_ns"], length(own), slack)
        for other in set(capture.guests) - {vm}:
            theirs = [row for row in blamed if row["device"] == label and row["machine"] == check.machine_of(other)]
            for word, sums in (("ahead_ns", ahead), ("total_ns", both)):
                check.near(f"{vm}/{task}: {other} at {label}, {word}", sum(row[word] for row in theirs),
                           length(sums[other]), slack)
            check.note(f"{vm}/{task} at {label}: own there {own * check.timeline.ns_per_tick / 1e6:.1f} ms, {other} in the way"
                       f" {length(both[other]) / 1e6:.1f} ms, ahead {length(ahead[other]) / 1e6:.1f} ms; said of"
                       f" {sorted({str(row['comm']) for row in theirs})}")
    return answer, blamed


def run(check):
    contended = check.capture.scenario == "disk-contended"
    for vm, task in READERS:
        if not check.capture.records(vm, task, "start"):
            continue
        answer, blamed = compare(check, vm, task)
        headline = next(row for row in answer if row["section"] == "task")["headline"]
        other, culprit = [one for one in READERS if one[0] != vm][0]
        said = f"{check.machine_of(other)}/{culprit}'s requests were in the way" if other in check.capture.guests else None
        check.same(f"{vm}/{task}: the headline blames {other}", said is not None and said in headline, contended)
        for row in blamed if contended else []:
            check.same(f"{vm}/{task}: task of {row['machine']}", row["comm"], culprit)
