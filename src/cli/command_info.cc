// virtscope info

#include <ostream>

#include "cli/command.h"

namespace vs::cli {
namespace {

class InfoCommand final : public Command {
 public:
  [[nodiscard]] std::string_view name() const override { return "info"; }
  [[nodiscard]] std::string_view summary() const override {
    return "what is in there: machines, clocks, events, losses";
  }
  [[nodiscard]] std::string_view usage() const override { return "info [OPTION...] TRACE..."; }
  [[nodiscard]] std::string_view description() const override {
    return "Shows the traces, the machines found in them (hosts, VMs, vCPUs), the events by\n"
           "name, which analyses can run, and which events are missing for the others with\n"
           "the command that records them. Nothing is analysed, so it is quick.\n"
           "\n"
           "Sections of the JSON: trace, machine, vcpu, event, analysis.\n";
  }

  [[nodiscard]] Result<ExitCode> run(Context& context) const override {
    const auto& summary = context.opened.summary();
    if (context.arguments.format == Format::kTable) {
      context.streams.out << report::info_text(summary, text_options(context));
    } else {
      write_document(context, report::info_document(summary));
    }
    return answered(context);
  }
};

}  // namespace

const Command& info_command() {
  static const InfoCommand kCommand;
  return kCommand;
}

}  // namespace vs::cli
