#include "model/tables.h"

#include <algorithm>
#include <array>

#include "model/states.h"

namespace vs::model {
namespace {

constexpr ColumnDef ts() { return {"ts", ColumnType::kTs, ColumnRole::kTime, nullptr}; }
constexpr ColumnDef dur() { return {"dur", ColumnType::kDur, ColumnRole::kTime, nullptr}; }
constexpr ColumnDef key(std::string_view name, ColumnType type = ColumnType::kInteger) {
  return {name, type, ColumnRole::kKey, nullptr};
}
constexpr ColumnDef integer(std::string_view name) {
  return {name, ColumnType::kInteger, ColumnRole::kValue, nullptr};
}
constexpr ColumnDef text(std::string_view name) {
  return {name, ColumnType::kText, ColumnRole::kValue, nullptr};
}
constexpr ColumnDef real(std::string_view name) {
  return {name, ColumnType::kReal, ColumnRole::kValue, nullptr};
}
constexpr ColumnDef state(std::string_view name, std::span<const std::string_view> (*names)()) {
  return {name, ColumnType::kState, ColumnRole::kValue, names};
}
constexpr auto kText = ColumnType::kText;

constexpr ColumnDef kVcpuState[] = {ts(),
                                    dur(),
                                    key("machine", kText),
                                    key("vcpu"),
                                    state("state", vcpu_state_names),
                                    integer("pcpu"),
                                    integer("level"),
                                    text("exit_reason"),
                                    integer("waker_tid"),
                                    integer("lossy")};
constexpr ColumnDef kPcpuState[] = {ts(),
                                    dur(),
                                    key("machine", kText),
                                    key("cpu"),
                                    state("state", pcpu_state_names),
                                    integer("tid"),
                                    text("comm"),
                                    integer("lossy")};
constexpr ColumnDef kFusedCpu[] = {ts(),
                                   dur(),
                                   key("host_machine", kText),
                                   key("cpu"),
                                   state("condition", fused_condition_names),
                                   text("machine"),
                                   integer("vcpu"),
                                   integer("tid"),
                                   text("comm"),
                                   state("state", pcpu_state_names),
                                   integer("container"),
                                   integer("lossy")};
constexpr ColumnDef kThreadState[] = {ts(),
                                      dur(),
                                      key("machine", kText),
                                      key("tid"),
                                      state("state", thread_state_names),
                                      integer("cpu"),
                                      state("effective", effective_names),
                                      text("detail"),
                                      text("waker_machine"),
                                      integer("waker_tid"),
                                      integer("lossy")};
constexpr ColumnDef kVmExit[] = {ts(),
                                 dur(),
                                 key("machine", kText),
                                 key("vcpu"),
                                 text("reason"),
                                 state("class", exit_class_names),
                                 text("detail"),
                                 integer("handling_ns"),
                                 integer("userspace_ns"),
                                 integer("halted_ns"),
                                 integer("polling_ns"),
                                 integer("steal_ns")};
constexpr ColumnDef kPreemption[] = {ts(),
                                     dur(),
                                     key("machine", kText),
                                     key("vcpu"),
                                     integer("tid"),
                                     text("comm"),
                                     integer("pcpu"),
                                     state("kind", preemption_kind_names),
                                     text("by_machine"),
                                     integer("by_vcpu"),
                                     integer("by_tid"),
                                     text("by_comm")};
constexpr ColumnDef kVprocessState[] = {ts(),
                                        dur(),
                                        key("machine", kText),
                                        key("vprocess", kText),
                                        integer("vcpu"),
                                        state("state", vprocess_state_names),
                                        text("waker_vprocess"),
                                        text("device"),
                                        integer("lossy")};
constexpr ColumnDef kBlockRequest[] = {ts(),
                                       dur(),
                                       key("machine", kText),
                                       text("vm"),
                                       key("device", kText),
                                       integer("sector"),
                                       integer("bytes"),
                                       state("op", block_op_names),
                                       integer("queue_ns"),
                                       integer("service_ns"),
                                       integer("tid")};
constexpr ColumnDef kNetPacket[] = {ts(),
                                    key("machine", kText),
                                    text("vm"),
                                    key("device", kText),
                                    state("direction", net_direction_names),
                                    integer("bytes")};
constexpr ColumnDef kNetWakeup[] = {ts(),
                                    dur(),
                                    key("machine", kText),
                                    key("tid"),
                                    text("from_machine"),
                                    integer("from_tid"),
                                    integer("bytes")};

constexpr ColumnDef kTrace[] = {integer("trace"),       text("machine"),        text("path"),
                                text("format"),         text("tracer"),         text("clock"),
                                integer("begin_ts"),    integer("end_ts"),      integer("events"),
                                integer("lost_events"), integer("loss_windows")};
constexpr ColumnDef kMachine[] = {text("machine"),    text("kind"), text("parent"),
                                  integer("vmm_pid"), text("uuid"), integer("vcpus"),
                                  integer("boot_ts")};
constexpr ColumnDef kClockSync[] = {
    text("machine"),      integer("segment"),    integer("begin_ts"),       integer("end_ts"),
    text("method"),       text("quality"),       integer("offset_ns"),      integer("drift_ppb"),
    integer("error_ns"),  integer("facts_used"), integer("facts_rejected"), real("outside_before"),
    real("outside_after")};
constexpr ColumnDef kLoss[] = {integer("trace"),      text("machine"), integer("cpu"), ts(), dur(),
                               integer("lost_events")};
constexpr ColumnDef kVcpu[] = {text("machine"),     integer("vcpu"),     text("host_machine"),
                               integer("host_tid"), integer("first_ts"), integer("last_ts")};
constexpr ColumnDef kThread[] = {text("machine"),       integer("tid"),    integer("tgid"),
                                 integer("parent_tid"), text("comm"),      integer("container"),
                                 integer("first_ts"),   integer("last_ts")};
constexpr ColumnDef kContainer[] = {text("machine"), integer("container"), integer("parent"),
                                    text("name")};
constexpr ColumnDef kVprocess[] = {text("machine"), text("vprocess"), text("identity"),
                                   integer("first_ts"), integer("last_ts")};
constexpr ColumnDef kIssue[] = {text("severity"), text("origin"), text("code"),
                                integer("trace"), text("place"),  integer("count"),
                                text("message"),  text("advice")};

constexpr std::size_t kTableCount = static_cast<std::size_t>(TableId::kCount);
constexpr std::array<TableDef, kTableCount> kTables = {{
    {TableId::kVcpuState, "vcpu_state", true, kVcpuState},
    {TableId::kPcpuState, "pcpu_state", true, kPcpuState},
    {TableId::kFusedCpu, "fused_cpu", true, kFusedCpu},
    {TableId::kThreadState, "thread_state", true, kThreadState},
    {TableId::kVmExit, "vm_exit", true, kVmExit, true},
    {TableId::kPreemption, "preemption", true, kPreemption},
    {TableId::kVprocessState, "vprocess_state", true, kVprocessState},
    {TableId::kBlockRequest, "block_request", true, kBlockRequest, true, true},
    {TableId::kNetPacket, "net_packet", true, kNetPacket, true},
    {TableId::kNetWakeup, "net_wakeup", true, kNetWakeup, true, true},
    {TableId::kTrace, "trace", false, kTrace},
    {TableId::kMachine, "machine", false, kMachine},
    {TableId::kClockSync, "clock_sync", false, kClockSync},
    {TableId::kLoss, "loss", false, kLoss},
    {TableId::kVcpu, "vcpu", false, kVcpu},
    {TableId::kThread, "thread", false, kThread},
    {TableId::kContainer, "container", false, kContainer},
    {TableId::kVprocess, "vprocess", false, kVprocess},
    {TableId::kIssue, "issue", false, kIssue},
}};

std::size_t count_role(std::span<const ColumnDef> columns, ColumnRole role) {
  return static_cast<std::size_t>(
      std::count_if(columns.begin(), columns.end(),
                    [role](const ColumnDef& column) { return column.role == role; }));
}

std::vector<const ColumnDef*> value_columns(const TableDef& def) {
  std::vector<const ColumnDef*> out;
  for (const ColumnDef& column : def.columns) {
    if (column.role == ColumnRole::kValue) out.push_back(&column);
  }
  return out;
}

std::vector<std::uint8_t> make_view_slots(const TableDef& view, const TableDef& of) {
  std::vector<std::uint8_t> slots;
  const auto plain = [](const TableDef& def) {
    return def.interval && !def.points && !def.overlaps;
  };
  if (!plain(view) || !plain(of) || view.id == of.id) return slots;
  const std::vector<const ColumnDef*> there = value_columns(of);
  for (const ColumnDef* const column : value_columns(view)) {
    const auto same = std::ranges::find_if(there, [column](const ColumnDef* other) {
      return other->name == column->name && other->type == column->type &&
             other->states == column->states;
    });
    if (same == there.end()) return {};
    slots.push_back(static_cast<std::uint8_t>(same - there.begin()));
  }
  return slots;
}

}  // namespace

std::size_t TableDef::key_count() const { return count_role(columns, ColumnRole::kKey); }
std::size_t TableDef::value_count() const { return count_role(columns, ColumnRole::kValue); }
const TableDef& table_def(TableId id) { return kTables[static_cast<std::size_t>(id)]; }
std::span<const TableDef> table_defs() { return kTables; }

std::span<const std::uint8_t> view_slots(TableId view, TableId of) {
  static const auto kSlots = [] {
    std::vector<std::vector<std::uint8_t>> slots;
    for (const TableDef& seen : kTables) {
      for (const TableDef& stored : kTables) slots.push_back(make_view_slots(seen, stored));
    }
    return slots;
  }();
  return kSlots[static_cast<std::size_t>(view) * kTableCount + static_cast<std::size_t>(of)];
}

}  // namespace vs::model
