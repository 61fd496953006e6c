#pragma once
// The SQL tables of the contract (design.md 4) as data: one definition that the analyses fill, the
// history stores and the query layer serves. Adding a table or column is adding a row here.
//
// Two sorts of table:
//  - interval tables: many rows (ts, dur, key columns, value columns), written through
//  IntervalSink,
//    stored in the history by entity (one entity = one combination of the key columns), each
//    entity's rows in time order;
//  - small tables: whole rows of Cells, kept in memory and in the history's footer.
// The `event` table is neither: it is decoded from the traces when asked.
//
// Threads: immutable definitions; Cell is a value.

#include <cstdint>
#include <limits>
#include <span>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "base/time.h"

namespace vs::model {

/// NULL in an integer, text-id or state column.
inline constexpr std::int64_t kNull = std::numeric_limits<std::int64_t>::min();

enum class ColumnType : std::uint8_t {
  kTs,   ///< begin, ns on the host timeline
  kDur,  ///< ns
  kInteger,
  kReal,   ///< small tables only
  kText,   ///< in intervals: id of an interned string
  kState,  ///< in intervals: enumerator, shown by ColumnDef::states
  kHex,    ///< not used by the contract's tables
};

enum class ColumnRole : std::uint8_t { kTime, kKey, kValue };

struct ColumnDef {
  std::string_view name;
  ColumnType type = ColumnType::kInteger;
  ColumnRole role = ColumnRole::kValue;
  std::span<const std::string_view> (*states)() = nullptr;  ///< for kState
};

enum class TableId : std::uint8_t {
  // interval tables
  kVcpuState,
  kPcpuState,
  kFusedCpu,
  kThreadState,
  kVmExit,
  kPreemption,
  kVprocessState,
  kBlockRequest,
  kNetPacket,
  kNetWakeup,
  // small tables
  kTrace,
  kMachine,
  kClockSync,
  kLoss,
  kVcpu,
  kThread,
  kContainer,
  kVprocess,
  kIssue,
  kCount
};

struct TableDef {
  TableId id = TableId::kCount;
  std::string_view name;
  bool interval = false;
  std::span<const ColumnDef> columns;  ///< in the contract's order
  bool points = false;                 ///< interval tables: rows with begin == end are kept
  bool overlaps = false;  ///< interval tables: rows of one entity may overlap; they come by end

  [[nodiscard]] std::size_t key_count() const;    ///< columns with role kKey
  [[nodiscard]] std::size_t value_count() const;  ///< columns with role kValue
};

[[nodiscard]] const TableDef& table_def(TableId id);
[[nodiscard]] std::span<const TableDef> table_defs();
/// How a row of `of` is seen as one of `view`: by value slot of `view`, the slot of `of` whose
/// column has the same name and means the same. Empty when some value column is not there, or when
/// rows of either table may overlap or be empty.
[[nodiscard]] std::span<const std::uint8_t> view_slots(TableId view, TableId of);

/// Value slots of the interval tables: index into the span given to IntervalSink::add, in the order
/// of the definition's kValue columns. A test holds the two together. Text slots are StringIds,
/// state slots enumerators, `lossy` 0 or 1, absent = kNull.
namespace slot {
enum VcpuState : std::uint8_t { kVsState, kVsPcpu, kVsLevel, kVsExitReason, kVsWakerTid, kVsLossy };
enum PcpuState : std::uint8_t { kPsState, kPsTid, kPsComm, kPsLossy };
enum FusedCpu : std::uint8_t {
  kFcCondition,
  kFcMachine,
  kFcVcpu,
  kFcTid,
  kFcComm,
  kFcState,
  kFcContainer,
  kFcLossy
};
enum ThreadState : std::uint8_t {
  kTsState,
  kTsCpu,
  kTsEffective,
  kTsDetail,
  kTsWakerMachine,
  kTsWakerTid,
  kTsLossy
};
enum VmExit : std::uint8_t {
  kVeReason,
  kVeClass,
  kVeDetail,
  kVeHandlingNs,
  kVeUserspaceNs,
  kVeHaltedNs,
  kVePollingNs,
  kVeStealNs
};
enum Preemption : std::uint8_t {
  kPrTid,
  kPrComm,
  kPrPcpu,
  kPrKind,
  kPrByMachine,
  kPrByVcpu,
  kPrByTid,
  kPrByComm
};
enum VprocessState : std::uint8_t { kVpVcpu, kVpState, kVpWaker, kVpDevice, kVpLossy };
/// An unfinished request has no service_ns and is stored as [begin, begin).
enum BlockRequest : std::uint8_t {
  kBrVm,
  kBrSector,
  kBrBytes,
  kBrOp,
  kBrQueueNs,
  kBrServiceNs,
  kBrTid
};
enum NetPacket : std::uint8_t { kNpVm, kNpDirection, kNpBytes };
enum NetWakeup : std::uint8_t { kNwFromMachine, kNwFromTid, kNwBytes };
}  // namespace slot

/// A cell of a small table. monostate = NULL.
using Cell = std::variant<std::monostate, std::int64_t, double, std::string>;
using Row = std::vector<Cell>;

struct SmallTable {
  TableId id = TableId::kCount;
  std::vector<Row> rows;
};

}  // namespace vs::model
