#pragma once
// Test only: states in memory, written by hand, as a StateSource.

#include <algorithm>
#include <deque>
#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "analysis/flow/state_source.h"
#include "model/states.h"

namespace vs::analysis::flow::test {

using model::kNull;
using model::TableId;

struct StoredRow {
  std::int64_t begin;
  std::int64_t end;
  std::vector<std::int64_t> values;
};

class Memory final : public StateSource {
 public:
  Memory() {
    for (const model::TableDef& table : model::table_defs()) small_.push_back({table.id, {}});
  }

  // ---- filling
  std::int64_t text(std::string_view word) {
    if (word.empty()) return kNull;
    const auto [place, fresh] =
        ids_.try_emplace(std::string(word), static_cast<std::int64_t>(strings_.size()));
    if (fresh) strings_.emplace_back(word);
    return place->second;
  }
  void machine(const std::string& name, const std::string& parent = {}) {
    (void)text(name);
    model::Row row(7);
    row[0] = name;
    row[1] = std::string(parent.empty() ? "host" : "vm");
    if (!parent.empty()) row[2] = parent;
    row_of(TableId::kMachine).push_back(std::move(row));
  }
  void vcpu(const std::string& machine, std::int64_t vcpu, const std::string& host,
            std::int64_t tid) {
    row_of(TableId::kVcpu)
        .push_back({machine, vcpu, host, tid, std::int64_t{0}, std::int64_t{1} << 40});
  }
  void thread(const std::string& machine, std::int64_t tid, const std::string& comm,
              std::int64_t first = 0, std::int64_t last = 1000) {
    row_of(TableId::kThread).push_back({machine, tid, tid, {}, comm, {}, first, last});
  }
  void loss(const std::string& machine, std::int64_t begin, std::int64_t end) {
    row_of(TableId::kLoss)
        .push_back({std::int64_t{0}, machine, std::int64_t{0}, begin, end - begin, {}});
  }
  void clock(const std::string& machine, std::int64_t error_ns) {
    model::Row row(13);
    row[0] = machine;
    row[8] = error_ns;
    row_of(TableId::kClockSync).push_back(std::move(row));
  }
  std::vector<StoredRow>& rows_of(TableId table, const std::string& machine, std::int64_t number) {
    return entity_rows(table, {text(machine), number});
  }
  std::vector<StoredRow>& device_rows(const std::string& machine, const std::string& device) {
    return entity_rows(TableId::kBlockRequest, {text(machine), text(device)});
  }

  struct State {
    model::ThreadState state = model::ThreadState::kUser;
    std::int64_t cpu = kNull;
    std::string_view detail = {};
    std::string_view waker_machine = {};
    std::int64_t waker = kNull;
    bool lossy = false;
  };
  /// Continues the thread's timeline to `end`.
  void is(const std::string& machine, std::int64_t tid, std::int64_t begin, std::int64_t end,
          const State& s) {
    rows_of(TableId::kThreadState, machine, tid)
        .push_back({begin,
                    end,
                    {static_cast<std::int64_t>(s.state), s.cpu, kNull, text(s.detail),
                     text(s.waker_machine), s.waker, s.lossy ? 1 : 0}});
  }
  struct Vcpu {
    model::VcpuState state = model::VcpuState::kGuest;
    std::int64_t pcpu = kNull;
    std::string_view reason = {};
    std::int64_t waker = kNull;
  };
  void vcpu_is(const std::string& machine, std::int64_t vcpu, std::int64_t begin, std::int64_t end,
               const Vcpu& v) {
    rows_of(TableId::kVcpuState, machine, vcpu)
        .push_back(
            {begin,
             end,
             {static_cast<std::int64_t>(v.state), v.pcpu, kNull, text(v.reason), v.waker, 0}});
  }
  struct By {
    std::string_view machine = {};
    std::int64_t vcpu = kNull;
    std::int64_t tid = kNull;
    std::string_view comm = {};
  };
  void robbed(const std::string& machine, std::int64_t vcpu, std::int64_t begin, std::int64_t end,
              std::int64_t pcpu, const By& by) {
    rows_of(TableId::kPreemption, machine, vcpu)
        .push_back({begin,
                    end,
                    {kNull, kNull, pcpu, 0, text(by.machine), by.vcpu, by.tid, text(by.comm)}});
  }
  void current(const std::string& machine, std::int64_t cpu, std::int64_t begin, std::int64_t end,
               std::int64_t tid, std::string_view comm) {
    rows_of(TableId::kPcpuState, machine, cpu)
        .push_back({begin, end, {tid == 0 ? 1 : 2, tid, text(comm), 0}});
  }
  void holder(const std::string& host, std::int64_t cpu, std::int64_t begin, std::int64_t end,
              const By& by) {
    rows_of(TableId::kFusedCpu, host, cpu)
        .push_back(
            {begin, end, {2, text(by.machine), by.vcpu, by.tid, text(by.comm), 2, kNull, 0}});
  }
  /// Who submitted a request, for which VM.
  struct Whose {
    Whose(std::int64_t submitter, std::string_view of_vm = {}, std::int64_t size = 4096)
        : tid(submitter), vm(of_vm), bytes(size) {}
    std::int64_t tid;
    std::string_view vm;
    std::int64_t bytes;
  };
  void request(const std::string& machine, const std::string& device, std::int64_t insert,
               std::int64_t issue, std::int64_t complete, const Whose& whose) {
    std::vector<StoredRow>& rows = device_rows(machine, device);
    const auto after = std::ranges::upper_bound(rows, insert, {}, &StoredRow::begin);
    rows.insert(after,
                {insert,
                 complete,
                 {text(whose.vm), 8, whose.bytes, 0, issue - insert, complete - issue, whose.tid}});
  }
  /// A packet that `from` sent at `sent` wakes the thread.
  void packet(const std::string& machine, std::int64_t tid, std::int64_t sent, std::int64_t wakes,
              const std::string& from, std::int64_t from_tid) {
    rows_of(TableId::kNetWakeup, machine, tid).push_back({sent, wakes, {text(from), from_tid, 60}});
  }

