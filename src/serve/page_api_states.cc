// What the timelines ask: pictures, the state at a time, steps, jumps, arrows, marks.

#include <algorithm>
#include <array>
#include <map>
#include <set>

#include "history/varint.h"
#include "serve/page_parts.h"

namespace vs::serve::page {
namespace {

constexpr std::uint32_t kMagic = 0x54535356;  // "VSST"
constexpr std::uint16_t kVersion = 1;

/// Little endian, whatever the machine.
class Binary {
 public:
  void fixed(std::uint64_t value, std::size_t bytes) {
    for (std::size_t i = 0; i < bytes; ++i) text_ += static_cast<char>(value >> (8 * i) & 0xff);
  }
  void varint(std::uint64_t value) {
    std::array<char, history::kMaxVarint> bytes;
    text_.append(bytes.data(), put_varint(bytes.data(), value));
  }
  void text(std::string_view value) {
    varint(value.size());
    text_ += value;
  }
  /// One stretch of a picture.
  void stretch(std::uint64_t pixels, std::uint64_t value, std::uint8_t share) {
    std::array<char, 2 * history::kMaxVarint + 1> bytes;
    std::size_t size = put_varint(bytes.data(), pixels);
    size += put_varint(bytes.data() + size, value);
    bytes[size++] = static_cast<char>(share);
    text_.append(bytes.data(), size);
  }
  void reserve(std::size_t bytes) { text_.reserve(bytes); }
  [[nodiscard]] std::size_t size() const { return text_.size(); }
  [[nodiscard]] std::string take() { return std::move(text_); }

 private:
  static std::size_t put_varint(char* out, std::uint64_t value) {
    std::size_t size = 0;
    for (; value >= 0x80; value >>= 7) out[size++] = static_cast<char>((value & 0x7f) | 0x80);
    out[size++] = static_cast<char>(value);
    return size;
  }
  std::string text_;
};

struct StatesRequest {
  const View* view = nullptr;
  std::vector<std::size_t> layers;
  std::vector<std::int32_t> rows;
  history::Window window;
};

const View* read_view(Fields& in, const Views& views) {
  const View* const view = views.find(in.text("view", limits::kBookmarkBytes));
  if (in.ok() && view == nullptr) in.refuse("view", "names no view; ask api/views");
  return view;
}

void check_rows(Fields& in, const Views& views, const View* view,
                const std::vector<std::int32_t>& rows) {
  for (const std::int32_t row : rows) {
    if (in.ok() && views.row(*view, row) == nullptr)
      in.refuse("rows", "has a row that is not in this view");
  }
}

StatesRequest read_states(Fields& in, const Views& views) {
  StatesRequest out;
  out.view = read_view(in, views);
  const auto names = in.texts("layers", 16);
  out.rows = in.rows("rows");
  const auto [from, to] = in.window();
  const std::int64_t pixels = in.integer("pixels", 1, limits::kPixels);
  out.window = {from, to, static_cast<std::size_t>(pixels), 0};
  if (!in.ok()) return out;
  check_rows(in, views, out.view, out.rows);
  for (const std::string& name : names) {
    const auto layer = Views::layer(*out.view, name);
    if (layer) out.layers.push_back(*layer);
    if (!layer) in.refuse("layers", "names a layer that this view does not have; ask api/views");
  }
  if (names.empty()) in.refuse("layers", "is empty; ask api/views for the layers of a view");
  return out;
}

/// The values that occur in a layer. Most repeat one that was seen a moment ago.
class Seen {
 public:
  void add(std::int64_t value) {
    std::int64_t& last = lately_[static_cast<std::size_t>(value) % lately_.size()];
    if (last == value) return;
    last = value;
    values_.insert(value);
  }
  [[nodiscard]] const std::set<std::int64_t>& values() const { return values_; }

