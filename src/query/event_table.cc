#include "query/event_table.h"

#include <algorithm>
#include <array>
#include <limits>

namespace vs::query {
namespace {

enum Column : int { kTs, kTrace, kMachine, kCpu, kTid, kName, kFields };
constexpr std::array<std::string_view, 7> kColumns = {"ts",  "trace", "machine", "cpu",
                                                      "tid", "name",  "fields"};

class EventTable final : public VirtualTable {
 public:
  explicit EventTable(const DataSource& source) : source_(source) {}

  [[nodiscard]] std::string declaration() const override {
    return "CREATE TABLE t(ts INTEGER, trace INTEGER, machine TEXT, cpu INTEGER, tid INTEGER, "
           "name TEXT, fields TEXT)";
  }

  [[nodiscard]] int best_index(sqlite3_index_info& info) const override {
    PlanBuilder plan(info);
    double share = 1;
    for (int i = 0; i < plan.count(); ++i) {
      if (!plan.usable(i)) continue;
      const int column = plan.column(i);
      if (column == kTs) {
        const auto op = plan.time_operator(i);
        if (op) plan.take(i, *op);
        if (op) share *= *op == Operator::kEqual ? 1e-4 : 0.3;
      } else if (plan.is_equal(i) && plan.is_binary(i)) {
        if (column == kName) plan.take_set(i);
        if (column == kTrace || column == kMachine || column == kCpu) {
          plan.take(i, Operator::kEqual);
        }
        share *= 0.2;
      }
    }
    info.orderByConsumed =
        info.nOrderBy == 1 && info.aOrderBy[0].iColumn == kTs && info.aOrderBy[0].desc == 0;
    // Decoding is dearer than reading intervals: keep events out of inner loops.
    constexpr double kEvents = 1e7;
    return plan.finish(0, kEvents * share, 10 * kEvents * share);
  }

  [[nodiscard]] std::unique_ptr<Cursor> open() const override;
  [[nodiscard]] const DataSource& source() const { return source_; }

 private:
  const DataSource& source_;
};

class EventCursor final : public Cursor {
 public:
  explicit EventCursor(const DataSource& source) : source_(source) {}

  [[nodiscard]] Status filter(int, std::span<const Argument> arguments) override;
  [[nodiscard]] Status next() override {
    VS_ASSIGN(const bool more, events_->next(event_));
    at_end_ = !more;
    return {};
  }
  [[nodiscard]] bool at_end() const override { return at_end_; }
  void column(sqlite3_context* context, int index) override;

 private:
  // False when nothing can match.
  [[nodiscard]] bool restrict(const Argument& argument, TimeBounds& bounds, EventFilter& filter);

  const DataSource& source_;
  std::unique_ptr<EventStream> events_;
  EventView event_;
  bool at_end_ = true;
  std::string fields_;
};

bool EventCursor::restrict(const Argument& argument, TimeBounds& bounds, EventFilter& filter) {
  if (argument.column == kTs) {
    bounds.narrow(argument.op, argument.value);
    return !bounds.empty;
  }
  if (argument.column == kMachine) {
    // Two different machines at once cannot match; SQLite tests the second one itself.
    if (sqlite3_value_type(argument.value) == SQLITE_NULL) return false;
    filter.machine = std::string(text_of(argument.value));
    return true;
  }
  if (argument.column == kName) {
    std::vector<std::string> names;
    const int code = for_each_value(argument, [&](sqlite3_value* value) {
      if (sqlite3_value_type(value) != SQLITE_NULL) names.emplace_back(text_of(value));
    });
    if (code != SQLITE_OK || names.empty()) return false;
    filter.names = std::move(names);
    return true;
  }
  const auto number = integer_of(argument.value);
  if (!number) return false;
  if (argument.column == kTrace) {
    filter.trace = *number;
    return true;
  }
  if (*number < 0 || *number > std::numeric_limits<std::uint32_t>::max()) return false;
  filter.cpu = static_cast<std::uint32_t>(*number);
  return true;
}

Status EventCursor::filter(int, std::span<const Argument> arguments) {
  events_.reset();
  at_end_ = true;
  EventFilter filter;
  TimeBounds bounds;
  for (const Argument& argument : arguments) {
    if (!restrict(argument, bounds, filter)) return {};
  }
  if (bounds.from >= bounds.to) return {};
  filter.from = bounds.from;
  filter.to = bounds.to;
  VS_ASSIGN(events_, source_.events(filter));
  return next();
}

void EventCursor::column(sqlite3_context* context, int index) {
  switch (index) {
    case kTs:
      return sqlite3_result_int64(context, event_.ts.ns);
    case kTrace:
      return sqlite3_result_int64(context, event_.trace);
    case kMachine:
      return result_text(context, event_.machine, /*text_lives=*/false);
    case kCpu:
      return result_integer_or_null(context, event_.cpu);
    case kTid:
      return result_integer_or_null(context, event_.tid);
    case kName:
      return result_text(context, event_.name, /*text_lives=*/false);
    default:
      break;
  }
  fields_.clear();
  events_->fields_json(fields_);
  result_text(context, fields_, /*text_lives=*/false);
}

std::unique_ptr<Cursor> EventTable::open() const { return std::make_unique<EventCursor>(source_); }

}  // namespace

std::span<const std::string_view> event_columns() { return kColumns; }

std::unique_ptr<VirtualTable> make_event_table(const DataSource& source) {
  return std::make_unique<EventTable>(source);
}

}  // namespace vs::query
