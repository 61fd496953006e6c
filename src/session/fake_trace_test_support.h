#pragma once
// Test only: a reader::Trace over events in memory, one list per stream. Its cursors hand them out
// in small runs, deliver only the kinds that are asked for and, of those that fade, no more than
// they have to, and may fail after some events.

#include <algorithm>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "reader/passed.h"
#include "reader/trace.h"
#include "tests/support/events.h"

namespace vs::session::test {

class FakeTrace final : public reader::Trace {
 public:
  struct Stream {
    std::uint32_t cpu = model::kNoCpu;
    std::vector<model::Event> events;
    std::size_t fails_at = static_cast<std::size_t>(-1);  ///< next() fails when it gets there
  };

  FakeTrace() {
    info_.format = "ctf";
    info_.is_kernel = true;
  }
  reader::TraceInfo& change_info() { return info_; }

  /// Adds a type; events of this kind get it, the last one of a kind wins.
  void add_type(std::string name, model::EventKind kind) {
    reader::EventTypeInfo type;
    type.name = std::move(name);
    type.kind = kind;
    types_.push_back(std::move(type));
  }
  /// Puts one event of every kind that occurs into the types that are not there yet.
  void add_stream(Stream stream) {
    for (model::Event& event : stream.events) {
      if (event.kind != model::EventKind::kLoss) event.type = type_of(event.kind);
    }
    reader::StreamInfo info;
    info.place = "fake cpu " + std::to_string(stream.cpu);
    info.cpu = stream.cpu;
    info.bytes = stream.events.size();
    infos_.push_back(info);
    streams_.push_back(std::move(stream));
  }

  [[nodiscard]] const reader::TraceInfo& info() const override { return info_; }
  [[nodiscard]] std::span<const reader::EventTypeInfo> event_types() const override {
    return types_;
  }
  [[nodiscard]] std::span<const reader::StreamInfo> streams() const override { return infos_; }
  [[nodiscard]] Result<std::unique_ptr<reader::StreamCursor>> open_stream(
      std::size_t stream, const reader::StreamRequest& request, model::IssueLog&) const override {
    opened_.push_back(stream);
    reader::StreamRequest kept = request;
    if (!fades_) kept.fading = {};
    return std::unique_ptr<reader::StreamCursor>(
        std::make_unique<Cursor>(streams_.at(stream), kept, delivered_));
  }
  /// Its readers know nothing of fading.
  void deliver_all() { fades_ = false; }
  /// Events and losses that its cursors have delivered.
  [[nodiscard]] std::size_t delivered() const { return delivered_; }
  /// Streams in the order in which they were opened.
  [[nodiscard]] const std::vector<std::size_t>& opened() const { return opened_; }

 private:
  class Cursor final : public reader::StreamCursor {
   public:
    Cursor(const Stream& stream, const reader::StreamRequest& request, std::size_t& delivered)
        : stream_(stream), request_(request), passed_(request.passed), delivered_(delivered) {}
    Result<std::span<const model::Event>> next() override {
      constexpr std::size_t kRun = 3;
      run_.clear();
      while (position_ < stream_.events.size() && run_.size() < kRun) {
        if (position_ == stream_.fails_at) return Error{ErrorCode::kIo, "cannot read", "", ""};
        const model::Event& event = stream_.events[position_++];
        const bool loss = event.kind == model::EventKind::kLoss;
        if (!loss) passed_.add(stream_.cpu, event.own.value, event.type);
        const std::int32_t tid = event.tid == model::kNoTid ? running_ : event.tid;
        const bool faded = has_faded(event);
        if (!loss && (faded || !request_.kinds.has(event.kind))) continue;
        run_.push_back(loss ? event : chosen(event));
        if (!loss) run_.back().tid = tid;
        ++delivered_;
      }
      passed_.flush(stream_.cpu);
      return std::span<const model::Event>(run_);
    }
    Status seek(OwnTime time) override {
      fades_ = false;
      position_ = 0;
      while (position_ + 1 < stream_.events.size() && stream_.events[position_ + 1].own < time) {
        ++position_;  // one event early, as an index of packets would be
      }
      return {};
    }
    [[nodiscard]] std::uint64_t bytes_done() const override { return position_; }
    void fields_json(const model::Event& event, std::string& out) const override {
      out += "{\"own\":" + std::to_string(event.own.value) + "}";
    }

   private:
    /// Steps over all that a reader may (StreamRequest::fading).
    bool has_faded(const model::Event& event) {
      if (event.kind == model::EventKind::kLoss) {
        running_ = model::kNoTid;
        return false;
      }
      fades_ = fades_ && event.own >= last_;
      last_ = event.own;
      const bool other = event.tid != model::kNoTid && event.tid != running_;
      const bool faded = fades_ && request_.fading.marks != nullptr && running_ != model::kNoTid &&
                         !other && bears_mark(event);
      if (event.kind == model::EventKind::kSchedSwitch && event.has(model::arg::kNextTid)) {
        running_ = static_cast<std::int32_t>(event.i(model::arg::kNextTid));
      }
      return faded;
    }
    [[nodiscard]] bool bears_mark(const model::Event& event) const {
      const auto& rules = request_.fading.rules;
      const auto rule =
          std::find_if(rules.begin(), rules.end(),
                       [&event](const model::FadeRule& one) { return one.kind == event.kind; });
      if (rule == rules.end()) return false;
      const model::ThreadMarks& marks = *request_.fading.marks;
      if (rule->count == 0) return marks.has(running_, rule->mark);
      return std::all_of(rule->args.begin(), rule->args.begin() + rule->count, [&](auto slot) {
        return event.has(slot) && marks.has(static_cast<std::int32_t>(event.i(slot)), rule->mark);
      });
    }

    /// The event without what was not asked for.
    [[nodiscard]] model::Event chosen(model::Event event) const {
      const std::uint16_t slots = request_.choice.of(event.kind);
      for (std::size_t i = 0; i < model::kMaxArgs; ++i) {
        if ((slots & reader::ArgumentChoice::arg(i)) != 0) continue;
        event.args[i] = 0;
        event.present = static_cast<std::uint16_t>(event.present & ~(1U << i));
      }
      for (std::size_t i = 0; i < model::kMaxTexts; ++i) {
        if ((slots & reader::ArgumentChoice::text(i)) == 0) event.texts[i] = {};
      }
      return event;
    }

    const Stream& stream_;
    const reader::StreamRequest request_;
    reader::PassedBuffer passed_;
    std::vector<model::Event> run_;
    std::size_t position_ = 0;
    std::int32_t running_ = model::kNoTid;  ///< as switches tell it
    OwnTime last_ = kOwnTimeMin;
    bool fades_ = true;
    std::size_t& delivered_;
  };

  std::uint16_t type_of(model::EventKind kind) {
    for (std::size_t i = types_.size(); i-- > 0;) {
      if (types_[i].kind == kind) return static_cast<std::uint16_t>(i);
    }
    add_type(std::string(model::spec_of(kind).name), kind);
    return static_cast<std::uint16_t>(types_.size() - 1);
  }

  reader::TraceInfo info_;
  std::vector<reader::EventTypeInfo> types_;
  std::vector<Stream> streams_;
  std::vector<reader::StreamInfo> infos_;
  bool fades_ = true;
  mutable std::vector<std::size_t> opened_;
  mutable std::size_t delivered_ = 0;
};

}  // namespace vs::session::test
