#include "query/flow_table.h"

#include <algorithm>
#include <array>
#include <optional>
#include <string>
#include <utility>

#include <fmt/format.h>

#include "analysis/flow/critical_path.h"
#include "analysis/flow/execution_flow.h"

namespace vs::query {
namespace {

namespace flow = analysis::flow;
using model::kNull;

constexpr std::array<std::string_view, 9> kFlowColumns = {
    "ts", "dur", "kind", "exec_machine", "exec_vcpu", "exec_tid", "exec_comm", "pcpu", "cause"};
constexpr std::array<std::string_view, 9> kPathColumns = {
    "ts", "dur", "depth", "label", "exec_machine", "exec_tid", "exec_comm", "cpu", "cause"};

enum Hidden : int { kMachine, kTid, kBegin, kEnd, kUnbounded, kHiddenCount };
constexpr std::array<std::string_view, kHiddenCount> kHiddenNames = {"machine", "tid", "begin_ts",
                                                                     "end_ts", "unbounded"};

bool is_text(std::string_view column) {
  constexpr std::array<std::string_view, 5> kTexts = {"kind", "label", "exec_machine", "exec_comm",
                                                      "cause"};
  return std::find(kTexts.begin(), kTexts.end(), column) != kTexts.end() || column == "machine";
}

/// What one scan was asked for; begin >= end: nothing.
struct Question {
  flow::TaskWindow window;
  bool unbounded = false;
};

struct Given {
  std::array<sqlite3_value*, kHiddenCount> values{};
};

Result<std::optional<std::int64_t>> number_argument(std::string_view table, std::string_view name,
                                                    sqlite3_value* value) {
  if (value == nullptr || sqlite3_value_type(value) == SQLITE_NULL) {
    return std::optional<std::int64_t>();
  }
  if (const auto number = integer_of(value)) return number;
  return Error{ErrorCode::kBadUse, fmt::format("{} of {}() is no whole number", name, table), "",
               fmt::format("{}(machine, tid, begin_ts, end_ts)", table)};
}

Result<Question> read_question(std::string_view table, const flow::World& world,
                               const Given& given) {
  Question question;
  sqlite3_value* const machine = given.values[kMachine];
  sqlite3_value* const tid = given.values[kTid];
  if (machine == nullptr || tid == nullptr) {
    return Error{ErrorCode::kBadUse, fmt::format("{} needs a machine and a thread id", table), "",
                 fmt::format("{0}('vm1', 155), or in a join {0}(t.machine, t.tid)", table)};
  }
  if (sqlite3_value_type(machine) == SQLITE_NULL) return question;
  VS_ASSIGN(const auto number, number_argument(table, "tid", tid));
  if (!number) return question;
  VS_ASSIGN(const flow::MachineNumber found, find_machine(world, text_of(machine)));
  VS_TRY(require_thread(world, found, *number));
  const auto life = flow::life_of(world, found, *number);
  if (life) question.window = *life;
  VS_ASSIGN(const auto begin, number_argument(table, "begin_ts", given.values[kBegin]));
  VS_ASSIGN(const auto end, number_argument(table, "end_ts", given.values[kEnd]));
  VS_ASSIGN(const auto unbounded, number_argument(table, "unbounded", given.values[kUnbounded]));
  if (begin) question.window.begin = HostTime{*begin};
  if (end) question.window.end = HostTime{*end};
  question.unbounded = unbounded.value_or(0) != 0;
  return question;
}

/// [begin, end) of all traces; nothing when no trace says.
std::optional<std::pair<HostTime, HostTime>> reach_of(const flow::World& world) {
  std::optional<std::pair<HostTime, HostTime>> reach;
  for (const model::Row& row : world.source().small(model::TableId::kTrace).rows) {
    const auto* const begin = std::get_if<std::int64_t>(&row[6]);
    const auto* const end = std::get_if<std::int64_t>(&row[7]);
    if (begin == nullptr || end == nullptr) continue;
    const std::pair one{HostTime{*begin}, HostTime{*end} + 1};
    reach = reach
                ? std::pair{std::min(reach->first, one.first), std::max(reach->second, one.second)}
                : one;
  }
  return reach;
}

// Outside of the traces there is nothing to tell: the rows end where they end.
void cut_to_traces(std::string_view table, const flow::World& world, flow::TaskWindow& window,
                   Notes& notes) {
  const auto reach = reach_of(world);
  if (!reach || window.begin >= window.end) return;
  const flow::TaskWindow asked = window;
  window.begin = std::max(window.begin, reach->first);
  window.end = std::min(window.end, reach->second);
  if (window.begin == asked.begin && window.end == asked.end) return;
  const bool outside = window.begin >= window.end;
  notes.add(fmt::format("{}(): the window from {} to {} {} what the traces hold, {} to {}", table,
                        asked.begin.ns, asked.end.ns, outside ? "is outside of" : "is cut to",
                        reach->first.ns, reach->second.ns));
}

void result_text_or_null(sqlite3_context* context, std::string_view text, bool lives) {
  if (text.empty()) {
    sqlite3_result_null(context);
  } else {
    result_text(context, text, lives);
  }
}

/// The part of both tables that reads arguments.
class Arguments {
 public:
  Arguments(std::string_view table, const FlowSource& source, Notes& notes, int columns)
      : table_(table), source_(source), notes_(notes), columns_(columns) {}

