#pragma once
// A shipped capture whose analysis lasts as long as a test wants, and is seen in parts that end at
// times that the test chooses. For tests only.
//
// Ownership: owns the session and all that refers to it. Threads: one, beside the Service's own.

#include <gtest/gtest.h>

#include <atomic>
#include <chrono>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "history/writer.h"
#include "os/file.h"
#include "query/session_source.h"
#include "serve/service.h"
#include "session/session.h"

namespace vs::serve::test {

/// A history of what `whole` has that ends at or before `until`, with the same ids.
inline std::shared_ptr<const history::Reader> part_of(const history::Reader& whole,
                                                      HostTime until) {
  auto writer = std::move(history::Writer::create_anonymous(testing::TempDir())).value();
  for (std::size_t i = 0; i < whole.string_count(); ++i) {
    (void)writer->intern(whole.string(static_cast<model::StringId>(i)));
  }
  for (model::EntityId id = 0; id < whole.entity_count(); ++id) {
    const model::TableId table = whole.entity(id).table;
    for (const history::Entity& entity : whole.entities(table)) {
      if (entity.id != id) continue;
      EXPECT_EQ(writer->entity(table, entity.key), id);
    }
    auto rows = whole.rows(id, kHostTimeMin, until + 1);
    history::Row row;
    while (rows.next(row)) {
      if (row.end <= until) writer->add(id, row.begin, row.end, row.values);
    }
  }
  return std::move(writer->finish()).value();
}

/// The rows of `whole` that hold at `until`, as an analysis has them then.
inline std::vector<model::OpenRow> open_at(const history::Reader& whole, HostTime until) {
  std::vector<model::OpenRow> out;
  for (const model::TableId table :
       {model::TableId::kThreadState, model::TableId::kVcpuState, model::TableId::kFusedCpu}) {
    const auto state = std::move(whole.full_state(table, until)).value();
    for (const auto& row : state.rows) {
      if (row.begin >= until) continue;
      out.push_back({row.entity, row.begin, until, {row.values.begin(), row.values.end()}});
    }
  }
  return out;
}

class GrowingCapture {
 public:
  explicit GrowingCapture(const std::string& name) {
    session::SessionOptions options;
    options.inputs.paths = {std::string(VS_SOURCE_DIR) + "/tests/captures/" + name};
    session_ = std::move(session::Session::open(os::real_files(), std::move(options)).value());
    EXPECT_TRUE(session_->join().ok());
    summary_ = query::summarise(*session_);
    EXPECT_TRUE(session_->analyse().ok());  // told to the service later
    for (const model::TableDef& def : model::table_defs()) {
      tables_.push_back(session_->small_table(def.id));
    }
    source_ = std::make_unique<query::SessionSource>(*session_);
    source_->attach_history();
    Service::Sources sources{summary_, *source_, [this] { return analyse(); },
                             [this] { stopped_ = true; }, "virtscope serve " + name};
    sources.part = [this] { return next_part(); };
    service_ = std::make_unique<Service>(std::move(sources));
    service_->start();
  }
  GrowingCapture(const GrowingCapture&) = delete;
  GrowingCapture& operator=(const GrowingCapture&) = delete;

  [[nodiscard]] Service& service() { return *service_; }
  [[nodiscard]] HostTime at(double share) const {
    const auto span = static_cast<double>(*summary_.end() - *summary_.begin());
    return *summary_.begin() + static_cast<std::int64_t>(share * span);
  }
  /// The analysis reaches a share of the experiment, and the service shows it.
  std::shared_ptr<const Shown> grow(double share) {
    {
      const std::scoped_lock lock(mutex_);
      next_ = Service::Part{std::make_shared<query::SessionSource>(
                                *session_, part_of(session_->history(), at(share)), tables_),
                            at(share), open_at(session_->history(), at(share))};
    }
    for (;;) {
      {
        const std::scoped_lock lock(mutex_);
        if (!next_) return service_->shown();
      }
      (void)service_->shown();
      std::this_thread::sleep_for(std::chrono::milliseconds(5));
    }
  }
  void complete() {
    completed_ = true;
    service_->wait();
  }
  void stop() {
    service_->stop();
    service_->wait();
  }

 private:
  Status analyse() const {
    while (!completed_ && !stopped_) std::this_thread::sleep_for(std::chrono::milliseconds(1));
    return completed_ ? Status() : Status(Error{ErrorCode::kCancelled, "stopped", "", ""});
  }
  Result<std::optional<Service::Part>> next_part() {
    const std::scoped_lock lock(mutex_);
    return std::exchange(next_, std::nullopt);
  }

  std::atomic<bool> completed_{false};
  std::atomic<bool> stopped_{false};
  std::mutex mutex_;
  std::optional<Service::Part> next_;  ///< guarded by mutex_
  std::unique_ptr<session::Session> session_;
  query::ExperimentSummary summary_;
  std::vector<model::SmallTable> tables_;
  std::unique_ptr<query::SessionSource> source_;
  std::unique_ptr<Service> service_;  // ends before what it shows
};

}  // namespace vs::serve::test
