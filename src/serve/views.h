#pragma once
// The view model that the page API and TSP share: views, their rows as dense numbers, what a row
// was in over a window, at a time, next and before, whom it leads to, and the arrows between rows.
// Series are in series.h.
//
// Rows stand on entities of the history. A row's id follows from its view and its entity (a group's
// from its machine), so that it is the same for equal inputs, and stays while the analysis finds
// more. Layer values are numbers that only name() explains: states of different tables in
// one layer do not collide.
//
// Ownership: Views borrows history and sums; both outlive it. Threads: every method
// from any thread (they read the history alone); nothing changes but that use() adds the sums.

#include <atomic>
#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>
#include <vector>

#include "base/result.h"
#include "history/reader.h"
#include "model/open_row.h"
#include "query/data_source.h"
#include "query/summary.h"
#include "serve/limits.h"
#include "serve/sums.h"

namespace vs::serve {

enum class RowKind : std::uint8_t { kGroup, kPcpu, kVcpu, kThread, kVprocess, kDevice };
[[nodiscard]] std::string_view name_of(RowKind kind);

enum class LayerKind : std::uint8_t { kState, kText, kMachine };
[[nodiscard]] std::string_view name_of(LayerKind kind);

struct Layer {
  std::string_view id;
  std::string_view name;
  LayerKind kind = LayerKind::kState;
  std::string_view column;  ///< of the row's table
};

/// Why a view has no rows and how to record what it needs.
struct Missing {
  std::string message;
  std::string command;
};

/// Ids that a view may use for its rows: groups first, then entities.
inline constexpr std::int32_t kIdsOfView = 1 << 23;

struct View {
  std::string_view id;
  std::string_view name;
  std::string_view description;
  std::span<const Layer> layers;
  std::int32_t first_id = 0;  ///< of its rows' ids [first_id, first_id + kIdsOfView), few are used
  std::size_t first_row = 0;  ///< its rows' places are [first_row, first_row + row_count)
  std::size_t row_count = 0;
  std::optional<Missing> missing;
};

struct Row {
  std::int32_t id = 0;
  std::int32_t parent = -1;  ///< a row of the same view with a smaller id
  std::string label;
  std::string sub;
  std::string machine;
  RowKind kind = RowKind::kGroup;
  std::optional<std::int64_t> cpu;
  std::optional<std::int64_t> vcpu;
  std::optional<std::int64_t> tid;
  HostTime begin;
  HostTime end;
  std::optional<model::EntityId> entity;  ///< groups have none
  model::TableId table = model::TableId::kCount;
};

/// What a row was in, as people read it.
struct RowState {
  HostTime begin;
  HostTime end;
  bool open = false;  ///< it goes on beyond what has been analysed
  std::string state;
  std::vector<std::pair<std::string, std::string>> attributes;  ///< column and text, by column
  std::string sql;                                              ///< what gives the same row
};

/// Where a jump leads.
struct Target {
  std::string_view view;
  std::int32_t row = 0;
  HostTime begin;
  HostTime end;
  std::string label;
  std::string message;
};

enum class ArrowKind : std::uint8_t { kWakeup, kPreempt, kMigrate };
[[nodiscard]] std::string_view name_of(ArrowKind kind);

struct Arrow {
  ArrowKind kind = ArrowKind::kWakeup;
  std::int32_t from_row = 0;
  std::int32_t to_row = 0;
  HostTime from;
  HostTime to;
  std::string label;
};

struct ArrowList {
  std::vector<Arrow> arrows;  ///< by time
  bool truncated = false;     ///< there are more: too many, or too many rows to look at
};

struct ArrowRequest {
  std::span<const std::int32_t> rows;
  HostTime from;
  HostTime to;
  std::size_t limit = 0;
  const std::atomic<bool>* cancel = nullptr;
  std::size_t most_rows = limits::kArrowRows;  ///< intervals that are looked at
};

/// Whether a thread or a guest process of this state has a processor.
[[nodiscard]] bool is_running(model::TableId table, std::int64_t state);

/// Of the experiment, in a history.
enum class Extent : std::uint8_t { kWhole, kPart };

class Views {
 public:
  /// Requires a source with a history. `open`: rows that the history does not have yet, by entity
  /// and begin. Those that go on where an entity's last row ends are shown as its rows, which may
  /// grow.
  [[nodiscard]] static Result<Views> build(const query::ExperimentSummary& summary,
                                           const query::DataSource& source,
                                           Extent extent = Extent::kWhole,
                                           std::span<const model::OpenRow> open = {});

  [[nodiscard]] std::span<const View> views() const { return views_; }
  [[nodiscard]] const View* find(std::string_view id) const;
  [[nodiscard]] std::span<const Row> rows(const View& view) const;
  /// nullptr for an id that does not exist.
  [[nodiscard]] const Row* row(std::int32_t id) const;
  /// The same for an id that is not of this view.
  [[nodiscard]] const Row* row(const View& view, std::int32_t id) const;
  /// Index into view.layers.
  [[nodiscard]] static std::optional<std::size_t> layer(const View& view, std::string_view id);

