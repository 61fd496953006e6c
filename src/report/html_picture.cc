#include "report/html_picture.h"

#include <algorithm>

#include "history/reader.h"
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

using SlotList = std::span<const std::size_t>;

// Walks the stretches of one slot's picture.
struct Walk {
  std::span<const history::Stretch> rest;
  std::uint32_t used = 0;  // pixels of the first one

  history::Stretch next() {
    const history::Stretch now = rest.front();
    if (++used == now.pixels) {
      rest = rest.subspan(1);
      used = 0;
    }
    return now;
  }
};

// From the history's summaries: kFine parts of each column, each of what held longest in it.
template <typename KeyOf>
Status add_drawn(const history::Reader& history, const query::EntityKey& entity, SlotList slots,
                 KeyOf key_of, const Picture& picture, Columns& columns) {
  constexpr std::size_t kFine = 16;
  constexpr std::size_t kPixels = kFine * kPictureColumns;
  std::vector<std::vector<std::vector<history::Stretch>>> pictures(slots.size());
  std::vector<Walk> walks;
  for (std::size_t i = 0; i < slots.size(); ++i) {
    const history::Window window{picture.begin, picture.end, kPixels, slots[i]};
    VS_TRY(history.timelines(std::span(&entity.id, 1), window, pictures[i]));
    walks.push_back(Walk{pictures[i].front(), 0});
  }
  const double width = static_cast<double>(picture.end - picture.begin) / double{kPixels};
  std::array<std::int64_t, history::kMaxValues> values{};
  for (std::size_t at = 0; at < kPixels; ++at) {
    double share = 0;
    for (std::size_t i = 0; i < slots.size(); ++i) {
      const history::Stretch stretch = walks[i].next();
      values[slots[i]] = stretch.value;
      if (i == 0) share = static_cast<double>(stretch.share);
    }
    const double begin = width * static_cast<double>(at);
    const HostTime from = picture.begin + static_cast<std::int64_t>(begin);
    const HostTime to = picture.begin + static_cast<std::int64_t>(begin + width * share);
    if (share > 0) columns.add(from, to, key_of(query::IntervalView{from, to, values}));
  }
  return {};
}

template <typename KeyOf>
Status add_rows(const query::DataSource& source, const query::EntityKey& entity, KeyOf key_of,
                const Picture& picture, Columns& columns) {
  VS_ASSIGN(const auto rows, source.rows(entity.id, picture.begin, picture.end));
  query::IntervalView row;
  while (true) {
    VS_ASSIGN(const bool more, rows->next(row));
    if (!more) return {};
    columns.add(row.begin, row.end, key_of(row));
  }
}

// `slots` are those that `key_of` looks at, the one first that every row has.
template <typename KeyOf>
Status add_row(const query::DataSource& source, const query::EntityKey& entity, SlotList slots,
               KeyOf key_of, Picture& picture) {
  Columns columns(picture.begin, picture.end);
  const history::Reader* const history = source.history();
  if (history != nullptr && picture.end > picture.begin) {
    VS_TRY(add_drawn(*history, entity, slots, key_of, picture, columns));
  } else {
    VS_TRY(add_rows(source, entity, key_of, picture, columns));
  }
  PictureRow drawn;
  drawn.label = std::string(source.string(entity.key[0])) + "/" + std::to_string(entity.key[1]);
  columns.fill(drawn);
  picture.rows.push_back(std::move(drawn));
  return {};
}

// The stolen share of each column, also where it never held longest.
Status add_stolen(const query::DataSource& source, const query::EntityKey& entity,
                  const Picture& picture, PictureRow& row) {
  if (source.history() == nullptr || picture.end <= picture.begin) return {};
  std::vector<std::int64_t> states;
  for (std::size_t i = 0; i < kVcpuStates; ++i) {
    const auto state = static_cast<std::int64_t>(i);
    if (paint_of(state) == Paint::kStolen) states.push_back(state);
  }
  const history::Window window{picture.begin, picture.end, kPictureColumns, 0};
  std::vector<std::vector<history::Stretch>> shares;
  VS_TRY(source.history()->shares(std::span(&entity.id, 1), window, states, shares));
  Walk walk{shares.front(), 0};
  for (double& stolen : row.stolen) {
    const history::Stretch stretch = walk.next();
    stolen = stretch.value == 1 ? static_cast<double>(stretch.share) : 0;
  }
  return {};
}

