#pragma once
// The report as one HTML file that can be mailed: no script, no request to anywhere else, the same
// bytes for the same input. Pictures are inline SVG made from the rows of fused_cpu and vcpu_state.
//
// Threads: reads its source from the calling thread. Errors: those of the source's rows.

#include <string>

#include "base/result.h"
#include "query/data_source.h"
#include "report/report_data.h"

namespace vs::report {

[[nodiscard]] Result<std::string> report_html(const query::DataSource& source,
                                              const ReportData& data);

}  // namespace vs::report
