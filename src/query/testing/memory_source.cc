#include "query/testing/memory_source.h"

#include <algorithm>

namespace vs::query::testing {

class MemoryRows final : public RowStream {
 public:
  MemoryRows(const MemorySource& source, model::EntityId entity, HostTime from, HostTime to)
      : source_(source), rows_(source.rows_[entity]), from_(from), to_(to) {}

  [[nodiscard]] Result<bool> next(IntervalView& view) override {
    while (position_ < rows_.size()) {
      const auto& row = rows_[position_++];
      const bool begins_inside = row.begin >= from_ && row.begin < to_;
      const bool reaches_inside = row.begin < to_ && row.end > from_;
      if (!begins_inside && !reaches_inside) continue;
      if (auto error = source_.failure()) return *error;
      ++source_.rows_given;
      view = {row.begin, row.end, row.values};
      return true;
    }
    return false;
  }

 private:
  const MemorySource& source_;
  const std::vector<MemorySource::StoredRow>& rows_;
  HostTime from_;
  HostTime to_;
  std::size_t position_ = 0;
};

class MemoryEvents final : public EventStream {
 public:
  MemoryEvents(const MemorySource& source, EventFilter filter)
      : source_(source), filter_(std::move(filter)) {}

  [[nodiscard]] Result<bool> next(EventView& view) override {
    while (position_ < source_.events_.size()) {
      const MemoryEvent& event = source_.events_[position_++];
      if (!matches(event)) continue;
      if (auto error = source_.failure()) return *error;
      ++source_.events_given;
      view = {event.ts, event.trace, event.machine, event.cpu, event.tid, event.name};
      return true;
    }
    return false;
  }

  void fields_json(std::string& out) const override {
    ++source_.fields_decoded;
    out += source_.events_[position_ - 1].fields;
  }

 private:
  [[nodiscard]] bool matches(const MemoryEvent& event) const {
    if (event.ts < filter_.from || event.ts >= filter_.to) return false;
    if (filter_.trace && *filter_.trace != event.trace) return false;
    if (filter_.machine && *filter_.machine != event.machine) return false;
    if (filter_.cpu && std::int64_t{*filter_.cpu} != event.cpu) return false;
    const auto& names = filter_.names;
    return names.empty() || std::find(names.begin(), names.end(), event.name) != names.end();
  }

  const MemorySource& source_;
  EventFilter filter_;
  std::size_t position_ = 0;
};

MemorySource::MemorySource() {
  for (const model::TableDef& table : model::table_defs()) small_.push_back({table.id, {}});
}

model::StringId MemorySource::intern(std::string_view text) {
  const auto [place, is_new] =
      ids_.try_emplace(std::string(text), static_cast<std::int64_t>(strings_.size()));
  if (is_new) strings_.emplace_back(text);
  return place->second;
}

model::EntityId MemorySource::entity(model::TableId table, std::span<const std::int64_t> key) {
  auto& list = entities_[table];
  for (const EntityKey& known : list) {
    if (std::equal(known.key.begin(), known.key.end(), key.begin(), key.end())) return known.id;
  }
  const auto id = static_cast<model::EntityId>(rows_.size());
  rows_.emplace_back();
  list.push_back({id, {key.begin(), key.end()}});
  return id;
}

model::EntityId MemorySource::view(model::TableId table, std::span<const std::int64_t> key,
                                   model::EntityId of) {
  const auto stored = std::ranges::find_if(entities_, [of](const auto& list) {
    return std::ranges::find(list.second, of, &EntityKey::id) != list.second.end();
  });
  const std::size_t known = rows_.size();
  const model::EntityId id = entity(table, key);
  if (id == known) views_.emplace(of, std::pair{id, model::view_slots(table, stored->first)});
  return id;
}

void MemorySource::add(model::EntityId entity, HostTime begin, HostTime end,
                       std::span<const std::int64_t> values) {
  rows_[entity].push_back({begin, end, {values.begin(), values.end()}});
  const auto [first, last] = views_.equal_range(entity);
  for (auto view = first; view != last; ++view) {
    StoredRow& seen = rows_[view->second.first].emplace_back(StoredRow{begin, end, {}});
    for (const std::uint8_t slot : view->second.second) seen.values.push_back(values[slot]);
  }
}

void MemorySource::add_row(model::TableId table, model::Row row) {
  small_[static_cast<std::size_t>(table)].rows.push_back(std::move(row));
}

void MemorySource::fail_after(std::uint64_t rows, Error error) {
  fail_in_ = rows;
  failure_ = std::move(error);
}

std::optional<Error> MemorySource::failure() const {
  if (fail_in_ == 0 || --fail_in_ != 0) return std::nullopt;
  return failure_;
}

const model::SmallTable& MemorySource::small(model::TableId table) const {
  if (table == model::TableId::kIssue) {  // made anew at every look, as a session does
    issues_ = std::make_unique<model::SmallTable>(small_[static_cast<std::size_t>(table)]);
    return *issues_;
  }
  return small_[static_cast<std::size_t>(table)];
}

std::span<const EntityKey> MemorySource::entities(model::TableId table) const {
  const auto found = entities_.find(table);
  if (found == entities_.end()) return {};
  return found->second;
}

Result<std::unique_ptr<RowStream>> MemorySource::rows(model::EntityId entity, HostTime from,
                                                      HostTime to) const {
  ++streams_opened;
  return std::unique_ptr<RowStream>(std::make_unique<MemoryRows>(*this, entity, from, to));
}

std::string_view MemorySource::string(std::int64_t id) const {
  return strings_[static_cast<std::size_t>(id)];
}

std::optional<std::int64_t> MemorySource::find_string(std::string_view text) const {
  const auto found = ids_.find(std::string(text));
  if (found == ids_.end()) return std::nullopt;
  return found->second;
}

Result<std::unique_ptr<EventStream>> MemorySource::events(const EventFilter& filter) const {
  return std::unique_ptr<EventStream>(std::make_unique<MemoryEvents>(*this, filter));
}

}  // namespace vs::query::testing
