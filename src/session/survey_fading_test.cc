// The first pass lets most events fade (model/fading.h). What it finds is what it finds when every
// event is delivered: on random streams, with losses, switches that are missing, threads named by
// each event, by some or by none, times that go back, and several streams of one CPU.
#include <gtest/gtest.h>

#include <array>
#include <random>
#include <sstream>
#include <string>

#include "session/fake_trace_test_support.h"
#include "session/survey.h"

namespace vs::session {
namespace {

using model::Event;
using model::EventKind;
namespace arg = model::arg;

using Random = std::mt19937_64;

std::uint64_t below(Random& random, std::uint64_t n) { return random() % n; }
bool chance(Random& random, std::uint64_t percent) { return below(random, 100) < percent; }

constexpr std::array<std::string_view, 6> kNames = {"bash",      "qemu", "cpuhp/1",
                                                    "CPU 0/KVM", "",     "a name of sixteen"};

/// Events of one CPU in their order.
class StreamMaker {
 public:
  StreamMaker(Random& random, std::uint32_t cpu, unsigned named_percent, bool kvm)
      : random_(random), named_percent_(named_percent), kvm_(kvm) {
    stream_.cpu = cpu;
    own_ = static_cast<std::int64_t>(1000 + below(random_, 3000));
  }

  /// Its times never go back.
  StreamMaker& in_order() {
    in_order_ = true;
    return *this;
  }
  test::FakeTrace::Stream make(std::size_t events) {
    while (stream_.events.size() < events) step();
    return std::move(stream_);
  }

 private:
  std::int32_t some_thread() { return static_cast<std::int32_t>(below(random_, 9)); }

  Event& add(EventKind kind) {
    own_ += static_cast<std::int64_t>(below(random_, 20));
    if (!in_order_ && chance(random_, 1) && chance(random_, 10)) own_ -= 500;
    Event& event = stream_.events.emplace_back();
    event.kind = kind;
    event.own = OwnTime{own_};
    event.cpu = stream_.cpu;
    if (chance(random_, named_percent_)) event.tid = running_;
    return event;
  }
  static void set(Event& event, std::size_t slot, std::int64_t value) {
    event.args[slot] = static_cast<std::uint64_t>(value);
    event.present = static_cast<std::uint16_t>(event.present | (1U << slot));
  }
  std::string_view name_of(std::int32_t tid) {
    if (chance(random_, 3)) return kNames[below(random_, kNames.size())];
    return kNames[static_cast<std::size_t>(tid) % kNames.size()];
  }

  void switch_threads() {
    const std::int32_t next = some_thread();
    if (chance(random_, 90)) {
      Event& event = add(EventKind::kSchedSwitch);
      set(event, arg::kPrevTid, chance(random_, 97) ? running_ : some_thread());
      set(event, arg::kNextTid, next);
      event.texts[arg::kPrevComm] = name_of(running_);
      event.texts[arg::kNextComm] = name_of(next);
    }
    running_ = next;
  }

  void about_another() {
    constexpr std::array kKinds = {EventKind::kSchedWaking,      EventKind::kSchedWaking,
                                   EventKind::kSchedWakeup,      EventKind::kSchedWakeupNew,
                                   EventKind::kSchedMigrateTask, EventKind::kSchedProcessExit,
                                   EventKind::kTaskRename};
    const std::int32_t tid = some_thread();
    Event& event = add(kKinds[below(random_, kKinds.size())]);
    set(event, 0, tid);
    event.texts[0] = name_of(tid);
    event.texts[1] = name_of(tid);
  }

  void lose() {
    Event& event = add(EventKind::kLoss);
    event.type = model::kLossType;
    event.tid = model::kNoTid;
    own_ += 100;
    set(event, arg::kLossEndOwn, own_);
    if (chance(random_, 50)) running_ = some_thread();
  }

  void step() {
    constexpr std::array kPlain = {EventKind::kSyscallEntry,
                                   EventKind::kSyscallExit,
                                   EventKind::kSyscallEntry,
                                   EventKind::kSyscallExit,
                                   EventKind::kIrqHandlerEntry,
                                   EventKind::kIrqHandlerExit,
                                   EventKind::kSoftirqEntry,
                                   EventKind::kSoftirqExit,
                                   EventKind::kTimerExpireEntry,
                                   EventKind::kHrtimerExpireEntry,
                                   EventKind::kHrtimerExpireExit,
                                   EventKind::kNetifReceiveSkb,
                                   EventKind::kUnknown};
    const std::uint64_t choice = below(random_, 100);
    if (choice < 25) return switch_threads();
    if (choice < 45) return about_another();
    if (choice < 46) return lose();
    if (kvm_ && choice < 55) {
      add(chance(random_, 50) ? EventKind::kKvmEntry : EventKind::kKvmExit);
      return;
    }
    Event& event = add(kPlain[below(random_, kPlain.size())]);
    set(event, 0, static_cast<std::int64_t>(below(random_, 4)));
  }

