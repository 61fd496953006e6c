#include "analysis/waits/identity.h"

#include <gtest/gtest.h>

namespace vs::analysis::waits {
namespace {

constexpr std::uint64_t kKernel = 0xffffffff81000000U;
constexpr std::uint64_t kUserRip = 0x402630;
constexpr std::uint64_t kIdleStack = 0xffffc90000093ed8U;
constexpr std::uint64_t kIrqStack = 0xffffc900000c8f20U;
constexpr std::uint64_t kTaskStack = 0xffffc900004db740U;

Registers user(std::uint64_t cr3, std::uint64_t rip = kUserRip) {
  return {cr3, rip, 0x7ffc610c5498U, 3, true, true, true, true};
}
Registers kernel(std::uint64_t cr3, std::uint64_t rsp) {
  return {cr3, kKernel, rsp, 0, true, true, true, true};
}
Registers only_rip(std::uint64_t rip) {
  Registers r;
  r.rip = rip;
  r.has_rip = true;
  return r;
}

TEST(Identity, RootLosesItsFlagBits) {
  EXPECT_EQ(canonical_root(0x8000000006838005U), 0x6838000U);
  EXPECT_EQ(canonical_root(0x2a10fffU), 0x2a10000U);
}

TEST(Identity, UserCodeNamesTheProcessOfItsRoot) {
  Identifier identifier(1);
  const Seen seen = identifier.look(0, user(0x6838000), false);
  EXPECT_EQ(identifier.identity(), Identity::kCr3);
  EXPECT_EQ(seen.context, Context::kUser);
  EXPECT_EQ(seen.key, 0x6838000U);
}

TEST(Identity, TheIdleLoopBorrowsTheLastRoot) {
  Identifier identifier(1);
  (void)identifier.look(0, kernel(0x6838000, kIdleStack), true);
  (void)identifier.look(0, user(0x6838000), false);
  EXPECT_EQ(identifier.look(0, kernel(0x6838000, kIdleStack - 0x80), false).context,
            Context::kIdle);
}

TEST(Identity, AStackThatFollowsUserCodeBelongsToItsProcess) {
  Identifier identifier(1);
  (void)identifier.look(0, user(0x6838000), false);
  EXPECT_EQ(identifier.look(0, kernel(0x6838000, kTaskStack), false).context, Context::kKernel);
  (void)identifier.look(0, kernel(0x6838000, kIdleStack), true);
  const Seen back = identifier.look(0, kernel(0x6838000, kTaskStack), false);
  EXPECT_EQ(back.context, Context::kKernel);
  EXPECT_EQ(back.key, 0x6838000U);
}

TEST(Identity, AStackThatFollowsIdlingIsAKernelThreads) {
  Identifier identifier(1);
  (void)identifier.look(0, user(0x6838000), false);
  (void)identifier.look(0, kernel(0x6838000, kIdleStack), true);
  EXPECT_EQ(identifier.look(0, kernel(0x6838000, kTaskStack), false).context,
            Context::kKernelThread);
}

TEST(Identity, EndingAnInterruptMarksTheInterruptStack) {
  Identifier identifier(1);
  (void)identifier.look(0, user(0x6838000), false);
  (void)identifier.look(0, kernel(0x6838000, kIrqStack), false);
  identifier.note_end_of_interrupt(0);
  EXPECT_EQ(identifier.look(0, kernel(0x6838000, kIrqStack), false).context, Context::kInterrupt);
}

TEST(Identity, AStackUnderManyRootsIsTheKernels) {
  Identifier identifier(1);
  for (std::uint64_t i = 1; i < 8; ++i) {
    (void)identifier.look(0, user(i << 20), false);
    (void)identifier.look(0, kernel(i << 20, kIrqStack), false);
  }
  (void)identifier.look(0, kernel(7 << 20, kIdleStack), true);
  EXPECT_EQ(identifier.look(0, kernel(7 << 20, kIrqStack), false).context, Context::kKernelThread);
}

TEST(Identity, IsolatedPageTablesAreOneProcess) {
  Identifier identifier(1);
  (void)identifier.look(0, kernel(0x6838000, kTaskStack), false);
  EXPECT_EQ(identifier.look(0, user(0x6839806), false).key, 0x6838000U);
  (void)identifier.look(0, kernel(0x683a000, kTaskStack), false);
  EXPECT_EQ(identifier.look(0, user(0x683b806), false).key, 0x683a000U);
}

TEST(Identity, AnOddRootWaitsForItsKernelHalf) {
  Identifier identifier(1);
  EXPECT_EQ(identifier.look(0, user(0x6839000), false).context, Context::kUnknown);
  (void)identifier.look(0, kernel(0x6838000, kTaskStack), false);
  EXPECT_EQ(identifier.look(0, user(0x6839000), false).key, 0x6838000U);
}

TEST(Identity, WithoutIsolationOddRootsAreProcessesOfTheirOwn) {
  Identifier identifier(1);
  EXPECT_EQ(identifier.look(0, user(0x6838000), false).key, 0x6838000U);
  EXPECT_EQ(identifier.look(0, user(0x6839000), false).key, 0x6839000U);
}

TEST(Identity, WithoutRootsTheCodeTells) {
  Identifier identifier(1);
  for (std::uint32_t i = 0; i <= Identifier::kExitsWithoutRoot; ++i) {
    (void)identifier.look(0, only_rip(kKernel), false);
  }
  EXPECT_EQ(identifier.identity(), Identity::kRip);
  EXPECT_EQ(identifier.look(0, only_rip(0x402630), false).key, 0U);
  EXPECT_EQ(identifier.look(0, only_rip(0x55d0c0000000), false).key, 0x55d0c0000000U >> 30);
  EXPECT_EQ(identifier.look(0, only_rip(kKernel), false).context, Context::kUnknown);
  EXPECT_TRUE(identifier.note_root(0x6838000));
  EXPECT_FALSE(identifier.note_root(0x6838000));
  EXPECT_EQ(identifier.identity(), Identity::kCr3);
}

TEST(Identity, ProgramAndLibraryBecomeOne) {
  Identifier identifier(1);
  constexpr std::uint64_t kProgram = 0x55d0c0000000U;
  constexpr std::uint64_t kLibrary = 0x7f1240000000U;
  for (int i = 0; i < 100; ++i) {
    (void)identifier.look(0, only_rip(kProgram), false);
    (void)identifier.look(0, only_rip(kLibrary), false);
  }
  EXPECT_EQ(identifier.look(0, only_rip(kLibrary), false).key, kProgram >> 30);
}

TEST(Identity, ProgramsThatIdleBetweenStayTwo) {
  Identifier identifier(1);
  constexpr std::uint64_t kProgram = 0x55d0c0000000U;
  constexpr std::uint64_t kLibrary = 0x7f1240000000U;
  for (int i = 0; i < 100; ++i) {
    (void)identifier.look(0, only_rip(kProgram), false);
    (void)identifier.look(0, only_rip(kKernel), true);
    (void)identifier.look(0, only_rip(kLibrary), false);
    (void)identifier.look(0, only_rip(kKernel), true);
  }
  EXPECT_EQ(identifier.look(0, only_rip(kLibrary), false).key, kLibrary >> 30);
}

TEST(Identity, WithoutAnyRegisterEachVcpuIsOneProcess) {
  Identifier identifier(2);
  Seen seen;
  for (std::uint32_t i = 0; i < 3 * Identifier::kExitsWithoutRoot; ++i) {
    seen = identifier.look(1, Registers{}, false);
  }
  EXPECT_EQ(identifier.identity(), Identity::kVcpu);
  EXPECT_EQ(seen.context, Context::kKernel);
  EXPECT_EQ(seen.key, 1U);
  EXPECT_EQ(identifier.look(1, Registers{}, true).context, Context::kIdle);
}

}  // namespace
}  // namespace vs::analysis::waits
