// virtscope why

#include <array>
#include <ostream>

#include <fmt/format.h>

#include "base/escape.h"
#include "base/strings.h"
#include "cli/command.h"
#include "report/why.h"

namespace vs::cli {
namespace {

constexpr std::size_t kMostIterations = 1000;

Status set_task(Arguments& arguments, const std::string& value) {
  arguments.task = value;
  return {};
}
Status set_slowest(Arguments& arguments, const std::string& value) {
  const auto count = parse_int<std::uint64_t>(value);
  if (!count || *count == 0 || *count > kMostIterations) {
    return Error{ErrorCode::kBadUse,
                 fmt::format("--slowest {} is no number from 1 to {}", terminal_text(value),
                             kMostIterations),
                 "", "for example --slowest 5"};
  }
  arguments.slowest = static_cast<std::size_t>(*count);
  return {};
}
Status set_unbounded(Arguments& arguments, const std::string&) {
  arguments.unbounded = true;
  return {};
}

constexpr std::array<OptionSpec, 5> kOptions = {{
    {"--task", "MACHINE/TID",
     "the task; MACHINE/NAME where one thread has that\nname (vm1/critical)", set_task, false},
    {"--slowest", "N",
     "find the task's own cycle, and explain its N slowest\niterations against the typical one",
     set_slowest, false},
    kFromOption,
    kToOption,
    {"--unbounded", "", "critical path: follow wakers beyond the waits that\nthey end",
     set_unbounded, false},
}};

class WhyCommand final : public Command {
 public:
  [[nodiscard]] std::string_view name() const override { return "why"; }
  [[nodiscard]] std::string_view summary() const override {
    return "why a task took its time: who took it, what it waited for";
  }
  [[nodiscard]] std::string_view usage() const override {
    return "why [OPTION...] TRACE... --task MACHINE/TID";
  }
  [[nodiscard]] std::string_view description() const override {
    return "The execution flow of one task over all machines: it ran, its vCPU was in the\n"
           "hypervisor or was robbed of its pCPU (by which task of which VM), it waited\n"
           "behind others, it was blocked (on what, woken by whom). Then its critical path:\n"
           "each wait replaced by what the waker did meanwhile. Both sum to the window,\n"
           "which is the task's life unless --from and --to cut it.\n"
           "\n"
           "  virtscope why host.dat vm1.dat vm2.dat --task vm1/critical --slowest 5\n"
           "\n"
           "Sections of the JSON: task, iteration, kind, culprit, interval, path_label,\n"
           "path_worker, path_machine, path_layer, disk, disk_culprit, missing, note.\n";
  }
  [[nodiscard]] std::span<const OptionSpec> options() const override { return kOptions; }
  [[nodiscard]] Status check(const Arguments& arguments) const override {
    if (!arguments.task.empty()) return {};
    return Error{ErrorCode::kBadUse, "why needs a task", "",
                 "virtscope why TRACE... --task vm1/2635, or --task vm1/NAME"};
  }

  [[nodiscard]] Result<ExitCode> run(Context& context) const override {
    report::WhyRequest request;
    VS_ASSIGN(request.window, window_of(context));
    request.task = context.arguments.task;
    request.slowest = context.arguments.slowest;
    request.unbounded = context.arguments.unbounded;
    VS_TRY(context.analyse());
    // Without the scheduler's events there are no tasks to name.
    const std::vector<std::string> least = {"thread_state"};
    VS_TRY(require_tables(context, least));
    VS_ASSIGN(const report::WhyData data,
              report::gather_why(context.opened.source(), context.opened.summary(), request));
    if (context.arguments.format == Format::kTable) {
      context.streams.out << report::why_text(data, text_options(context));
    } else {
      write_document(context, report::to_document(data));
    }
    return data.missing.empty() ? answered(context) : ExitCode::kAnsweredWithIssues;
  }
};

}  // namespace

const Command& why_command() {
  static const WhyCommand kCommand;
  return kCommand;
}

}  // namespace vs::cli
