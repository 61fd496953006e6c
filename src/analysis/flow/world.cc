#include "analysis/flow/world.h"

#include <algorithm>

namespace vs::analysis::flow {
namespace {

using model::kNull;
using model::TableId;

std::string_view text_of(const model::Row& row, std::size_t column) {
  const auto* const text = std::get_if<std::string>(&row[column]);
  return text == nullptr ? std::string_view{} : std::string_view{*text};
}

std::int64_t number_of(const model::Row& row, std::size_t column, std::int64_t otherwise) {
  const auto* const number = std::get_if<std::int64_t>(&row[column]);
  return number == nullptr ? otherwise : *number;
}

}  // namespace

World::World(const StateSource& source) : source_(source) {
  read_machines();
  read_entities();
  read_threads();
  read_vcpus();
  read_losses();
  read_clocks();
}

MachineNumber World::add_machine(std::string_view name) {
  const auto [place, fresh] =
      by_name_.try_emplace(name, static_cast<MachineNumber>(machines_.size()));
  if (!fresh) return place->second;
  Machine made;
  made.name = name;
  if (const auto id = source_.find_string(name)) {
    made.name_id = *id;
    by_id_[*id] = place->second;
  }
  machines_.push_back(std::move(made));
  devices_.emplace_back();
  return place->second;
}

void World::read_machines() {
  const auto& rows = source_.small(TableId::kMachine).rows;
  for (const model::Row& row : rows) (void)add_machine(text_of(row, 0));
  for (const model::Row& row : rows) {
    const std::string_view parent = text_of(row, 2);
    if (text_of(row, 1) != "vm" || parent.empty()) continue;
    machines_[by_name_[text_of(row, 0)]].parent = add_machine(parent);
  }
}

void World::read_entities() {
  for (const TableId table :
       {TableId::kThreadState, TableId::kPcpuState, TableId::kVcpuState, TableId::kFusedCpu,
        TableId::kPreemption, TableId::kBlockRequest, TableId::kNetWakeup}) {
    for (const StateEntity& entity : source_.entities(table)) {
      if (entity.key.size() < 2) continue;
      const MachineNumber machine = add_machine(source_.string(entity.key[0]));
      if (table == TableId::kBlockRequest) {
        devices_[machine].push_back({entity.id, entity.key[1]});
      } else {
        entities_[key(static_cast<std::uint64_t>(table), machine, entity.key[1])] = entity.id;
      }
    }
  }
}

void World::read_threads() {
  for (const model::Row& row : source_.small(TableId::kThread).rows) {
    const MachineNumber machine = add_machine(text_of(row, 0));
    lives_[key(0, machine, number_of(row, 1, kNull))].push_back(
        {number_of(row, 6, 0), number_of(row, 7, 0), text_of(row, 4)});
  }
  for (auto& [id, lives] : lives_) {
    std::sort(lives.begin(), lives.end(),
              [](const Life& a, const Life& b) { return a.first_ns < b.first_ns; });
  }
}

void World::read_vcpus() {
  for (const model::Row& row : source_.small(TableId::kVcpu).rows) {
    VcpuLife life;
    life.machine = add_machine(text_of(row, 0));
    life.vcpu = number_of(row, 1, kNull);
    life.host = add_machine(text_of(row, 2));
    life.host_tid = number_of(row, 3, kNull);
    life.first_ns = number_of(row, 4, kHostTimeMin.ns);
    life.last_ns = number_of(row, 5, kHostTimeMax.ns);
    const auto at = static_cast<std::uint32_t>(vcpus_.size());
    vcpus_.push_back(life);
    by_host_thread_[key(0, life.host, life.host_tid)].push_back(at);
    by_vcpu_[key(0, life.machine, life.vcpu)].push_back(at);
  }
}

void World::read_losses() {
  for (const model::Row& row : source_.small(TableId::kLoss).rows) {
    const std::int64_t begin = number_of(row, 3, 0);
    machines_[add_machine(text_of(row, 1))].losses.push_back({begin, begin + number_of(row, 4, 0)});
  }
  for (Machine& machine : machines_) {
    auto& list = machine.losses;
    std::sort(list.begin(), list.end(),
              [](const LossWindow& a, const LossWindow& b) { return a.begin_ns < b.begin_ns; });
    std::size_t kept = 0;
    for (const LossWindow& window : list) {
      if (window.begin_ns >= window.end_ns) continue;
      if (kept > 0 && window.begin_ns <= list[kept - 1].end_ns) {
        list[kept - 1].end_ns = std::max(list[kept - 1].end_ns, window.end_ns);
      } else {
        list[kept++] = window;
      }
    }
    list.resize(kept);
  }
}

void World::read_clocks() {
  for (const model::Row& row : source_.small(TableId::kClockSync).rows) {
    Machine& machine = machines_[add_machine(text_of(row, 0))];
    const std::int64_t error_ns = number_of(row, 8, kNull);
    if (error_ns == kNull) continue;
    machine.error_ns = std::max(machine.error_ns.value_or(0), error_ns);
  }
}

MachineNumber World::find_machine(std::string_view name) const {
  const auto found = by_name_.find(name);
  return found == by_name_.end() ? kNoMachine : found->second;
}

MachineNumber World::machine_of(std::int64_t name_id) const {
  const auto found = by_id_.find(name_id);
  return found == by_id_.end() ? kNoMachine : found->second;
}

std::optional<model::EntityId> World::entity(TableId table, MachineNumber machine,
                                             std::int64_t number) const {
  const auto found = entities_.find(key(static_cast<std::uint64_t>(table), machine, number));
  if (found == entities_.end()) return std::nullopt;
  return found->second;
}

std::span<const Life> World::lives(MachineNumber machine, std::int64_t tid) const {
  const auto found = lives_.find(key(0, machine, tid));
  if (found == lives_.end()) return {};
  return found->second;
}

std::string_view World::comm(MachineNumber machine, std::int64_t tid, std::int64_t time_ns) const {
  const auto list = lives(machine, tid);
  const Life* best = nullptr;
  for (const Life& life : list) {
    if (best == nullptr || life.first_ns <= time_ns) best = &life;
  }
  return best == nullptr ? std::string_view{} : best->comm;
}

namespace {

// The life that holds at `time_ns`, else the nearest one that began before.
const VcpuLife* life_at(const std::vector<VcpuLife>& all,
                        const std::vector<std::uint32_t>& positions, std::int64_t time_ns) {
  const VcpuLife* best = nullptr;
  for (const std::uint32_t at : positions) {
    const VcpuLife& life = all[at];
    if (time_ns < life.first_ns || time_ns > life.last_ns) continue;
    if (best == nullptr || life.first_ns > best->first_ns) best = &life;
  }
  return best;
}

}  // namespace

const VcpuLife* World::vcpu_of_thread(MachineNumber host, std::int64_t tid,
                                      std::int64_t time_ns) const {
  const auto found = by_host_thread_.find(key(0, host, tid));
  return found == by_host_thread_.end() ? nullptr : life_at(vcpus_, found->second, time_ns);
}

const VcpuLife* World::thread_of_vcpu(MachineNumber machine, std::int64_t vcpu,
                                      std::int64_t time_ns) const {
  const auto found = by_vcpu_.find(key(0, machine, vcpu));
  return found == by_vcpu_.end() ? nullptr : life_at(vcpus_, found->second, time_ns);
}

std::span<const World::Device> World::devices(MachineNumber machine) const {
  return devices_[machine];
}

bool World::clip_to_losses(MachineNumber machine, std::int64_t time_ns, std::int64_t& begin_ns,
                           std::int64_t& end_ns) const {
  const auto& losses = machines_[machine].losses;
  const auto after = std::upper_bound(
      losses.begin(), losses.end(), time_ns,
      [](std::int64_t ns, const LossWindow& window) { return ns < window.begin_ns; });
  if (after != losses.end()) end_ns = std::min(end_ns, after->begin_ns);
  if (after == losses.begin()) return false;
  const LossWindow& window = *(after - 1);
  if (time_ns >= window.end_ns) {
    begin_ns = std::max(begin_ns, window.end_ns);
    return false;
  }
  begin_ns = std::max(begin_ns, window.begin_ns);
  end_ns = std::min(end_ns, window.end_ns);
  return true;
}

}  // namespace vs::analysis::flow
