// A history from bytes. The first byte chooses the door: the whole file, one kind of piece, or a
// file whose checksums are made right, so that lies reach the code behind them.
#include <algorithm>
#include <cstdint>
#include <string>
#include <vector>

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

std::vector<std::byte> copy(Bytes bytes) { return {bytes.begin(), bytes.end()}; }

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
    for (std::size_t slot = 0; slot < 2; ++slot) {
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

void rows_piece(Bytes data) {
  if (data.empty()) return;
  const auto table = static_cast<TableId>(static_cast<std::uint8_t>(data[0]) % 6);
  const auto piece = Piece::parse(copy(data.subspan(1)), table);
  if (!piece.ok()) return;
  BlockCursor rows;
  for (const BlockRef& block : (*piece)->blocks()) {
    rows.open(**piece, block);
    std::int64_t last_ns = -kTimeLimit;
    while (rows.next()) {
      if (rows.begin_ns() < last_ns || rows.end_ns() < rows.begin_ns()) __builtin_trap();
      last_ns = rows.end_ns();
      (void)rows.values();
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
      (void)IndexPiece::parse(rest, 1000);
      break;
    case 's':
      (void)SummaryPiece::parse(copy(rest));
      break;
    default:
      break;
  }
  return 0;
}
