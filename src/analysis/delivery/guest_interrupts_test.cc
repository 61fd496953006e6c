#include "analysis/delivery/guest_interrupts.h"

#include <gtest/gtest.h>

#include "tests/support/events.h"
#include "tests/support/fake_facts.h"

namespace vs::analysis::delivery {
namespace {

namespace ev = test::events;
using model::BlockCause;
using model::Context;
using model::ContextKind;

constexpr model::StringId kHostName = 10;
constexpr model::StringId kGuestName = 11;

class Guest {
 public:
  explicit Guest(model::KindSet recorded = model::KindSet::all())
      : interrupts_(1, {kHostName, kGuestName}, facts_, recorded) {}

  Guest& accept(std::int16_t vector, DeliveryClass cause, std::int32_t tid = -1,
                std::uint32_t cpu = 0) {
    Delivery delivery;
    delivery.time = HostTime{++now_};
    delivery.vector = vector;
    delivery.cause = cause;
    delivery.source_tid = tid;
    if (tid >= 0) delivery.source_machine = 0;
    interrupts_.on_delivery(cpu, delivery);
    return *this;
  }
  Guest& inject(std::uint8_t vector) {
    interrupts_.on_injection(0, vector);
    return *this;
  }
  Guest& feed(const model::Event& event) {
    facts_.on_event(event);
    interrupts_.on_event({HostTime{++now_}, 1, 0, event.tid, event});
    return *this;
  }
  Guest& irq(std::int64_t number) {
    return feed(ev::irq_entry({.tid = 0}, number)).feed(ev::irq_exit({.tid = 0}, number));
  }
  /// "disk by 10:100" of a wake-up out of a context.
  [[nodiscard]] std::string wake(ContextKind kind, std::int64_t number, BlockCause cause,
                                 std::uint32_t cpu = 0) {
    const Context context{kind, cause, number};
    return text(interrupts_.resolve({HostTime{++now_}, cpu, -1, &context, cause}));
  }
  [[nodiscard]] std::string wake_without_context() {
    return text(interrupts_.resolve({HostTime{++now_}, 0, -1, nullptr, BlockCause::kIrq}));
  }
  GuestInterrupts& interrupts() { return interrupts_; }
  void lose(std::uint32_t cpu) {
    facts_.forget(cpu);
    interrupts_.on_loss(cpu);
  }

