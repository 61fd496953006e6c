#include "model/states.h"

#include <array>

namespace vs::model {
namespace {
using namespace std::string_view_literals;
constexpr std::array kVcpu = {
    "off"sv,    "unknown"sv, "guest"sv,  "hypervisor"sv, "userspace"sv, "host_irq"sv, "polling"sv,
    "halted"sv, "blocked"sv, "waking"sv, "preempted"sv,  "stopped"sv,   "emulated"sv};
constexpr std::array kPcpu = {"unknown"sv, "idle"sv,    "user"sv,  "syscall"sv,
                              "irq"sv,     "softirq"sv, "kernel"sv};
constexpr std::array kCondition = {"guest"sv, "hypervisor"sv, "host"sv, "unknown"sv};
constexpr std::array kThread = {"unknown"sv,   "user"sv,    "syscall"sv, "irq"sv,   "runnable"sv,
                                "preempted"sv, "blocked"sv, "fork"sv,    "exited"sv};
constexpr std::array kEffective = {"running"sv, "hypervisor"sv, "deprived"sv, "waiting"sv};
constexpr std::array kCause = {"timer"sv,      "disk"sv, "network"sv, "task"sv,
                               "user_input"sv, "ipi"sv,  "irq"sv,     "unknown"sv};
constexpr std::array kPreemption = {"preempted"sv, "waking"sv};
constexpr std::array kExit = {"idle"sv,   "host-irq"sv,   "timer"sv,     "ipi-send"sv,
                              "io"sv,     "memory"sv,     "spin"sv,      "hypercall"sv,
                              "nested"sv, "irq-window"sv, "emulation"sv, "unknown"sv};
constexpr std::array kVprocess = {
    "root"sv,   "nonroot"sv,        "task"sv,         "timer"sv,           "disk"sv,   "network"sv,
    "device"sv, "preempted_host"sv, "preempted_vm"sv, "preempted_guest"sv, "unknown"sv};
constexpr std::array kOp = {"read"sv, "write"sv, "discard"sv, "flush"sv, "other"sv};
constexpr std::array kDirection = {"rx"sv, "tx"sv};
constexpr std::array kFlow = {"run"sv,      "hypervisor"sv, "preempted_by"sv, "vcpu_preempted_by"sv,
                              "runnable"sv, "blocked"sv,    "lock_wait"sv,    "unknown"sv};
constexpr std::array kPath = {
    "run"sv,       "preempted"sv,  "hypervisor"sv,   "host_preempted"sv, "transit"sv,
    "wait_task"sv, "wait_timer"sv, "wait_disk"sv,    "wait_network"sv,   "wait_user_input"sv,
    "wait_ipi"sv,  "wait_irq"sv,   "wait_unknown"sv, "unknown"sv};
constexpr std::array kMachine = {"host"sv, "vm"sv};
constexpr std::array kMethod = {"reference"sv, "none"sv,    "tsc"sv,  "beacon"sv,
                                "envelope"sv,  "packets"sv, "mixed"sv};
constexpr std::array kQuality = {"exact"sv,      "accurate"sv, "approximate"sv,
                                 "incomplete"sv, "absent"sv,   "failed"sv};
}  // namespace

std::span<const std::string_view> vcpu_state_names() { return kVcpu; }
std::span<const std::string_view> pcpu_state_names() { return kPcpu; }
std::span<const std::string_view> fused_condition_names() { return kCondition; }
std::span<const std::string_view> thread_state_names() { return kThread; }
std::span<const std::string_view> effective_names() { return kEffective; }
std::span<const std::string_view> block_cause_names() { return kCause; }
std::span<const std::string_view> preemption_kind_names() { return kPreemption; }
std::span<const std::string_view> exit_class_names() { return kExit; }
std::span<const std::string_view> vprocess_state_names() { return kVprocess; }
std::span<const std::string_view> block_op_names() { return kOp; }
std::span<const std::string_view> net_direction_names() { return kDirection; }
std::span<const std::string_view> flow_kind_names() { return kFlow; }
std::span<const std::string_view> path_label_names() { return kPath; }
std::span<const std::string_view> machine_kind_names() { return kMachine; }
std::span<const std::string_view> sync_method_names() { return kMethod; }
std::span<const std::string_view> sync_quality_names() { return kQuality; }

}  // namespace vs::model
