// virtscope query

#include <algorithm>
#include <array>
#include <ostream>

#include <fmt/format.h>

#include "base/escape.h"
#include "cli/command.h"
#include "query/database.h"
#include "query/empty_source.h"

namespace vs::cli {
namespace {

// Writes rows as they come, so that a large answer needs no memory.
class RowWriter {
 public:
  virtual ~RowWriter() = default;
  virtual void begin(const std::vector<std::string>& columns) = 0;
  virtual void row(const model::Row& cells) = 0;
  virtual void end() = 0;
};

class JsonWriter final : public RowWriter {
 public:
  explicit JsonWriter(std::ostream& out) : out_(out) {}
  void begin(const std::vector<std::string>& columns) override {
    columns_ = columns;
    out_ << '[';
  }
  void row(const model::Row& cells) override {
    line_ = any_ ? ",\n" : "\n";
    any_ = true;
    report::append_json_object("", columns_, cells, line_);
    out_ << line_;
  }
  void end() override { out_ << (any_ ? "\n]\n" : "]\n"); }

 private:
  std::ostream& out_;
  std::vector<std::string> columns_;
  std::string line_;
  bool any_ = false;
};

class CsvWriter final : public RowWriter {
 public:
  explicit CsvWriter(std::ostream& out) : out_(out) {}
  void begin(const std::vector<std::string>& columns) override {
    std::vector<std::string> cells;
    for (const std::string& column : columns) cells.push_back(report::csv_cell(column));
    write(cells);
  }
  void row(const model::Row& row) override {
    std::vector<std::string> cells;
    for (const model::Cell& cell : row) cells.push_back(report::csv_cell(cell));
    write(cells);
  }
  void end() override {}

 private:
  void write(const std::vector<std::string>& cells) {
    line_.clear();
    report::append_csv_line(cells, line_);
    out_ << line_;
  }
  std::ostream& out_;
  std::string line_;
};

// Columns as wide as the first rows need; a longer cell in a later row pushes its line out.
class TableWriter final : public RowWriter {
 public:
  TableWriter(std::ostream& out, bool colour) : out_(out), paint_(colour) {}

  void begin(const std::vector<std::string>& columns) override {
    for (const std::string& column : columns) {
      heads_.push_back(terminal_text(column));
      widths_.push_back(display_width(heads_.back()));
      numeric_.push_back(true);
    }
  }
  void row(const model::Row& cells) override {
    std::vector<std::string> texts;
    for (std::size_t i = 0; i < cells.size(); ++i) {
      texts.push_back(report::text_cell(cells[i]));
      if (std::holds_alternative<std::string>(cells[i]) && !flushed_) numeric_[i] = false;
    }
    if (flushed_) return print(texts, report::Tone::kPlain);
    waiting_.push_back(std::move(texts));
    if (waiting_.size() == kWaiting) flush();
  }
  void end() override { flush(); }

 private:
  static constexpr std::size_t kWaiting = 1000;

  void flush() {
    if (flushed_) return;
    flushed_ = true;
    for (const auto& texts : waiting_) {
      for (std::size_t i = 0; i < texts.size(); ++i) {
        widths_[i] = std::max(widths_[i], display_width(texts[i]));
      }
    }
    print(heads_, report::Tone::kTitle);
    for (const auto& texts : waiting_) print(texts, report::Tone::kPlain);
    waiting_.clear();
  }
  void print(const std::vector<std::string>& texts, report::Tone tone) {
    std::string line;
    for (std::size_t i = 0; i < texts.size(); ++i) {
      if (i > 0) line += "  ";
      line += numeric_[i] ? report::pad_left(texts[i], widths_[i])
                          : report::pad_right(texts[i], widths_[i]);
    }
    line.erase(line.find_last_not_of(' ') + 1);
    out_ << paint_(tone, line) << '\n';
  }

