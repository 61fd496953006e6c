#include "report/document.h"

#include <cmath>

#include <fmt/format.h>

#include "base/escape.h"

namespace vs::report {
namespace {

template <typename Text>
std::string cell_text(const model::Cell& cell, Text text) {
  if (const auto* integer = std::get_if<std::int64_t>(&cell)) return fmt::format("{}", *integer);
  if (const auto* real = std::get_if<double>(&cell)) {
    return std::isfinite(*real) ? fmt::format("{}", *real) : std::string();
  }
  if (const auto* string = std::get_if<std::string>(&cell)) return text(*string);
  return {};
}

}  // namespace

void append_json_object(std::string_view section, std::span<const std::string> columns,
                        std::span<const model::Cell> cells, std::string& out) {
  out += '{';
  if (!section.empty()) out += "\"section\": " + json_text(section);
  for (std::size_t i = 0; i < columns.size(); ++i) {
    if (i > 0 || !section.empty()) out += ", ";
    out += json_text(columns[i]) + ": ";
    const std::string value = cell_text(cells[i], json_text);
    out += value.empty() ? "null" : value;
  }
  out += '}';
}

std::string to_json(const Document& document) {
  const bool several = document.sections.size() > 1;
  std::string out = "[";
  for (const Section& section : document.sections) {
    for (const model::Row& row : section.rows) {
      out += out.size() > 1 ? ",\n" : "\n";
      append_json_object(several ? section.name : "", section.columns, row, out);
    }
  }
  return out + (out.size() > 1 ? "\n]\n" : "]\n");
}

std::string csv_cell(const model::Cell& cell) {
  return cell_text(cell, [](const std::string& text) {
    std::string out;
    escape_csv(text, out);
    return out;
  });
}

void append_csv_line(std::span<const std::string> cells, std::string& out) {
  for (std::size_t i = 0; i < cells.size(); ++i) {
    if (i > 0) out += ',';
    out += cells[i];
  }
  out += '\n';
}

std::string to_csv(const Document& document) {
  const bool several = document.sections.size() > 1;
  std::string out;
  for (const Section& section : document.sections) {
    if (section.rows.empty() && several) continue;
    if (!out.empty()) out += '\n';
    std::vector<std::string> cells = section.columns;
    if (several) cells.insert(cells.begin(), "section");
    append_csv_line(cells, out);
    for (const model::Row& row : section.rows) {
      cells.clear();
      if (several) cells.push_back(section.name);
      for (const model::Cell& cell : row) cells.push_back(csv_cell(cell));
      append_csv_line(cells, out);
    }
  }
  return out;
}

std::string text_cell(const model::Cell& cell) {
  return cell_text(cell, [](const std::string& text) { return terminal_text(text); });
}

}  // namespace vs::report
