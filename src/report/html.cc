#include "report/html.h"

#include <algorithm>

#include <fmt/format.h>

#include "base/escape.h"
#include "query/duration.h"
#include "report/html_picture.h"
#include "report/text.h"

namespace vs::report {
namespace {

using query::duration_text;
constexpr std::size_t kMostRows = 24;
constexpr std::size_t kMostLines = 100;

constexpr Literal kHead =
    "<!DOCTYPE html>\n<html lang=\"en\"><head><meta charset=\"utf-8\"/>\n"
    "<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; "
    "style-src 'unsafe-inline'\"/>\n"
    "<meta name=\"viewport\" content=\"width=device-width\"/>\n<style>\n"
    ":root{color-scheme:light dark;--bg:#fff;--fg:#1b1f24;--dim:#57606a;--line:#c4cad0;"
    "--guest:#0072b2;--kernel:#b35900;--idle:#e4e8ec;--bad:#b3261e}\n"
    "@media(prefers-color-scheme:dark){:root{--bg:#14181d;--fg:#e6e9ec;--dim:#a5adb6;"
    "--line:#454d56;--guest:#56b4e9;--kernel:#e69f00;--idle:#2a3038;--bad:#ff8a80}}\n"
    "body{background:var(--bg);color:var(--fg);font:15px/1.5 sans-serif;max-width:1060px;"
    "margin:2em auto;padding:0 1em}\n.dim{color:var(--dim)}table{border-collapse:collapse}"
    "td,th{padding:.15em .8em .15em 0;text-align:left;border-bottom:1px solid var(--line)}"
    ".n{text-align:right}.card{border:1px solid var(--line);border-left:6px solid var(--dim);"
    "border-radius:4px;padding:.4em 1em;margin:.6em 0;break-inside:avoid}"
    ".bad{border-left-color:var(--bad)}.warn{border-left-color:var(--kernel)}"
    "pre,code{white-space:pre-wrap;overflow-wrap:anywhere}"
    "svg{width:100%;height:auto;break-inside:avoid}svg text{font-size:12px;fill:var(--fg)}"
    ".guest{fill:var(--guest)}.kernel{fill:var(--kernel)}.stolen,.loss{fill:var(--bad)}"
    ".blocked{fill:var(--dim)}.idle{fill:var(--idle)}.unknown{fill:var(--line)}"
    ".hatch{fill:url(#hatch)}.m0{fill:#0072b2}.m1{fill:#e69f00}.m2{fill:#009e73}"
    ".m3{fill:#cc79a7}.m4{fill:#56b4e9}.m5{fill:#8a7a00}"
    "\n@media print{*{print-color-adjust:exact}}\n</style>\n";
constexpr Literal kPatterns =
    "<svg width=\"0\" height=\"0\" style=\"position:absolute\" aria-hidden=\"true\"><defs>"
    "<pattern id=\"hatch\" width=\"5\" height=\"5\" patternUnits=\"userSpaceOnUse\" "
    "patternTransform=\"rotate(45)\"><rect width=\"2\" height=\"5\" fill=\"#000\" "
    "fill-opacity=\".55\"/></pattern></defs></svg>\n";

double ratio(std::int64_t part, std::int64_t whole) {
  return whole <= 0 ? 0 : static_cast<double>(part) / static_cast<double>(whole);
}

std::string sql_of(const Conclusion& line) {
  std::string name;
  for (const char c : line.subject) name += c == '\'' ? std::string("''") : std::string(1, c);
  if (line.rule == "stolen_time") {
    return "SELECT vcpu, by_machine, by_vcpu, by_tid, by_comm, count(*), sum(dur) FROM preemption "
           "WHERE machine = '" +
           name + "' GROUP BY 1, 2, 3, 4, 5 ORDER BY 7 DESC";
  }
  if (line.subject.empty()) return {};
  if (line.rule == "exit_overhead") {
    return "SELECT reason, count(*), sum(dur) FROM vm_exit WHERE machine = '" + name +
           "' GROUP BY 1 ORDER BY 3 DESC";
  }
  return "SELECT vcpu, state, sum(dur) FROM vcpu_state WHERE machine = '" + name +
         "' GROUP BY 1, 2 ORDER BY 1, 3 DESC";
}

void write_thieves(const ReportData& data, std::string_view machine, HtmlWriter& html) {
  html.markup(
      "<table><tr><th>vCPU</th><th>who ran</th><th>times</th><th>in all</th>"
      "<th>longest</th></tr>\n");
  std::size_t shown = 0;
  for (const Thief& t : data.thieves) {
    if (!machine.empty() && t.machine != machine) continue;
    if (++shown > kMostLines) break;
    std::string who = t.by_machine.empty() ? "nobody (pCPU idle or unknown)" : t.by_machine;
    if (t.by_vcpu) who += "/" + std::to_string(*t.by_vcpu);
    if (!t.by_comm.empty()) who += " " + t.by_comm;
    if (t.by_tid) who += " (" + std::to_string(*t.by_tid) + ")";
    html.markup("<tr>").cell(t.machine + "/" + std::to_string(t.vcpu)).cell(who);
    html.figure(count_text(t.count)).figure(duration_text(t.total_ns));
    html.figure(duration_text(t.max_ns)).markup("</tr>\n");
  }
  html.markup("</table>\n");
}

Status write_card(const query::DataSource& source, const ReportData& data, const Conclusion& line,
                  HtmlWriter& html) {
  const bool bad = line.kind == Conclusion::Kind::kBad;
  const bool warn = line.kind == Conclusion::Kind::kWarn;
  html.markup("<div class=\"card ").markup(bad ? Literal("bad") : warn ? Literal("warn") : "note");
  html.markup("\"><p><b>").text(name_of(line.kind)).markup("</b> ").text(line.message);
  html.markup("</p>");
  if (!line.next.empty()) {
    html.markup("<p class=\"dim\">next: <code>").text(line.next).markup("</code></p>");
  }
  const std::string sql = sql_of(line);
  if (!sql.empty()) {
    html.markup("<details><summary>Evidence</summary>");
    if (line.rule == "stolen_time") write_thieves(data, line.subject, html);
    html.markup("<pre>").text(sql).markup("</pre></details>");
  }
  if (line.rule == "stolen_time") {
    const Window all{data.begin, data.end};
    VS_ASSIGN(const Picture whole, vcpu_picture(source, data, line.subject, all, 8));
    if (const auto worst = worst_interval(whole)) {
      VS_ASSIGN(const Picture zoom, vcpu_picture(source, data, line.subject, *worst, 8));
      write_picture(zoom, source, data, "vCPU states where most was stolen", html);
    }
  }
  html.markup("</div>\n");
  return {};
}

void write_vcpus(const ReportData& data, HtmlWriter& html) {
  html.markup(
      "<h2>vCPUs</h2><p class=\"dim\">percent of each vCPU's life</p><table><tr>"
      "<th>vCPU</th><th>guest</th><th>kernel, vmm, irq</th><th>stolen</th>"
      "<th>blocked</th><th>idle</th></tr>\n");
  for (const VcpuShare& v : data.vcpus) {
    html.markup("<tr>").cell(v.machine + "/" + std::to_string(v.vcpu));
    for (const std::int64_t ns : {v.in(model::VcpuState::kGuest), v.overhead_ns(), v.steal_ns(),
                                  v.in(model::VcpuState::kBlocked), v.idle_ns()}) {
      html.figure(percent_text(ratio(ns, v.life_ns)));
    }
    html.markup("</tr>\n");
  }
  html.markup("</table>\n");
}

void write_section(const Section& section, HtmlWriter& html) {
  if (section.rows.empty()) return;
  html.markup("<h2>").text(section.name).markup("</h2><table><tr>");
  for (const std::string& column : section.columns) {
    html.markup("<th>").text(column).markup("</th>");
  }
  html.markup("</tr>\n");
  for (std::size_t i = 0; i < section.rows.size() && i < kMostLines; ++i) {
    html.markup("<tr>");
    for (const model::Cell& cell : section.rows[i]) html.cell(text_cell(cell));
    html.markup("</tr>\n");
  }
  html.markup("</table>\n");
  if (section.rows.size() > kMostLines) html.markup("<p>More: --format json</p>\n");
}

void write_legend(const ReportData& data, HtmlWriter& html) {
  html.markup("<p class=\"dim\">pCPUs, by colour: ");
  for (std::size_t i = 0; i < data.vms.size() && i < kMostRows; ++i) {
    html.markup("<svg viewBox=\"0 0 9 9\" style=\"width:.8em\"><path class=\"");
    html.markup(vm_class(static_cast<int>(i))).markup("\" d=\"M0 0h9v9h-9z\"/></svg> ");
    html.text(data.vms[i]).markup(" ");
  }
  html.markup(
      "; hatched: KVM for it; grey: host work. vCPUs: blue guest, orange kernel, red "
      "stolen (height: share), grey blocked, pale idle. Red marks on top: lost "
      "events.</p>\n");
}

}  // namespace

Result<std::string> report_html(const query::DataSource& source, const ReportData& data) {
  HtmlWriter html;
  html.markup(kHead).markup("<title>virtscope: ").text(data.name).markup("</title></head><body>");
  html.markup(kPatterns).markup("<h1>").text(data.name).markup("</h1><p>");
  html.text(fmt::format("{} from {}: {}, {}, {} events", duration_text(data.duration_ns()),
                        time_text(data.begin, data.epoch),
                        plural(data.hosts.size(), "host", "hosts"),
                        plural(data.vms.size(), "VM", "VMs"), count_text(data.events)));
  html.markup("</p>\n");
  for (const Conclusion& line : data.conclusions) VS_TRY(write_card(source, data, line, html));
  write_vcpus(data, html);
  if (!data.thieves.empty()) {
    html.markup("<h2>Stolen time</h2>");
    write_thieves(data, {}, html);
  }
  html.markup("<h2>The whole trace</h2>");
  write_legend(data, html);
  VS_ASSIGN(const Picture pcpus, pcpu_picture(source, data, kMostRows));
  write_picture(pcpus, source, data, "Who was on each pCPU", html);
  const Window all{data.begin, data.end};
  VS_ASSIGN(const Picture vcpus, vcpu_picture(source, data, {}, all, kMostRows));
  write_picture(vcpus, source, data, "States of each vCPU", html);
  for (const Section& section : to_document(data).sections) {
    for (const std::string_view name : {"exit", "clock", "loss", "issue", "missing"}) {
      if (section.name == name) write_section(section, html);
    }
  }
  html.markup("</body></html>\n");
  return html.take();
}

}  // namespace vs::report
