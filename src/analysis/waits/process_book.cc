#include "analysis/waits/process_book.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <utility>

namespace vs::analysis::waits {
namespace {

constexpr unsigned kClusterShift = 30;

std::string_view identity_name(Identity identity) {
  constexpr std::array<std::string_view, 4> kNames = {"", "cr3", "rip", "vcpu"};
  return kNames[static_cast<std::size_t>(identity)];
}

std::string hex(std::uint64_t value) {
  std::array<char, 16> digits{};
  const auto end = std::to_chars(digits.data(), digits.data() + digits.size(), value, 16).ptr;
  return "0x" + std::string(digits.data(), end);
}

}  // namespace

std::string ProcessBook::name_of(std::uint64_t key, std::uint32_t life) const {
  std::string name;
  if (identity_ == Identity::kCr3) name = hex(key);
  if (identity_ == Identity::kRip) name = "rip:" + hex(key << kClusterShift);
  if (identity_ == Identity::kVcpu) name = "vcpu:" + std::to_string(key);
  if (life > 1) name += "#" + std::to_string(life);
  return name;
}

ProcessIndex ProcessBook::find(std::uint64_t key) const {
  const auto at = keys_.find(key);
  return at == keys_.end() ? kNoProcess : at->second.index;
}

ProcessIndex ProcessBook::make(Identity identity, std::uint64_t key) {
  identity_ = identity;
  if (processes_.size() - free_.size() >= kMaxAlive) return find(key);
  Key& at = keys_[key];
  if (at.index != kNoProcess) return at.index;
  if (free_.empty()) {
    at.index = static_cast<ProcessIndex>(processes_.size());
    processes_.emplace_back();
  } else {
    at.index = free_.back();
    free_.pop_back();
  }
  Process& process = processes_[at.index] = Process{};
  process.key = key;
  process.life = ++at.lives;
  if (process.life > 1) ++reused_;
  process.name = sink_.intern(name_of(key, process.life));
  const std::int64_t entity_key[] = {machine_id_, process.name};
  process.entity = sink_.entity(model::TableId::kVprocessState, entity_key);
  return at.index;
}

void ProcessBook::flush(Process& process, HostTime end, const ProcessRow& row, bool lossy) {
  if (end <= process.told) return;
  const std::int64_t values[] = {row.vcpu < 0 ? model::kNull : row.vcpu,
                                 static_cast<std::int64_t>(row.state), row.waker, row.device,
                                 lossy ? 1 : 0};
  sink_.add(process.entity, process.told, end, values);
  process.told = end;
}

void ProcessBook::run(Process& process, HostTime time, const ProcessRow& row) {
  if (!process.started) {
    process.started = true;
    process.first = process.told = time;
  }
  process.row = row;
  if (process.told >= lossy_until_) process.lossy = false;
}

void ProcessBook::flush_held(Process& process, HostTime end) {
  if (!std::exchange(process.holds, false)) return;
  flush(process, std::min(end, process.held_end), process.held, process.held_lossy);
}

void ProcessBook::change(Process& process, HostTime time, const ProcessRow& row) {
  if (row == process.row) return;
  flush_held(process, time);
  if (time > process.told) {
    process.holds = true;
    process.held = process.row;
    process.held_lossy = is_lossy(process);
    process.held_end = time;
  }
  process.row = row;
  if (std::max(time, process.told) >= lossy_until_) process.lossy = false;
}

void ProcessBook::stop(Process& process, HostTime time) {
  const bool in_held = process.holds && time < process.held_end;
  flush_held(process, time);
  if (!in_held) flush(process, time, process.row, is_lossy(process));
  process.off_since = process.told;
  process.lossy = process.told < lossy_until_;
}

void ProcessBook::tell(Process& process, HostTime end, const ProcessRow& row) {
  flush(process, end, row, is_lossy(process));
}

void ProcessBook::end(ProcessIndex index) {
  Process& process = processes_[index];
  if (process.started && process.told > process.first) {
    rows_.push_back({machine_, name_of(process.key, process.life),
                     std::string(identity_name(identity_)), process.first.ns, process.told.ns});
  }
  keys_.find(process.key)->second.index = kNoProcess;
  process = Process{};
  free_.push_back(index);
}

void ProcessBook::mark_lossy(HostTime end) {
  lossy_until_ = std::max(lossy_until_, end);
  for (Process& process : processes_) process.lossy = true;
}

void ProcessBook::finish(HostTime time) {
  for (ProcessIndex i = 0; i < processes_.size(); ++i) {
    Process& process = processes_[i];
    if (!process.started) continue;
    if (process.running > 0) stop(process, time);
    process.running = 0;
    end(i);
  }
}

}  // namespace vs::analysis::waits
