// Critical paths of scenes written by hand: hops between threads, machines and devices, bounds, and
// the shares that a published table prints.

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <fmt/format.h>

#include "analysis/flow/critical_path.h"
#include "analysis/flow/flow_test_support.h"

namespace vs::analysis::flow {
namespace {

using model::ThreadState;
using model::VcpuState;
using test::Memory;
using ::testing::ElementsAre;
using Lines = std::vector<std::string>;

PathWalk walk_of(const World& world, const TaskWindow& task, const PathOptions& options = {}) {
  auto walk = PathWalk::make(world, task, options);
  EXPECT_TRUE(walk.ok());
  return std::move(walk).value();
}

// "10-20 1 run host/5 cause"
Lines path_of(const Memory& memory, const std::string& machine, std::int64_t tid,
              std::int64_t begin, std::int64_t end, bool unbounded = false) {
  const World world(memory);
  PathOptions options;
  options.unbounded = unbounded;
  PathWalk walk =
      walk_of(world, {world.find_machine(machine), tid, HostTime{begin}, HostTime{end}}, options);
  Lines lines;
  PathPiece piece;
  while (walk.next(piece)) {
    const std::string who =
        piece.tid == model::kNull ? std::string(piece.comm) : std::to_string(piece.tid);
    std::string line = fmt::format("{}-{} {} {} {}/{}", piece.begin.ns, piece.end.ns, piece.depth,
                                   model::path_label_names()[static_cast<std::size_t>(piece.label)],
                                   world.machine(piece.machine).name, who);
    const std::string cause = cause_text(world, piece);
    lines.push_back(cause.empty() ? line : line + " " + cause);
  }
  return lines;
}

Memory host_with(std::initializer_list<std::int64_t> tids) {
  Memory memory;
  memory.machine("host");
  for (const std::int64_t tid : tids) memory.thread("host", tid, "t" + std::to_string(tid));
  return memory;
}

constexpr ThreadState kUser = ThreadState::kUser;
constexpr ThreadState kBlocked = ThreadState::kBlocked;

TEST(Path, AWaitIsReplacedByItsWakerInsideTheWait) {
  Memory memory = host_with({1, 2});
  memory.is("host", 1, 0, 10, {.state = kUser, .cpu = 0});
  memory.is("host", 1, 10, 50,
            {.state = kBlocked, .detail = "task", .waker_machine = "host", .waker = 2});
  memory.is("host", 1, 50, 55, {.state = ThreadState::kRunnable, .cpu = 0});
  memory.is("host", 1, 55, 60, {.state = kUser, .cpu = 0});
  memory.is("host", 2, 0, 20, {.state = kBlocked, .detail = "timer"});
  memory.is("host", 2, 20, 100, {.state = kUser, .cpu = 1});
  memory.holder("host", 0, 0, 53, {"host", model::kNull, 0, "swapper/0"});
  memory.holder("host", 0, 53, 55, {"host", model::kNull, 2, "t2"});
  EXPECT_THAT(path_of(memory, "host", 1, 0, 60),
              ElementsAre("0-10 1 run host/1", "10-20 2 wait_timer host/2", "20-50 2 run host/2",
                          "50-53 1 preempted host/1 idle", "53-55 1 preempted host/1 host t2 (2)",
                          "55-60 1 run host/1"));
  // Beyond the wait: what made the result.
  EXPECT_THAT(
      path_of(memory, "host", 1, 0, 60, true),
      ElementsAre("0-20 1 wait_timer host/2", "20-50 1 run host/2", "50-53 1 preempted host/1 idle",
                  "53-55 1 preempted host/1 host t2 (2)", "55-60 1 run host/1"));
  // A window that ends inside of the wait: its end is not seen, so it is not explained.
  EXPECT_THAT(path_of(memory, "host", 1, 5, 40),
              ElementsAre("5-10 1 run host/1", "10-40 1 wait_task host/1 host t2 (2)"));
}

TEST(Path, ChainsNestAndAWokenWakerResumesItself) {
  Memory memory = host_with({1, 2, 3});
  memory.is("host", 1, 0, 40,
            {.state = kBlocked, .detail = "task", .waker_machine = "host", .waker = 2});
  memory.is("host", 1, 40, 50, {.state = kUser, .cpu = 0});
  memory.is("host", 2, 0, 10, {.state = kUser, .cpu = 1});
  memory.is("host", 2, 10, 30,
            {.state = kBlocked, .detail = "ipi", .waker_machine = "host", .waker = 3});
  memory.is("host", 2, 30, 50, {.state = kUser, .cpu = 1});
  memory.is("host", 3, 0, 15, {.state = ThreadState::kFork, .waker_machine = "host", .waker = 1});
  memory.is("host", 3, 15, 50, {.state = kUser, .cpu = 2});
  EXPECT_THAT(path_of(memory, "host", 1, 0, 50),
              ElementsAre("0-10 2 run host/2", "10-15 4 wait_task host/1 host t2 (2)",
                          "15-30 3 run host/3", "30-40 2 run host/2", "40-50 1 run host/1"));
}

TEST(Path, WakersThatGoInCirclesEnd) {
  Memory memory = host_with({1, 2});
  for (const std::int64_t tid : {1, 2}) {
    memory.is("host", tid, 0, 30,
              {.state = kBlocked, .detail = "task", .waker_machine = "host", .waker = 3 - tid});
    memory.is("host", tid, 30, 40, {.state = kUser, .cpu = tid});
  }
  const Lines lines = path_of(memory, "host", 1, 0, 40);
  ASSERT_EQ(lines.size(), 2u);
  EXPECT_THAT(lines[0], ::testing::StartsWith("0-30 "));
  EXPECT_EQ(lines[1], "30-40 1 run host/1");
}

TEST(Path, UnknownBeforeTheFirstRowAndWithoutRows) {
  Memory memory = host_with({1});
  memory.is("host", 1, 20, 40,
            {.state = kBlocked, .detail = "task", .waker_machine = "host", .waker = 9});
  memory.is("host", 1, 40, 50, {.state = kUser, .cpu = 0});
  memory.is("host", 1, 50, 60, {.state = ThreadState::kExited});
  EXPECT_THAT(
      path_of(memory, "host", 1, 0, 70),
      ElementsAre("0-20 1 unknown host/1", "20-40 1 wait_task host/1 host (9)",
                  "40-50 1 run host/1", "50-60 1 unknown host/1 exited", "60-70 1 unknown host/1"));
  EXPECT_THAT(path_of(memory, "host", 4, 0, 5), ElementsAre("0-5 1 unknown host/4"));
  EXPECT_THAT(path_of(memory, "host", 1, 30, 30), ElementsAre());
}

TEST(Path, ADiskWaitGoesOnInItsRequestAndItsSubmitter) {
  Memory memory = host_with({1, 2});
  memory.is("host", 1, 0, 100, {.state = kBlocked, .detail = "disk"});
  memory.is("host", 1, 100, 110, {.state = kUser, .cpu = 0});
  memory.is("host", 2, 0, 30, {.state = kUser, .cpu = 1});
  memory.is("host", 2, 30, 110, {.state = kBlocked, .detail = "timer"});
  memory.request("host", "vda", 5, 6, 8, 1);       // an older one of its own, not the reason
  memory.request("host", "vda", 30, 50, 95, 2);    // by a writeback worker
  memory.request("host", "vdb", 99, 100, 105, 2);  // completes after the wake-up
  EXPECT_THAT(path_of(memory, "host", 1, 0, 110),
              ElementsAre("0-5 2 wait_disk host/1", "5-6 2 wait_disk host/vda queue",
                          "6-8 2 wait_disk host/vda service", "8-100 2 wait_disk host/1",
                          "100-110 1 run host/1"));
  memory.device_rows("host", "vda").erase(memory.device_rows("host", "vda").begin());
  EXPECT_THAT(path_of(memory, "host", 1, 0, 110),
              ElementsAre("0-30 2 run host/2", "30-50 2 wait_disk host/vda queue",
                          "50-95 2 wait_disk host/vda service", "95-100 2 wait_disk host/1",
                          "100-110 1 run host/1"));
  memory.device_rows("host", "vda").clear();
  memory.device_rows("host", "vdb").clear();
  EXPECT_THAT(path_of(memory, "host", 1, 0, 110),
              ElementsAre("0-100 1 wait_disk host/1", "100-110 1 run host/1"));
}

// vm1's thread 5 reads: it sleeps from 10 on; the host's I/O thread 300 works until 40, waits for
// its disk until 60 and delivers the interrupt at 70 while vCPU 0 sleeps; the vCPU is back at 80,
// the thread is woken at 85 and runs at 90.
Memory guest_read() {
  Memory memory;
  memory.machine("host");
  memory.machine("vm1", "host");
  memory.vcpu("vm1", 0, "host", 100);
  memory.thread("host", 100, "CPU 0/KVM");
  memory.thread("host", 300, "iothread");
  memory.thread("vm1", 5, "reader");
  memory.thread("vm1", 6, "other");
  memory.is("host", 300, 0, 12,
            {.state = kBlocked, .detail = "task", .waker_machine = "host", .waker = 100});
  memory.is("host", 300, 12, 40, {.state = kUser, .cpu = 3});
  memory.is("host", 300, 40, 60, {.state = kBlocked, .detail = "disk"});
  memory.is("host", 300, 60, 72, {.state = kUser, .cpu = 3});
  memory.is("host", 300, 72, 100, {.state = kBlocked, .detail = "task"});
  memory.request("host", "sda", 35, 38, 59, 300);
  memory.is("host", 100, 0, 100, {.state = kUser, .cpu = 0});
  memory.vcpu_is("vm1", 0, 0, 30, {VcpuState::kGuest, 0});
  memory.vcpu_is("vm1", 0, 30, 70, {VcpuState::kHalted});
  memory.vcpu_is("vm1", 0, 70, 80, {VcpuState::kWaking, model::kNull, "HLT", 300});
  memory.vcpu_is("vm1", 0, 80, 100, {VcpuState::kGuest, 0});
  memory.robbed("vm1", 0, 70, 80, 0, {});
  memory.is("vm1", 5, 0, 10, {.state = kUser, .cpu = 0});
  memory.is("vm1", 5, 10, 85,
            {.state = kBlocked, .detail = "disk", .waker_machine = "host", .waker = 300});
  memory.is("vm1", 5, 85, 90, {.state = ThreadState::kRunnable, .cpu = 0});
  memory.is("vm1", 5, 90, 100, {.state = kUser, .cpu = 0});
  memory.current("vm1", 0, 0, 10, 5, "reader");
  memory.current("vm1", 0, 10, 90, 6, "other");
  memory.current("vm1", 0, 90, 100, 5, "reader");
  memory.is("vm1", 6, 0, 10, {.state = ThreadState::kRunnable, .cpu = 0});
  memory.is("vm1", 6, 10, 90, {.state = kUser, .cpu = 0});
  memory.is("vm1", 6, 90, 100, {.state = ThreadState::kPreempted, .cpu = 0});
  return memory;
}

TEST(Path, AGuestsDiskWaitGoesThroughTheHost) {
  const Memory memory = guest_read();
  EXPECT_THAT(
      path_of(memory, "vm1", 5, 0, 100),
      ElementsAre("0-10 1 run vm1/5",
                  // the kick: vCPU 0's thread stands for the guest's thread that is current there
                  "10-12 3 run vm1/6", "12-40 2 run host/300", "40-59 3 wait_disk host/sda service",
                  "59-60 3 wait_disk host/300", "60-70 2 run host/300",
                  "70-85 2 transit vm1/5 host iothread (300)",
                  "85-90 1 preempted vm1/5 vm1/0 other (6)", "90-100 1 run vm1/5"));
}

TEST(Path, WithoutAWakingVcpuTheDeliveryIsWhenTheSenderLastRan) {
  Memory memory = guest_read();
  auto& rows = memory.rows_of(test::TableId::kVcpuState, "vm1", 0);
  rows.clear();
  memory.vcpu_is("vm1", 0, 0, 100, {VcpuState::kGuest, 0});
  const Lines lines = path_of(memory, "vm1", 5, 0, 100);
  EXPECT_THAT(lines, ::testing::Contains("60-72 2 run host/300"));
  EXPECT_THAT(lines, ::testing::Contains("72-85 2 transit vm1/5 host iothread (300)"));
}

TEST(Path, RunningGuestThreadIsSplitAndAVcpuAsleepInTheVmmIsFollowed) {
  Memory memory;
  memory.machine("host");
  memory.machine("vm1", "host");
  memory.vcpu("vm1", 0, "host", 100);
  memory.thread("host", 100, "CPU 0/KVM");
  memory.thread("host", 101, "qemu");
  memory.thread("vm1", 5, "task");
  memory.vcpu_is("vm1", 0, 0, 10, {VcpuState::kGuest, 0});
  memory.vcpu_is("vm1", 0, 10, 15, {VcpuState::kHypervisor, 0, "IOIO"});
  memory.vcpu_is("vm1", 0, 15, 40, {VcpuState::kBlocked});
  memory.vcpu_is("vm1", 0, 40, 45, {VcpuState::kWaking});
  memory.robbed("vm1", 0, 40, 45, 0, {"host", model::kNull, 7, "hog"});
  memory.vcpu_is("vm1", 0, 45, 50, {VcpuState::kPolling, 0});
  memory.vcpu_is("vm1", 0, 50, 60, {VcpuState::kGuest, 0});
  memory.is("host", 100, 0, 15, {.state = kUser, .cpu = 0});
  memory.is("host", 100, 15, 40,
            {.state = kBlocked, .detail = "task", .waker_machine = "host", .waker = 101});
  memory.is("host", 100, 40, 45, {.state = ThreadState::kRunnable, .cpu = 0});
  memory.is("host", 100, 45, 60, {.state = kUser, .cpu = 0});
  memory.is("host", 101, 0, 20, {.state = kBlocked, .detail = "timer"});
  memory.is("host", 101, 20, 60, {.state = kUser, .cpu = 2});
  memory.is("vm1", 5, 0, 60, {.state = kUser, .cpu = 0});
  EXPECT_THAT(path_of(memory, "vm1", 5, 0, 60),
              ElementsAre("0-10 1 run vm1/5", "10-15 1 hypervisor vm1/5 IOIO",
                          "15-20 2 wait_timer host/101", "20-40 2 run host/101",
                          "40-45 1 host_preempted vm1/5 host hog (7)",
                          "45-50 1 hypervisor vm1/5 polling", "50-60 1 run vm1/5"));
}

// Two machines without a common host: the client of a sends at 10 and sleeps from 12 on; b's server
// gets it at 25, works from 27 to 60, answers at 55, and the client is woken at 70 and runs at 75.
Memory request_and_answer() {
  Memory memory;
  memory.machine("a");
  memory.machine("b");
  memory.thread("a", 1, "client");
  memory.thread("b", 2, "server");
  memory.is("a", 1, 0, 12, {.state = kUser, .cpu = 0});
  memory.is("a", 1, 12, 70,
            {.state = kBlocked, .detail = "network", .waker_machine = "b", .waker = 2});
  memory.is("a", 1, 70, 75, {.state = ThreadState::kRunnable, .cpu = 0});
  memory.is("a", 1, 75, 80, {.state = kUser, .cpu = 0});
  memory.is("b", 2, 0, 25,
            {.state = kBlocked, .detail = "network", .waker_machine = "a", .waker = 1});
  memory.is("b", 2, 25, 27, {.state = ThreadState::kRunnable, .cpu = 1});
  memory.is("b", 2, 27, 60, {.state = kUser, .cpu = 1});
  memory.is("b", 2, 60, 80, {.state = kBlocked, .detail = "network"});
  memory.packet("b", 2, 10, 25, "a", 1);
  memory.packet("a", 1, 20, 65, "b", 2);  // of another wake-up: an earlier one, not this
  memory.packet("a", 1, 55, 70, "b", 2);
  return memory;
}

TEST(Path, AWaitForAPacketGoesOnAtItsSenderWhenItWasSent) {
  const Memory memory = request_and_answer();
  EXPECT_THAT(
      path_of(memory, "a", 1, 0, 80),
      ElementsAre("0-12 1 run a/1",
                  // the request was under way when the client fell asleep
                  "12-25 3 transit b/2 a client (1)", "25-27 2 preempted b/2", "27-55 2 run b/2",
                  "55-70 2 transit a/1 b server (2)", "70-75 1 preempted a/1", "75-80 1 run a/1"));
  EXPECT_THAT(
      path_of(memory, "b", 2, 20, 60),
      ElementsAre("20-25 2 transit b/2 a client (1)", "25-27 1 preempted b/2", "27-60 1 run b/2"));
  // The result's own path is at the sender when it sent, wait or no wait.
  EXPECT_THAT(
      path_of(memory, "a", 1, 0, 80, true),
      ElementsAre("0-10 1 run a/1", "10-25 1 transit b/2 a client (1)", "25-27 1 preempted b/2",
                  "27-55 1 run b/2", "55-70 1 transit a/1 b server (2)", "70-75 1 preempted a/1",
                  "75-80 1 run a/1"));
}

TEST(Path, APacketCountsWhereNobodyDeliveredIt) {
  // The wait names nobody: the packet alone tells.
  Memory memory = request_and_answer();
  memory.rows_of(test::TableId::kThreadState, "a", 1)[1].values[4] = model::kNull;
  memory.rows_of(test::TableId::kThreadState, "a", 1)[1].values[5] = model::kNull;
  EXPECT_THAT(path_of(memory, "a", 1, 12, 80),
              ::testing::Contains("55-70 2 transit a/1 b server (2)"));
  // A guest's wait whose interrupt a thread of the host delivered goes on there, as without it.
  Memory guest = guest_read();
  const Lines before = path_of(guest, "vm1", 5, 0, 100);
  guest.packet("vm1", 5, 20, 85, "vm1", 6);
  EXPECT_EQ(path_of(guest, "vm1", 5, 0, 100), before);
  // A sender without a trace: the wait stays one.
  Memory unknown = request_and_answer();
  unknown.rows_of(test::TableId::kThreadState, "a", 1)[1].values[5] = 9;
  unknown.rows_of(test::TableId::kNetWakeup, "a", 1)[1].values[1] = 9;
  EXPECT_THAT(
      path_of(unknown, "a", 1, 12, 80),
      ElementsAre("12-70 1 wait_network a/1 b (9)", "70-75 1 preempted a/1", "75-80 1 run a/1"));
}

// Totals of a published critical flow in ns, largest first: who, and what the table prints.
struct Published {
  std::int64_t tid;
  const char* comm;
  std::int64_t total_ns;
  const char* printed;
};
constexpr Published kPublished[] = {
    {6508, "qemu", 2'360'700'000, "64.26"}, {6503, "qemu", 1'188'970'000, "32.36"},
    {6509, "qemu", 88'600'000, "2.41"},     {6499, "vhost-6499", 17'320'000, "0.47"},
    {7762, "ssh", 7'940'000, "0.22"},       {7760, "scp", 4'310'000, "0.12"},
    {7663, "sshd", 3'000'000, "0.08"},      {7665, "sshd", 3'000'000, "0.08"}};

// A chain of workers that wake each other in turns, each with its published total.
TEST(Path, PublishedSharesOfACriticalFlowToThePrintedDigit) {
  Memory memory;
  memory.machine("host");
  constexpr std::int64_t kRounds = 10;
  std::int64_t now = 0;
  std::map<std::int64_t, std::int64_t> idle_since;
  for (const Published& worker : kPublished) memory.thread("host", worker.tid, worker.comm);
  std::int64_t before = 0;
  for (std::int64_t round = 0; round < kRounds; ++round) {
    for (const Published& worker : kPublished) {
      const std::int64_t begin = now;
      now += worker.total_ns / kRounds;
      if (idle_since[worker.tid] < begin) {
        memory.is("host", worker.tid, idle_since[worker.tid], begin,
                  {.state = kBlocked, .detail = "task", .waker_machine = "host", .waker = before});
      }
      memory.is("host", worker.tid, begin, now, {.state = kUser, .cpu = 0});
      idle_since[worker.tid] = now;
      before = worker.tid;
    }
  }
  const World world(memory);
  PathWalk walk = walk_of(world, {0, before, HostTime{0}, HostTime{now}});
  std::map<std::int64_t, std::int64_t> totals;
  std::int64_t sum = 0;
  PathPiece piece;
  while (walk.next(piece)) {
    EXPECT_EQ(piece.label, model::PathLabel::kRun);
    totals[piece.tid] += piece.end - piece.begin;
    sum += piece.end - piece.begin;
  }
  EXPECT_EQ(sum, now);
  for (const Published& worker : kPublished) {
    EXPECT_EQ(totals[worker.tid], worker.total_ns) << worker.tid;
    const double percent =
        100.0 * static_cast<double>(totals[worker.tid]) / static_cast<double>(sum);
    EXPECT_EQ(fmt::format("{:.2f}", percent), worker.printed) << worker.tid;
  }
}

}  // namespace
}  // namespace vs::analysis::flow