// Bars are thick strokes: the shortest way to say them.
void write_bar(std::size_t from, std::size_t to, std::int64_t y, HtmlWriter& html) {
  html.markup("M").number(kLabel + static_cast<std::int64_t>(from) * kColumn).markup(" ");
  html.number(y).markup("h").number(static_cast<std::int64_t>(to - from) * kColumn);
}

// KVM working for a VM is drawn as the lower half of a bar in the VM's colour.
void write_kind(const PictureRow& row, Key key, std::int64_t y, HtmlWriter& html) {
  const bool half = key.first == Paint::kKernel && key.second >= 0;
  html.markup("<path class=\"").markup(half ? Literal("half") : Literal("full")).markup("\" ");
  write_paint(html, "stroke", key.first, key.second);
  html.markup(" d=\"");
  for (std::size_t i = 0; i < kPictureColumns;) {
    std::size_t end = i + 1;
    while (end < kPictureColumns && row.columns[end] == row.columns[i]) ++end;
    if (row.columns[i] == key) write_bar(i, end, y + (half ? 13 : 9), html);
    i = end;
  }
  html.markup("\"/>");
}

void write_row(const PictureRow& row, std::int64_t y, HtmlWriter& html) {
  html.markup("<text x=\"104\" y=\"").number(y + 13).markup("\" text-anchor=\"end\">");
  html.text(clip(terminal_text(row.label), 15)).markup("</text>");
  std::map<Key, bool> kinds;
  for (const Key& key : row.columns) kinds[key] = true;
  for (const auto& [key, there] : kinds) {
    if (key.first != Paint::kNone) write_kind(row, key, y, html);
  }
  html.markup("<path class=\"thin\" d=\"");
  for (std::size_t i = 0; i < kPictureColumns; ++i) {
    if (row.stolen[i] <= 0.001 || row.columns[i].first == Paint::kStolen) continue;
    const auto height = std::clamp<std::int64_t>(
        static_cast<std::int64_t>(row.stolen[i] * static_cast<double>(kBar) + 0.5), 2, kBar);
    html.markup("M").number(kLabel + static_cast<std::int64_t>(i) * kColumn + 1).markup(" ");
    html.number(y + kBar).markup("v-").number(height);
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
    if (row.columns[i].first == Paint::kStolen) write_bar(i, i + 1, 2, html);
  }
  html.markup("\"/>");
}

}  // namespace

Paint paint_of(std::int64_t state) {
  static constexpr std::array<Paint, kVcpuStates> kPaint = {
      Paint::kNone,   Paint::kUnknown, Paint::kGuest, Paint::kKernel,  Paint::kKernel,
      Paint::kKernel, Paint::kIdle,    Paint::kIdle,  Paint::kBlocked, Paint::kStolen,
      Paint::kStolen, Paint::kIdle,    Paint::kKernel};
  return state >= 0 && state < static_cast<std::int64_t>(kVcpuStates)
             ? kPaint[static_cast<std::size_t>(state)]
             : Paint::kUnknown;
}

void write_paint(HtmlWriter& html, Literal attribute, Paint paint, int vm) {
  html.markup(attribute);
  if (vm >= 0) {
    html.markup("=\"url(#v").number(std::min(vm, kMostVmPaints)).markup(")\"");
  } else {
    html.markup("=\"url(#p").number(static_cast<std::int64_t>(paint)).markup(")\"");
  }
}

void write_patterns(HtmlWriter& html) {
  // Texture over a colour; nobody has to tell colours apart.
  static constexpr std::array<Literal, 5> kTextures = {
      "", "<path d=\"M-1 7L7-1M-1 1L1-1M5 7L7 5\"/>", "<path d=\"M0 1.5h6M0 4.5h6\"/>",
      "<circle cx=\"2\" cy=\"2\" r=\"1.1\"/>", "<path d=\"M0 0L6 6M6 0L0 6\"/>"};
  static constexpr std::array<Literal, 7> kVmColours = {"m0", "m1", "m2", "m3", "m4", "m5", "mx"};
  static constexpr std::array<std::size_t, kPaints> kOfPaint = {0, 0, 1, 2, 3, 0, 4};
  static constexpr std::array<Literal, kPaints> kColours = {"none",    "guest", "kernel", "stolen",
                                                            "blocked", "idle",  "unknown"};
  const auto pattern = [&](Literal letter, std::size_t id, Literal colour, Literal texture) {
    html.markup("<pattern id=\"").markup(letter).number(static_cast<std::int64_t>(id));
    html.markup("\" width=\"6\" height=\"6\" patternUnits=\"userSpaceOnUse\"><rect class=\"");
    html.markup(colour).markup("\" width=\"6\" height=\"6\"/>").markup(texture);
    html.markup("</pattern>");
  };
  html.markup("<svg class=\"defs\" width=\"0\" height=\"0\" aria-hidden=\"true\"><defs>");
  for (std::size_t i = 1; i < kPaints; ++i) pattern("p", i, kColours[i], kTextures[kOfPaint[i]]);
  for (std::size_t i = 0; i < std::size_t{kMostVmPaints}; ++i) {
    pattern("v", i, kVmColours[i % 6], kTextures[i / 6]);
  }
  pattern("v", std::size_t{kMostVmPaints}, kVmColours[6], kTextures[4]);
  html.markup("</defs></svg>\n");
}

