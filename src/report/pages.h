#pragma once
// The pages for people and the documents behind them, one pair per command. A page fits 100 columns
// unless the options say otherwise; everything that comes from a trace is escaped.
//
// Threads: values.

#include <span>
#include <string>

#include "query/data_source.h"
#include "query/summary.h"
#include "report/document.h"
#include "report/exit_stat.h"
#include "report/report_data.h"
#include "report/text.h"

namespace vs::report {

// report
[[nodiscard]] std::string report_text(const ReportData& data, const TextOptions& options);

// stat: section "stat"
[[nodiscard]] std::string stat_text(std::span<const ExitStat> stats, const TextOptions& options);

// info: sections trace, machine, vcpu, event, analysis. Needs no analysis.
[[nodiscard]] Document info_document(const query::ExperimentSummary& summary);
[[nodiscard]] std::string info_text(const query::ExperimentSummary& summary,
                                    const TextOptions& options);

// sync: sections clock_sync and fact
[[nodiscard]] Document sync_document(const query::ExperimentSummary& summary,
                                     const query::DataSource& source);
[[nodiscard]] std::string sync_text(const query::ExperimentSummary& summary,
                                    const query::DataSource& source, const TextOptions& options);

// check: sections trace, stream, loss, issue
[[nodiscard]] Document check_document(const query::ExperimentSummary& summary,
                                      const query::DataSource& source);
[[nodiscard]] std::string check_text(const query::ExperimentSummary& summary,
                                     const query::DataSource& source, const TextOptions& options);

}  // namespace vs::report