  /// Every row is handed out, with the strings that it is about as they are numbered here.
  template <typename Visit>
  void each_row(Visit&& visit) const {
    for (const Entity& entity : entities_) {
      for (const StoredRow& row : entity.rows) visit(entity.table, entity.key, row);
    }
  }
  const std::deque<std::string>& strings() const { return strings_; }

  // ---- StateSource
  const model::SmallTable& small(TableId table) const override {
    return small_[static_cast<std::size_t>(table)];
  }
  std::vector<StateEntity> entities(TableId table) const override {
    std::vector<StateEntity> list;
    for (std::size_t i = 0; i < entities_.size(); ++i) {
      if (entities_[i].table != table) continue;
      list.push_back({static_cast<model::EntityId>(i), entities_[i].key});
    }
    return list;
  }
  Result<std::unique_ptr<StateRows>> rows(model::EntityId entity, HostTime from,
                                          HostTime to) const override {
    ++calls;
    return std::unique_ptr<StateRows>(
        std::make_unique<Stream>(*this, entities_[entity], from.ns, to.ns));
  }
  std::string_view string(std::int64_t id) const override {
    return id == kNull ? std::string_view{} : strings_[static_cast<std::size_t>(id)];
  }
  std::optional<std::int64_t> find_string(std::string_view word) const override {
    const auto found = ids_.find(std::string(word));
    if (found == ids_.end()) return std::nullopt;
    return found->second;
  }
  std::int64_t vcpu_of_cpu(std::string_view, std::int64_t cpu) const override { return cpu; }

  mutable std::uint64_t calls = 0;       ///< of rows()
  mutable std::uint64_t rows_given = 0;  ///< by all streams

 private:
  struct Entity {
    TableId table;
    std::vector<std::int64_t> key;
    std::vector<StoredRow> rows;
  };
  class Stream final : public StateRows {
   public:
    Stream(const Memory& memory, const Entity& entity, std::int64_t from, std::int64_t to)
        : memory_(memory), rows_(entity.rows), from_(from), to_(to) {
      if (entity.table == TableId::kBlockRequest) return;  // ends are in no order
      const auto first = std::partition_point(
          rows_.begin(), rows_.end(), [&](const StoredRow& row) { return row.end <= from; });
      at_ = static_cast<std::size_t>(first - rows_.begin());
    }
    Result<bool> next(StateRow& row) override {
      while (at_ < rows_.size() && rows_[at_].end <= from_) ++at_;
      if (at_ >= rows_.size() || rows_[at_].begin >= to_) return false;
      const StoredRow& stored = rows_[at_++];
      ++memory_.rows_given;
      row = {HostTime{stored.begin}, HostTime{stored.end}, stored.values};
      return true;
    }

   private:
    const Memory& memory_;
    const std::vector<StoredRow>& rows_;
    std::size_t at_ = 0;
    std::int64_t from_;
    std::int64_t to_;
  };

  std::vector<model::Row>& row_of(TableId table) {
    return small_[static_cast<std::size_t>(table)].rows;
  }
  std::vector<StoredRow>& entity_rows(TableId table, std::vector<std::int64_t> key) {
    for (Entity& entity : entities_) {
      if (entity.table == table && entity.key == key) return entity.rows;
    }
    entities_.push_back({table, std::move(key), {}});
    return entities_.back().rows;
  }

  std::vector<model::SmallTable> small_;
  std::deque<Entity> entities_;
  std::deque<std::string> strings_;
  std::map<std::string, std::int64_t> ids_;
};

}  // namespace vs::analysis::flow::test
