#include "cli/app.h"

#include <ostream>

#include <fmt/format.h>

#include "base/escape.h"
#include "base/strings.h"
#include "cli/parse.h"
#include "cli/progress.h"

namespace vs::cli {
namespace {

void append_options(std::span<const OptionSpec> options, std::string& out) {
  constexpr std::size_t kColumn = 24;
  for (const OptionSpec& option : options) {
    std::string left = "  " + std::string(option.name);
    if (!option.value.empty()) left += " " + std::string(option.value);
    // A name that reaches into the second column stands on a line of its own.
    if (left.size() + 2 > kColumn) {
      out += left + "\n";
      left.clear();
    }
    for (const std::string_view line : split(option.help, '\n')) {
      out += left + std::string(kColumn - left.size(), ' ') + std::string(line) + "\n";
      left.clear();
    }
  }
}

std::string program_help() {
  std::string out =
      "virtscope reads kernel traces of a KVM host and its guests, puts them on one\n"
      "clock, and says what was slow and who did it.\n"
      "\n"
      "usage: virtscope COMMAND [OPTION...] TRACE...\n"
      "\n"
      "commands:\n";
  for (const Command* command : commands()) {
    out += fmt::format("  {:<22}{}\n", command->name(), command->summary());
  }
  out +=
      "\n"
      "TRACE is a CTF folder, a trace.dat or a capture folder; several make one\n"
      "experiment. Hosts and guests are told apart by what is in them.\n"
      "\n"
      "options, for every command and at any place:\n";
  append_options(global_options(), out);
  out +=
      "  --help                this text, or a command's\n"
      "  --version             the version\n"
      "\n"
      "exit status: 0 answered; 1 answered, but the data has problems (see check);\n"
      "2 wrong use; 3 cannot read the input; 4 these events cannot answer it; 70 a\n"
      "fault of virtscope.\n";
  return out;
}

// "virtscope: what (hint)" in one line; an SQL error brings its caret on lines of its own.
void print_error(std::ostream& err, const Error& error) {
  const auto parts = split(error.what, '\n');
  std::string first = error.where.empty() ? "" : terminal_text(error.where) + ": ";
  first += terminal_text(parts[0]);
  if (!error.hint.empty()) first += fmt::format(" ({})", terminal_text(error.hint));
  err << "virtscope: " << first << '\n';
  // The lines after the first were escaped where they were made.
  for (std::size_t i = 1; i + 1 < parts.size(); ++i) err << "  " << parts[i] << '\n';
}

bool shows_progress(const Arguments& arguments, const Streams& streams) {
  if (arguments.quiet || arguments.progress == ProgressMode::kNever) return false;
  return arguments.progress == ProgressMode::kAlways || streams.err_is_terminal;
}

// Traces that were left out are named at once; the answer follows from the others.
void warn_refused(const query::ExperimentSummary& summary, std::ostream& err) {
  for (const query::RefusedTrace& refused : summary.refused) {
    err << "virtscope: left out: " << terminal_text(refused.path) << ": "
        << terminal_text(refused.error.to_string()) << '\n';
  }
}

Result<ExitCode> run_command(Parsed& parsed, Backend& backend, Streams& streams,
                             const std::atomic<bool>* cancel) {
  VS_TRY(parsed.command->check(parsed.arguments));
  Progress progress(streams.err, shows_progress(parsed.arguments, streams), steady_clock());
  OpenOptions& open = parsed.arguments.open;
  open.cancel = cancel;
  open.reading = parsed.command->reading(parsed.arguments);
  open.later = parsed.command->reads_later();
  open.progress = [&progress](std::uint64_t done, std::uint64_t total, std::string_view phase) {
    progress.update(done, total, phase);
  };
  VS_ASSIGN(const auto opened, backend.open(open));
  progress.finish();
  if (!parsed.arguments.quiet) warn_refused(opened->summary(), streams.err);
  Context context{parsed.arguments, *opened, streams, cancel, progress, backend};
  return parsed.command->run(context);
}

}  // namespace

std::string help_text(const Command* command) {
  if (command == nullptr) return program_help();
  std::string out = fmt::format("virtscope {}: {}\n\nusage: virtscope {}\n\n{}", command->name(),
                                command->summary(), command->usage(), command->description());
  if (!command->options().empty()) {
    out += "\noptions:\n";
    append_options(command->options(), out);
  }
  return out + "\nvirtscope --help lists the options of every command.\n";
}

ExitCode run_app(const std::vector<std::string>& args, Backend& backend, Streams& streams,
                 const std::atomic<bool>* cancel) {
  auto parsed = parse_command_line(args);
  if (!parsed.ok()) {
    print_error(streams.err, parsed.error());
    return exit_code_of(parsed.error().code);
  }
  if (parsed->wish == Parsed::Wish::kVersion) {
    streams.out << "virtscope " << kProgramVersion << '\n';
    return ExitCode::kAnswered;
  }
  if (parsed->wish == Parsed::Wish::kHelp) {
    streams.out << help_text(parsed->command);
    return ExitCode::kAnswered;
  }
  const auto code = run_command(*parsed, backend, streams, cancel);
  streams.out.flush();
  if (!code.ok()) {
    print_error(streams.err, code.error());
    return exit_code_of(code.error().code);
  }
  if (!streams.out.good()) {
    print_error(streams.err, {ErrorCode::kIo, "the answer could not be written", "stdout", ""});
    return ExitCode::kUnreadable;
  }
  return *code;
}

}  // namespace vs::cli
