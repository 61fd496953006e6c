#include "report/html_picture.h"

#include <algorithm>

#include "model/states.h"
#include "query/duration.h"
#include "report/cells.h"
#include "report/text.h"

namespace vs::report {
namespace {

using model::TableId;
using model::VcpuState;
namespace slot = model::slot;

constexpr std::int64_t kLabel = 110;
constexpr std::int64_t kColumn = 3;
constexpr std::int64_t kRow = 22;
constexpr std::int64_t kBar = 18;

using Key = std::pair<Paint, int>;

// Time per column and kind of one row of a picture.
class Columns {
 public:
  Columns(HostTime begin, HostTime end) : begin_(begin), width_(end - begin) {}

  void add(HostTime from, HostTime to, Key key) {
    const std::int64_t a = std::max<std::int64_t>(0, from - begin_);
    const std::int64_t b = std::min(width_, to - begin_);
    if (b <= a || width_ <= 0) return;
    for (std::size_t i = column_of(a); i < kPictureColumns && edge(i) < b; ++i) {
      ns_[i][key] += std::max<std::int64_t>(0, std::min(b, edge(i + 1)) - std::max(a, edge(i)));
    }
  }

  void fill(PictureRow& row) const {
    for (std::size_t i = 0; i < kPictureColumns; ++i) {
      std::int64_t most = 0;
      for (const auto& [key, ns] : ns_[i]) {
        if (ns > most) {
          most = ns;
          row.columns[i] = key;
        }
        const std::int64_t whole = edge(i + 1) - edge(i);
        if (key.first == Paint::kStolen && whole > 0) {
          row.stolen[i] += static_cast<double>(ns) / static_cast<double>(whole);
        }
      }
    }
  }

