#include <gtest/gtest.h>

#include <random>

#include "base/strings.h"
#include "model/clock_map.h"
#include "model/event.h"
#include "model/experiment.h"
#include "model/interval_sink.h"
#include "model/issue.h"
#include "model/tables.h"

namespace vs::model {
namespace {

TEST(Catalogue, RowsStandInTheOrderOfTheEnumeration) {
  for (std::size_t i = 0; i < kEventKindCount; ++i) {
    const EventKindSpec& spec = spec_of(static_cast<EventKind>(i));
    EXPECT_EQ(static_cast<std::size_t>(spec.kind), i) << spec.name;
    EXPECT_LE(spec.args.size(), kMaxArgs) << spec.name;
    EXPECT_LE(spec.texts.size(), kMaxTexts) << spec.name;
  }
}

TEST(Catalogue, EverySpellingFindsItsKind) {
  for (std::size_t i = 0; i < kEventKindCount; ++i) {
    const EventKindSpec& spec = spec_of(static_cast<EventKind>(i));
    for (const std::string_view name : split_words(spec.spellings)) {
      EXPECT_EQ(kind_of(name), spec.kind) << name;
    }
  }
  EXPECT_EQ(kind_of("kvm:kvm_exit"), EventKind::kKvmExit);
  EXPECT_EQ(kind_of("kvm_x86_exit"), EventKind::kKvmExit);
  EXPECT_EQ(kind_of("virtscope:svm_exit"), EventKind::kGuestContextExit);
  EXPECT_EQ(kind_of("syscall_entry_openat"), EventKind::kSyscallEntry);
  EXPECT_EQ(kind_of("compat_syscall_exit_read"), EventKind::kSyscallExit);
  EXPECT_EQ(kind_of("local_timer_entry", "irq_vectors"), EventKind::kIrqVectorEntry);
  EXPECT_EQ(kind_of("x86_irq_vectors_reschedule_exit"), EventKind::kIrqVectorExit);
  EXPECT_EQ(kind_of("my_driver_entry"), EventKind::kUnknown);
  EXPECT_EQ(syscall_name_of("syscall_entry_openat"), "openat");
  EXPECT_EQ(syscall_name_of("sys_enter"), "");
}

TEST(Catalogue, SlotsAgreeWithTheEnumerators) {
  EXPECT_EQ(spec_of(EventKind::kSchedSwitch).args[arg::kNextTid].name, "next_tid");
  EXPECT_EQ(spec_of(EventKind::kSchedSwitch).args[arg::kPrevState].name, "prev_state");
  EXPECT_EQ(spec_of(EventKind::kSchedWaking).args[arg::kWakeTargetCpu].name, "target_cpu");
  EXPECT_EQ(spec_of(EventKind::kKvmExit).args[arg::kExitVcpu].name, "vcpu_id");
  EXPECT_EQ(spec_of(EventKind::kKvmExit).args[arg::kExitInfo2].name, "info2");
  EXPECT_EQ(spec_of(EventKind::kSchedProcessFork).args[arg::kForkChildNs].name, "child_ns_inum");
  EXPECT_EQ(spec_of(EventKind::kStatedumpPidNs).args[arg::kNsInum].name, "ns_inum");
  EXPECT_EQ(spec_of(EventKind::kBlockRqIssue).args[arg::kBlockNewSector].name, "new_sector");
  EXPECT_EQ(spec_of(EventKind::kHrtimerStart).args[arg::kHrtimerFunction].name, "function");
}

TEST(IssueCatalogue, RowsStandInTheOrderOfTheEnumeration) {
  for (std::size_t i = 0; i < static_cast<std::size_t>(IssueCode::kCount); ++i) {
    const IssueSpec& spec = spec_of(static_cast<IssueCode>(i));
    EXPECT_EQ(static_cast<std::size_t>(spec.code), i);
    EXPECT_FALSE(spec.advice.empty()) << spec.name;
  }
}

TEST(IssueCatalogue, WhatATracerDroppedIsNoDamage) {
  EXPECT_FALSE(is_damage(IssueCode::kLostEvents));
  EXPECT_FALSE(is_damage(IssueCode::kLostPackets));
  EXPECT_FALSE(is_damage(IssueCode::kGuestUnbound));
  EXPECT_FALSE(is_damage(IssueCode::kTickRateCalibrated));
  EXPECT_TRUE(is_damage(IssueCode::kTruncatedFile));
  EXPECT_TRUE(is_damage(IssueCode::kBadEvent));
  EXPECT_TRUE(is_damage(IssueCode::kUnreadableTrace));
}

TEST(IssueLog, FoldsTheFloodAndKeepsTheCount) {
  IssueLog log;
  for (int i = 0; i < 250; ++i) {
    log.add({IssueCode::kBadEvent, "t", "k_0:" + std::to_string(i), 1, "bad"});
  }
  log.add({IssueCode::kTickRateCalibrated, "t", "", 1, "rate"});
  const auto rows = log.rows();
  std::uint64_t total = 0;
  for (const Issue& row : rows) total += row.count;
  EXPECT_EQ(total, 251U);
  EXPECT_LE(rows.size(), 101U);
  EXPECT_EQ(log.worst(), Severity::kError);
  EXPECT_EQ(rows.back().code, IssueCode::kTickRateCalibrated);
}

TEST(Tables, DefinitionsStandInTheOrderOfTheEnumeration) {
  for (std::size_t i = 0; i < static_cast<std::size_t>(TableId::kCount); ++i) {
    EXPECT_EQ(static_cast<std::size_t>(table_def(static_cast<TableId>(i)).id), i);
  }
}

std::string_view value_name(TableId id, std::size_t slot) {
  for (const ColumnDef& column : table_def(id).columns) {
    if (column.role == ColumnRole::kValue && slot-- == 0) return column.name;
  }
  return "";
}

TEST(Tables, SlotsAgreeWithTheDefinitions) {
  EXPECT_EQ(value_name(TableId::kVcpuState, slot::kVsLossy), "lossy");
  EXPECT_EQ(value_name(TableId::kPcpuState, slot::kPsComm), "comm");
  EXPECT_EQ(value_name(TableId::kFusedCpu, slot::kFcLossy), "lossy");
  EXPECT_EQ(value_name(TableId::kThreadState, slot::kTsWakerTid), "waker_tid");
  EXPECT_EQ(value_name(TableId::kVmExit, slot::kVeStealNs), "steal_ns");
  EXPECT_EQ(value_name(TableId::kPreemption, slot::kPrByComm), "by_comm");
  EXPECT_EQ(table_def(TableId::kPreemption).value_count(), 8U);
}

TEST(Tables, ViewsHaveColumnsThatAreThere) {
  const auto slots = view_slots(TableId::kPcpuState, TableId::kFusedCpu);
  EXPECT_EQ(
      std::vector<std::uint8_t>(slots.begin(), slots.end()),
      (std::vector<std::uint8_t>{slot::kFcState, slot::kFcTid, slot::kFcComm, slot::kFcLossy}));
  const auto none = [](TableId view, TableId of) { return view_slots(view, of).empty(); };
  EXPECT_TRUE(none(TableId::kFusedCpu, TableId::kPcpuState));   // has more
  EXPECT_TRUE(none(TableId::kPcpuState, TableId::kPcpuState));  // is the same
  EXPECT_TRUE(none(TableId::kPcpuState, TableId::kThreadState));
  EXPECT_TRUE(none(TableId::kPcpuState, TableId::kVcpuState));  // `state` means something else
  EXPECT_TRUE(none(TableId::kNetWakeup, TableId::kFusedCpu));   // rows may overlap
  EXPECT_TRUE(none(TableId::kMachine, TableId::kFusedCpu));     // no intervals
}

TEST(ClockWalk, GivesWhatTheMapGives) {
  std::mt19937_64 random(11);
  for (int round = 0; round < 50; ++round) {
    std::vector<ClockSegment> segments(1 + random() % 5);
    std::int64_t begin = static_cast<std::int64_t>(random() % 1000) - 500;
    for (ClockSegment& segment : segments) {
      segment.own_begin = OwnTime{begin};
      begin += 1 + static_cast<std::int64_t>(random() % 400);
      segment.own_end = OwnTime{begin};
      segment.anchor_own = segment.own_begin;
      segment.anchor_host.ns = segment.own_begin.value + static_cast<std::int64_t>(random() % 90);
      segment.rate = kRateOne / 2 + static_cast<std::int64_t>(random() % (kRateOne / 2));
    }
    segments.back().own_end = kOwnTimeMax;
    const ClockMap map(segments);
    ClockWalk walk(map);
    for (int i = 0; i < 500; ++i) {
      const OwnTime own{static_cast<std::int64_t>(random() % 4000) - 2000};
      EXPECT_EQ(walk.to_host(own), map.to_host(own)) << own.value;
    }
    EXPECT_EQ(walk.to_host(OwnTime{-1'000'000'000'000}), map.to_host(OwnTime{-1'000'000'000'000}));
    EXPECT_EQ(walk.to_host(OwnTime{1'000'000'000'000}), map.to_host(OwnTime{1'000'000'000'000}));
  }
}

TEST(ClockMap, IdentityIsExactAndSegmentsStayMonotone) {
  const ClockMap identity;
  EXPECT_EQ(identity.to_host(OwnTime{1'800'000'000'123'456'789}).ns, 1'800'000'000'123'456'789);
  ClockSegment first;
  first.own_end = OwnTime{1000};
  ClockSegment second;  // steps back by 500: clamped
  second.own_begin = OwnTime{1000};
  second.anchor_own = OwnTime{1000};
  second.anchor_host = HostTime{500};
  const ClockMap map({first, second});
  EXPECT_EQ(map.to_host(OwnTime{999}).ns, 999);
  EXPECT_EQ(map.to_host(OwnTime{1001}).ns, 999);
  EXPECT_EQ(map.to_host(OwnTime{1600}).ns, 1100);
  EXPECT_EQ(map.to_own(HostTime{1100}).value, 1600);
  EXPECT_EQ(map.to_own(HostTime{10}).value, 10);
}

}  // namespace
}  // namespace vs::model
