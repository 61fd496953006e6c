#pragma once
// The pid namespaces of one machine (algorithms B.5): their tree, names, and which one is initial.
//
// Identity is the namespace's inode number. Traces without inode numbers (ftrace) give a new
// namespace a synthetic negative id when a task is created with CLONE_NEWPID.
//
// A value. Threads: none inside.

#include <cstdint>
#include <map>
#include <string>
#include <string_view>

#include "model/tables.h"

namespace vs::analysis::kernel {

class PidNamespaces {
 public:
  /// The initial namespace has this inode number on every kernel since 3.8.
  static constexpr std::int64_t kInitialInode = 4026531836;

  /// One level of a task's namespaces from a state dump; level 0 is the machine's outermost.
  void note_level(std::int32_t tid, std::int64_t level, std::int64_t inum, bool is_init);
  /// A task in `ns` was created by one in `parent` (kNull = unknown). A namespace seen before keeps
  /// its parent: a task can also enter an old one from anywhere.
  void note_child(std::int64_t ns, std::int64_t parent, std::int32_t tid);
  /// What another one was told after this one was told its own.
  void take(const PidNamespaces& later);
  /// A fresh synthetic namespace under `parent`; `tid` is its first task.
  [[nodiscard]] std::int64_t make_synthetic(std::int64_t parent, std::int32_t tid);

  /// `ns` when it is a container, kNull for the initial or an unknown namespace.
  [[nodiscard]] std::int64_t container_of(std::int64_t ns) const {
    return ns == model::kNull || ns == kInitialInode || ns == initial_ ? model::kNull : ns;
  }

  struct Namespace {
    std::int64_t parent = model::kNull;
    std::int32_t init_tid = -1;  ///< its pid 1, -1 when not known
    std::string name;
  };
  /// By id; the initial namespace may be among them.
  [[nodiscard]] const std::map<std::int64_t, Namespace>& all() const { return all_; }
  /// Names the namespace unless it has a name.
  void name(std::int64_t ns, std::string_view text);

 private:
  std::map<std::int64_t, Namespace> all_;
  std::map<std::int64_t, std::uint64_t> level0_;  ///< tasks whose outermost namespace it is
  std::int64_t initial_ = kInitialInode;
  std::int64_t next_synthetic_ = -1;
  struct {
    std::int32_t tid = -1;
    std::int64_t level = 0;
    std::int64_t inum = 0;
  } last_;
};

}  // namespace vs::analysis::kernel