Result<Picture> pcpu_picture(const query::DataSource& source, const ReportData& data,
                             std::size_t most_rows) {
  constexpr std::size_t kSlots[] = {slot::kFcCondition, slot::kFcMachine, slot::kFcState};
  Picture picture{data.begin, data.end, {}, 0};
  for (const query::EntityKey* entity : sorted(source, TableId::kFusedCpu)) {
    if (picture.rows.size() == most_rows) {
      ++picture.left_out;
      continue;
    }
    const auto key = [&](const query::IntervalView& row) { return pcpu_key(source, data, row); };
    VS_TRY(add_row(source, *entity, kSlots, key, picture));
  }
  return picture;
}

Result<Picture> vcpu_picture(const query::DataSource& source, const ReportData& data,
                             const std::string& machine, const Window& window,
                             std::size_t most_rows) {
  constexpr std::size_t kSlots[] = {slot::kVsState};
  Picture picture{std::max(window.from, data.begin), std::min(window.to, data.end), {}, 0};
  for (const query::EntityKey* entity : sorted(source, TableId::kVcpuState)) {
    if (!machine.empty() && source.string(entity->key[0]) != machine) continue;
    if (picture.rows.size() == most_rows) {
      ++picture.left_out;
      continue;
    }
    const auto key = [](const query::IntervalView& row) {
      return Key{paint_of(row.values[slot::kVsState]), -1};
    };
    VS_TRY(add_row(source, *entity, kSlots, key, picture));
    VS_TRY(add_stolen(source, *entity, picture, picture.rows.back()));
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
  html.markup("<h3>").text(title).markup("</h3><div class=\"wide\">");
  html.markup("<svg class=\"pic\" role=\"img\" viewBox=\"0 0 1012 ").number(height);
  html.markup("\"><title>").text(title).markup("</title>");
  write_losses(picture, source, html);
  std::int64_t y = 8;
  for (const PictureRow& row : picture.rows) {
    write_row(row, y, html);
    y += kRow;
  }
  html.markup("<text x=\"110\" y=\"").number(y + 14).markup("\">");
  html.text(time_text(picture.begin, data.epoch)).markup("</text>");
  html.markup("<text x=\"1010\" text-anchor=\"end\" y=\"").number(y + 14).markup("\">+");
  html.text(query::duration_text(picture.end - picture.begin)).markup("</text></svg></div>\n");
  if (picture.left_out > 0) {
    html.markup("<p class=\"dim\">Rows left out: ").text(count_text(picture.left_out));
    html.markup("</p>\n");
  }
}

std::array<std::int64_t, kPaints> bar_parts(const VcpuShare& vcpu, std::int64_t width) {
  std::array<std::int64_t, kPaints> ns{};
  std::int64_t all = 0;
  for (std::size_t i = 1; i < kVcpuStates; ++i) {
    ns[static_cast<std::size_t>(paint_of(static_cast<std::int64_t>(i)))] += vcpu.state_ns[i];
    all += vcpu.state_ns[i];
  }
  std::array<std::int64_t, kPaints> parts{};
  if (all <= 0) return parts;
  // Edges are rounded, not widths, so that the parts sum to the whole.
  double before = 0;
  std::int64_t edge = 0;
  for (std::size_t i = 0; i < kPaints; ++i) {
    before += static_cast<double>(ns[i]);
    const double at = before / static_cast<double>(all) * static_cast<double>(width);
    const auto next = std::min(width, static_cast<std::int64_t>(at + 0.5));
    parts[i] = next - edge;
    edge = next;
  }
  return parts;
}

}  // namespace vs::report
