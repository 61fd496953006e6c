#include "analysis/vcpu/exit_reason.h"

#include <gtest/gtest.h>

#include <string>

#include "tests/support/events.h"

namespace vs::analysis::vcpu {
namespace {

using model::ExitClass;

std::string text(Isa isa, std::uint64_t reason, std::uint64_t ec = 0) {
  char buffer[kExitTextBytes];
  return std::string(exit_text({isa, reason, ec, false}, buffer));
}

TEST(ExitReason, NamesAreTheKernelsWithoutPrefix) {
  EXPECT_EQ(text(Isa::kSvm, 0x78), "HLT");
  EXPECT_EQ(text(Isa::kSvm, 0x7b), "IOIO");
  EXPECT_EQ(text(Isa::kSvm, 0x400), "NPF");
  EXPECT_EQ(text(Isa::kSvm, 0x60), "INTR");
  EXPECT_EQ(text(Isa::kSvm, 0x81), "VMMCALL");
  EXPECT_EQ(text(Isa::kSvm, 0x64), "VINTR");
  EXPECT_EQ(text(Isa::kVmx, 48), "EPT_VIOLATION");
  EXPECT_EQ(text(Isa::kVmx, 32), "MSR_WRITE");
  EXPECT_EQ(text(Isa::kVmx, 1), "EXTERNAL_INTERRUPT");
  EXPECT_EQ(text(Isa::kVmx, 40), "PAUSE_INSTRUCTION");
  EXPECT_EQ(text(Isa::kArm, 2, 0x24), "DABT_LOW");
  EXPECT_EQ(text(Isa::kArm, 0), "IRQ");
}

TEST(ExitReason, WithoutANameTheNumber) {
  EXPECT_EQ(text(Isa::kSvm, 0x999), "0x999");
  EXPECT_EQ(text(Isa::kVmx, 5), "0x5");
  EXPECT_EQ(text(Isa::kArm, 2, 0x3f), "0x3f");
  EXPECT_EQ(text(Isa::kUnknown, 120), "120");
  EXPECT_EQ(text(Isa::kUnknown, ~std::uint64_t{0}), "18446744073709551615");
}

TEST(ExitReason, SameNumberOtherInstructionSet) {
  EXPECT_EQ(text(Isa::kVmx, 12), "HLT");
  EXPECT_EQ(text(Isa::kSvm, 12), "0xc");
}

TEST(ExitReason, ClassesOfTheTable) {
  const auto of = [](Isa isa, std::uint64_t reason, std::uint64_t ec = 0) {
    return exit_class({isa, reason, ec, false});
  };
  for (const unsigned idle : {12U, 36U, 67U, 68U}) EXPECT_EQ(of(Isa::kVmx, idle), ExitClass::kIdle);
  for (const unsigned idle : {0x78U, 0x8bU, 0xa6U}) {
    EXPECT_EQ(of(Isa::kSvm, idle), ExitClass::kIdle);
  }
  EXPECT_EQ(of(Isa::kArm, 2, 1), ExitClass::kIdle);
  for (const unsigned irq : {0x60U, 0x61U, 0x62U}) {
    EXPECT_EQ(of(Isa::kSvm, irq), ExitClass::kHostIrq);
  }
  for (const unsigned nested : {19U, 20U, 21U, 22U, 23U, 24U, 25U, 26U, 27U, 50U, 53U}) {
    EXPECT_EQ(of(Isa::kVmx, nested), ExitClass::kNested);
  }
  for (const unsigned window : {7U, 8U, 43U, 44U, 45U, 56U}) {
    EXPECT_EQ(of(Isa::kVmx, window), ExitClass::kIrqWindow);
  }
  EXPECT_EQ(of(Isa::kVmx, 52), ExitClass::kTimer);
  EXPECT_EQ(of(Isa::kVmx, 49), ExitClass::kIo);
  EXPECT_EQ(of(Isa::kVmx, 62), ExitClass::kMemory);
  EXPECT_EQ(of(Isa::kSvm, 0x77), ExitClass::kSpin);
  EXPECT_EQ(of(Isa::kSvm, 0x401), ExitClass::kIpiSend);
  EXPECT_EQ(of(Isa::kSvm, 0x999), ExitClass::kEmulation);
  EXPECT_EQ(of(Isa::kUnknown, 12), ExitClass::kUnknown);
}

TEST(ExitReason, FieldsOfTheRecord) {
  const auto code = [](std::int64_t reason, test::events::Maybe isa) {
    return exit_code_of(test::events::kvm_exit({}, {.reason = reason, .isa = isa}));
  };
  EXPECT_EQ(code(0x80000021, 1), (ExitCode{Isa::kVmx, 33, 0, true}));
  EXPECT_EQ(code(0x0800000c, 1), (ExitCode{Isa::kVmx, 12, 0, false}));
  EXPECT_EQ(code(0x400, 2), (ExitCode{Isa::kSvm, 0x400, 0, false}));
  EXPECT_EQ(code(12, {}), (ExitCode{Isa::kUnknown, 12, 0, false}));
  EXPECT_EQ(code(12, 7), (ExitCode{Isa::kUnknown, 12, 0, false}));
}

}  // namespace
}  // namespace vs::analysis::vcpu
