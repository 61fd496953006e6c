// The execution path of a guest process as sections and as a page.

#include <algorithm>

#include <fmt/format.h>

#include "base/escape.h"
#include "query/duration.h"
#include "report/cells.h"
#include "report/process_path.h"

namespace vs::report {
namespace {

constexpr std::size_t kMostShares = 20;
constexpr std::size_t kMostPieces = 12;

std::string_view state_name(model::VprocessState state) {
  return model::vprocess_state_names()[static_cast<std::size_t>(state)];
}

double percent(std::int64_t milli) { return static_cast<double>(milli) / 1000.0; }

std::string who(const std::string& vprocess) {
  return vprocess.empty() ? "(none)" : clip(terminal_text(vprocess), 24);
}

/// The pieces that took longest, in time order.
std::vector<const ProcessPathPiece*> longest(const ProcessPath& path) {
  std::vector<const ProcessPathPiece*> out;
  for (const ProcessPathPiece& piece : path.pieces) out.push_back(&piece);
  std::ranges::stable_sort(
      out, [](const auto* a, const auto* b) { return a->end - a->begin > b->end - b->begin; });
  if (out.size() > kMostPieces) out.resize(kMostPieces);
  std::ranges::sort(out, {}, &ProcessPathPiece::begin);
  return out;
}

std::string shares_text(const ProcessPath& path, const Painter& paint) {
  Grid grid({{"process"}, {"state"}, {"time", true}, {"%", true}, {"pieces", true}});
  for (std::size_t i = 0; i < std::min(kMostShares, path.shares.size()); ++i) {
    const ProcessPathShare& share = path.shares[i];
    grid.add({{who(share.vprocess), Tone::kPlain, 0},
              {std::string(state_name(share.state)), Tone::kPlain, 0},
              {query::duration_text(share.total_ns), Tone::kPlain, 0},
              {fmt::format("{:.3f}", percent(share.milli_percent)), Tone::kPlain, 0},
              {count_text(share.count), Tone::kPlain, 0}});
  }
  std::string out = grid.render(paint, 0);
  if (path.shares.size() > kMostShares) {
    out += fmt::format("  {} smaller ones: --format json\n", path.shares.size() - kMostShares);
  }
  return out;
}

std::string pieces_text(const ProcessPath& path, const Painter& paint) {
  Grid grid({{"longest, at", true}, {"for", true}, {"wakers", true}, {"process"}, {"state"}, {""}});
  for (const ProcessPathPiece* piece : longest(path)) {
    std::string note;
    if (!piece->device.empty()) note = clip(terminal_text(piece->device), 20);
    if (!piece->waker.empty()) note = "woken by " + who(piece->waker);
    grid.add({{"+" + query::duration_text(piece->begin - path.begin), Tone::kPlain, 0},
              {query::duration_text(piece->end - piece->begin), Tone::kPlain, 0},
              {std::to_string(piece->depth), Tone::kPlain, 0},
              {who(piece->vprocess), Tone::kPlain, 0},
              {std::string(state_name(piece->state)), Tone::kPlain, 0},
              {std::move(note), Tone::kDim, 0}});
  }
  return grid.render(paint, 0);
}

Section pieces_section(const ProcessPath& path) {
  Section section{
      "path_piece",
      {"ts", "dur", "depth", "vprocess", "vcpu", "state", "waker_vprocess", "device", "lossy"},
      {}};
  for (const ProcessPathPiece& piece : path.pieces) {
    section.rows.push_back({cell(piece.begin.ns), cell(piece.end - piece.begin), cell(piece.depth),
                            text_or_null(piece.vprocess),
                            piece.vcpu == model::kNull ? model::Cell{} : cell(piece.vcpu),
                            cell(state_name(piece.state)), text_or_null(piece.waker),
                            text_or_null(piece.device), cell(std::int64_t{piece.lossy ? 1 : 0})});
  }
  return section;
}

}  // namespace

std::vector<Section> process_path_sections(const ProcessPath& path) {
  Section head{"path", {"machine", "vprocess", "begin_ts", "dur"}, {}};
  head.rows.push_back({cell(path.machine), text_or_null(path.vprocess), cell(path.begin.ns),
                       cell(path.end - path.begin)});
  Section shares{"path_share", {"vprocess", "state", "total_ns", "share", "count"}, {}};
  for (const ProcessPathShare& share : path.shares) {
    shares.rows.push_back({text_or_null(share.vprocess), cell(state_name(share.state)),
                           cell(share.total_ns), cell(percent(share.milli_percent)),
                           cell(share.count)});
  }
  return {std::move(head), std::move(shares), pieces_section(path)};
}

std::string process_path_text(const ProcessPath& path, const TextOptions& options) {
  const Painter paint(options.colour);
  std::string title = "execution path of " + terminal_text(path.machine);
  if (!path.vprocess.empty()) title += "/" + terminal_text(path.vprocess);
  if (path.pieces.empty()) return title + ": it did not run in this window\n";
  title += ", " + query::duration_text(path.end - path.begin);
  return paint(Tone::kTitle, title) + "\n\n" + shares_text(path, paint) + "\n" +
         pieces_text(path, paint);
}

}  // namespace vs::report