 private:
  [[nodiscard]] std::int64_t edge(std::size_t i) const {
    const auto n = static_cast<std::int64_t>(kPictureColumns);
    const auto at = static_cast<std::int64_t>(i);
    return width_ / n * at + width_ % n * at / n;
  }
  [[nodiscard]] std::size_t column_of(std::int64_t ns) const {
    std::size_t low = 0;
    std::size_t high = kPictureColumns;
    while (high - low > 1) {
      const std::size_t middle = (low + high) / 2;
      (edge(middle) <= ns ? low : high) = middle;
    }
    return low;
  }
  HostTime begin_;
  std::int64_t width_;
  std::array<std::map<Key, std::int64_t>, kPictureColumns> ns_{};
};

int vm_number(const ReportData& data, std::string_view name) {
  const auto found = std::find(data.vms.begin(), data.vms.end(), name);
  return found == data.vms.end() ? -1 : static_cast<int>(found - data.vms.begin());
}

Paint paint_of(std::int64_t state) {
  static constexpr std::array<Paint, kVcpuStates> kPaint = {
      Paint::kNone,   Paint::kUnknown, Paint::kGuest, Paint::kKernel,  Paint::kKernel,
      Paint::kKernel, Paint::kIdle,    Paint::kIdle,  Paint::kBlocked, Paint::kStolen,
      Paint::kStolen, Paint::kIdle,    Paint::kKernel};
  return state >= 0 && state < static_cast<std::int64_t>(kVcpuStates)
             ? kPaint[static_cast<std::size_t>(state)]
             : Paint::kUnknown;
}

Key pcpu_key(const query::DataSource& source, const ReportData& data,
             const query::IntervalView& row) {
  using C = model::FusedCondition;
  const auto condition = static_cast<C>(row.values[slot::kFcCondition]);
  const std::int64_t machine = row.values[slot::kFcMachine];
  const int vm = machine == model::kNull ? -1 : vm_number(data, source.string(machine));
  if (condition == C::kGuest) return {Paint::kGuest, vm};
  if (condition == C::kHypervisor) return {Paint::kKernel, vm};
  if (condition != C::kHost) return {Paint::kUnknown, -1};
  const bool idle =
      row.values[slot::kFcState] == static_cast<std::int64_t>(model::PcpuState::kIdle);
  return {idle ? Paint::kIdle : Paint::kBlocked, -1};
}

// Entities of the table by key, so that a picture does not depend on the order of the source.
std::vector<const query::EntityKey*> sorted(const query::DataSource& source, TableId table) {
  std::vector<const query::EntityKey*> list;
  for (const query::EntityKey& entity : source.entities(table)) list.push_back(&entity);
  std::sort(list.begin(), list.end(), [&](const auto* a, const auto* b) {
    return std::pair(source.string(a->key[0]), a->key[1]) <
           std::pair(source.string(b->key[0]), b->key[1]);
  });
  return list;
}

template <typename KeyOf>
Status add_row(const query::DataSource& source, const query::EntityKey& entity, KeyOf key_of,
               Picture& picture) {
  Columns columns(picture.begin, picture.end);
  VS_ASSIGN(const auto rows, source.rows(entity.id, picture.begin, picture.end));
  query::IntervalView row;
  while (true) {
    VS_ASSIGN(const bool more, rows->next(row));
    if (!more) break;
    columns.add(row.begin, row.end, key_of(row));
  }
  PictureRow drawn;
  drawn.label = std::string(source.string(entity.key[0])) + "/" + std::to_string(entity.key[1]);
  columns.fill(drawn);
  picture.rows.push_back(std::move(drawn));
  return {};
}

void write_rect(std::size_t from, std::size_t to, std::int64_t y, std::int64_t height,
                HtmlWriter& html) {
  const auto x = kLabel + static_cast<std::int64_t>(from) * kColumn;
  const auto width = static_cast<std::int64_t>(to - from) * kColumn;
  html.markup("M").number(x).markup(" ").number(y).markup("h").number(width).markup("v");
  html.number(height).markup("h-").number(width).markup("z");
}

// One path per kind: first the colour of the VM, above it the pattern of the state.
void write_kind(const PictureRow& row, Key key, std::int64_t y, HtmlWriter& html) {
  const auto path = [&](Literal name) {
    html.markup("<path class=\"").markup(name).markup("\" d=\"");
    for (std::size_t i = 0; i < kPictureColumns;) {
      std::size_t end = i + 1;
      while (end < kPictureColumns && row.columns[end] == row.columns[i]) ++end;
      if (row.columns[i] == key) write_rect(i, end, y, kBar, html);
      i = end;
    }
    html.markup("\"/>");
  };
  if (key.second < 0) return path(paint_class(key.first));
  path(vm_class(key.second));
  if (key.first != Paint::kGuest) path("hatch");
}

void write_row(const PictureRow& row, std::int64_t y, HtmlWriter& html) {
  html.markup("<text x=\"104\" y=\"").number(y + 13).markup("\" text-anchor=\"end\">");
  html.text(clip(terminal_text(row.label), 16)).markup("</text>");
  std::map<Key, bool> kinds;
  for (const Key& key : row.columns) kinds[key] = true;
  for (const auto& [key, there] : kinds) {
    if (key.first != Paint::kNone) write_kind(row, key, y, html);
  }
  html.markup("<path class=\"stolen\" d=\"");
  for (std::size_t i = 0; i < kPictureColumns; ++i) {
    if (row.stolen[i] <= 0.001 || row.columns[i].first == Paint::kStolen) continue;
    const auto height = std::clamp<std::int64_t>(
        static_cast<std::int64_t>(row.stolen[i] * static_cast<double>(kBar) + 0.5), 2, kBar);
    write_rect(i, i + 1, y + kBar - height, height, html);
  }
  html.markup("\"/>");
}

// Windows in which events were lost, as marks above the rows.
void write_losses(const Picture& picture, const query::DataSource& source, HtmlWriter& html) {
  Columns columns(picture.begin, picture.end);
  for (const model::Row& row : source.small(TableId::kLoss).rows) {
    const std::int64_t begin = integer_at(row, 3).value_or(0);
    // A window of no length is drawn too.
    const std::int64_t dur = std::max<std::int64_t>(1, integer_at(row, 4).value_or(0));
    columns.add(HostTime{begin}, HostTime{begin + dur}, {Paint::kStolen, -1});
  }
  PictureRow row;
  columns.fill(row);
  html.markup("<path class=\"loss\" d=\"");
  for (std::size_t i = 0; i < kPictureColumns; ++i) {
    if (row.columns[i].first == Paint::kStolen) write_rect(i, i + 1, 0, 5, html);
  }
  html.markup("\"/>");
}

}  // namespace

Literal vm_class(int vm) {
  static constexpr std::array<Literal, 6> kClasses = {"m0", "m1", "m2", "m3", "m4", "m5"};
  return kClasses[static_cast<std::size_t>(std::max(0, vm)) % kClasses.size()];
}

Literal paint_class(Paint paint) {
  static constexpr std::array<Literal, kPaints> kClasses = {"none",    "guest", "kernel", "stolen",
                                                            "blocked", "idle",  "unknown"};
  return kClasses[static_cast<std::size_t>(paint)];
}

Result<Picture> pcpu_picture(const query::DataSource& source, const ReportData& data,
                             std::size_t most_rows) {
  Picture picture{data.begin, data.end, {}};
  for (const query::EntityKey* entity : sorted(source, TableId::kFusedCpu)) {
    if (picture.rows.size() == most_rows) break;
    const auto key = [&](const query::IntervalView& row) { return pcpu_key(source, data, row); };
    VS_TRY(add_row(source, *entity, key, picture));
  }
  return picture;
}

Result<Picture> vcpu_picture(const query::DataSource& source, const ReportData& data,
                             const std::string& machine, const Window& window,
                             std::size_t most_rows) {
  Picture picture{std::max(window.from, data.begin), std::min(window.to, data.end), {}};
  for (const query::EntityKey* entity : sorted(source, TableId::kVcpuState)) {
    if (picture.rows.size() == most_rows) break;
    if (!machine.empty() && source.string(entity->key[0]) != machine) continue;
    const auto key = [](const query::IntervalView& row) {
      return Key{paint_of(row.values[slot::kVsState]), -1};
    };
    VS_TRY(add_row(source, *entity, key, picture));
  }
  return picture;
}

std::optional<Window> worst_interval(const Picture& picture) {
  double most = 0;
  std::size_t at = 0;
  for (std::size_t i = 0; i < kPictureColumns; ++i) {
    double sum = 0;
    for (const PictureRow& row : picture.rows) sum += row.stolen[i];
    if (sum > most) {
      most = sum;
      at = i;
    }
  }
  if (most <= 0) return std::nullopt;
  const std::int64_t column = (picture.end - picture.begin) / std::int64_t{kPictureColumns};
  const std::int64_t middle = column * static_cast<std::int64_t>(at);
  return Window{HostTime{picture.begin.ns + std::max<std::int64_t>(0, middle - 3 * column)},
                HostTime{std::min(picture.end.ns, picture.begin.ns + middle + 4 * column + 1)}};
}

void write_picture(const Picture& picture, const query::DataSource& source, const ReportData& data,
                   std::string_view title, HtmlWriter& html) {
  const auto height = static_cast<std::int64_t>(picture.rows.size()) * kRow + 30;
  html.markup("<svg role=\"img\" viewBox=\"0 0 1012 ").number(height).markup("\"><title>");
  html.text(title).markup("</title>");
  write_losses(picture, source, html);
  std::int64_t y = 8;
  for (const PictureRow& row : picture.rows) {
    write_row(row, y, html);
    y += kRow;
  }
  html.markup("<text x=\"110\" y=\"").number(y + 14).markup("\">");
  html.text(time_text(picture.begin, data.epoch)).markup("</text>");
  html.markup("<text x=\"1010\" text-anchor=\"end\" y=\"").number(y + 14).markup("\">+");
  html.text(query::duration_text(picture.end - picture.begin)).markup("</text></svg>\n");
}

}  // namespace vs::report
