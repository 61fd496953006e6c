#include "analysis/kernel/pid_namespaces.h"

namespace vs::analysis::kernel {

void PidNamespaces::note_level(std::int32_t tid, std::int64_t level, std::int64_t inum,
                               bool is_init) {
  Namespace& entry = all_[inum];
  if (is_init && level > 0) entry.init_tid = tid;
  if (level == 0) {
    const std::uint64_t count = ++level0_[inum];
    if (initial_ != inum && count > level0_[initial_]) initial_ = inum;
  }
  // A task's levels come one after the other, innermost first.
  if (last_.tid == tid && last_.level == level + 1 && last_.inum != inum) {
    all_[last_.inum].parent = inum;
  }
  last_ = {tid, level, inum};
}

void PidNamespaces::take(const PidNamespaces& later) {
  for (const auto& [inum, entry] : later.all_) {
    Namespace& ours = all_[inum];
    if (entry.parent != model::kNull) ours.parent = entry.parent;
    if (entry.init_tid != -1) ours.init_tid = entry.init_tid;
    if (ours.name.empty()) ours.name = entry.name;
  }
  for (const auto& [inum, count] : later.level0_) level0_[inum] += count;
  for (const auto& [inum, count] : level0_) {
    if (count > level0_[initial_]) initial_ = inum;
  }
  if (later.last_.tid != -1) last_ = later.last_;
}

void PidNamespaces::note_child(std::int64_t ns, std::int64_t parent, std::int32_t tid) {
  if (ns == model::kNull || container_of(ns) == model::kNull) return;
  const auto [found, fresh] = all_.try_emplace(ns);
  if (!fresh || parent == ns) return;
  found->second.parent = parent;
  found->second.init_tid = tid;
}

std::int64_t PidNamespaces::make_synthetic(std::int64_t parent, std::int32_t tid) {
  const std::int64_t id = next_synthetic_--;
  Namespace& entry = all_[id];
  entry.parent = parent;
  entry.init_tid = tid;
  return id;
}

void PidNamespaces::name(std::int64_t ns, std::string_view text) {
  const auto found = all_.find(ns);
  if (found != all_.end() && found->second.name.empty()) found->second.name = std::string(text);
}

}  // namespace vs::analysis::kernel
