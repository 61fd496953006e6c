#pragma once
// What the tests of this module share: a naive model of a history, a generator of random calls and
// an Outputs in memory.

#include <algorithm>
#include <map>
#include <memory>
#include <random>
#include <string>
#include <vector>

#include "history/reader.h"
#include "history/writer.h"

namespace vs::history::test {

/// Keeps the bytes of the last committed file.
class MemoryOutputs final : public os::Outputs {
 public:
  struct Shared {
    std::string bytes;
    bool committed = false;
  };
  [[nodiscard]] Result<std::unique_ptr<os::OutputFile>> create(const std::string&) override {
    return make();
  }
  [[nodiscard]] Result<std::unique_ptr<os::OutputFile>> create_anonymous(
      const std::string&) override {
    return make();
  }
  [[nodiscard]] const std::string& bytes() const { return shared_->bytes; }
  [[nodiscard]] bool committed() const { return shared_ != nullptr && shared_->committed; }

 private:
  class Output final : public os::OutputFile {
   public:
    explicit Output(std::shared_ptr<Shared> shared) : shared_(std::move(shared)) {}
    [[nodiscard]] Status append(Bytes bytes) override {
      shared_->bytes += as_text(bytes);
      return {};
    }
    [[nodiscard]] std::uint64_t size() const override { return shared_->bytes.size(); }
    [[nodiscard]] Status commit() override {
      shared_->committed = true;
      return {};
    }
    [[nodiscard]] Result<std::unique_ptr<os::File>> reopen() const override {
      os::MemoryFiles files;
      files.put("h", shared_->bytes);
      return files.open("h");
    }

   private:
    std::shared_ptr<Shared> shared_;
  };
  [[nodiscard]] Result<std::unique_ptr<os::OutputFile>> make() {
    shared_ = std::make_shared<Shared>();
    return std::unique_ptr<os::OutputFile>(std::make_unique<Output>(shared_));
  }
  std::shared_ptr<Shared> shared_;
};

inline Result<std::shared_ptr<const Reader>> open_bytes(const std::string& bytes,
                                                        std::size_t cache_bytes = 1 << 20) {
  os::MemoryFiles files;
  files.put("h", bytes);
  return Reader::open("h", ReaderOptions{cache_bytes, &files});
}

struct ModelRow {
  std::int64_t begin_ns;
  std::int64_t end_ns;
  std::vector<std::int64_t> values;
};

struct ModelEntity {
  TableId table;
  std::vector<std::int64_t> key;
  std::vector<ModelRow> rows;
};

/// Random entities and rows, given to a sink and kept as they are.
class Model {
 public:
  struct Shape {
    std::uint32_t seed = 1;
    std::size_t entities = 20;
    std::size_t rows = 2000;
    std::int64_t mean_ns = 1000;
    std::int64_t start_ns = 1'700'000'000'000'000'000;
  };
  explicit Model(const Shape& shape) : shape_(shape), random_(shape.seed) {}

  void fill(Writer& writer) {
    static constexpr TableId kTables[] = {
        TableId::kVcpuState, TableId::kPcpuState,  TableId::kFusedCpu,  TableId::kThreadState,
        TableId::kVmExit,    TableId::kPreemption, TableId::kNetPacket, TableId::kVprocessState};
    for (std::size_t i = 0; i < shape_.entities; ++i) {
      ModelEntity entity{kTables[i % std::size(kTables)], {}, {}};
      entity.key = {writer.intern("machine" + std::to_string(i % 3)), std::int64_t(i)};
      ids_.push_back(writer.entity(entity.table, entity.key));
      now_ns_.push_back(shape_.start_ns + below(1000));
      entities_.push_back(std::move(entity));
    }
    add_rows(writer, shape_.rows);
  }
  /// Further ones, after fill().
  void add_rows(Writer& writer, std::size_t rows) {
    for (std::size_t i = 0; i < rows; ++i) add_row(writer);
  }

  [[nodiscard]] const std::vector<ModelEntity>& entities() const { return entities_; }
  [[nodiscard]] EntityId id(std::size_t i) const { return ids_[i]; }
  [[nodiscard]] std::int64_t below(std::int64_t limit) {
    return static_cast<std::int64_t>(random_() % static_cast<std::uint64_t>(limit));
  }
  [[nodiscard]] std::int64_t start_ns() const { return shape_.start_ns; }
  [[nodiscard]] std::int64_t end_ns() const {
    return *std::max_element(now_ns_.begin(), now_ns_.end());
  }

 private:
  void add_row(Writer& writer) {
    // Low numbers are busy, high ones sleep.
    const auto i = static_cast<std::size_t>(
        std::min(below(std::int64_t(shape_.entities)), below(std::int64_t(shape_.entities))));
    ModelEntity& entity = entities_[i];
    const bool points = model::table_def(entity.table).points;
    const bool tiles = !points && entity.table != TableId::kPreemption;
    std::int64_t begin_ns = now_ns_[i];
    if (!tiles || below(50) == 0) begin_ns += below(shape_.mean_ns);
    std::int64_t length_ns = below(10) == 0 ? below(3) : below(2 * shape_.mean_ns);
    if (entity.table == TableId::kNetPacket) length_ns = 0;
    if (below(500) == 0) length_ns = 10'000'000'000 + below(1'000'000'000);
    const std::int64_t end_ns = begin_ns + length_ns;
    ModelRow row{begin_ns, end_ns, {}};
    const std::size_t width = model::table_def(entity.table).value_count();
    for (std::size_t c = 0; c < width; ++c) row.values.push_back(random_value(c));
    writer.add(ids_[i], HostTime{begin_ns}, HostTime{end_ns}, row.values);
    now_ns_[i] = end_ns;
    if (length_ns != 0 || points) entity.rows.push_back(std::move(row));
  }
  [[nodiscard]] std::int64_t random_value(std::size_t column) {
    if (below(8) == 0) return model::kNull;
    if (column >= 3 && below(40) == 0) return static_cast<std::int64_t>(random_());
    return below(column == 0 ? 6 : 3) - (column == 2 ? 1 : 0);
  }

  const Shape shape_;
  std::mt19937_64 random_;
  std::vector<ModelEntity> entities_;
  std::vector<EntityId> ids_;
  std::vector<std::int64_t> now_ns_;
};

}  // namespace vs::history::test
