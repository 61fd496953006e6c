#pragma once
// The data source and the summary of a session: the bridge from floor 7 to the SQL tables and the
// printed answers.
//
// Ownership: borrows the session, which must outlive it. Threads: one at a time, several sources of
// one session beside each other; a source of a part may be used while the session analyses in
// another thread.

#include <array>
#include <memory>
#include <optional>
#include <vector>

#include "query/data_source.h"
#include "query/summary.h"
#include "session/session.h"

namespace vs::query {

class SessionSource final : public DataSource {
 public:
  explicit SessionSource(const session::Session& session);
  /// Of the part that has been analysed. `tables`: all small ones, by id; the session's change.
  SessionSource(const session::Session& session, std::shared_ptr<const history::Reader> part,
                std::vector<model::SmallTable> tables);

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
  [[nodiscard]] std::shared_ptr<const DataSource> another() const override;
  [[nodiscard]] const history::Reader* history() const override { return history_; }

 private:
  void list_entities();

  const session::Session& session_;
  const std::shared_ptr<const history::Reader> part_;  ///< nullptr: of the whole
  const std::vector<model::SmallTable> tables_;        ///< of a part
  mutable model::IssueLog scan_issues_;                ///< of a part
  mutable std::optional<model::SmallTable> issues_;    ///< of the whole, as of issue_version_
  mutable std::uint64_t issue_version_ = 0;
  const history::Reader* history_ = nullptr;
  std::array<std::vector<EntityKey>, static_cast<std::size_t>(model::TableId::kCount)> entities_;
};

/// Requires a joined session.
[[nodiscard]] ExperimentSummary summarise(const session::Session& session);

}  // namespace vs::query
