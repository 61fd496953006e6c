// virtscope report

#include <array>
#include <ostream>

#include "cli/command.h"

namespace vs::cli {
namespace {

constexpr std::array kOptions = {kFromOption, kToOption};

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

  [[nodiscard]] Result<ExitCode> run(Context& context) const override {
    VS_ASSIGN(const report::Window window, window_of(context));
    VS_TRY(context.analyse());
    VS_ASSIGN(const report::ReportData data,
              report::gather_report(context.opened.source(), context.opened.summary(), window));
    if (context.arguments.format == Format::kTable) {
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
