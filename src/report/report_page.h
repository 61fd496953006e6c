#pragma once
// Parts of the report's page, each empty when there is nothing to say. Internal to src/report.

#include <string>

#include "report/report_data.h"
#include "report/text.h"

namespace vs::report::page {

[[nodiscard]] std::string exits_text(const ReportData& data, const Painter& paint,
                                     std::size_t width);
[[nodiscard]] std::string pcpus_text(const ReportData& data, const Painter& paint);
[[nodiscard]] std::string clocks_text(const ReportData& data, const Painter& paint);
/// Losses and issues.
[[nodiscard]] std::string data_text(const ReportData& data, const Painter& paint,
                                    std::size_t width);
/// What these events cannot answer, and what to record for it.
[[nodiscard]] std::string missing_text(const ReportData& data, const Painter& paint,
                                       std::size_t width);

}  // namespace vs::report::page