  [[nodiscard]] Result<Question> read(std::span<const Argument> arguments) {
    Given given;
    for (const Argument& argument : arguments) {
      given.values[static_cast<std::size_t>(argument.column - columns_)] = argument.value;
    }
    VS_ASSIGN(Question question, read_question(table_, source_.world(), given));
    cut_to_traces(table_, source_.world(), question.window, notes_);
    for (int i = 0; i < kHiddenCount; ++i) {
      sqlite3_value* const value = given.values[static_cast<std::size_t>(i)];
      auto& kept = kept_[static_cast<std::size_t>(i)];
      kept.reset(value == nullptr ? nullptr : sqlite3_value_dup(value));
    }
    return question;
  }
  [[nodiscard]] bool is_hidden(int column) const { return column >= columns_; }
  void hidden(sqlite3_context* context, int column) const {
    const auto& kept = kept_[static_cast<std::size_t>(column - columns_)];
    if (kept) {
      sqlite3_result_value(context, kept.get());
    } else {
      sqlite3_result_null(context);
    }
  }
  [[nodiscard]] const flow::World& world() const { return source_.world(); }

 private:
  struct Free {
    void operator()(sqlite3_value* value) const { sqlite3_value_free(value); }
  };
  const std::string_view table_;
  const FlowSource& source_;
  Notes& notes_;
  const int columns_;
  std::array<std::unique_ptr<sqlite3_value, Free>, kHiddenCount> kept_;
};

/// How flow() walks and shows a piece.
struct FlowAnswer {
  using Piece = flow::FlowPiece;
  static constexpr std::string_view kName = kFlowTable;
  static constexpr std::span<const std::string_view> kColumns = kFlowColumns;

  [[nodiscard]] Status begin(const flow::World& world, const Question& question) {
    walk.emplace(world, question.window);
    return {};
  }
  [[nodiscard]] Result<bool> next(Piece& piece) { return walk->next(piece); }
  static void show(sqlite3_context* context, const flow::World& world, const Piece& piece,
                   int column);

  std::optional<flow::FlowWalk> walk;
};

void FlowAnswer::show(sqlite3_context* context, const flow::World& world, const Piece& piece,
                      int column) {
  const flow::Actor& exec = piece.exec;
  switch (column) {
    case 2:
      return result_text(context, model::flow_kind_names()[static_cast<std::size_t>(piece.kind)],
                         true);
    case 3:
      return result_text_or_null(context, world.source().string(exec.machine), true);
    case 4:
      return result_integer_or_null(context, exec.vcpu);
    case 5:
      return result_integer_or_null(context, exec.tid);
    case 6:
      return result_text_or_null(context, piece.comm, true);
    case 7:
      return result_integer_or_null(context, piece.pcpu);
    default:
      return result_text_or_null(context, piece.cause, true);
  }
}

/// How critical_path() walks and shows a piece.
struct PathAnswer {
  using Piece = flow::PathPiece;
  static constexpr std::string_view kName = kPathTable;
  static constexpr std::span<const std::string_view> kColumns = kPathColumns;

  [[nodiscard]] Status begin(const flow::World& world, const Question& question) {
    walk.reset();
    flow::PathOptions options;
    options.unbounded = question.unbounded;
    VS_ASSIGN(auto made, flow::PathWalk::make(world, question.window, options));
    walk.emplace(std::move(made));
    return {};
  }
  [[nodiscard]] Result<bool> next(Piece& piece) { return walk->next(piece); }
  static void show(sqlite3_context* context, const flow::World& world, const Piece& piece,
                   int column);

