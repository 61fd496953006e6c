#pragma once
// EmptySource: tables without rows, so that SQL can be checked before any trace is opened.

#include "query/data_source.h"

namespace vs::query {

class EmptySource final : public DataSource {
 public:
  [[nodiscard]] const model::SmallTable& small(model::TableId) const override { return none_; }
  [[nodiscard]] std::span<const EntityKey> entities(model::TableId) const override { return {}; }
  [[nodiscard]] Result<std::unique_ptr<RowStream>> rows(model::EntityId, HostTime,
                                                        HostTime) const override {
    return Error{ErrorCode::kInternal, "a source without rows was read", "", ""};
  }
  [[nodiscard]] std::string_view string(std::int64_t) const override { return {}; }
  [[nodiscard]] std::optional<std::int64_t> find_string(std::string_view) const override {
    return std::nullopt;
  }
  [[nodiscard]] Result<std::unique_ptr<EventStream>> events(const EventFilter&) const override {
    return Error{ErrorCode::kInternal, "a source without events was read", "", ""};
  }

 private:
  model::SmallTable none_;
};

}  // namespace vs::query
