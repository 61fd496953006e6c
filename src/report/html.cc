#include "report/html.h"

#include <algorithm>

#include <fmt/format.h>

#include "base/escape.h"
#include "query/duration.h"
#include "report/html_evidence.h"
#include "report/html_picture.h"
#include "report/text.h"

namespace vs::report {
namespace {

using query::duration_text;

// The page is made with fewer rows again and again until it can be mailed.
constexpr std::size_t kMostBytes = 490'000;
constexpr std::size_t kMostLines = 48;
constexpr std::size_t kMostZooms = 3;
constexpr std::size_t kZoomRows = 8;
constexpr std::size_t kCellWidth = 90;
constexpr std::size_t kTextWidth = 900;
constexpr std::int64_t kBarWidth = 300;

constexpr Literal kHead =
    "<!DOCTYPE html>\n<html lang=\"en\"><head><meta charset=\"utf-8\"/>\n"
    "<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; "
    "style-src 'unsafe-inline'\"/>\n"
    "<meta name=\"viewport\" content=\"width=device-width\"/>\n<style>\n"
    ":root{color-scheme:light dark;--bg:#fff;--fg:#1b1f24;--dim:#57606a;--line:#c4cad0;"
    "--guest:#3f9bd1;--kernel:#f0a030;--idle:#e4e8ec;--bad:#d8443a;--ink:#000}\n"
    "@media(prefers-color-scheme:dark){:root{--bg:#14181d;--fg:#e6e9ec;--dim:#a5adb6;"
    "--line:#454d56;--guest:#56b4e9;--kernel:#e69f00;--idle:#2a3038;--bad:#ff8a80}}\n"
    "body{background:var(--bg);color:var(--fg);font:15px/1.5 sans-serif;max-width:1060px;"
    "margin:2em auto;padding:0 1em;overflow-wrap:anywhere}.dim{color:var(--dim)}"
    ".wide{overflow-x:auto}table{border-collapse:collapse}"
    "td,th{padding:.15em .8em .15em 0;text-align:left;border-bottom:1px solid var(--line);"
    "vertical-align:top;overflow-wrap:normal}.n{text-align:right;white-space:nowrap}"
    ".card{border:1px solid var(--line);border-left:6px solid var(--dim);"
    "border-radius:4px;padding:.1em 1em;margin:.6em 0;break-inside:avoid}"
    ".bad{border-left-color:var(--bad)}.warn{border-left-color:var(--kernel)}"
    "pre,code{white-space:pre-wrap}h3{font-size:1em;margin:1em 0 .2em}"
    ".pic{width:100%;min-width:700px;height:auto}.bar{width:300px;height:14px}"
    ".key{width:22px;height:14px;margin:0 .3em 0 1em;vertical-align:middle}"
    ".defs{position:absolute}svg text{font-size:12px;fill:var(--fg)}"
    ".full{stroke-width:18}.half{stroke-width:9}.thin{stroke-width:3;stroke:var(--bad)}"
    ".loss{stroke-width:5;stroke:var(--bad)}"
    "pattern path{stroke:var(--ink);stroke-opacity:.6;fill:none}pattern circle{fill:var(--ink);"
    "fill-opacity:.6}.guest{fill:var(--guest)}.kernel{fill:var(--kernel)}.stolen{fill:var(--bad)}"
    ".blocked{fill:#9aa2ab}.idle{fill:var(--idle)}.unknown{fill:var(--line)}"
    ".m0{fill:#3f9bd1}.m1{fill:#e69f00}.m2{fill:#26b38a}.m3{fill:#cc79a7}.m4{fill:#f0e442}"
    ".m5{fill:#a98bd8}.mx{fill:#9aa2ab}"
    "\n@media print{*{print-color-adjust:exact}}\n</style>\n";

double ratio(std::int64_t part, std::int64_t whole) {
  return whole <= 0 ? 0 : static_cast<double>(part) / static_cast<double>(whole);
}

std::string cell_text(std::string_view text) { return clip(terminal_text(text), kCellWidth); }

// How much of everything goes on the page.
struct Most {
  std::size_t lines = kMostLines;
  std::size_t rows = 24;
  std::size_t zooms = kMostZooms;
};

void write_left_out(std::size_t all, std::size_t most, HtmlWriter& html) {
  if (all <= most) return;
  html.markup("<p class=\"dim\">").text(count_text(all - most));
  html.markup(" more left out; <code>virtscope report --format json</code> has them.</p>\n");
}

void write_key(Paint paint, int vm, std::string_view name, HtmlWriter& html) {
  html.markup("<svg class=\"key\" viewBox=\"0 0 22 14\" aria-hidden=\"true\"><rect width=\"22\" ");
  html.markup("height=\"14\" ");
  write_paint(html, "fill", paint, vm);
  html.markup("/></svg>").text(name);
}

void write_state_keys(HtmlWriter& html) {
  html.markup("<p class=\"dim\">");
  write_key(Paint::kGuest, -1, "guest code", html);
  write_key(Paint::kKernel, -1, "KVM, VMM or interrupts for it", html);
  write_key(Paint::kStolen, -1, "stolen", html);
  write_key(Paint::kBlocked, -1, "blocked", html);
  write_key(Paint::kIdle, -1, "idle", html);
  write_key(Paint::kUnknown, -1, "unknown", html);
  html.markup("</p>\n");
}

void write_thieves(const ReportData& data, std::string_view machine, const Most& most,
                   HtmlWriter& html) {
  std::vector<const Thief*> list;
  for (const Thief& thief : data.thieves) {
    if (machine.empty() || thief.machine == machine) list.push_back(&thief);
  }
  std::stable_sort(list.begin(), list.end(),
                   [](const Thief* a, const Thief* b) { return a->total_ns > b->total_ns; });
  html.markup(
      "<div class=\"wide\"><table><tr><th>vCPU</th><th>who ran</th><th class=\"n\">times</th>"
      "<th class=\"n\">in all</th><th class=\"n\">longest</th></tr>\n");
  for (std::size_t i = 0; i < list.size() && i < most.lines; ++i) {
    const Thief& t = *list[i];
    std::string who = t.by_machine.empty() ? "nobody (pCPU idle or unknown)" : t.by_machine;
    if (t.by_vcpu) who += " vCPU " + std::to_string(*t.by_vcpu);
    if (!t.by_comm.empty()) who += ": " + t.by_comm;
    if (t.by_tid) who += " (tid " + std::to_string(*t.by_tid) + ")";
    html.markup("<tr>").cell(cell_text(t.machine + "/" + std::to_string(t.vcpu)));
    html.cell(cell_text(who)).figure(count_text(t.count)).figure(duration_text(t.total_ns));
    html.figure(duration_text(t.max_ns)).markup("</tr>\n");
  }
  html.markup("</table></div>\n");
  write_left_out(list.size(), most.lines, html);
}

// The part of the trace in which most was stolen from the machine.
Status write_zoom(const query::DataSource& source, const ReportData& data,
                  const std::string& machine, HtmlWriter& html) {
  const Window all{data.begin, data.end};
  VS_ASSIGN(const Picture whole, vcpu_picture(source, data, machine, all, kZoomRows));
  const auto worst = worst_interval(whole);
  if (!worst) return {};
  VS_ASSIGN(const Picture zoom, vcpu_picture(source, data, machine, *worst, kZoomRows));
  write_picture(zoom, source, data, "Where most was stolen", html);
  return {};
}

Status write_card(const query::DataSource& source, const ReportData& data, const Conclusion& line,
                  Most& most, HtmlWriter& html) {
  const bool bad = line.kind == Conclusion::Kind::kBad;
  const bool warn = line.kind == Conclusion::Kind::kWarn;
  html.markup("<div class=\"card ")
      .markup(bad    ? Literal("bad")
              : warn ? Literal("warn")
                     : Literal("note"));
  html.markup("\"><p><b>").text(name_of(line.kind)).markup("</b> ");
  html.text(clip(terminal_text(line.message), kTextWidth)).markup("</p>");
  if (!line.next.empty()) {
    html.markup("<p class=\"dim\">next: <code>").text(terminal_text(line.next));
    html.markup("</code></p>");
  }
  const bool stolen = line.rule == "stolen_time";
  const std::string sql = evidence_sql(data, line);
  if (!sql.empty()) {
    html.markup("<details><summary>Evidence</summary>");
    if (stolen) write_thieves(data, line.subject, {8, 8, 0}, html);
    html.markup("<p class=\"dim\">for <code>virtscope query</code>:</p><pre class=\"sql\">");
    html.text(sql).markup("</pre></details>");
  }
  if (stolen && most.zooms > 0) {
    --most.zooms;
    VS_TRY(write_zoom(source, data, line.subject, html));
  }
  html.markup("</div>\n");
  return {};
}

Status write_cards(const query::DataSource& source, const ReportData& data, Most most,
                   HtmlWriter& html) {
  html.markup("<h2>What follows from the figures</h2>\n");
  for (std::size_t i = 0; i < data.conclusions.size() && i < most.lines; ++i) {
    VS_TRY(write_card(source, data, data.conclusions[i], most, html));
  }
  write_left_out(data.conclusions.size(), most.lines, html);
  return {};
}

void write_bar(const VcpuShare& vcpu, HtmlWriter& html) {
  html.markup("<td><svg class=\"bar\" viewBox=\"0 0 300 14\" aria-hidden=\"true\">");
  const auto parts = bar_parts(vcpu, kBarWidth);
  std::int64_t x = 0;
  for (std::size_t i = 0; i < kPaints; ++i) {
    if (parts[i] > 0) {
      html.markup("<rect x=\"").number(x).markup("\" width=\"").number(parts[i]);
      html.markup("\" height=\"14\" ");
      write_paint(html, "fill", static_cast<Paint>(i), -1);
      html.markup("/>");
    }
    x += parts[i];
  }
  html.markup("</svg></td>");
}

void write_vcpus(const ReportData& data, const Most& most, HtmlWriter& html) {
  if (data.vcpus.empty()) return;
  html.markup("<h2>Where the time of each vCPU went</h2>\n");
  write_state_keys(html);
  html.markup(
      "<div class=\"wide\"><table><tr><th>vCPU</th><th>its life</th><th class=\"n\">guest %</th>"
      "<th class=\"n\">KVM, VMM %</th><th class=\"n\">stolen %</th><th class=\"n\">blocked %</th>"
      "<th class=\"n\">idle %</th></tr>\n");
  std::vector<const VcpuShare*> list;
  for (const VcpuShare& vcpu : data.vcpus) list.push_back(&vcpu);
  if (list.size() > most.lines) {
    std::stable_sort(list.begin(), list.end(), [](const VcpuShare* a, const VcpuShare* b) {
      return a->steal_ns() > b->steal_ns();
    });
  }
  for (std::size_t i = 0; i < list.size() && i < most.lines; ++i) {
    const VcpuShare& v = *list[i];
    html.markup("<tr>").cell(cell_text(v.machine + "/" + std::to_string(v.vcpu)));
    write_bar(v, html);
    for (const std::int64_t ns : {v.in(model::VcpuState::kGuest), v.overhead_ns(), v.steal_ns(),
                                  v.in(model::VcpuState::kBlocked), v.idle_ns()}) {
      html.figure(percent_text(ratio(ns, v.life_ns)));
    }
    html.markup("</tr>\n");
  }
  html.markup("</table></div>\n");
  write_left_out(list.size(), most.lines, html);
}

void write_exits(const ReportData& data, const Most& most, HtmlWriter& html) {
  if (data.exits.empty()) return;
  std::vector<const ExitStat*> list;
  for (const ExitStat& exit : data.exits) list.push_back(&exit);
  std::stable_sort(list.begin(), list.end(), [](const ExitStat* a, const ExitStat* b) {
    return a->busy_ns() > b->busy_ns();
  });
  html.markup(
      "<h2>Why guests were left, and what it cost</h2><div class=\"wide\"><table><tr><th>VM</th>"
      "<th>exit</th><th class=\"n\">times</th><th class=\"n\">time, idling not counted</th>"
      "<th class=\"n\">with idling</th></tr>\n");
  for (std::size_t i = 0; i < list.size() && i < most.lines; ++i) {
    html.markup("<tr>").cell(cell_text(list[i]->machine)).cell(cell_text(list[i]->reason));
    html.figure(count_text(list[i]->count())).figure(duration_text(list[i]->busy_ns()));
    html.figure(duration_text(list[i]->total_ns)).markup("</tr>\n");
  }
  html.markup("</table></div>\n");
  write_left_out(list.size(), most.lines, html);
}

using Lines = std::vector<std::vector<std::string>>;

void write_table(Literal title, std::initializer_list<Literal> heads, const Lines& lines,
                 const Most& most, HtmlWriter& html) {
  if (lines.empty()) return;
  html.markup("<h2>").markup(title).markup("</h2><div class=\"wide\"><table><tr>");
  for (const Literal head : heads) html.markup("<th>").markup(head).markup("</th>");
  html.markup("</tr>\n");
  for (std::size_t i = 0; i < lines.size() && i < most.lines; ++i) {
    html.markup("<tr>");
    for (const std::string& one : lines[i]) html.cell(clip(terminal_text(one), kTextWidth));
    html.markup("</tr>\n");
  }
  html.markup("</table></div>\n");
  write_left_out(lines.size(), most.lines, html);
}

void write_quality(const ReportData& data, const Most& most, HtmlWriter& html) {
  Lines lines;
  for (const ClockLine& c : data.clocks) {
    lines.push_back({c.machine, c.method, c.quality,
                     c.error_ns ? duration_text(*c.error_ns) : std::string("not known"),
                     c.outside_after ? share_text(*c.outside_after) : std::string("not known")});
  }
  write_table("How well the clocks agree",
              {"machine", "joined by", "quality", "error at most", "events outside guest time"},
              lines, most, html);
  lines.clear();
  for (const LossLine& l : data.losses) {
    lines.push_back(
        {l.machine, l.cpu ? std::to_string(*l.cpu) : std::string("-"), count_text(l.windows),
         duration_text(l.total_ns),
         l.events ? count_text(static_cast<std::uint64_t>(*l.events)) : std::string("not known")});
  }
  write_table("Lost events", {"machine", "CPU", "windows", "in all", "events"}, lines, most, html);
  lines.clear();
  for (const IssueLine& i : data.issues) {
    lines.push_back(
        {i.severity, i.code + (i.place.empty() ? "" : " " + i.place), i.message, i.advice});
  }
  write_table("What is wrong with the data", {"", "where", "what", "what to do"}, lines, most,
              html);
  lines.clear();
  for (std::size_t i = 0; i < data.missing.size(); ++i) {
    lines.push_back({std::string(data.missing[i].feature->title), data.missing_machines[i],
                     query::kind_list(data.missing[i].missing)});
  }
  write_table("What these events cannot answer", {"question", "machine", "events that are missing"},
              lines, most, html);
}

Status write_pictures(const query::DataSource& source, const ReportData& data, const Most& most,
                      HtmlWriter& html) {
  html.markup("<h2>The whole time</h2><p class=\"dim\">Red marks on top: lost events.</p>\n");
  VS_ASSIGN(const Picture pcpus, pcpu_picture(source, data, most.rows));
  if (!pcpus.rows.empty()) {
    html.markup("<p class=\"dim\">");
    const auto patterns = static_cast<std::size_t>(kMostVmPaints);
    for (std::size_t i = 0; i < data.vms.size() && i < patterns; ++i) {
      write_key(Paint::kGuest, static_cast<int>(i), clip(terminal_text(data.vms[i]), 24), html);
    }
    if (data.vms.size() > patterns) {
      write_key(Paint::kGuest, kMostVmPaints, count_text(data.vms.size() - patterns) + " other VMs",
                html);
    }
    html.markup(" (half height: KVM for that VM)");
    write_key(Paint::kBlocked, -1, "work of the host", html);
    write_key(Paint::kIdle, -1, "idle", html);
    write_key(Paint::kUnknown, -1, "unknown", html);
    html.markup("</p>\n");
    write_picture(pcpus, source, data, "Who was on each pCPU", html);
  }
  const Window all{data.begin, data.end};
  VS_ASSIGN(const Picture vcpus, vcpu_picture(source, data, {}, all, most.rows));
  if (vcpus.rows.empty()) return {};
  write_state_keys(html);
  write_picture(vcpus, source, data, "What each vCPU did; the height of red is the stolen share",
                html);
  return {};
}

Result<std::string> page(const query::DataSource& source, const ReportData& data,
                         const Most& most) {
  HtmlWriter html;
  const std::string name = clip(terminal_text(data.name), 200);
  html.markup(kHead).markup("<title>virtscope: ").text(name).markup("</title></head><body>");
  write_patterns(html);
  html.markup("<h1>").text(name).markup("</h1><p>");
  html.text(fmt::format("{} from {}: {}, {}, {} events", duration_text(data.duration_ns()),
                        time_text(data.begin, data.epoch),
                        plural(data.hosts.size(), "host", "hosts"),
                        plural(data.vms.size(), "VM", "VMs"), count_text(data.events)));
  html.markup("</p>\n");
  VS_TRY(write_cards(source, data, most, html));
  write_vcpus(data, most, html);
  if (!data.thieves.empty()) {
    html.markup("<h2>Who ran while a vCPU wanted to</h2>");
    write_thieves(data, {}, most, html);
  }
  VS_TRY(write_pictures(source, data, most, html));
  write_exits(data, most, html);
  write_quality(data, most, html);
  html.markup("</body></html>\n");
  return html.take();
}

}  // namespace

Result<std::string> report_html(const query::DataSource& source, const ReportData& data) {
  Most most;
  while (true) {
    VS_ASSIGN(std::string made, page(source, data, most));
    if (made.size() <= kMostBytes || most.lines <= 1) return made;
    most = {most.lines / 2, std::max<std::size_t>(1, most.rows / 2), most.zooms / 2};
  }
}

}  // namespace vs::report