 private:
  static std::string text(const kernel::WakeSource& source) {
    std::string text(model::block_cause_names()[static_cast<std::size_t>(source.cause)]);
    if (source.tid == model::kNull) return text;
    return text + " by " + std::to_string(source.machine) + ":" + std::to_string(source.tid);
  }
  test::FakeFacts facts_;
  GuestInterrupts interrupts_;
  std::int64_t now_ = 0;
};

TEST(GuestInterrupts, TheVectorInjectedLastIsHandled) {
  Guest guest;
  guest.accept(37, DeliveryClass::kDisk, 100).accept(236, DeliveryClass::kTimer);
  guest.inject(236).inject(37).feed(ev::irq_entry({.tid = 0}, 28));
  EXPECT_EQ(guest.wake(ContextKind::kHardirq, 28, BlockCause::kIrq), "disk by 10:100");
  EXPECT_EQ(guest.wake(ContextKind::kHardirq, 28, BlockCause::kUserInput), "user_input by 10:100");
}

TEST(GuestInterrupts, WithoutInjectionsADevicesInterruptIsNoTimersAndNoIpi) {
  Guest guest;
  guest.accept(236, DeliveryClass::kTimer).accept(253, DeliveryClass::kTask, 7);
  guest.accept(37, DeliveryClass::kDisk, 100).feed(ev::irq_entry({.tid = 0}, 28));
  EXPECT_EQ(guest.wake(ContextKind::kHardirq, 28, BlockCause::kIrq), "disk by 10:100");
}

TEST(GuestInterrupts, WithoutInjectionsWhatAnInterruptHadBeforeElseTheHighest) {
  Guest guest;
  guest.accept(37, DeliveryClass::kDisk, 100).irq(28);
  guest.accept(37, DeliveryClass::kDisk, 101).accept(39, DeliveryClass::kNetwork, 102);
  guest.feed(ev::irq_entry({.tid = 0}, 28));
  EXPECT_EQ(guest.wake(ContextKind::kHardirq, 28, BlockCause::kIrq), "disk by 10:101");
  guest.feed(ev::irq_exit({.tid = 0}, 28));
  guest.accept(40, DeliveryClass::kDisk, 103).feed(ev::irq_entry({.tid = 0}, 31));
  EXPECT_EQ(guest.wake(ContextKind::kHardirq, 31, BlockCause::kIrq), "disk by 10:103");
}

TEST(GuestInterrupts, ADeliveryIsHandledOnce) {
  Guest guest;
  guest.accept(37, DeliveryClass::kDisk, 100).irq(28).feed(ev::irq_entry({.tid = 0}, 28));
  EXPECT_EQ(guest.wake(ContextKind::kHardirq, 28, BlockCause::kIrq), "irq");
}

TEST(GuestInterrupts, VectorsAreTakenByNumber) {
  Guest guest;
  guest.accept(253, DeliveryClass::kTask, 7).accept(251, DeliveryClass::kTask, 8);
  guest.feed(ev::irq_vector_entry({.tid = 0}, 253));
  EXPECT_EQ(guest.wake(ContextKind::kVector, 253, BlockCause::kIpi), "ipi by 10:7");
}

TEST(GuestInterrupts, ASoftirqBelongsToTheInterruptThatRaisedIt) {
  Guest guest;
  guest.accept(39, DeliveryClass::kNetwork, 100).inject(39);
  guest.feed(ev::irq_entry({.tid = 0}, 31));
  guest.feed(ev::make(model::EventKind::kSoftirqRaise, {.tid = 0}, {{"vec", 3}}));
  guest.feed(ev::irq_exit({.tid = 0}, 31));
  guest.accept(37, DeliveryClass::kDisk, 101).inject(37).irq(28);
  guest.feed(ev::softirq_entry({.tid = 0}, 3));
  EXPECT_EQ(guest.wake(ContextKind::kSoftirq, 3, BlockCause::kNetwork), "network by 10:100");
}

TEST(GuestInterrupts, ASoftirqThatATaskRaisedIsTheTasks) {
  Guest guest;
  guest.accept(37, DeliveryClass::kDisk, 100).inject(37).irq(28);
  guest.feed(ev::make(model::EventKind::kSoftirqRaise, {.tid = 55}, {{"vec", 3}}));
  EXPECT_EQ(guest.wake(ContextKind::kSoftirq, 3, BlockCause::kNetwork), "network by 11:55");
}

TEST(GuestInterrupts, WithoutRaisesASoftirqFollowsItsInterrupt) {
  Guest guest(model::KindSet::of({}));
  guest.accept(39, DeliveryClass::kNetwork, 100).inject(39).irq(31);
  EXPECT_EQ(guest.wake(ContextKind::kSoftirq, 3, BlockCause::kNetwork), "network by 10:100");
}

TEST(GuestInterrupts, TimersHaveNoWaker) {
  Guest guest;
  guest.accept(39, DeliveryClass::kNetwork, 100).inject(39).irq(31);
  EXPECT_EQ(guest.wake(ContextKind::kTimer, 1, BlockCause::kTimer), "timer");
}

TEST(GuestInterrupts, AnInterruptWithoutAnyEventIsTheOneInjectedLast) {
  Guest guest;
  guest.accept(251, DeliveryClass::kTask, 7).inject(251);
  EXPECT_EQ(guest.wake_without_context(), "task by 10:7");
  guest.irq(31);
  EXPECT_EQ(guest.wake_without_context(), "irq");  // that one had its handler
}

TEST(GuestInterrupts, ALossForgets) {
  Guest guest;
  guest.accept(37, DeliveryClass::kDisk, 100).inject(37).feed(ev::irq_entry({.tid = 0}, 28));
  EXPECT_TRUE(guest.interrupts().in_interrupt(0));
  guest.lose(0);
  EXPECT_FALSE(guest.interrupts().in_interrupt(0));
  EXPECT_EQ(guest.wake(ContextKind::kHardirq, 28, BlockCause::kIrq), "irq");
  EXPECT_EQ(guest.wake(ContextKind::kHardirq, 28, BlockCause::kIrq, 99), "irq");
}

TEST(GuestInterrupts, MoreOutstandingThanItKeeps) {
  Guest guest;
  for (std::int16_t vector = 40; vector < 80; ++vector) {
    guest.accept(vector, DeliveryClass::kDevice, vector);
  }
  guest.accept(79, DeliveryClass::kDisk, 1000);  // the same again takes the place of the first
  guest.feed(ev::irq_entry({.tid = 0}, 28));
  EXPECT_EQ(guest.wake(ContextKind::kHardirq, 28, BlockCause::kIrq), "disk by 10:1000");
}

}  // namespace
}  // namespace vs::analysis::delivery
