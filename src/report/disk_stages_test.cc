#include "report/disk_stages.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <map>

#include "query/testing/memory_source.h"

namespace vs::report {
namespace {

using model::TableId;
using query::testing::MemorySource;
using testing::HasSubstr;

/// vm1's process waits for a disk in [100, 200): the VMM's thread 300, woken by vCPU 0's thread
/// 100, hands the request to its worker 7, which has it at 110 in the queue, at 130 at the device;
/// it ends at 180. The worker then wakes 300, which wakes the vCPU.
class DiskScene {
 public:
  using Stages = std::array<std::int64_t, kDiskStages>;

  DiskScene() {
    waits("0x1000", 100, 200);
    source.add_row(TableId::kMachine,
                   {std::string("host"), std::string("host"), {}, {}, {}, {}, {}});
    source.add_row(TableId::kMachine,
                   {std::string("vm1"), std::string("vm"), std::string("host"), {}, {}, {}, {}});
    source.add_row(TableId::kVcpu, {std::string("vm1"), std::int64_t{0}, std::string("host"),
                                    std::int64_t{100}, std::int64_t{0}, std::int64_t{1000}});
    const std::int64_t key[] = {source.intern("host"), source.intern("vda")};
    const std::int64_t request[] = {source.intern("vm1"), 8, 4096, 0, 20, 50, 7};
    source.add(source.entity(TableId::kBlockRequest, key), HostTime{110}, HostTime{180}, request);
  }
  /// A process of vm1 waits for a disk, on vCPU 0.
  void waits(const char* process, std::int64_t begin, std::int64_t end) {
    const std::int64_t key[] = {source.intern("vm1"), source.intern(process)};
    const std::int64_t values[] = {0, static_cast<std::int64_t>(model::VprocessState::kDisk),
                                   model::kNull, model::kNull, 0};
    source.add(source.entity(TableId::kVprocessState, key), HostTime{begin}, HostTime{end}, values);
  }
  /// Continues the timeline of a thread of the host.
  DiskScene& is(std::int64_t tid, std::int64_t end, model::ThreadState state,
                std::int64_t waker = model::kNull) {
    const std::int64_t key[] = {source.intern("host"), tid};
    std::array<std::int64_t, 7> values{};
    values.fill(model::kNull);
    values[model::slot::kTsState] = static_cast<std::int64_t>(state);
    values[model::slot::kTsLossy] = 0;
    if (waker != model::kNull) {
      values[model::slot::kTsWakerMachine] = source.intern("host");
      values[model::slot::kTsWakerTid] = waker;
    }
    source.add(source.entity(TableId::kThreadState, key), HostTime{ends_[tid]}, HostTime{end},
               values);
    ends_[tid] = end;
    return *this;
  }
  DiskScene& vcpu(std::int64_t begin, std::int64_t end, model::VcpuState state,
                  std::int64_t waker = model::kNull) {
    const std::int64_t key[] = {source.intern("vm1"), 0};
    const std::int64_t values[] = {static_cast<std::int64_t>(state), 0, 1, model::kNull, waker, 0};
    source.add(source.entity(TableId::kVcpuState, key), HostTime{begin}, HostTime{end}, values);
    return *this;
  }
  DiskStages stages() const {
    const auto all = gather_disk_stages(source, {});
    EXPECT_TRUE(all.ok());
    EXPECT_EQ(all->size(), 1U);
    std::int64_t sum = 0;
    for (const std::int64_t ns : all->front().stage_ns) sum += ns;
    EXPECT_EQ(sum, all->front().total_ns);
    return all->front();
  }
  MemorySource source;