  Random& random_;
  const unsigned named_percent_;
  const bool kvm_;
  bool in_order_ = false;
  test::FakeTrace::Stream stream_;
  std::int32_t running_ = 0;
  std::int64_t own_ = 0;
};

test::FakeTrace random_trace(Random& random) {
  test::FakeTrace trace;
  const bool kvm = chance(random, 30);
  if (kvm) trace.add_type("kvm_entry", EventKind::kKvmEntry);
  if (chance(random, 30)) trace.change_info().clock.unit = reader::ClockInfo::Unit::kTicks;
  const std::array named_percents = {0U, 50U, 100U};
  const unsigned named = named_percents[below(random, named_percents.size())];
  for (std::uint64_t streams = 1 + below(random, 4); streams-- > 0;) {
    const auto cpu = static_cast<std::uint32_t>(below(random, 3));
    trace.add_stream(StreamMaker(random, cpu, named, kvm).make(20 + below(random, 600)));
  }
  return trace;
}

template <typename T>
void add_earliest(std::ostringstream& out, const std::optional<T>& time) {
  out << (time ? std::to_string(time->value) : "-") << " ";
}

void describe(const analysis::kernel::InitialState& state, std::ostringstream& out) {
  add_earliest(out, state.first);
  out << state.has_waking << state.has_wakeup << state.has_syscalls << "\n";
  for (const auto& cpu : state.cpus) {
    out << "cpu " << cpu.cpu << " " << cpu.first.value << " " << cpu.tid << " " << cpu.idle_comm
        << " " << cpu.late;
    for (const auto& context : cpu.contexts) {
      out << " " << static_cast<int>(context.kind) << ":" << context.number;
    }
    out << "\n";
  }
  for (const auto& thread : state.threads) {
    out << "thread " << thread.tid << " " << static_cast<int>(thread.state) << " " << thread.cpu
        << " " << thread.tgid << " " << thread.parent_tid << " '" << thread.comm << "' "
        << static_cast<int>(thread.privilege) << " " << thread.pid_ns;
    if (thread.syscall) out << " in " << thread.syscall->type << " " << thread.syscall->nr;
    out << "\n";
  }
}

void describe(const model::TraceEvidence& evidence, std::ostringstream& out) {
  out << evidence.first.value << " " << evidence.last.value << " " << evidence.events << "\n";
  for (const auto& thread : evidence.threads) {
    out << "runs of " << thread.tid;
    for (const auto& run : thread.runs) out << " " << run.entry.value << "-" << run.exit.value;
    out << "\n";
  }
  for (const auto& loss : evidence.losses) out << loss.entry.value << "-" << loss.exit.value << " ";
  for (const auto& reading : evidence.readings) out << reading.own.value << " ";
  for (const auto& cpu : evidence.cpus) {
    out << "bursts of " << cpu.cpu;
    for (const auto& burst : cpu.bursts) out << " " << burst.first << "+" << burst.length;
    out << "\n";
  }
}

/// All that a survey found, in words.
std::string words_of(const TraceSurvey& survey) {
  std::ostringstream out;
  out << survey.events << " ";
  add_earliest(out, survey.begin);
  add_earliest(out, survey.end);
  for (const std::uint64_t count : survey.events_by_type) out << count << " ";
  for (const StreamCount& stream : survey.streams) out << stream.events << " ";
  for (const LossWindow& loss : survey.losses) out << loss.begin.value << "-" << loss.end.value;
  out << " reversals " << survey.time_reversals << "\n";
  describe(survey.initial, out);
  for (const model::FoundVm& vm : survey.vms) {
    for (const auto& vcpu : vm.vcpus) {
      for (const auto& thread : vcpu.threads) out << "vcpu " << vcpu.id << " " << thread.tid << " ";
    }
  }
  describe(survey.evidence, out);
  return out.str();
}

std::string survey(const test::FakeTrace& trace, const SurveyScope& scope) {
  model::IssueLog issues;
  Progress progress({}, nullptr);
  const auto result = survey_trace(trace, {}, issues, progress, scope);
  EXPECT_TRUE(result.ok());
  return result.ok() ? words_of(result.value()) : "";
}

TEST(SurveyFading, ChangesNothingThatIsFound) {
  for (std::uint64_t seed = 1; seed <= 400; ++seed) {
    Random random(seed);
    test::FakeTrace fading = random_trace(random);
    test::FakeTrace whole = fading;
    whole.deliver_all();
    SurveyScope scope;
    scope.alone = chance(random, 50);
    scope.guest = chance(random, 50);
    ASSERT_EQ(survey(fading, scope), survey(whole, scope)) << "seed " << seed;
    EXPECT_LE(fading.delivered(), whole.delivered());
  }
}

TEST(SurveyFading, LeavesOutMostOfALongStream) {
  Random random(7);
  test::FakeTrace trace;
  trace.add_stream(StreamMaker(random, 0, 0, false).in_order().make(20'000));
  model::IssueLog issues;
  Progress progress({}, nullptr);
  SurveyScope scope;
  scope.alone = true;
  ASSERT_TRUE(survey_trace(trace, {}, issues, progress, scope).ok());
  EXPECT_LT(trace.delivered(), 10'000U);
}

}  // namespace
}  // namespace vs::session
