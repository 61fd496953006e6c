// A history from bytes. The first byte chooses the door: the whole file, one kind of piece, or a
// file whose checksums are made right, so that lies reach the code behind them.
#include <algorithm>
#include <array>
#include <cstdint>
#include <string>
#include <vector>

#include "history/block.h"
#include "history/footer.h"
#include "history/index.h"
#include "history/pack.h"
#include "history/piece.h"
#include "history/reader.h"
#include "history/summary.h"
#include "os/file.h"

namespace {

using namespace vs;
using namespace vs::history;

/// A piece as parse() wants it.
std::vector<std::byte> copy(Bytes bytes) {
  std::vector<std::byte> raw(bytes.begin(), bytes.end());
  raw.resize(raw.size() + kPackSlack);
  return raw;
}

void ask(const Reader& reader) {
  const std::size_t entities = std::min<std::size_t>(reader.entity_count(), 20);
  for (std::size_t i = 0; i < entities; ++i) {
    const auto id = static_cast<EntityId>(i);
    const EntityInfo& info = reader.entity(id);
    RowCursor cursor = reader.rows(id, kHostTimeMin, kHostTimeMax);
    Row row;
    std::int64_t last_ns = kHostTimeMin.ns;
    for (int n = 0; n < 1000 && cursor.next(row); ++n) {
      if (row.begin.ns > row.end.ns) __builtin_trap();
      last_ns = row.begin.ns;
    }
    (void)reader.at(id, HostTime{last_ns});
    for (std::size_t slot = 0; slot < 6; ++slot) {
      (void)reader.timeline(id, HostTime{info.first_ns}, HostTime{info.last_ns}, 10, slot);
    }
    (void)reader.full_state(info.table, HostTime{last_ns});
    (void)reader.totals(id);
  }
  (void)reader.find_string("x");
  (void)reader.verify();
}

void open_file(std::string bytes) {
  os::MemoryFiles files;
  files.put("h", std::move(bytes));
  const auto reader = Reader::open("h", ReaderOptions{1 << 20, &files});
  if (reader.ok()) ask(**reader);
}

/// [2 bytes: size of the pieces][pieces][raw footer], put together as a file with right checksums.
void open_made_up(Bytes data) {
  const auto size = load<std::uint16_t>(data, 0, ByteOrder::kLittle);
  if (!size || data.size() - 2 < *size) return;
  const Bytes pieces = data.subspan(2, *size);
  auto footer = parse_footer(data.subspan(2 + std::size_t{*size}));
  if (!footer.ok()) return;
  for (PieceInfo& piece : footer->pieces) {
    const auto bytes = slice(pieces, piece.offset - kHeaderBytes, piece.stored);
    if (bytes) piece.checksum = checksum_of(*bytes);
  }
  ByteSink raw;
  put_footer(*footer, raw);
  ByteSink file;
  put_header(file);
  file.put_bytes(pieces);
  Trailer trailer;
  trailer.footer.offset = file.size();
  Packer packer;
  file.put_bytes(packer.pack(raw.bytes(), Codec::kStored, trailer.footer));
  trailer.file_size = file.size() + kTrailerBytes;
  put_trailer(trailer, file);
  open_file(std::string(as_text(file.bytes())));
}

constexpr std::array<std::int64_t, 6> kStates = {0, 1, 2, 3, 4, 5};

/// The row that the cursor stands on is found again by its time.
void find(const Piece& piece, const BlockRef& ref, const BlockCursor& rows, bool overlaps) {
  if (overlaps || rows.begin_ns() == rows.end_ns()) return;
  Block block(piece, ref);
  const RowHit found = block.find(rows.begin_ns());
  if (found.row == block.rows() || found.begin_ns != rows.begin_ns() ||
      found.end_ns != rows.end_ns()) {
    __builtin_trap();
  }
}

void rows_piece(Bytes data) {
  if (data.empty()) return;
  const auto table = static_cast<TableId>(static_cast<std::uint8_t>(data[0]) % 9);
  const std::vector<std::int64_t> states(std::begin(kStates), std::end(kStates));
  const auto piece = Piece::parse(copy(data.subspan(1)), table, {states, states, states, states});
  if (!piece.ok()) return;
  const bool overlaps = (*piece)->layout().overlaps;
  BlockCursor rows;
  for (const BlockRef& block : (*piece)->blocks()) {
    rows.open(**piece, block);
    std::int64_t last_ns = -kTimeLimit;
    while (rows.next()) {
      if (rows.begin_ns() < last_ns || rows.end_ns() < rows.begin_ns()) __builtin_trap();
      last_ns = overlaps ? rows.begin_ns() : rows.end_ns();
      find(**piece, block, rows, overlaps);
      (void)rows.values();
    }
    Block head(**piece, block);
    std::array<std::uint8_t, kBlockRows> numbers{};
    for (std::size_t i = 0; head.ok() && i < (*piece)->layout().drawn_slots.size(); ++i) {
      (void)head.values(i, numbers);
    }
  }
}

void summary(Bytes data) {
  const auto piece = SummaryPiece::parse(copy(data), kStates);
  if (!piece.ok()) return;
  for (EntityId entity = 0; entity < 20; ++entity) {
    for (const std::uint64_t width : {1ULL, 1ULL << 20, 1ULL << 40, ~0ULL}) {
      SummaryLevel level;
      if (!(*piece)->level_for(entity, width, level)) continue;
      std::int64_t end_ns = -kTimeLimit;
      for (const Span& row : level.rows) {
        if (row.begin_ns < end_ns || row.end_ns < row.begin_ns) __builtin_trap();
        end_ns = row.end_ns;
      }
      if (level.rows.empty() && level.shares.size() != level.buckets * level.values.size()) {
        __builtin_trap();
      }
    }
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const Bytes all = std::as_bytes(std::span(data, size));
  if (all.empty()) return 0;
  const Bytes rest = all.subspan(1);
  switch (static_cast<std::uint8_t>(all[0])) {
    case 'f':
      open_file(std::string(as_text(rest)));
      break;
    case 'm':
      open_made_up(rest);
      break;
    case 'r':
      rows_piece(rest);
      break;
    case 'i':
      (void)IndexPiece::parse(copy(rest), 1000, false);
      (void)IndexPiece::parse(copy(rest), 1000, true);
      break;
    case 's':
      summary(rest);
      break;
    default:
      break;
  }
  return 0;
}