  /// From now on series of long windows are made from them. They must outlive the views; any
  /// thread.
  void use(const Sums& sums) const { sums_->store(&sums); }
  /// nullptr until there are some.
  [[nodiscard]] const Sums* sums() const { return sums_->load(); }

  /// One picture per row, in their order; rows that do not exist or have no such layer give an
  /// empty one. `window.value_slot` is not used. Values are those of name().
  [[nodiscard]] Status states(const View& view, std::size_t layer,
                              std::span<const std::int32_t> rows, history::Window window,
                              std::vector<Picture>& pictures) const;
  /// The text of a layer's value; empty for kNull.
  [[nodiscard]] std::string name(const View& view, std::size_t layer, std::int64_t value) const;

  /// The row's state at a time. Where none holds there: the one that begins nearest to it, at most
  /// `within_ns` away, because a drawn pixel may begin before what it shows; of points, like
  /// packets, the last one without such a bound. Nothing where there is no such state.
  [[nodiscard]] Result<std::optional<RowState>> at(const Row& row, HostTime time,
                                                   std::int64_t within_ns = 0) const;
  /// The state that the next (+1) or previous (-1) change of `layer` leads to.
  [[nodiscard]] Result<std::optional<RowState>> step(const View& view, const Row& row,
                                                     HostTime time, int direction,
                                                     std::size_t layer,
                                                     const std::atomic<bool>* cancel) const;
  /// From an interval in which something else had the CPU, or which somebody ended, to that.
  [[nodiscard]] Result<std::optional<Target>> follow(const View& view, const Row& row,
                                                     HostTime time) const;
  /// Time in which the row had a processor, over its whole life; 0 of rows that are no tasks.
  [[nodiscard]] std::int64_t ran_ns(const Row& row) const;
  /// Ids of the rows that do something in [from, to): threads that ran or wanted to, and all others
  /// that have an interval there. Reads up to the first such interval of each row.
  [[nodiscard]] Result<std::vector<std::int32_t>> active(const View& view, HostTime from,
                                                         HostTime to,
                                                         const std::atomic<bool>* cancel) const;
  /// Arrows between the rows asked for. Looks at a bounded number of intervals, spread evenly over
  /// rows and window, so that the cost does not grow with the trace.
  [[nodiscard]] Result<ArrowList> arrows(const View& view, const ArrowRequest& request) const;

  [[nodiscard]] const history::Reader& history() const { return *history_; }
  /// What goes on where the rows of the history end; of a part only.
  [[nodiscard]] std::span<const history::OwnedRow> open_rows(const Row& row) const;
  /// The row of `view` that stands on this entity.
  [[nodiscard]] std::optional<std::int32_t> row_of(const View& view, model::EntityId entity) const;
  [[nodiscard]] std::optional<model::EntityId> entity(model::TableId table, std::string_view first,
                                                      std::int64_t second) const;
  /// The machine whose pCPUs a VM runs on; a host's own name; empty for a name that is none.
  [[nodiscard]] std::string_view host_of(std::string_view machine) const;

 private:
  friend class ViewBuilder;
  class Gallery;
  /// Entities by table, first and second key.
  struct EntityPlace {
    model::TableId table = model::TableId::kCount;
    std::int64_t first = 0;
    std::int64_t second = 0;
    bool operator==(const EntityPlace&) const = default;
  };
  struct PlaceHash {
    std::size_t operator()(const EntityPlace& place) const;
  };
  Views() : sums_(std::make_unique<std::atomic<const Sums*>>(nullptr)) {}
  [[nodiscard]] Result<std::optional<history::OwnedRow>> nearest(const Row& row, HostTime time,
                                                                 std::int64_t within_ns) const;

  [[nodiscard]] std::optional<history::OwnedRow> open_at(const Row& row, HostTime time) const;
  void draw_open(const Row& row, std::size_t slot, const history::Window& window,
                 Picture& picture) const;

  const history::Reader* history_ = nullptr;
  std::unordered_map<model::EntityId, std::vector<history::OwnedRow>> open_;
  std::unique_ptr<std::atomic<const Sums*>> sums_;
  std::vector<View> views_;
  std::vector<Row> rows_;
  std::unordered_map<std::int32_t, std::size_t> places_;                    ///< in rows_, by id
  std::vector<std::unordered_map<model::EntityId, std::int32_t>> row_ids_;  ///< by view
  std::unordered_map<EntityPlace, model::EntityId, PlaceHash> entities_;
  std::map<std::string, std::string, std::less<>> hosts_;  ///< by machine
};

}  // namespace vs::serve
