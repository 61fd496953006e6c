"""The table: as text for a terminal, as Markdown for the documents, as JSON for programs."""

import json
import math

_HEAD = ("work", "input", "measured", "target", "floor", "x floor (max)", "best peer", "x ahead (min)", "instr/ev",
         "anon", "result")


def number(value):
    if value is None or math.isnan(value):
        return "-"
    if value == 0:
        return "0"
    if abs(value) >= 100:
        return f"{value:,.0f}"
    if abs(value) >= 10:
        return f"{value:.1f}"
    return f"{value:.2f}" if abs(value) >= 0.1 else f"{value:.3g}"


def _peer(result):
    """The peer that the row demands most of, else the best one; (name, figure, ratio, demand)."""
    named = [(name, least, result.peer_ratio(name)) for name, least in result.row.ahead.items()]
    named = [entry for entry in named if entry[2] is not None]
    if named:
        name, least, ratio = min(named, key=lambda entry: entry[2] / entry[1])
    elif result.best_peer and result.ours:
        name, least = result.best_peer[0], None
        ratio = result.peer_ratio(name)
    elif result.best_peer:
        return f"{result.best_peer[0]} {number(result.best_peer[1].value)}", "-"
    else:
        return "-", "-"
    value = dict(result.of("peer"))[name].value
    return f"{name} {number(value)}", f"{number(ratio)}" + (f" ({least:g})" if least else "")


def cells(result):
    row, ours = result.row, result.ours
    errors = [summary.error for role, _, summary in result.summaries if role == "ours" and summary.error]
    peer, ahead = _peer(result)
    if peer == "-" and row.published:
        peer = f"[{row.published}]"
    ratio = result.floor_ratio
    limit = f" ({row.limit:.3g})" if row.limit else ""
    target = "-" if row.target is None else ("<= " if row.target else "") + number(row.target)
    if result.on_target is not None:
        target += " ok" if result.on_target else " no"
    instructions = number(result.instructions) if result.instructions is not None else "-"
    if row.instructions_target and result.instructions is not None:
        instructions += f" ({row.instructions_target:g})"
    return (row.title, row.data, f"{number(ours.value)} {row.unit}" if ours else (errors or ["-"])[0], target,
            number(result.floor[1].value) if result.floor else "-",
            f"{number(ratio)}{limit}" if ratio is not None else "-", peer, ahead, instructions,
            f"{ours.anonymous_bytes / 2**20:.0f} MiB" if ours and ours.anonymous_bytes else "-",
            result.verdict)


def text(results):
    lines = [_HEAD] + [cells(result) for result in results]
    widths = [max(len(line[i]) for line in lines) for i in range(len(_HEAD))]
    out = ["  ".join(cell.ljust(width) for cell, width in zip(line, widths)).rstrip() for line in lines]
    return "\n".join([out[0], "-" * len(out[0])] + out[1:])


def markdown(results):
    def line(values):
        return "| " + " | ".join(value.replace("|", "/") for value in values) + " |"

    return "\n".join([line(_HEAD), "|" + "---|" * len(_HEAD)] + [line(cells(result)) for result in results])


def summary(results):
    counts = {}
    for result in results:
        counts[result.verdict] = counts.get(result.verdict, 0) + 1
    judged = counts.get("pass", 0) + counts.get("miss", 0)
    missing = sum(1 for result in results if result.ours is None)
    out = f"{counts.get('pass', 0)} of {judged} rows that can be judged here pass"
    return out + (f"; {missing} rows could not be measured" if missing else "")


def as_json(results, about):
    def one(name, role, s):
        return {"name": name, "role": role, "error": s.error} if s.error else {
            "name": name, "role": role, "value": s.value, "runs": s.runs, "spread": round(s.spread, 4),
            "cpu_s": s.cpu_s, "wall_s": s.wall_s, "peak_bytes": s.peak_bytes, "anonymous_bytes": s.anonymous_bytes}

    rows = []
    for result in results:
        row = result.row
        rows.append({
            "key": row.key, "work": row.title, "input": row.data, "unit": row.unit, "target": row.target,
            "limit": row.limit, "ahead": row.ahead, "published": row.published, "note": row.note,
            "figures": [one(name, role, s) for role, name, s in result.summaries],
            "floor_ratio": result.floor_ratio,
            "peer_ratios": {name: result.peer_ratio(name) for name, _ in result.of("peer")},
            "instructions_per_event": result.instructions, "instructions_target": row.instructions_target,
            "on_target": result.on_target,
            "checks": [{"what": what, "holds": holds} for what, holds in result.checks()],
            "result": result.verdict,
        })
    return json.dumps({**about, "rows": rows}, indent=1) + "\n"
