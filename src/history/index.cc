#include "history/index.h"

#include <algorithm>
#include <numeric>

namespace vs::history {

void put_index(std::span<const IndexEntry> entries, bool ends, ByteSink& out) {
  out.put_varint(entries.size());
  IndexEntry previous;
  for (const IndexEntry& entry : entries) {
    out.put_varint(entry.entity - previous.entity);
    // The same entity goes on to later pieces; another one starts from the last one's.
    out.put_signed(static_cast<std::int64_t>(entry.piece) -
                   static_cast<std::int64_t>(previous.piece));
    out.put_signed(entry.begin_ns - previous.begin_ns);
    if (ends) out.put_varint(static_cast<std::uint64_t>(entry.end_ns - entry.begin_ns));
    previous = entry;
  }
}

Result<std::shared_ptr<const IndexPiece>> IndexPiece::parse(Bytes raw, std::uint32_t number,
                                                            bool ends) {
  auto index = std::make_shared<IndexPiece>();
  VarReader in(raw.first(raw.size() - kPackSlack));
  const std::uint64_t count = in.varint_up_to(kIndexPieceMost);
  index->begins_.resize(count);
  index->pieces_.resize(count);
  if (ends) index->ends_.resize(count);
  index->runs_.reserve(count / kFanout + 1);
  IndexEntry entry;
  Run run;
  bool good = in.ok();
  for (std::uint32_t i = 0; i < count && good; ++i) {
    const IndexEntry previous = entry;
    const auto step = static_cast<EntityId>(in.varint_up_to(kMaxEntities - entry.entity));
    entry.entity += step;
    entry.piece = static_cast<std::uint32_t>(static_cast<std::int64_t>(entry.piece) +
                                             in.signed_varint() % (std::int64_t{1} << 33));
    entry.begin_ns = static_cast<std::int64_t>(static_cast<std::uint64_t>(entry.begin_ns) +
                                               static_cast<std::uint64_t>(in.signed_varint()));
    if (ends) {
      index->ends_[i] =
          static_cast<std::int64_t>(static_cast<std::uint64_t>(entry.begin_ns) + in.varint());
    }
    const bool same = i != 0 && step == 0;
    good =
        in.ok() && entry.piece < number &&
        (!same || (entry.piece > previous.piece && (ends || entry.begin_ns >= previous.begin_ns)));
    if (!same) {
      if (i != 0) index->runs_.push_back(run);
      run = Run{entry.entity, i, 0};
    }
    ++run.count;
    index->begins_[i] = entry.begin_ns;
    index->pieces_[i] = entry.piece;
  }
  if (run.count != 0) index->runs_.push_back(run);
  if (!good || in.remaining() != 0) {
    return Error{ErrorCode::kMalformed, "an index piece of the history breaks its format",
                 "byte " + std::to_string(in.offset()) + " of the unpacked piece",
                 "the history will be rebuilt"};
  }
  return std::shared_ptr<const IndexPiece>(std::move(index));
}

std::size_t IndexTree::Node::bytes() const {
  std::size_t bytes = entries.size() * sizeof(IndexEntry);
  for (const Column& column : columns) {
    bytes += column.left.size() * sizeof(Left) + column.spans.size() * sizeof(Span);
  }
  return bytes;
}

void IndexTree::add_to(std::size_t tier, const IndexEntry& entry, std::span<const Carry> carries) {
  if (tiers_.size() <= tier) tiers_.resize(tier + 1);
  Node& node = tiers_[tier];
  node.entries.push_back(entry);
  for (std::size_t i = 0; i < carries.size(); ++i) {
    Column& column = node.columns[i];
    const Carry& carry = carries[i];
    column.left.push_back(Left{static_cast<std::uint32_t>(column.spans.size()),
                               static_cast<std::uint32_t>(carry.spans.size()), carry.exponent,
                               carry.rows});
    column.spans.insert(column.spans.end(), carry.spans.begin(), carry.spans.end());
  }
}

void IndexTree::end_slab(const DrawnValues& values) {
  for (std::size_t tier = 0; tier < tiers_.size(); ++tier) {
    Node& node = tiers_[tier];
    ++node.children;
    const bool full = node.children >= kFanout || (node.children >= 2 && node.bytes() > kNodeBytes);
    if (!full || tier + 2 > kMaxTier) return;
    write(tier, values, false);
  }
}

void IndexTree::finish(const DrawnValues& values) {
  for (std::size_t tier = 0; tier < tiers_.size(); ++tier) {
    const bool root = tiers_[tier].written == 0;
    if (!tiers_[tier].entries.empty()) write(tier, values, root);
    if (root) return;
  }
}

void IndexTree::start_summaries(const DrawnValues& values) {
  for (std::size_t i = 0; i < drawn_; ++i) summaries_[i].start(values[i]);
}

bool IndexTree::is_full() const {
  const auto large = [](const SummaryEncoder& summary) {
    return summary.bytes() >= kIndexSummaryBytes;
  };
  return part_.size() >= kIndexPieceEntries || std::ranges::any_of(summaries_, large);
}

// The entries of a node by entity, cut into pieces.
void IndexTree::write(std::size_t tier, const DrawnValues& values, bool root) {
  Node node = std::move(tiers_[tier]);
  tiers_[tier] = Node{};
  tiers_[tier].written = node.written + 1;
  order_.resize(node.entries.size());
  std::iota(order_.begin(), order_.end(), 0U);
  std::stable_sort(order_.begin(), order_.end(), [&](std::uint32_t a, std::uint32_t b) {
    return node.entries[a].entity < node.entries[b].entity;
  });
  part_.clear();
  start_summaries(values);
  for (std::span<const std::uint32_t> rest = order_; !rest.empty();) {
    const EntityId entity = node.entries[rest.front()].entity;
    const auto other = std::ranges::find_if(
        rest, [&](std::uint32_t place) { return node.entries[place].entity != entity; });
    const auto mine = rest.first(static_cast<std::size_t>(other - rest.begin()));
    rest = rest.subspan(mine.size());
    put_entity(node, mine, root ? kMaxTier : tier + 1);
    if (is_full() || rest.empty()) put_pieces(tier, values);
  }
}

// The carries of an entity's entries make its part of the node's summary; what that has left over
// goes up with one entry for all of them.
void IndexTree::put_entity(const Node& node, std::span<const std::uint32_t> places,
                           std::size_t above) {
  IndexEntry up{node.entries[places.front()].entity, sink_.next_piece(), kTimeLimit, -kTimeLimit};
  for (const std::uint32_t place : places) {
    const IndexEntry& entry = node.entries[place];
    part_.push_back(entry);
    up.begin_ns = std::min(up.begin_ns, entry.begin_ns);
    up.end_ns = std::max(up.end_ns, entry.end_ns);
  }
  std::array<Carry, kMaxDrawn> carries;
  for (std::size_t i = 0; i < drawn_; ++i) {
    carries[i] = put_column(up.entity, node.columns[i], places, i);
  }
  if (above < kMaxTier) add_to(above, up, std::span(carries).first(drawn_));
}

Carry IndexTree::put_column(EntityId entity, const Column& column,
                            std::span<const std::uint32_t> places, std::size_t number) {
  std::vector<Span>& spans = spans_[number];
  spans.clear();
  unsigned exponent = 0;
  std::uint64_t rows = 0;
  for (const std::uint32_t place : places) {
    const Left& left = column.left[place];
    rows += left.rows;
    exponent = std::max(exponent, left.exponent);
    const auto carry = std::span(column.spans).subspan(left.first, left.count);
    spans.insert(spans.end(), carry.begin(), carry.end());
  }
  if (exponent == Carry::kLost) return {{}, Carry::kLost, rows};
  if (spans.empty()) return {{}, exponent, rows};
  SummaryEncoder& summary = summaries_[number];
  const bool kept = exponent == 0 && keeps_spans(spans.size(), rows);
  if (kept) {
    summary.add_rows(entity, spans);
    if (spans.size() <= kCarryBuckets) return {spans, 0, rows};
  }
  pyramid_.build(spans, exponent, std::min(kCarryBuckets * places.size(), kNodeBuckets));
  spans.clear();
  if (kept) {
    (void)pyramid_.make_levels(spans);  // they are not written: the spans are
  } else {
    summary.add_run(entity, pyramid_, spans);
  }
  if (pyramid_.lost()) return {{}, Carry::kLost, rows};
  return {spans, std::max(1U, pyramid_.carry_exponent()), rows};
}

void IndexTree::put_pieces(std::size_t tier, const DrawnValues& values) {
  PieceInfo info;
  info.kind = PieceKind::kIndex;
  info.table = table_;
  info.tier = static_cast<std::uint8_t>(tier + 1);
  info.first_entity = part_.front().entity;
  info.last_entity = part_.back().entity;
  bytes_.clear();
  put_index(part_, layout_of(table_).overlaps, bytes_);
  sink_.put_piece(info, bytes_.bytes());
  for (std::size_t i = 0; i < drawn_; ++i) {
    if (summaries_[i].empty()) continue;
    info.kind = PieceKind::kSummary;
    info.tier = static_cast<std::uint8_t>(i);
    info.first_entity = summaries_[i].first_entity();
    info.last_entity = summaries_[i].last_entity();
    sink_.put_piece(info, summaries_[i].finish());
  }
  part_.clear();
  start_summaries(values);
}

}  // namespace vs::history