  std::optional<flow::PathWalk> walk;
};

void PathAnswer::show(sqlite3_context* context, const flow::World& world, const Piece& piece,
                      int column) {
  switch (column) {
    case 2:
      return sqlite3_result_int64(context, piece.depth);
    case 3:
      return result_text(context, model::path_label_names()[static_cast<std::size_t>(piece.label)],
                         true);
    case 4:
      return result_text_or_null(context,
                                 piece.machine == flow::kNoMachine
                                     ? std::string_view{}
                                     : std::string_view(world.machine(piece.machine).name),
                                 true);
    case 5:
      return result_integer_or_null(context, piece.tid);
    case 6:
      return result_text_or_null(context, piece.comm, true);
    case 7:
      return result_integer_or_null(context, piece.cpu);
    default:
      return result_text_or_null(context, flow::cause_text(world, piece), false);
  }
}

/// Reads the arguments, steps, and shows what both answers have: when a piece began and how long.
template <typename Answer>
class AnswerCursor final : public Cursor {
 public:
  AnswerCursor(const FlowSource& source, Notes& notes)
      : arguments_(Answer::kName, source, notes, static_cast<int>(Answer::kColumns.size())) {}

  [[nodiscard]] Status filter(int, std::span<const Argument> arguments) override {
    VS_ASSIGN(const Question question, arguments_.read(arguments));
    VS_TRY(answer_.begin(arguments_.world(), question));
    return next();
  }
  [[nodiscard]] Status next() override {
    VS_ASSIGN(more_, answer_.next(piece_));
    return {};
  }
  [[nodiscard]] bool at_end() const override { return !more_; }
  void column(sqlite3_context* context, int column) override {
    if (arguments_.is_hidden(column)) return arguments_.hidden(context, column);
    if (column == 0) return sqlite3_result_int64(context, piece_.begin.ns);
    if (column == 1) return sqlite3_result_int64(context, piece_.end - piece_.begin);
    Answer::show(context, arguments_.world(), piece_, column);
  }

 private:
  Arguments arguments_;
  Answer answer_;
  typename Answer::Piece piece_;
  bool more_ = false;
};

class FunctionTable final : public VirtualTable {
 public:
  using Opener = std::unique_ptr<Cursor> (*)(const FlowSource&, Notes&);
  FunctionTable(std::span<const std::string_view> columns, int hidden, const FlowSource& source,
                Notes& notes, Opener opener)
      : columns_(columns), hidden_(hidden), source_(source), notes_(notes), opener_(opener) {}

  [[nodiscard]] std::string declaration() const override {
    std::string sql = "CREATE TABLE t(";
    for (const std::string_view column : columns_) {
      sql += fmt::format("{} {}, ", column, is_text(column) ? "TEXT" : "INTEGER");
    }
    for (int i = 0; i < hidden_; ++i) {
      const std::string_view name = kHiddenNames[static_cast<std::size_t>(i)];
      sql += fmt::format("{}{} {} HIDDEN", i == 0 ? "" : ", ", name,
                         is_text(name) ? "TEXT" : "INTEGER");
    }
    return sql + ")";
  }

  [[nodiscard]] int best_index(sqlite3_index_info& info) const override {
    PlanBuilder plan(info);
    const int first = static_cast<int>(columns_.size());
    for (int i = 0; i < plan.count(); ++i) {
      if (plan.column(i) < first || !plan.is_equal(i)) continue;
      if (!plan.usable(i)) return SQLITE_CONSTRAINT;
      plan.take(i, Operator::kEqual, /*omit=*/true);
    }
    if (info.nOrderBy == 1 && info.aOrderBy[0].iColumn == 0 && info.aOrderBy[0].desc == 0) {
      info.orderByConsumed = 1;
    }
    return plan.finish(0, 1e4, 1e5);
  }

  [[nodiscard]] std::unique_ptr<Cursor> open() const override { return opener_(source_, notes_); }

 private:
  const std::span<const std::string_view> columns_;
  const int hidden_;
  const FlowSource& source_;
  Notes& notes_;
  const Opener opener_;
};

}  // namespace

void Notes::add(std::string text) {
  if (texts_.size() == kMost || std::ranges::find(texts_, text) != texts_.end()) return;
  texts_.push_back(std::move(text));
}

namespace {

template <typename Answer>
std::unique_ptr<Cursor> open_cursor(const FlowSource& source, Notes& notes) {
  return std::make_unique<AnswerCursor<Answer>>(source, notes);
}

}  // namespace

std::unique_ptr<VirtualTable> make_flow_table(const FlowSource& source, Notes& notes) {
  return std::make_unique<FunctionTable>(kFlowColumns, kEnd + 1, source, notes,
                                         &open_cursor<FlowAnswer>);
}

std::unique_ptr<VirtualTable> make_path_table(const FlowSource& source, Notes& notes) {
  return std::make_unique<FunctionTable>(kPathColumns, kUnbounded + 1, source, notes,
                                         &open_cursor<PathAnswer>);
}

std::span<const std::string_view> flow_columns() { return kFlowColumns; }
std::span<const std::string_view> path_columns() { return kPathColumns; }

}  // namespace vs::query
