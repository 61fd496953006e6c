#include "analysis/block/rwbs.h"

namespace vs::analysis::block {
namespace {

using model::BlockOp;

// LTTng's bits (lttng-modules, block.h).
constexpr std::uint64_t kWrite = 1U << 0;
constexpr std::uint64_t kDiscard = 1U << 1;
constexpr std::uint64_t kRead = 1U << 2;
constexpr std::uint64_t kFlush = 1U << 8;
constexpr std::uint64_t kPreflush = 1U << 10;

BlockOp write_or_flush(bool flush, std::uint64_t sectors) {
  return flush && sectors == 0 ? BlockOp::kFlush : BlockOp::kWrite;
}

}  // namespace

// Linux fills it as: F (flush first), the operation, then F (forced), A, S, M.
BlockOp op_of_text(std::string_view rwbs, std::uint64_t sectors) {
  const bool flush = rwbs.starts_with('F');
  const std::string_view rest = flush ? rwbs.substr(1) : rwbs;
  switch (rest.empty() ? '\0' : rest.front()) {
    case 'R':
      return BlockOp::kRead;
    case 'W':
      return write_or_flush(flush, sectors);
    case 'D':
      return BlockOp::kDiscard;
    default:
      return flush ? BlockOp::kFlush : BlockOp::kOther;
  }
}

BlockOp op_of_bits(std::uint64_t rwbs, std::uint64_t sectors) {
  const bool flush = (rwbs & (kFlush | kPreflush)) != 0;
  if ((rwbs & kDiscard) != 0) return BlockOp::kDiscard;
  if ((rwbs & kWrite) != 0) return write_or_flush(flush, sectors);
  if ((rwbs & kRead) != 0) return BlockOp::kRead;
  return flush ? BlockOp::kFlush : BlockOp::kOther;
}

}  // namespace vs::analysis::block
