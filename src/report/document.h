#pragma once
// Document: an answer as data. Every command builds one; JSON and CSV are written from it, the
// pages for people from the same structures.
//
// JSON: one array of objects whose keys are the column names; with several sections each object
// begins with "section". CSV: a header line per section; with several sections the first column is
// `section` and an empty line parts them. NULL is null in JSON and an empty field in CSV.
//
// Threads: values.

#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "model/tables.h"

namespace vs::report {

struct Section {
  std::string name;
  std::vector<std::string> columns;
  std::vector<model::Row> rows;  ///< each as long as `columns`
};

struct Document {
  std::vector<Section> sections;
};

[[nodiscard]] std::string to_json(const Document& document);
[[nodiscard]] std::string to_csv(const Document& document);

// Pieces for answers that are written row by row.
/// `section` empty: no section key.
void append_json_object(std::string_view section, std::span<const std::string> columns,
                        std::span<const model::Cell> cells, std::string& out);
void append_csv_line(std::span<const std::string> cells, std::string& out);
[[nodiscard]] std::string csv_cell(const model::Cell& cell);
/// For a terminal: escaped, NULL as an empty text.
[[nodiscard]] std::string text_cell(const model::Cell& cell);

}  // namespace vs::report
