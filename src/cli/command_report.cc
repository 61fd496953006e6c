// virtscope report

#include <array>
#include <ostream>

#include "base/escape.h"
#include "cli/command.h"
#include "os/write_file.h"
#include "report/html.h"

namespace vs::cli {
namespace {

Status set_html(Arguments& arguments, const std::string& value) {
  if (value.empty()) return Error{ErrorCode::kBadUse, "--html needs a file name", "", ""};
  arguments.html = value;
  return {};
}

constexpr std::array kOptions = {
    kFromOption, kToOption,
    OptionSpec{"--html", "FILE", "write the report with pictures to FILE, for a browser\nor a mail",
               set_html, false}};

// A page must not replace a trace, nor a file inside one.
Status check_target(const Arguments& arguments) {
  std::vector<std::string> inputs = arguments.open.paths;
  inputs.insert(inputs.end(), arguments.open.hosts.begin(), arguments.open.hosts.end());
  for (const auto& [name, path] : arguments.open.guests) inputs.push_back(path);
  return os::check_replaceable(arguments.html, inputs);
}

Status write_html(Context& context, const report::ReportData& data) {
  VS_ASSIGN(const std::string page, report::report_html(context.opened.source(), data));
  VS_ASSIGN(const auto file, os::real_outputs().create(context.arguments.html));
  VS_TRY(file->append(std::as_bytes(std::span(page.data(), page.size()))));
  return file->commit();
}

class ReportCommand final : public Command {
 public:
  [[nodiscard]] std::string_view name() const override { return "report"; }
  [[nodiscard]] std::string_view summary() const override {
    return "the answer on one page: VMs, steal and who took it, exits";
  }
  [[nodiscard]] std::string_view usage() const override { return "report [OPTION...] TRACE..."; }
  [[nodiscard]] std::string_view description() const override {
    return "The first lines say what follows from the figures; below are the states of each\n"
           "vCPU, who ran while it wanted to, its exits, the pCPUs, the clocks, the losses,\n"
           "and what these events cannot answer. The page is 100 columns wide.\n"
           "\n"
           "Sections of the JSON: experiment, conclusion, vcpu, thief, hit_task, exit, pcpu,\n"
           "clock, loss, issue, missing.\n";
  }
  [[nodiscard]] std::span<const OptionSpec> options() const override { return kOptions; }

  [[nodiscard]] Status check(const Arguments& arguments) const override {
    return arguments.html.empty() ? Status{} : check_target(arguments);
  }

  [[nodiscard]] Result<ExitCode> run(Context& context) const override {
    VS_ASSIGN(const report::Window window, window_of(context));
    VS_TRY(context.analyse());
    VS_ASSIGN(const report::ReportData data,
              report::gather_report(context.opened.source(), context.opened.summary(), window));
    if (!context.arguments.html.empty()) {
      VS_TRY(write_html(context, data));
      context.streams.out << terminal_text(context.arguments.html) << '\n';
    } else if (context.arguments.format == Format::kTable) {
      context.streams.out << report::report_text(data, text_options(context));
    } else {
      write_document(context, report::to_document(data));
    }
    // Without even the scheduler's events nothing above is an answer.
    const std::vector<std::string> least = {"fused_cpu"};
    VS_TRY(require_tables(context, least));
    return answered(context);
  }
};

}  // namespace

const Command& report_command() {
  static const ReportCommand kCommand;
  return kCommand;
}

}  // namespace vs::cli
