// virtscope info

#include <ostream>

#include "cli/command.h"

namespace vs::cli {
namespace {

Status set_full(Arguments& arguments, const std::string&) {
  arguments.full = true;
  return {};
}

constexpr OptionSpec kOptions[] = {
    {"--full", "", "read large traces whole, so that everything is counted", set_full, false}};

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
           "Of traces above 32 MiB without a stored history only headers and a sample are\n"
           "read: numbers of events are then not known, machines, vCPUs and events are those\n"
           "of the sample, and the answer says so. Where clocks can only be joined by reading\n"
           "all, all is read. --full reads everything at once.\n"
           "\n"
           "Sections of the JSON: trace, machine, vcpu, event, analysis.\n";
  }

  [[nodiscard]] std::span<const OptionSpec> options() const override { return kOptions; }
  [[nodiscard]] Reading reading(const Arguments& arguments) const override {
    return arguments.full ? Reading::kClocks : Reading::kSample;
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