 private:
  std::map<std::int64_t, std::int64_t> ends_;
};

constexpr auto kBlocked = model::ThreadState::kBlocked;
constexpr auto kRunnable = model::ThreadState::kRunnable;
constexpr auto kUser = model::ThreadState::kUser;

TEST(DiskStages, EachStageIsWhatTheVmmsThreadsDid) {
  DiskScene scene;
  scene.is(300, 102, kBlocked, 100).is(300, 103, kRunnable).is(300, 106, kUser);
  scene.is(300, 186, kBlocked, 7).is(300, 188, kRunnable).is(300, 300, kUser);
  scene.is(7, 105, kBlocked, 300).is(7, 108, kRunnable).is(7, 131, kUser);
  scene.is(7, 181, kBlocked).is(7, 184, kRunnable).is(7, 187, kUser).is(7, 300, kBlocked);
  scene.vcpu(0, 120, model::VcpuState::kGuest).vcpu(120, 190, model::VcpuState::kHalted);
  scene.vcpu(190, 195, model::VcpuState::kWaking, 300).vcpu(195, 300, model::VcpuState::kGuest);
  const DiskStages process = scene.stages();
  EXPECT_EQ(process.waits, 1U);
  EXPECT_EQ(process.total_ns, 100);
  // kick until 102; submit until 110; queue 20; service 50; the worker runs at 184; 300 wakes the
  // vCPU at 190; the process is back at 200.
  EXPECT_EQ(process.stage_ns, (DiskScene::Stages{2, 8, 20, 50, 4, 6, 10}));
  EXPECT_EQ(process.kick_unseen + process.wake_unseen, 0U);
  const DiskStages list[] = {process};
  EXPECT_THAT(disk_stage_text(list, {}),
              HasSubstr("2.0     8.0   20.0     50.0   4.0       6.0     10.0"));
  EXPECT_THAT(disk_stage_text(list, {}), testing::Not(HasSubstr("waits:")));
}

TEST(DiskStages, AThreadThatWasAtWorkAlreadyWasNotWaitedFor) {
  DiskScene scene;
  scene.is(300, 50, kBlocked).is(300, 300, kUser);
  scene.is(7, 104, kBlocked, 300).is(7, 300, kUser);  // woken and at once on a processor
  scene.vcpu(0, 120, model::VcpuState::kGuest).vcpu(120, 190, model::VcpuState::kHalted);
  scene.vcpu(190, 195, model::VcpuState::kWaking, 300).vcpu(195, 300, model::VcpuState::kGuest);
  EXPECT_EQ(scene.stages().stage_ns, (DiskScene::Stages{0, 10, 20, 50, 0, 10, 10}));
}

TEST(DiskStages, WhatIsNotSeenIsPartOfTheNextOneAndCounted) {
  DiskScene scene;  // no thread, no vCPU is in the trace
  const std::int64_t key[] = {scene.source.intern("host"), scene.source.intern("vda")};
  const std::int64_t other[] = {scene.source.intern("vm2"), 8, 4096, 0, 1, 5, 7};
  const std::int64_t open[] = {
      scene.source.intern("vm1"), 8, 4096, 0, model::kNull, model::kNull, 7};
  const model::EntityId disk = scene.source.entity(TableId::kBlockRequest, key);
  scene.source.add(disk, HostTime{185}, HostTime{190}, other);
  scene.source.add(disk, HostTime{196}, HostTime{196}, open);
  scene.waits("0x2000", 0, 50);
  const auto all = gather_disk_stages(scene.source, {});
  ASSERT_TRUE(all.ok());
  ASSERT_EQ(all->size(), 2U);
  const DiskStages& process = all->front();
  EXPECT_EQ(process.stage_ns, (DiskScene::Stages{0, 10, 20, 50, 0, 0, 20}));
  EXPECT_EQ(process.kick_unseen, 1U);
  EXPECT_EQ(process.wake_unseen, 1U);
  EXPECT_EQ(all->back().unsplit, 1U);
  const std::string text = disk_stage_text(*all, {});
  EXPECT_THAT(text, HasSubstr("1 of 2 waits: no request of the host ended in them"));
  EXPECT_THAT(text, HasSubstr("1 of 1 waits: nobody was seen to wake the VMM"));
  EXPECT_THAT(text, HasSubstr("1 of 1 waits: the vCPU was awake"));
}

}  // namespace
}  // namespace vs::report
