#!/usr/bin/env python3
"""The harness's own logic: medians, ratios, what passes, and what a table says; nothing is timed."""

import os
import sys
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(__file__))), "harness"))

import measure  # noqa: E402
import rows  # noqa: E402
import table  # noqa: E402


def finished(cpu_s, output="", status=0):
    run = measure.Run(cpu_s, cpu_s * 2, 50 << 20, 10 << 20, output, status)
    run.facts = {}
    return run


def job(name, *costs, output=""):
    out = rows.Job(name, ["true"])
    out.runs = [finished(cost, output) for cost in costs]
    return out


def result(ours, floor=None, peers=(), **demands):
    parts = [rows.Part("ours", "virtscope", job("ours", *ours), rows.cpu_s)]
    parts += [rows.Part("peer", name, job(name, *costs), rows.cpu_s) for name, costs in peers]
    if floor:
        parts.append(rows.Part("floor", "floor", job("floor", *floor), rows.cpu_s))
    row = rows.Row("key", "work", "input", "s", parts, **demands)
    return rows.Result(row, [(part.role, part.name, part.summary()) for part in parts])


class Verdicts(unittest.TestCase):
    def test_median_of_the_runs_counts(self):
        self.assertEqual(result([1, 9, 2, 3, 8]).ours.value, 3)

    def test_floor_ratio(self):
        self.assertEqual(result([4], floor=[2], limit=2.0).verdict, "pass")
        self.assertEqual(result([4.1], floor=[2], limit=2.0).verdict, "miss")

    def test_every_peer_that_is_named_counts(self):
        peers = [("a", [10]), ("b", [30])]
        self.assertEqual(result([1], peers=peers, ahead={"a": 10, "b": 30}).verdict, "pass")
        self.assertEqual(result([1], peers=peers, ahead={"a": 10, "b": 31}).verdict, "miss")

    def test_a_peer_that_is_not_installed_is_not_judged(self):
        self.assertEqual(result([1], floor=[1], limit=2, ahead={"c": 100}).verdict, "pass")

    def test_ratios_judge_before_seconds(self):
        self.assertEqual(result([9], floor=[8], limit=2, target=1).verdict, "pass")
        self.assertEqual(result([9], target=1).verdict, "miss")
        self.assertEqual(result([0.5], target=1).verdict, "pass")
        self.assertEqual(result([0.5], target=1, least=0.9).verdict, "miss")
        self.assertEqual(result([1]).verdict, "-")

    def test_instructions_count_where_they_are_counted(self):
        one = result([1], floor=[1], limit=2, instructions_target=300)
        self.assertEqual(one.verdict, "pass")
        one.instructions = 301
        self.assertEqual(one.verdict, "miss")

    def test_a_program_that_is_not_there(self):
        gone = rows.Job("gone", None)
        row = rows.Row("key", "work", "input", "s", [rows.Part("ours", "virtscope", gone, rows.cpu_s)], target=1)
        out = rows.measure_rows([row], 2, lambda text: None)[0]
        self.assertEqual(out.verdict, "-")
        self.assertIn("not built", table.text([out]))

    def test_a_program_that_fails(self):
        bad = rows.Job("bad", [sys.executable, "-c", "import sys; print('no such trace'); sys.exit(3)"])
        row = rows.Row("key", "work", "input", "s", [rows.Part("ours", "virtscope", bad, rows.cpu_s)], target=1)
        out = rows.measure_rows([row], 3, lambda text: None)[0]
        self.assertEqual(len(bad.runs), 0)
        self.assertIn("exit 3: no such trace", table.text([out]))

    def test_jobs_run_in_turn(self):
        order = []
        jobs = [rows.Job(name, ["true"], before=lambda n=name: order.append(n)) for name in "ab"]
        jobs[1].max_runs = 2
        made = [rows.Row(j.name, "work", "input", "s", [rows.Part("ours", "x", j, rows.cpu_s)]) for j in jobs]
        rows.measure_rows(made, 3, lambda text: None)
        self.assertEqual("".join(order), "ababa")


class Reading(unittest.TestCase):
    def test_programs_lines(self):
        run = finished(1, "merge: open 1.10 ms | 20 events 3 switches sum 1f | 26.54 ns/event\n"
                          "  single query                       first     81.20 us  median      0.48  p95      0.60\n"
                          "  single query, again                first      0.70 us  median      0.47  p95      0.61\n"
                          "build 90.0 ns/interval, commit 1.0 ms (together 106.2), 4.41 B/interval\n")
        self.assertEqual(rows.printed_ns(run), 26.54)
        self.assertEqual(rows.after_label("single query")(run), 0.48)
        self.assertEqual(rows.after_label("single query", "first")(run), 81.2)
        self.assertEqual(rows.after_label("single query, again")(run), 0.47)
        self.assertEqual(rows.matched(r"together ([\d.]+)")(run), 106.2)
        self.assertIsNone(rows.after_label("timeline")(run))

    def test_a_process_is_measured(self):
        run = measure.run([sys.executable, "-c", "x = bytearray(30 << 20); print(sum(range(300000)) and len(x))"])
        self.assertEqual((run.status, run.output), (0, f"{30 << 20}\n"))
        self.assertGreater(run.cpu_s, 0)
        self.assertGreaterEqual(run.peak_bytes, 30 << 20)

    def test_numbers(self):
        self.assertEqual([table.number(v) for v in (None, float("nan"), 0, 1234.5, 26.54, 0.4812, 0.0031)],
                         ["-", "-", "0", "1,234", "26.5", "0.48", "0.0031"])

    def test_json_and_markdown_say_the_same(self):
        one = result([1], floor=[2], peers=[("a", [10])], limit=2, target=3, ahead={"a": 6})
        text = table.as_json([one], {"machine": "m"})
        self.assertIn('"result": "pass"', text)
        self.assertIn("| work |", table.markdown([one]))
        self.assertIn("10.0 (6)", table.markdown([one]))
        self.assertEqual(table.summary([one]), "1 of 1 rows that can be judged here pass")


if __name__ == "__main__":
    unittest.main()