  std::ostream& out_;
  report::Painter paint_;
  std::vector<std::string> heads_;
  std::vector<std::size_t> widths_;
  std::vector<bool> numeric_;
  std::vector<std::vector<std::string>> waiting_;
  bool flushed_ = false;
};

std::unique_ptr<RowWriter> make_writer(const Context& context) {
  std::ostream& out = context.streams.out;
  switch (context.arguments.format) {
    case Format::kJson:
      return std::make_unique<JsonWriter>(out);
    case Format::kCsv:
      return std::make_unique<CsvWriter>(out);
    case Format::kTable:
      break;
  }
  return std::make_unique<TableWriter>(out, context.streams.colour);
}

// All but the tables that are complete once the traces are open.
bool needs_analysis(std::span<const std::string> tables) {
  constexpr std::array<std::string_view, 5> kReady = {"event", "trace", "machine", "clock_sync",
                                                      "loss"};
  return std::any_of(tables.begin(), tables.end(), [&](const std::string& name) {
    return std::find(kReady.begin(), kReady.end(), name) == kReady.end();
  });
}

class QueryCommand final : public Command {
 public:
  [[nodiscard]] std::string_view name() const override { return "query"; }
  [[nodiscard]] std::string_view summary() const override {
    return "any question, in SQL; the last argument is the SQL";
  }
  [[nodiscard]] std::string_view usage() const override {
    return "query [OPTION...] TRACE... 'SQL'";
  }
  [[nodiscard]] std::string_view description() const override {
    return "SQLite's SQL over these tables: trace, machine, clock_sync, loss, vcpu, vcpu_state,\n"
           "pcpu_state, fused_cpu, thread, thread_state, container, vm_exit, preemption, "
           "vprocess,\n"
           "vprocess_state, block_request, net_packet, net_wakeup, event, issue; and for one "
           "thread\n"
           "flow(machine, tid, begin, end) and critical_path(machine, tid, begin, end), the times\n"
           "optional. Times are ns on the host's timeline. Bounds on ts and on key columns are\n"
           "pushed down, so a narrow question reads little; from_ts and to_ts select rows that\n"
           "overlap a window: SELECT * FROM vcpu_state(from, to). The tables are read-only.\n"
           "Added functions: quantile(x, q), ns_text(ns).\n"
           "\n"
           "  virtscope query host.dat \"SELECT state, sum(dur) FROM vcpu_state GROUP BY state\"\n";
  }
  [[nodiscard]] bool takes_sql() const override { return true; }
  [[nodiscard]] Status check(const Arguments& arguments) const override;
  [[nodiscard]] Result<ExitCode> run(Context& context) const override;
};

// Prepares the statement over tables without rows: a typing error costs no time, and the tables it
// reads are known before anything is analysed.
Result<std::vector<std::string>> tables_of(const std::string& sql) {
  const query::EmptySource nothing;
  VS_ASSIGN(const auto database, query::Database::open(nothing));
  query::SqlError details;
  const auto statement = database->prepare(sql, &details);
  if (!statement.ok()) {
    Error error = statement.error();
    if (details.offset && !sql.empty()) {
      error.what += "\n" + query::caret_lines(sql, *details.offset, 78) + "\n";
    }
    return error;
  }
  return std::vector<std::string>(database->tables_read().begin(), database->tables_read().end());
}

Status QueryCommand::check(const Arguments& arguments) const {
  VS_TRY(tables_of(arguments.sql));
  return {};
}

Result<ExitCode> QueryCommand::run(Context& context) const {
  VS_ASSIGN(const std::vector<std::string> tables, tables_of(context.arguments.sql));
  if (needs_analysis(tables)) VS_TRY(context.analyse());
  VS_ASSIGN(const auto database, query::Database::open(context.opened.source(), context.cancel));
  VS_ASSIGN(auto statement, database->prepare(context.arguments.sql));
  const auto writer = make_writer(context);
  writer->begin(statement.columns());
  while (true) {
    VS_ASSIGN(const bool more, statement.step());
    if (!more) break;
    writer->row(statement.row());
  }
  writer->end();
  for (const std::string& note : database->notes()) {
    if (!context.arguments.quiet) context.streams.err << "virtscope: " << note << '\n';
  }
  // The answer stands as printed, but empty tables whose events are missing are no answer.
  VS_TRY(require_tables(context, tables));
  return answered(context);
}

}  // namespace

const Command& query_command() {
  static const QueryCommand kCommand;
  return kCommand;
}

}  // namespace vs::cli
