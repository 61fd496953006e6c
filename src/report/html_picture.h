#pragma once
// Pictures of the HTML report: rows of states over time as SVG. A column is what held longest in
// it; stolen time is drawn on top with the height of its share, so that it never disappears.
// Internal to src/report.
//
// Threads: values. Times: ns on the host timeline.

#include <array>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "base/result.h"
#include "query/data_source.h"
#include "report/html_writer.h"
#include "report/report_data.h"

namespace vs::report {

inline constexpr std::size_t kPictureColumns = 300;

/// What a column shows.
enum class Paint : std::uint8_t { kNone, kGuest, kKernel, kStolen, kBlocked, kIdle, kUnknown };
inline constexpr std::size_t kPaints = 7;

struct PictureRow {
  std::string label;
  std::array<std::pair<Paint, int>, kPictureColumns> columns{};  ///< second: VM, -1 = none
  std::array<double, kPictureColumns> stolen{};                  ///< share of the column
};

struct Picture {
  HostTime begin;
  HostTime end;
  std::vector<PictureRow> rows;
  std::size_t left_out = 0;  ///< rows beyond the most that were asked for
};

/// The pCPUs of all hosts; colour = VM.
[[nodiscard]] Result<Picture> pcpu_picture(const query::DataSource& source, const ReportData& data,
                                           std::size_t most_rows);
/// The vCPUs of `machine` (empty: of all) in [begin, end).
[[nodiscard]] Result<Picture> vcpu_picture(const query::DataSource& source, const ReportData& data,
                                           const std::string& machine, const Window& window,
                                           std::size_t most_rows);
/// Around the column in which most was stolen; empty when nothing was.
[[nodiscard]] std::optional<Window> worst_interval(const Picture& picture);

/// `title` is read aloud in place of the picture.
void write_picture(const Picture& picture, const query::DataSource& source, const ReportData& data,
                   std::string_view title, HtmlWriter& html);
/// What a vCPU state is drawn as.
[[nodiscard]] Paint paint_of(std::int64_t state);
/// Widths of the parts of a vCPU's bar by Paint; they sum to `width`, or to 0 without a life.
[[nodiscard]] std::array<std::int64_t, kPaints> bar_parts(const VcpuShare& vcpu,
                                                          std::int64_t width);

/// VMs with a pattern of their own: six colours times four textures; all others share one.
inline constexpr int kMostVmPaints = 24;
/// attribute="url(#...)" of the pattern of `vm`, or of `paint` when vm is -1.
void write_paint(HtmlWriter& html, Literal attribute, Paint paint, int vm);
/// The definitions of all patterns, once per page.
void write_patterns(HtmlWriter& html);

}  // namespace vs::report
