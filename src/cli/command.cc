#include "cli/command.h"

#include <algorithm>
#include <ostream>

#include <fmt/format.h>

#include "base/escape.h"
#include "cli/time_argument.h"
#include "model/tables.h"
#include "query/database.h"
#include "query/features.h"
#include "report/cells.h"
#include "report/text.h"

namespace vs::cli {

std::span<const Command* const> commands() {
  static const Command* const kCommands[] = {&info_command(),  &sync_command(),  &report_command(),
                                             &stat_command(),  &waits_command(), &why_command(),
                                             &check_command(), &query_command(), &serve_command()};
  return kCommands;
}

Status Context::analyse() {
  Status status = opened.analyse();
  progress.finish();
  return status;
}

void write_document(const Context& context, const report::Document& document) {
  context.streams.out << (context.arguments.format == Format::kCsv ? report::to_csv(document)
                                                                   : report::to_json(document));
}

report::TextOptions text_options(const Context& context) {
  return {context.streams.colour, context.streams.width};
}

ExitCode answered(const Context& context) {
  if (!context.opened.summary().refused.empty()) return ExitCode::kAnsweredWithIssues;
  for (const model::Row& row : context.opened.source().small(model::TableId::kIssue).rows) {
    const std::string severity = report::text_at(row, 0);
    if (severity == "warning" || severity == "error") return ExitCode::kAnsweredWithIssues;
  }
  return ExitCode::kAnswered;
}

Result<report::Window> window_of(const Context& context) {
  report::Window window;
  const auto& summary = context.opened.summary();
  const Timeline timeline{summary.begin().value_or(HostTime{}), summary.experiment.epoch};
  const Arguments& arguments = context.arguments;
  if (!arguments.from.empty()) {
    VS_ASSIGN(window.from, parse_time(arguments.from, timeline));
  }
  if (!arguments.to.empty()) {
    VS_ASSIGN(window.to, parse_time(arguments.to, timeline));
  }
  if (window.from >= window.to) {
    return Error{ErrorCode::kBadUse, "--from is not before --to", "", "swap them"};
  }
  return window;
}

Status require_tables(const Context& context, std::span<const std::string> tables) {
  const auto& summary = context.opened.summary();
  const auto missing = query::unanswerable(summary, tables);
  if (missing.empty()) return {};
  const query::FeatureStatus& first = missing.front();
  const auto& machines = summary.experiment.machines;
  const std::string where = first.machine < machines.size()
                                ? fmt::format("the trace of {}", machines[first.machine].name)
                                : "these traces";
  return Error{
      ErrorCode::kUnanswerable,
      fmt::format("{}: {} has no {}", first.feature->title, where, query::kind_list(first.missing)),
      "", "record them: " + query::record_command(summary, first.machine, first.missing)};
}

Status check_vm(const Context& context, const std::string& vm) {
  std::vector<std::string> names;
  for (const model::Row& row : context.opened.source().small(model::TableId::kMachine).rows) {
    if (report::text_at(row, 1) == "vm") names.push_back(report::text_at(row, 0));
  }
  if (std::find(names.begin(), names.end(), vm) != names.end()) return {};
  const std::vector<std::string_view> views(names.begin(), names.end());
  const auto near = query::nearest(vm, views);
  std::string hint = names.empty() ? "there is no VM in these traces"
                     : near        ? fmt::format("did you mean --vm {}?", terminal_text(*near))
                                   : "VMs: " + terminal_text(report::name_list(names, 8));
  return Error{ErrorCode::kBadUse, fmt::format("there is no VM {}", terminal_text(vm)), "",
               std::move(hint)};
}

}  // namespace vs::cli
