#include "analysis/waits/identity.h"

#include <algorithm>

namespace vs::analysis::waits {
namespace {

constexpr std::uint64_t kPairBit = 0x1000;    // the two roots of page-table isolation differ here
constexpr unsigned kStackShift = 14;          // kernel stacks of 16 KiB, aligned to their size
constexpr std::uint8_t kSharedConflicts = 3;  // seen under so many other roots: the kernel's own
constexpr unsigned kClusterShift = 30;        // a program and its heap lie in one gigabyte

// Shared libraries lie just below the stack, programs far below them.
constexpr std::uint64_t kLibraryFloor = 0x7000'0000'0000U >> kClusterShift;
constexpr std::uint32_t kPairCases = 50;
constexpr std::uint32_t kPairPercent = 90;

constexpr bool is_kernel_address(std::uint64_t address) { return (address >> 63) != 0; }

/// Is it user code? The privilege level says so; else the half of the address space.
bool is_user(const Registers& r) {
  if (r.has_cpl) return r.cpl == 3;
  if (r.has_rip) return !is_kernel_address(r.rip);
  return r.has_rsp && !is_kernel_address(r.rsp);
}

}  // namespace

Identifier::Identifier(std::size_t vcpus, bool may_have_roots)
    : without_root_(may_have_roots ? 0 : kExitsWithoutRoot), vcpus_(vcpus) {}

bool Identifier::note_root(std::uint64_t cr3) {
  if (identity_ == Identity::kCr3 || canonical_root(cr3) == 0) return false;
  const bool worse = identity_ != Identity::kUndecided;
  identity_ = Identity::kCr3;
  return worse;
}

void Identifier::decide(const Registers& registers) {
  if (registers.has_cr3 && note_root(registers.cr3)) return;
  if (identity_ == Identity::kCr3) return;
  if (without_root_ < kExitsWithoutRoot) {
    ++without_root_;
  } else if (registers.has_rip && registers.rip != 0) {
    identity_ = Identity::kRip;
  } else if (++without_root_ >= 2 * kExitsWithoutRoot) {
    identity_ = Identity::kVcpu;
  }
}

Seen Identifier::look(std::uint32_t slot, const Registers& registers, bool idle_exit) {
  if (identity_ == Identity::kUndecided) decide(registers);
  Vcpu& vcpu = vcpus_[slot];
  const bool user = is_user(registers);
  switch (identity_) {
    case Identity::kCr3:
      if (registers.has_cr3) return look_cr3(vcpu, registers, user, idle_exit);
      break;
    case Identity::kRip:
      return look_rip(vcpu, registers, user, idle_exit);
    case Identity::kVcpu:
      return {idle_exit ? Context::kIdle : Context::kKernel, slot};
    case Identity::kUndecided:
      break;
  }
  return {idle_exit ? Context::kIdle : Context::kUnknown, 0};
}

void Identifier::note_end_of_interrupt(std::uint32_t slot) {
  const std::uint64_t stack = vcpus_[slot].stack;
  if (stack == 0 || stack == vcpus_[slot].idle_stack) return;
  if (const auto at = stacks_.find(stack); at != stacks_.end()) at->second.interrupt = true;
}

void Identifier::forget(std::uint32_t slot) {
  const std::uint64_t idle_stack = vcpus_[slot].idle_stack;
  vcpus_[slot] = Vcpu{};
  vcpus_[slot].idle_stack = idle_stack;
}

// ---- cr3 ----

/// User code on an odd root whose even neighbour has run the kernel's: isolation. User code on an
/// even root: none.
void Identifier::learn_isolation(std::uint64_t root, bool user) {
  if (isolation_ == Isolation::kOff) return;
  if (roots_.size() >= kMaxRoots) roots_.clear();
  bool& seen_user = roots_[root];
  seen_user = seen_user || user;
  const bool odd = (root & kPairBit) != 0;
  if (user && !odd) {
    isolation_ = Isolation::kOff;
    roots_.clear();
  } else if (user && isolation_ == Isolation::kUnknown) {
    const auto even = roots_.find(root & ~kPairBit);
    if (even != roots_.end() && !even->second) isolation_ = Isolation::kOn;
  }
}

Seen Identifier::look_cr3(Vcpu& vcpu, const Registers& registers, bool user, bool idle_exit) {
  std::uint64_t root = canonical_root(registers.cr3);
  learn_isolation(root, user);
  const bool undecided = isolation_ == Isolation::kUnknown && (root & kPairBit) != 0;
  if (isolation_ == Isolation::kOn) root &= ~kPairBit;
  const bool switched = root != vcpu.root && vcpu.root != 0;
  if (switched) vcpu.unbroken = false;
  vcpu.root = root;
  const bool has_stack = registers.has_rsp && is_kernel_address(registers.rsp);
  vcpu.stack = has_stack && !user ? registers.rsp >> kStackShift : 0;
  if (idle_exit) {
    if (vcpu.stack != 0) vcpu.idle_stack = vcpu.stack;
    vcpu.unbroken = false;
    return {Context::kIdle, 0};
  }
  if (user) {
    if (undecided) return {};
    vcpu.user = root;
    vcpu.unbroken = true;
    return {Context::kUser, root};
  }
  if (vcpu.stack != 0) return kernel_stack(vcpu, root, switched);
  return switched ? Seen{Context::kKernel, root} : Seen{};
}

Seen Identifier::kernel_stack(Vcpu& vcpu, std::uint64_t root, bool switched) {
  if (vcpu.stack == vcpu.idle_stack) {
    vcpu.unbroken = false;
    return {Context::kIdle, 0};
  }
  if (stacks_.size() >= kMaxStacks) stacks_.clear();
  Stack& stack = stacks_[vcpu.stack];
  const bool of_another = stack.root != 0 && stack.root != root;
  if (of_another && stack.conflicts < kSharedConflicts) ++stack.conflicts;
  if (of_another) stack.root = 0;
  if (stack.interrupt) return {Context::kInterrupt, 0};
  if (stack.conflicts >= kSharedConflicts) {
    return switched ? Seen{Context::kKernel, root} : Seen{Context::kKernelThread, 0};
  }
  if (vcpu.unbroken && vcpu.user == root) stack.root = root;
  if (stack.root == root || switched) return {Context::kKernel, root};
  return {Context::kKernelThread, 0};
}

// ---- rip ----

std::uint64_t Identifier::merged(std::uint64_t cluster) const {
  const auto at = alias_.find(cluster);
  return at == alias_.end() ? cluster : at->second;
}

/// Two clusters that follow each other without idling between are one process' program and library.
/// A library has one program: the first that it is seen with often enough.
void Identifier::learn_pair(const Vcpu& vcpu, std::uint64_t cluster) {
  const std::uint64_t before = vcpu.user;
  if (before == cluster) return;
  const std::uint64_t library = std::max(before, cluster);
  const std::uint64_t program = std::min(before, cluster);
  if (library < kLibraryFloor || program >= kLibraryFloor || alias_.contains(library)) return;
  if (pairs_.size() >= kMaxPairs) pairs_.clear();
  Pair& pair = pairs_[(library << 32) ^ program];
  ++pair.count;
  if (!vcpu.idled) ++pair.unbroken;
  if (pair.count >= kPairCases && pair.unbroken * 100ULL >= pair.count * 1ULL * kPairPercent) {
    if (alias_.size() >= kMaxPairs) alias_.clear();
    alias_.emplace(library, program);
  }
}

Seen Identifier::look_rip(Vcpu& vcpu, const Registers& registers, bool user, bool idle_exit) {
  if (idle_exit) {
    vcpu.idled = true;
    return {Context::kIdle, 0};
  }
  if (!user) return {};
  const std::uint64_t cluster = registers.rip >> kClusterShift;
  if (vcpu.unbroken) learn_pair(vcpu, cluster);
  vcpu.user = cluster;
  vcpu.unbroken = true;
  vcpu.idled = false;
  return {Context::kUser, merged(cluster)};
}

}  // namespace vs::analysis::waits
