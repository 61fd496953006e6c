#pragma once
// MemorySource: a DataSource over vectors, for tests. It is also an IntervalSink, so an analysis
// (or a scene written by hand) can fill it directly.

#include <deque>
#include <map>
#include <memory>
#include <string>
#include <unordered_map>
#include <vector>

#include "query/data_source.h"

namespace vs::query::testing {

struct MemoryEvent {
  HostTime ts;
  std::int64_t trace = 0;
  std::string machine;
  std::int64_t cpu = 0;
  std::int64_t tid = 0;
  std::string name;
  std::string fields;
};

class MemorySource final : public DataSource, public model::IntervalSink {
 public:
  MemorySource();

  // IntervalSink
  [[nodiscard]] model::StringId intern(std::string_view text) override;
  [[nodiscard]] model::EntityId entity(model::TableId table,
                                       std::span<const std::int64_t> key) override;
  [[nodiscard]] model::EntityId view(model::TableId table, std::span<const std::int64_t> key,
                                     model::EntityId of) override;
  void add(model::EntityId entity, HostTime begin, HostTime end,
           std::span<const std::int64_t> values) override;

  void add_row(model::TableId table, model::Row row);
  /// Requires events in time order.
  void add_event(MemoryEvent event) { events_.push_back(std::move(event)); }
  /// The n-th row from now on (1 = the next) gives this error instead.
  void fail_after(std::uint64_t rows, Error error);

  // DataSource
  [[nodiscard]] const model::SmallTable& small(model::TableId table) const override;
  [[nodiscard]] std::span<const EntityKey> entities(model::TableId table) const override;
  [[nodiscard]] Result<std::unique_ptr<RowStream>> rows(model::EntityId entity, HostTime from,
                                                        HostTime to) const override;
  [[nodiscard]] std::string_view string(std::int64_t id) const override;
  [[nodiscard]] std::optional<std::int64_t> find_string(std::string_view text) const override;
  [[nodiscard]] Result<std::unique_ptr<EventStream>> events(
      const EventFilter& filter) const override;

  // What was asked of the source, so that tests see what was pushed down.
  mutable std::uint64_t rows_given = 0;
  mutable std::uint64_t streams_opened = 0;
  mutable std::uint64_t events_given = 0;
  mutable std::uint64_t fields_decoded = 0;

 private:
  friend class MemoryRows;
  friend class MemoryEvents;
  struct StoredRow {
    HostTime begin;
    HostTime end;
    std::vector<std::int64_t> values;
  };
  [[nodiscard]] std::optional<Error> failure() const;

  std::vector<model::SmallTable> small_;
  mutable std::unique_ptr<model::SmallTable> issues_;
  std::map<model::TableId, std::vector<EntityKey>> entities_;
  std::vector<std::vector<StoredRow>> rows_;  // by entity
  std::multimap<model::EntityId, std::pair<model::EntityId, std::span<const std::uint8_t>>> views_;
  std::deque<std::string> strings_;  // views into it stay valid
  std::unordered_map<std::string, std::int64_t> ids_;
  std::vector<MemoryEvent> events_;
  mutable std::uint64_t fail_in_ = 0;  // 0 = never
  Error failure_;
};

}  // namespace vs::query::testing
