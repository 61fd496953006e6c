#pragma once
// IntervalSink in memory for tests. Holds the writer's rules: a broken one is a test failure at
// once.

#include <gtest/gtest.h>

#include <algorithm>
#include <cstdint>
#include <map>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "model/interval_sink.h"

namespace vs::test {

class VectorSink : public model::IntervalSink {
 public:
  struct Interval {
    HostTime begin;
    HostTime end;
    std::vector<std::int64_t> values;  ///< in the order of the table's value columns
  };
  struct Entity {
    model::TableId table = model::TableId::kCount;
    std::vector<std::int64_t> key;
    std::vector<Interval> intervals;
    std::vector<model::EntityId> views;  ///< entities that show these rows
  };

  model::StringId intern(std::string_view text) override {
    const auto [found, fresh] =
        ids_.emplace(std::string(text), static_cast<model::StringId>(texts_.size()));
    if (fresh) texts_.emplace_back(text);
    return found->second;
  }

  model::EntityId entity(model::TableId table, std::span<const std::int64_t> key) override {
    EXPECT_EQ(key.size(), model::table_def(table).key_count());
    std::pair<model::TableId, std::vector<std::int64_t>> full{table, {key.begin(), key.end()}};
    const auto [found, fresh] =
        entity_ids_.emplace(full, static_cast<model::EntityId>(entities_.size()));
    if (fresh) entities_.push_back({table, full.second, {}, {}});
    return found->second;
  }

  model::EntityId view(model::TableId table, std::span<const std::int64_t> key,
                       model::EntityId of) override {
    EXPECT_FALSE(model::view_slots(table, entities_.at(of).table).empty());
    const model::EntityId id = entity(table, key);
    std::vector<model::EntityId>& views = entities_.at(of).views;
    if (std::find(views.begin(), views.end(), id) == views.end()) views.push_back(id);
    return id;
  }

  void add(model::EntityId id, HostTime begin, HostTime end,
           std::span<const std::int64_t> values) override {
    ASSERT_LT(id, entities_.size());
    Entity& entity = entities_[id];
    ASSERT_EQ(values.size(), model::table_def(entity.table).value_count());
    EXPECT_LE(begin, end);
    if (!entity.intervals.empty()) {
      EXPECT_GE(begin, entity.intervals.back().end);
    }
    if (begin == end && entity.table != model::TableId::kVmExit) return;
    entity.intervals.push_back({begin, end, {values.begin(), values.end()}});
    for (const model::EntityId view : entity.views) {
      Interval& seen = entities_[view].intervals.emplace_back(Interval{begin, end, {}});
      for (const std::uint8_t slot : model::view_slots(entities_[view].table, entity.table)) {
        seen.values.push_back(values[slot]);
      }
    }
  }

  [[nodiscard]] const std::vector<Entity>& entities() const { return entities_; }
  /// The intervals of one entity; empty when there is none.
  [[nodiscard]] std::vector<Interval> rows(model::TableId table,
                                           const std::vector<std::int64_t>& key) const {
    const auto found = entity_ids_.find({table, key});
    return found == entity_ids_.end() ? std::vector<Interval>{}
                                      : entities_[found->second].intervals;
  }
  /// "" for kNull.
  [[nodiscard]] std::string text(std::int64_t id) const {
    return id == model::kNull ? "" : texts_.at(static_cast<std::size_t>(id));
  }

 private:
  std::map<std::string, model::StringId, std::less<>> ids_;
  std::vector<std::string> texts_;
  std::map<std::pair<model::TableId, std::vector<std::int64_t>>, model::EntityId> entity_ids_;
  std::vector<Entity> entities_;
};

}  // namespace vs::test
