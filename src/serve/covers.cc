#include "serve/covers.h"

#include <algorithm>

#include <fmt/format.h>

namespace vs::serve {
namespace {

std::string id_of(model::EntityId entity) { return fmt::format("cover {}", entity); }

double each(std::span<const std::int64_t>) { return 1; }

}  // namespace

std::vector<WantedSum> cover_sums(const history::Reader& history) {
  std::vector<WantedSum> out;
  for (const model::TableDef& def : model::table_defs()) {
    const auto slot = history::Reader::state_slot(def.id);
    if (!def.interval || !def.overlaps || !slot) continue;
    for (const history::Entity& entity : history.entities(def.id)) {
      out.push_back({id_of(entity.id), {entity.id}, each, slot, true});
    }
  }
  return out;
}

bool draw_cover(const Sums& sums, model::EntityId entity, const history::Window& window,
                Picture& picture) {
  struct Most {
    std::int64_t value = model::kNull;
    double ns = 0;
  };
  const auto* const tracks = sums.sums_by_key(id_of(entity));
  if (tracks == nullptr) return false;
  std::vector<Most> most(window.pixels);
  std::vector<double> held(window.pixels);
  for (const auto& [value, track] : *tracks) {
    std::fill(held.begin(), held.end(), 0);
    if (!track.add_to(window.from, window.to, held)) return false;
    for (std::size_t i = 0; i < held.size(); ++i) {
      if (held[i] > most[i].ns) most[i] = {value, held[i]};
    }
  }
  picture.clear();
  PixelEdges edges(window.from, window.to, window.pixels);
  for (const Most& one : most) {
    const auto [begin, end] = edges.next();
    const double share = end > begin ? one.ns / static_cast<double>(end - begin) : 0;
    append_pixels(picture, one.value, 1, static_cast<float>(std::min(share, 1.0)));
  }
  return true;
}

}  // namespace vs::serve
