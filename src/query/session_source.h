#pragma once
// The data source and the summary of a session: the bridge from floor 7 to the SQL tables and the
// printed answers.
//
// Ownership: borrows the session, which must outlive it. Threads: one at a time.

#include <array>
#include <memory>
#include <vector>

#include "query/data_source.h"
#include "query/summary.h"
#include "session/session.h"

namespace vs::query {

class SessionSource final : public DataSource {
 public:
  explicit SessionSource(const session::Session& session);

  /// The interval tables are empty until the session has been analysed; call this afterwards.
  void attach_history();

  [[nodiscard]] const model::SmallTable& small(model::TableId table) const override;
  [[nodiscard]] std::span<const EntityKey> entities(model::TableId table) const override;
  [[nodiscard]] Result<std::unique_ptr<RowStream>> rows(model::EntityId entity, HostTime from,
                                                        HostTime to) const override;
  [[nodiscard]] std::string_view string(std::int64_t id) const override;
  [[nodiscard]] std::optional<std::int64_t> find_string(std::string_view text) const override;
  [[nodiscard]] Result<std::unique_ptr<EventStream>> events(
      const EventFilter& filter) const override;
  [[nodiscard]] std::int64_t vcpu_of_cpu(std::string_view machine, std::int64_t cpu) const override;
  [[nodiscard]] const history::Reader* history() const override { return history_; }

 private:
  const session::Session& session_;
  const history::Reader* history_ = nullptr;
  std::array<std::vector<EntityKey>, static_cast<std::size_t>(model::TableId::kCount)> entities_;
};

/// Requires a joined session.
[[nodiscard]] ExperimentSummary summarise(const session::Session& session);

}  // namespace vs::query
