#pragma once
// Identifier: which process of a VM its registers show, and whether that process, its kernel, an
// interrupt or the idle loop was at work (algorithms E.2). One per VM.
//
// Three ways to tell processes apart, the best that the trace allows:
//  - cr3: the root of the page tables, its flag bits cleared; with page-table isolation (two roots
//    8 KiB apart, user code on one and kernel code on the other) both are the even one;
//  - rip: the gigabyte in which user code runs; heuristic, a program linked to fixed addresses has
//    the lowest one in common with all its like;
//  - vcpu: none, all that a vCPU does is one process.
//
// A kernel runs idle, interrupts and its own threads on the page tables of the process that ran
// last, so a root alone does not say that its process runs. The stack pointer does: the idle stack
// is the one on which HLT exits, an interrupt stack the one on which interrupts are ended, a stack
// seen under several roots is the kernel's, and one that follows the user code of a process without
// a break is that process'. Without a stack pointer only user code and a change of root count.
//
// Threads: one. Errors: none. Memory: at most kMaxStacks stacks, kMaxRoots roots and kMaxPairs
// pairs of clusters; beyond that what was learnt is forgotten and learnt anew.

#include <cstdint>
#include <unordered_map>
#include <vector>

namespace vs::analysis::waits {

enum class Identity : std::uint8_t { kUndecided, kCr3, kRip, kVcpu };

/// A guest's registers when it stopped. What the trace does not carry is absent.
struct Registers {
  std::uint64_t cr3 = 0;
  std::uint64_t rip = 0;
  std::uint64_t rsp = 0;
  std::uint8_t cpl = 0;
  bool has_cr3 = false;
  bool has_rip = false;
  bool has_rsp = false;
  bool has_cpl = false;
};

enum class Context : std::uint8_t {
  kUnknown,       ///< kernel code, nothing tells for whom
  kUser,          ///< user code of `key`
  kKernel,        ///< kernel code on behalf of `key`
  kIdle,          ///< the idle loop
  kInterrupt,     ///< an interrupt handler; whoever was interrupted goes on afterwards
  kKernelThread,  ///< a thread of the guest's kernel
};

struct Seen {
  Context context = Context::kUnknown;
  std::uint64_t key = 0;  ///< the process, for kUser and kKernel
};

/// The root of the page tables without PCID, address-mask and reserved bits.
[[nodiscard]] constexpr std::uint64_t canonical_root(std::uint64_t cr3) {
  return cr3 & 0x000F'FFFF'FFFF'F000U;
}

class Identifier {
 public:
  static constexpr std::size_t kMaxStacks = 1U << 14;
  static constexpr std::size_t kMaxRoots = 1U << 14;
  static constexpr std::size_t kMaxPairs = 1U << 12;
  /// After so many exits without a root, the VM is known to show none.
  static constexpr std::uint32_t kExitsWithoutRoot = 8;

  /// `may_have_roots`: the trace has events that read them.
  explicit Identifier(std::size_t vcpus, bool may_have_roots = true);

  [[nodiscard]] Identity identity() const { return identity_; }

  /// What the registers of vCPU `slot` at an exit show; `idle_exit`: it was a HLT or its like.
  [[nodiscard]] Seen look(std::uint32_t slot, const Registers& registers, bool idle_exit);
  /// A root was read. True when processes were told apart in a worse way until now.
  bool note_root(std::uint64_t cr3);
  /// The exit that look() was last told of ended an interrupt (EOI).
  void note_end_of_interrupt(std::uint32_t slot);
  /// Nothing continues what the vCPU showed before.
  void forget(std::uint32_t slot);

 private:
  struct Stack {
    std::uint64_t root = 0;      ///< bound to this process, 0 = to none
    std::uint8_t conflicts = 0;  ///< times it was seen under another root
    bool interrupt = false;
  };
  struct Vcpu {
    std::uint64_t root = 0;        ///< at the last exit
    std::uint64_t idle_stack = 0;  ///< 0 = not known
    std::uint64_t stack = 0;       ///< at the last exit, 0 = none
    std::uint64_t user = 0;        ///< process (or cluster) of the last user code
    bool unbroken = false;         ///< no idling and no other root since then
    bool idled = false;            ///< since then
  };
  struct Pair {
    std::uint32_t count = 0;
    std::uint32_t unbroken = 0;
  };
  enum class Isolation : std::uint8_t { kUnknown, kOff, kOn };

  void decide(const Registers& registers);
  [[nodiscard]] Seen look_cr3(Vcpu& vcpu, const Registers& registers, bool user, bool idle_exit);
  [[nodiscard]] Seen look_rip(Vcpu& vcpu, const Registers& registers, bool user, bool idle_exit);
  [[nodiscard]] Seen kernel_stack(Vcpu& vcpu, std::uint64_t root, bool switched);
  void learn_isolation(std::uint64_t root, bool user);
  void learn_pair(const Vcpu& vcpu, std::uint64_t cluster);
  [[nodiscard]] std::uint64_t merged(std::uint64_t cluster) const;

  Identity identity_ = Identity::kUndecided;
  Isolation isolation_ = Isolation::kUnknown;
  std::uint32_t without_root_ = 0;
  std::vector<Vcpu> vcpus_;
  std::unordered_map<std::uint64_t, Stack> stacks_;         ///< by page number
  std::unordered_map<std::uint64_t, bool> roots_;           ///< true: user code was seen on it
  std::unordered_map<std::uint64_t, Pair> pairs_;           ///< of clusters
  std::unordered_map<std::uint64_t, std::uint64_t> alias_;  ///< library cluster -> program cluster
};

}  // namespace vs::analysis::waits