 private:
  std::array<std::int64_t, 64> lately_ = [] {
    std::array<std::int64_t, 64> none{};
    none.fill(model::kNull);
    return none;
  }();
  std::set<std::int64_t> values_;
};

/// Bytes that most answers with these pictures fit into.
std::size_t size_of(const std::vector<std::vector<Picture>>& layers) {
  constexpr std::size_t kStretchBytes = 4;
  std::size_t bytes = 4096;
  for (const auto& pictures : layers) {
    for (const Picture& picture : pictures) bytes += 4 + picture.size() * kStretchBytes;
  }
  return std::min(bytes, limits::kAnswerBytes);
}

void append_picture(const Picture& picture, Binary& out, Seen& seen) {
  out.varint(picture.size());
  for (const history::Stretch& stretch : picture) {
    const bool none = stretch.value == model::kNull;
    if (!none) seen.add(stretch.value);
    // What is there is never 0: a share of 0 means nothing.
    const auto share = std::max(1U, static_cast<unsigned>(stretch.share * 255.0F + 0.5F));
    out.stretch(stretch.pixels, none ? 0 : history::zigzag(stretch.value) + 1,
                static_cast<std::uint8_t>(none ? 0 : share));
  }
}

Response binary_answer(Binary& out) {
  if (out.size() > limits::kAnswerBytes) {
    return problem(400, "Too much", "the picture is too large; ask for fewer rows or pixels");
  }
  return {200, "application/octet-stream", out.take(), {}};
}

/// What at, step and follow share.
struct Place {
  const View* view = nullptr;
  const Row* row = nullptr;
  HostTime time;
};

Place read_place(Fields& in, const Views& views) {
  Place place;
  place.view = read_view(in, views);
  const auto id = static_cast<std::int32_t>(in.integer("row", 0, INT32_MAX));
  place.time = in.time("time_ns");
  if (in.ok()) place.row = views.row(*place.view, id);
  if (in.ok() && place.row == nullptr) in.refuse("row", "is not in this view");
  return place;
}

void append_target_members(const Target& target, JsonWriter& out) {
  out.key("view").text(target.view).key("row").integer(target.row);
  out.key("begin_ns").time(target.begin).key("end_ns").time(target.end);
  out.key("label").text(target.label);
}

}  // namespace

Response states(const Call& call) {
  Fields in = call.fields();
  const StatesRequest ask = read_states(in, *call.views);
  if (!in.ok()) return in.refused();
  std::vector<std::vector<Picture>> pictures(ask.layers.size());
  for (std::size_t i = 0; i < ask.layers.size(); ++i) {
    if (call.request.cancelled()) return gone();
    const Status drawn =
        call.views->states(*ask.view, ask.layers[i], ask.rows, ask.window, pictures[i]);
    if (!drawn.ok()) return failed(drawn.error());
  }
  Binary out;
  out.reserve(size_of(pictures));
  out.fixed(kMagic, 4);
  out.fixed(kVersion, 2);
  out.fixed(ask.layers.size(), 2);
  out.fixed(ask.rows.size(), 4);
  out.fixed(ask.window.pixels, 4);
  out.fixed(static_cast<std::uint64_t>(ask.window.from.ns), 8);
  out.fixed(static_cast<std::uint64_t>(ask.window.to.ns), 8);
  std::vector<Seen> seen(ask.layers.size());
  for (std::size_t row = 0; row < ask.rows.size(); ++row) {
    for (std::size_t i = 0; i < pictures.size(); ++i)
      append_picture(pictures[i][row], out, seen[i]);
    if (out.size() > limits::kAnswerBytes) return binary_answer(out);
  }
  std::size_t names = 0;
  for (const Seen& layer : seen) names += layer.values().size();
  out.varint(names);
  for (std::size_t i = 0; i < seen.size(); ++i) {
    for (const std::int64_t value : seen[i].values()) {
      out.varint(i);
      out.varint(history::zigzag(value));
      out.text(call.views->name(*ask.view, ask.layers[i], value));
    }
  }
  return binary_answer(out);
}

Response at(const Call& call) {
  Fields in = call.fields();
  const Place place = read_place(in, *call.views);
  const std::int64_t within_ns = in.span_or("within_ns", 0);
  if (!in.ok()) return in.refused();
  const auto found = call.views->at(*place.row, place.time, within_ns);
  if (!found.ok()) return failed(found.error());
  if (!*found) return nothing();
  const auto culprit = call.views->follow(*place.view, *place.row, place.time);
  if (!culprit.ok()) return failed(culprit.error());
  const RowState& state = **found;
  JsonWriter out;
  out.open('{').key("row").integer(place.row->id).key("begin_ns").time(state.begin);
  out.key("end_ns").time(state.end).key("open").boolean(state.open);
  out.key("state").text(state.state).key("attributes").open('[');
  for (const auto& [name, value] : state.attributes) {
    out.open('[').text(name).text(value).close(']');
  }
  out.close(']').key("sql").text(state.sql).key("culprit");
  if (*culprit) {
    out.open('{');
    append_target_members(**culprit, out);
    out.close('}');
  } else {
    out.null();
  }
  out.close('}');
  return json_answer(out.take());
}

Response step(const Call& call) {
  Fields in = call.fields();
  const Place place = read_place(in, *call.views);
  const std::int64_t direction = in.integer("direction", -1, 1);
  const std::string name = in.text("layer", limits::kBookmarkBytes);
  if (in.ok() && direction == 0) in.refuse("direction", "must be 1 or -1");
  const auto layer = in.ok() ? Views::layer(*place.view, name) : std::nullopt;
  if (!layer) in.refuse("layer", "names no layer of this view; ask api/views");
  if (!in.ok()) return in.refused();
  const auto found = call.views->step(*place.view, *place.row, place.time,
                                      static_cast<int>(direction), *layer, call.request.cancel);
  if (!found.ok()) return failed(found.error());
  if (!*found) return nothing();
  JsonWriter out;
  out.open('{').key("begin_ns").time((*found)->begin).key("end_ns").time((*found)->end);
  out.key("state").text((*found)->state).close('}');
  return json_answer(out.take());
}

Response follow(const Call& call) {
  Fields in = call.fields();
  const Place place = read_place(in, *call.views);
  if (!in.ok()) return in.refused();
  const auto found = call.views->follow(*place.view, *place.row, place.time);
  if (!found.ok()) return failed(found.error());
  if (!*found) return nothing();
  JsonWriter out;
  out.open('{');
  append_target_members(**found, out);
  out.key("message").text((*found)->message).close('}');
  return json_answer(out.take());
}

Response arrows(const Call& call) {
  Fields in = call.fields();
  const View* const view = read_view(in, *call.views);
  const auto rows = in.rows("rows");
  const auto [from, to] = in.window();
  const std::int64_t limit = in.integer("limit", 1, limits::kArrows);
  if (in.ok()) check_rows(in, *call.views, view, rows);
  if (!in.ok()) return in.refused();
  const auto found = call.views->arrows(
      *view, {rows, from, to, static_cast<std::size_t>(limit), call.request.cancel});
  if (!found.ok()) return failed(found.error());
  JsonWriter out;
  out.open('{').key("arrows").open('[');
  for (const Arrow& arrow : found->arrows) {
    out.open('{').key("kind").text(name_of(arrow.kind)).key("from_row").integer(arrow.from_row);
    out.key("to_row").integer(arrow.to_row).key("from_ns").time(arrow.from);
    out.key("to_ns").time(arrow.to).key("label").text(arrow.label).close('}');
  }
  out.close(']').key("truncated").boolean(found->truncated).close('}');
  return json_answer(out.take());
}

namespace {

void append_wide(const model::Cell& cell, JsonWriter& out) {
  const auto* const number = std::get_if<std::int64_t>(&cell);
  number == nullptr ? out.null() : out.wide(*number);
}

}  // namespace

Response marks(const Call& call) {
  const auto marks = call.service.marks();
  JsonWriter out;
  out.open('{').key("losses").open('[');
  for (const model::Row& row : marks->losses.rows) {
    out.open('{').key("machine"), append_cell(row[1], out);
    out.key("cpu"), append_cell(row[2], out);
    out.key("ts_ns"), append_wide(row[3], out);
    out.key("dur_ns"), append_wide(row[4], out);
    out.key("lost_events"), append_wide(row[5], out);
    out.close('}');
  }
  out.close(']').key("clocks").open('[');
  for (const model::Row& row : marks->clocks.rows) {
    out.open('{').key("machine"), append_cell(row[0], out);
    out.key("error_ns"), append_wide(row[8], out);
    out.close('}');
  }
  out.close(']').close('}');
  return json_answer(out.take());
}

}  // namespace vs::serve::page
