// virtscope stat

#include <algorithm>
#include <array>
#include <ostream>

#include "cli/command.h"

namespace vs::cli {
namespace {

constexpr std::string_view kOrders = "time|count|mean|max|p99|reason";

Status set_vm(Arguments& arguments, const std::string& value) {
  arguments.vm = value;
  return {};
}
Status set_per_vcpu(Arguments& arguments, const std::string&) {
  arguments.per_vcpu = true;
  return {};
}
Status set_sort(Arguments& arguments, const std::string& value) {
  VS_TRY(check_word("--sort", value, kOrders));
  arguments.sort = value;
  return {};
}

constexpr std::array<OptionSpec, 5> kOptions = {{
    {"--vm", "NAME", "only this VM", set_vm, false},
    {"--vcpu", "", "a line per vCPU, not per VM", set_per_vcpu, false},
    kFromOption,
    kToOption,
    {"--sort", kOrders, "order of the lines (default time)", set_sort, false},
}};

void sort_stats(std::vector<report::ExitStat>& stats, std::string_view order) {
  const auto key = [&](const report::ExitStat& s) -> double {
    if (order == "count") return static_cast<double>(s.count());
    if (order == "mean") return s.mean_ns;
    if (order == "max") return static_cast<double>(s.durations.max());
    if (order == "p99") return static_cast<double>(s.durations.quantile(0.99));
    return static_cast<double>(s.total_ns);
  };
  std::stable_sort(stats.begin(), stats.end(),
                   [&](const report::ExitStat& a, const report::ExitStat& b) {
                     if (a.machine != b.machine) return a.machine < b.machine;
                     if (a.vcpu != b.vcpu) return a.vcpu < b.vcpu;
                     if (order == "reason") return a.reason < b.reason;
                     return key(a) > key(b);
                   });
}

class StatCommand final : public Command {
 public:
  [[nodiscard]] std::string_view name() const override { return "stat"; }
  [[nodiscard]] std::string_view summary() const override {
    return "exits per VM and reason, as perf kvm stat and more";
  }
  [[nodiscard]] std::string_view usage() const override { return "stat [OPTION...] TRACE..."; }
  [[nodiscard]] std::string_view description() const override {
    return "An exit lasts from kvm_exit to the next kvm_entry of the same vCPU thread, sleep\n"
           "included, as perf kvm stat counts it. Count, share of count and of time, min, max,\n"
           "mean and ± (standard error of the mean in percent of it) are perf's; p50, p99 and\n"
           "where the time went (handling in KVM, user space, stolen, polling, halted) are\n"
           "added. An exit without a later entry is left out.\n"
           "\n"
           "JSON and CSV are always by vCPU: machine, vcpu, reason, count, count_pct, time_pct,\n"
           "min_ns, max_ns, mean_ns, stddev_pct, total_ns, p50_ns, p99_ns, handling_ns,\n"
           "userspace_ns, halted_ns, polling_ns, steal_ns.\n";
  }
  [[nodiscard]] std::span<const OptionSpec> options() const override { return kOptions; }

  [[nodiscard]] Result<ExitCode> run(Context& context) const override {
    const std::vector<std::string> tables = {"vm_exit"};
    VS_TRY(require_tables(context, tables));
    VS_ASSIGN(const report::Window window, window_of(context));
    VS_TRY(context.analyse());
    const Arguments& arguments = context.arguments;
    // The page groups by VM; data is always by vCPU, which sums to VMs but not the other way round.
    const bool per_vcpu = arguments.per_vcpu || arguments.format != Format::kTable;
    report::ExitQuery query{window.from, window.to, {}, per_vcpu};
    if (!arguments.vm.empty()) {
      VS_TRY(check_vm(context, arguments.vm));
      query.machine = arguments.vm;
    }
    VS_ASSIGN(auto stats, report::gather_exit_stats(context.opened.source(), query));
    sort_stats(stats, arguments.sort);
    if (arguments.format == Format::kTable) {
      context.streams.out << report::stat_text(stats, text_options(context));
    } else {
      write_document(context, {{report::exit_section(stats)}});
    }
    return answered(context);
  }
};

}  // namespace

const Command& stat_command() {
  static const StatCommand kCommand;
  return kCommand;
}

}  // namespace vs::cli
