#include "model/cpu_contexts.h"

#include <gtest/gtest.h>

namespace vs::model {
namespace {

TEST(ContextStack, PopsTheMatchingContextAndWhatIsInside) {
  ContextStack stack;
  EXPECT_EQ(stack.state(), PcpuState::kUnknown);
  EXPECT_TRUE(stack.push({ContextKind::kSoftirq, BlockCause::kTimer, 1}));
  EXPECT_TRUE(stack.push({ContextKind::kHardirq, BlockCause::kIrq, 9}));
  EXPECT_EQ(stack.state(), PcpuState::kIrq);
  EXPECT_TRUE(stack.push({ContextKind::kTimer, BlockCause::kTimer, 77}));
  EXPECT_EQ(stack.state(), PcpuState::kIrq) << "a timer callback is no place of its own";
  EXPECT_FALSE(stack.pop(ContextKind::kHardirq, 8).found);
  EXPECT_EQ(stack.size(), 3U);
  const ContextStack::Popped popped = stack.pop(ContextKind::kSoftirq, 1);
  EXPECT_TRUE(popped.found);
  EXPECT_EQ(popped.dropped, 2U);
  EXPECT_EQ(stack.size(), 0U);
  for (std::size_t i = 0; i < ContextStack::kDepth; ++i) EXPECT_TRUE(stack.push({}));
  EXPECT_FALSE(stack.push({}));
}

TEST(ContextStack, KnowsWhatTheInnermostOneInterrupted) {
  ContextStack stack;
  EXPECT_EQ(stack.innermost(), nullptr);
  EXPECT_EQ(stack.outer(), nullptr);
  ASSERT_TRUE(stack.push({ContextKind::kSoftirq, BlockCause::kTimer, 1}));
  EXPECT_EQ(stack.innermost()->number, 1);
  EXPECT_EQ(stack.outer(), nullptr) << "the task";
  ASSERT_TRUE(stack.push({ContextKind::kHardirq, BlockCause::kIrq, 9}));
  EXPECT_EQ(stack.innermost()->number, 9);
  EXPECT_EQ(stack.outer()->number, 1);
}

}  // namespace
}  // namespace vs::model
