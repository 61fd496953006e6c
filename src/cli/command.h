#pragma once
// Command: one subcommand, one class, one file. A command gets the parsed arguments and the opened
// experiment, writes its answer to the output and returns an exit code.
//
// Ownership: commands are static objects. Threads: main thread only.

#include <atomic>
#include <iosfwd>
#include <span>
#include <string>
#include <string_view>

#include "cli/backend.h"
#include "cli/exit_code.h"
#include "cli/options.h"
#include "cli/progress.h"
#include "report/document.h"
#include "report/pages.h"

namespace vs::cli {

/// Where answers and messages go.
struct Streams {
  std::ostream& out;
  std::ostream& err;
  bool out_is_terminal = false;
  bool err_is_terminal = false;
  bool colour = false;      ///< stdout may be coloured
  std::size_t width = 100;  ///< columns of the page
};

/// What a command works on.
struct Context {
  const Arguments& arguments;
  Opened& opened;
  Streams& streams;
  const std::atomic<bool>* cancel = nullptr;
  Progress& progress;
  Backend& backend;  ///< opens further traces

  /// Opened::analyse, with the progress line removed afterwards.
  [[nodiscard]] Status analyse();
};

class Command {
 public:
  virtual ~Command() = default;
  [[nodiscard]] virtual std::string_view name() const = 0;
  [[nodiscard]] virtual std::string_view summary() const = 0;  ///< one line
  [[nodiscard]] virtual std::string_view usage() const = 0;    ///< after "virtscope "
  /// Paragraphs of the help, already broken into lines of at most 80 columns.
  [[nodiscard]] virtual std::string_view description() const = 0;
  [[nodiscard]] virtual std::span<const OptionSpec> options() const { return {}; }
  /// True when the last positional argument is the SQL.
  [[nodiscard]] virtual bool takes_sql() const { return false; }
  /// How much of the traces its answer needs to be read.
  [[nodiscard]] virtual Reading reading(const Arguments&) const { return Reading::kStates; }
  /// True when run() calls Opened::read() itself.
  [[nodiscard]] virtual bool reads_later() const { return false; }
  /// Finds wrong use before any trace is opened.
  [[nodiscard]] virtual Status check(const Arguments&) const { return {}; }
  [[nodiscard]] virtual Result<ExitCode> run(Context& context) const = 0;
};

/// info, sync, report, stat, waits, why, check, query, serve: in the order of the help.
[[nodiscard]] std::span<const Command* const> commands();

[[nodiscard]] const Command& info_command();
[[nodiscard]] const Command& sync_command();
[[nodiscard]] const Command& report_command();
[[nodiscard]] const Command& stat_command();
[[nodiscard]] const Command& waits_command();
[[nodiscard]] const Command& why_command();
[[nodiscard]] const Command& check_command();
[[nodiscard]] const Command& query_command();
[[nodiscard]] const Command& serve_command();

// Shared by the commands (command.cc).

/// JSON or CSV of the document.
void write_document(const Context& context, const report::Document& document);
[[nodiscard]] report::TextOptions text_options(const Context& context);
/// 1 when an issue of severity warning or error exists or a trace was left out, else 0.
[[nodiscard]] ExitCode answered(const Context& context);
/// --from and --to on the host timeline.
[[nodiscard]] Result<report::Window> window_of(const Context& context);
/// Fails with kUnanswerable, naming the missing events and how to record them, when no machine has
/// what these tables need.
[[nodiscard]] Status require_tables(const Context& context, std::span<const std::string> tables);

/// Fails with the nearest name when there is no such VM: an empty table would look like an answer.
[[nodiscard]] Status check_vm(const Context& context, const std::string& vm);

}  // namespace vs::cli
