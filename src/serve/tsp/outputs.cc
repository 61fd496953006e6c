#include "serve/tsp/outputs.h"

#include <algorithm>
#include <array>
#include <cstdint>

namespace vs::serve::tsp {
namespace {

constexpr std::string_view kExitSql =
    "SELECT machine AS Machine, reason AS Reason, class AS Class, count(*) AS Count,"
    " sum(dur) AS 'Total ns', CAST(avg(dur) AS INTEGER) AS 'Mean ns', max(dur) AS 'Longest ns',"
    " sum(steal_ns) AS 'Stolen ns' FROM vm_exit GROUP BY 1, 2, 3 ORDER BY 5 DESC, 1, 2, 3";
constexpr std::string_view kWaitSql =
    "SELECT machine AS Machine, vprocess AS Process, state AS State, count(*) AS Count,"
    " sum(dur) AS 'Total ns', max(dur) AS 'Longest ns' FROM vprocess_state"
    " GROUP BY 1, 2, 3 ORDER BY 5 DESC, 1, 2, 3";
constexpr std::string_view kStealSql =
    "SELECT machine AS Machine, vcpu AS vCPU, kind AS Kind, by_machine AS 'By machine',"
    " by_comm AS 'By task', by_tid AS 'By TID', count(*) AS Count, sum(dur) AS 'Total ns',"
    " max(dur) AS 'Longest ns' FROM preemption GROUP BY 1, 2, 3, 4, 5, 6 ORDER BY 8 DESC, 1, 2, 3";

// In the order in which clients list them.
constexpr std::array kOutputs = {
    Output{"control", "Control Flow", "What the threads of every machine did; stolen time on top",
           "TIME_GRAPH", "control", "state", "effective", "deprived", ""},
    Output{"cpu", "CPU Usage", "Time in which the vCPUs of each VM had a CPU, % of their time",
           "TREE_TIME_XY", "cpu", "", "", "", ""},
    Output{"critical-path", "Critical Path",
           "What a thread waited for; the parameter selected_thread names it (vm1/156)",
           "TIME_GRAPH", "", "", "", "", ""},
    Output{"disk", "Disk Throughput", "Bytes of the requests by the time they began, MB/s",
           "TREE_TIME_XY", "disk", "", "", "", ""},
    Output{"events", "Events Table", "The events of all traces on the host's time", "TABLE", "", "",
           "", "", ""},
    Output{"exit-rate", "Exit Rate", "VM exits per second", "TREE_TIME_XY", "exits", "", "", "",
           ""},
    Output{"exit-table", "Exit Table", "VM exits by reason", "TABLE", "", "", "", "", kExitSql},
    Output{"exit-reasons", "Exit Time by Reason", "Time in exits by reason, ms", "TREE_GENERIC_XY",
           "", "", "", "", ""},
    Output{"fused", "Fused Resources", "Which machine was really on each CPU of the host",
           "TIME_GRAPH", "fused", "machine", "state", "idle", ""},
    Output{"vprocess", "Host-only Processes",
           "Guest processes and their waits, from the host alone", "TIME_GRAPH", "vprocess",
           "state", "", "", ""},
    Output{"net", "Network Throughput", "Bytes of the packets of each VM, MB/s", "TREE_TIME_XY",
           "net", "", "", "", ""},
    Output{"statistics", "Statistics", "Time of every vCPU by state", "DATA_TREE", "", "", "", "",
           ""},
    Output{"steal", "Steal",
           "Time in which the vCPUs of each VM wanted to run and did not, % of their time",
           "TREE_TIME_XY", "steal", "", "", "", ""},
    Output{"steal-table", "Steal Table", "Who had the CPU of a vCPU that wanted to run", "TABLE",
           "", "", "", "", kStealSql},
    Output{"vms", "Virtual Machines", "VMs, their vCPUs and threads; stolen time on top",
           "TIME_GRAPH", "vms", "state", "effective", "deprived", ""},
    Output{"wait-table", "Wait Table", "What guest processes waited for", "TABLE", "", "", "", "",
           kWaitSql},
};

// Okabe and Ito's palette, which people who see colours differently can tell apart.
constexpr std::array kPalette = {std::string_view("#0072b2"), std::string_view("#e69f00"),
                                 std::string_view("#009e73"), std::string_view("#cc79a7"),
                                 std::string_view("#56b4e9"), std::string_view("#f0e442"),
                                 std::string_view("#d55e00")};

constexpr std::array kStyles = {
    StateStyle{"idle", "#c8c8c8"},        StateStyle{"user", "#009e73"},
    StateStyle{"guest", "#009e73"},       StateStyle{"nonroot", "#009e73"},
    StateStyle{"run", "#009e73"},         StateStyle{"running", "#009e73"},
    StateStyle{"syscall", "#0072b2"},     StateStyle{"kernel", "#0072b2"},
    StateStyle{"root", "#0072b2"},        StateStyle{"irq", "#cc79a7"},
    StateStyle{"softirq", "#cc79a7"},     StateStyle{"host_irq", "#cc79a7"},
    StateStyle{"hypervisor", "#56b4e9"},  StateStyle{"userspace", "#f0e442"},
    StateStyle{"polling", "#dddddd"},     StateStyle{"halted", "#c8c8c8"},
    StateStyle{"blocked", "#e6b980"},     StateStyle{"runnable", "#e69f00"},
    StateStyle{"waking", "#e69f00"},      StateStyle{"preempted", "#d55e00"},
    StateStyle{"deprived", "#d55e00"},    StateStyle{"host_preempted", "#d55e00"},
    StateStyle{"waiting", "#e6b980"},     StateStyle{"timer", "#e6b980"},
    StateStyle{"disk", "#8c564b"},        StateStyle{"network", "#7f7f00"},
    StateStyle{"wait_disk", "#8c564b"},   StateStyle{"wait_network", "#7f7f00"},
    StateStyle{"wait_timer", "#e6b980"},  StateStyle{"wait_task", "#b8860b"},
    StateStyle{"unknown", "#9e9e9e"},     StateStyle{"off", "#eeeeee"},
    StateStyle{"lost events", "#ff0000"}, StateStyle{"clock bound", "#808080"},
};

}  // namespace

std::span<const Output> outputs() { return kOutputs; }

const Output* find_output(std::string_view id) {
  const auto found = std::find_if(kOutputs.begin(), kOutputs.end(),
                                  [id](const Output& output) { return output.id == id; });
  return found == kOutputs.end() ? nullptr : &*found;
}

std::span<const StateStyle> state_styles() { return kStyles; }

std::string_view colour_of(std::string_view name) {
  std::uint32_t hash = 2166136261U;  // FNV-1a
  for (const char letter : name) hash = (hash ^ static_cast<unsigned char>(letter)) * 16777619U;
  return kPalette[hash % kPalette.size()];
}

}  // namespace vs::serve::tsp
