// virtscope sync

#include <ostream>

#include "cli/command.h"

namespace vs::cli {
namespace {

class SyncCommand final : public Command {
 public:
  [[nodiscard]] std::string_view name() const override { return "sync"; }
  [[nodiscard]] std::string_view summary() const override {
    return "clock maps: method, offset, drift, error bound";
  }
  [[nodiscard]] std::string_view usage() const override { return "sync [OPTION...] TRACE..."; }
  [[nodiscard]] std::string_view description() const override {
    return "Shows how the clock of each machine was placed on the timeline of the host: the\n"
           "method, the offset and drift, a bound of the error, the facts used and rejected,\n"
           "and the share of guest events outside guest time before and after.\n"
           "\n"
           "Sections of the JSON: clock_sync (the SQL table, with error_min_ns and\n"
           "error_median_ns), fact.\n";
  }

  [[nodiscard]] Reading reading(const Arguments&) const override { return Reading::kClocks; }

  [[nodiscard]] Result<ExitCode> run(Context& context) const override {
    const auto& summary = context.opened.summary();
    if (context.arguments.format == Format::kTable) {
      context.streams.out << report::sync_text(summary, context.opened.source(),
                                               text_options(context));
    } else {
      write_document(context, report::sync_document(summary, context.opened.source()));
    }
    return answered(context);
  }
};

}  // namespace

const Command& sync_command() {
  static const SyncCommand kCommand;
  return kCommand;
}

}  // namespace vs::cli
