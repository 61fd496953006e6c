#pragma once
// The history writer: an IntervalSink that puts intervals into a file.
//
// Rows are collected into slabs as they close; a full slab is coded by table, entity and column,
// packed and appended (spec: docs/formats/history.md; layout after spec/performance.md 5), by the
// calling thread or, while that fills the next one, by a thread beside it. Memory is bounded by the
// open slab (<= 524,288 rows) and the one that is being sealed, the open index nodes (<= 16 MiB per
// tier, of which there are log16 of the slabs) and about 200 bytes per entity, whatever the number
// of intervals. The same calls give the same bytes, with and without that thread.
//
// The file appears with commit() and not before; a Writer that is destroyed without one leaves
// nothing. Write errors are kept and returned by commit() and finish(); adding goes on without
// effect.
//
// Ownership: the Writer owns its open file. Threads: one caller at a time; see WriterOptions.

#include <map>
#include <memory>
#include <span>
#include <string>
#include <string_view>

#include "base/result.h"
#include "history/reader.h"
#include "history/snapshot.h"
#include "model/interval_sink.h"
#include "model/tables.h"
#include "os/write_file.h"

namespace vs::history {

struct WriterOptions {
  Codec codec = Codec::kLz4;
  os::Outputs* outputs = nullptr;      ///< nullptr: the real ones
  bool seal_beside = false;            ///< slabs are sealed by a thread of their own
  ReaderOptions reader;                ///< for the Reader of finish()
  SnapshotBoard* snapshots = nullptr;  ///< where snapshots go when asked for (snapshot.h)
};

class Writer final : public model::IntervalSink {
 public:
  /// Writes beside `path` and renames over it at commit().
  [[nodiscard]] static Result<std::unique_ptr<Writer>> create(const std::string& path,
                                                              const WriterOptions& options = {});
  /// A history without a name: finish() gives its Reader, and the space is free when that goes.
  [[nodiscard]] static Result<std::unique_ptr<Writer>> create_anonymous(
      const std::string& folder, const WriterOptions& options = {});
  ~Writer() override;
  Writer(const Writer&) = delete;
  Writer& operator=(const Writer&) = delete;

  [[nodiscard]] model::StringId intern(std::string_view text) override;
  [[nodiscard]] model::EntityId entity(model::TableId table,
                                       std::span<const std::int64_t> key) override;
  /// A view costs no rows: readers take them from `of`. Rows have one view at most. What cannot be
  /// one fails the commit with kInternal.
  [[nodiscard]] model::EntityId view(model::TableId table, std::span<const std::int64_t> key,
                                     model::EntityId of) override;
  /// Times are cut to +-2^62 ns. A begin before the entity's last end (which the contract forbids
  /// where rows may not overlap) is moved to it, so that a file is always well-formed;
  /// repaired_rows() counts them. Calls with
  /// an unknown entity or a wrong number of values fail the commit with kInternal.
  void add(model::EntityId entity, HostTime begin, HostTime end,
           std::span<const std::int64_t> values) override;
  /// A memo holds until its slab is sealed.
  [[nodiscard]] bool add_again(model::EntityId entity, HostTime begin, HostTime end,
                               model::RowMemo memo) override;
  void add_noting(model::EntityId entity, HostTime begin, HostTime end,
                  std::span<const std::int64_t> values, model::RowMemo& memo) override;

  /// Replaces an earlier table of the same id.
  void put_small_table(model::SmallTable table);
  void set_meta(std::string key, std::string value);

  /// Completes the file, syncs it and renames it into place. At most once.
  [[nodiscard]] Status commit();
  /// commit(), then a Reader of the result. The only way to read an anonymous history.
  [[nodiscard]] Result<std::shared_ptr<const Reader>> finish();

  [[nodiscard]] std::uint64_t rows() const;
  [[nodiscard]] std::uint64_t repaired_rows() const;
  /// The first error of the slabs sealed so far; a session may stop adding early.
  [[nodiscard]] const Status& status() const;

 private:
  struct State;
  explicit Writer(std::unique_ptr<State> state);
  std::unique_ptr<State> state_;
};

}  // namespace vs::history
