#pragma once
// The SQL that shows what a conclusion of the HTML report stands on. Internal to src/report.
//
// Threads: values. Errors: none; a conclusion that no query fits has none.

#include <string>

#include "report/report_data.h"

namespace vs::report {

/// A statement for `virtscope query` whose rows are the figures of `line`, cut to the report's
/// window; empty when there is no such statement.
[[nodiscard]] std::string evidence_sql(const ReportData& data, const Conclusion& line);

}  // namespace vs::report
