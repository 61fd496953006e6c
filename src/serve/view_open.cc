// Rows that go on where the history of a part ends.

#include <algorithm>

#include "serve/views.h"

namespace vs::serve {

std::span<const history::OwnedRow> Views::open_rows(const Row& row) const {
  const auto found = row.entity ? open_.find(*row.entity) : open_.end();
  if (found == open_.end()) return {};
  return found->second;
}

std::optional<history::OwnedRow> Views::open_at(const Row& row, HostTime time) const {
  for (const history::OwnedRow& one : open_rows(row)) {
    if (one.begin <= time && time < one.end) return one;
  }
  return std::nullopt;
}

// The pixel in which the history ends is of what holds longer there.
void Views::draw_open(const Row& row, std::size_t slot, const history::Window& window,
                      Picture& picture) const {
  const auto open = open_rows(row);
  if (open.empty() || open.front().begin >= window.to || open.back().end <= window.from) return;
  const PixelEdges edges(window.from, window.to, window.pixels);
  const auto pixels = static_cast<std::int64_t>(window.pixels);
  const auto pixel_at = [&](HostTime time) {
    return edges.pixel_of(std::max(time, window.from).ns);
  };
  const auto share_from = [&](HostTime time) {  // of its pixel, to the pixel's end
    const std::int64_t pixel = pixel_at(time);
    const std::int64_t begin = edges.edge(pixel);
    const std::int64_t end = edges.edge(pixel + 1);
    return static_cast<float>(end - std::max(time.ns, begin)) / static_cast<float>(end - begin);
  };
  const std::int64_t first = pixel_at(open.front().begin);
  history::Stretch shared{open.front().slots[slot], 1, share_from(open.front().begin)};
  Picture out;
  std::int64_t at = 0;
  const auto append = [&](std::int64_t value, std::int64_t to, float share) {
    if (to <= at) return;
    append_pixels(out, value, static_cast<std::uint32_t>(to - at), share);
    at = to;
  };
  for (std::int64_t passed = 0; const history::Stretch& stretch : picture) {
    append(stretch.value, std::min(passed + stretch.pixels, first), stretch.share);
    if (passed <= first && first < passed + stretch.pixels) {
      const bool same = stretch.value == shared.value;
      if (same) shared.share = std::min(1.0F, shared.share + stretch.share);
      if (!same && stretch.value != model::kNull && stretch.share >= shared.share) shared = stretch;
    }
    passed += stretch.pixels;
  }
  append(model::kNull, first, 0);
  append(shared.value, first + 1, shared.value == model::kNull ? 0 : shared.share);
  for (const history::OwnedRow& one : open) {
    const HostTime end = std::min(one.end, window.to);
    if (end <= std::max(one.begin, window.from)) continue;
    const std::int64_t value = one.slots[slot];
    const bool none = value == model::kNull;
    append(value, pixel_at(one.begin) + 1, none ? 0 : share_from(one.begin));
    append(value, edges.pixel_of(end.ns - 1) + 1, none ? 0 : 1);
  }
  append(model::kNull, pixels, 0);
  picture = std::move(out);
}

}  // namespace vs::serve
