#include "merge/merger.h"

#include <algorithm>

namespace vs::merge {
namespace {

std::uint64_t tie_rank(model::EventKind kind, bool guest) {
  if (kind == model::EventKind::kKvmEntry && !guest) return 0;
  if (guest) return 1;
  return kind == model::EventKind::kKvmExit ? 3 : 2;
}

}  // namespace

Merger::Merger(std::vector<Source> sources)
    : sources_(std::move(sources)), heads_(sources_.size()), tree_(sources_.size()) {}

HeadKey Merger::key_of_head(std::size_t source) {
  Head& head = heads_[source];
  const model::Event& event = head.run[head.position];
  const Source& from = sources_[source];
  const std::int64_t time_ns = std::max(from.clock->to_host(event.own).ns, head.last_ns);
  head.last_ns = time_ns;
  return HeadKey{time_ns, (tie_rank(event.kind, from.guest) << 32) | source};
}

Status Merger::refill(std::size_t source) {
  Head& head = heads_[source];
  VS_ASSIGN(head.run, sources_[source].cursor->next());
  head.position = 0;
  return {};
}

Status Merger::start() {
  for (std::size_t i = 0; i < sources_.size(); ++i) {
    VS_TRY(refill(i));
    tree_.set(i, heads_[i].run.empty() ? LoserTree::kExhausted : key_of_head(i));
  }
  tree_.build();
  return {};
}

Status Merger::advance() {
  pending_ = false;
  const std::size_t winner = tree_.winner();
  Head& head = heads_[winner];
  if (++head.position == head.run.size()) {
    VS_TRY(refill(winner));
    if (head.run.empty()) {
      tree_.replace_winner(LoserTree::kExhausted);
      return {};
    }
  }
  tree_.replace_winner(key_of_head(winner));
  return {};
}

std::uint64_t Merger::bytes_done() const {
  std::uint64_t bytes = 0;
  for (const Source& source : sources_) bytes += source.cursor->bytes_done();
  return bytes;
}

}  // namespace vs::merge
