// virtscope check

#include <ostream>

#include "cli/command.h"

namespace vs::cli {
namespace {

class CheckCommand final : public Command {
 public:
  [[nodiscard]] std::string_view name() const override { return "check"; }
  [[nodiscard]] std::string_view summary() const override {
    return "integrity: bytes, packets, events, losses, issues";
  }
  [[nodiscard]] std::string_view usage() const override { return "check [OPTION...] TRACE..."; }
  [[nodiscard]] std::string_view description() const override {
    return "Reads everything and says whether the data is whole. Each problem comes with its\n"
           "file and byte and with advice. Exit status 1 when there is a warning or an error.\n"
           "\n"
           "Sections of the JSON: trace, stream, loss, issue.\n";
  }

  [[nodiscard]] Result<ExitCode> run(Context& context) const override {
    const auto& summary = context.opened.summary();
    if (context.arguments.format == Format::kTable) {
      context.streams.out << report::check_text(summary, context.opened.source(),
                                                text_options(context));
    } else {
      write_document(context, report::check_document(summary, context.opened.source()));
    }
    return answered(context);
  }
};

}  // namespace

const Command& check_command() {
  static const CheckCommand kCommand;
  return kCommand;
}

}  // namespace vs::cli
