#include "history/footer.h"

#include <algorithm>
#include <bit>

#include "history/pack.h"

namespace vs::history {
namespace {

constexpr std::string_view kRebuilt = "the history will be rebuilt";

Error malformed(std::string what) {
  return Error{ErrorCode::kMalformed, std::move(what), "", std::string(kRebuilt)};
}

// Cells of small tables by the index of the variant's alternative.
enum CellKind : std::uint8_t { kCellNull, kCellInteger, kCellReal, kCellText };

void put_cell(const model::Cell& cell, ByteSink& out) {
  out.put_u8(static_cast<std::uint8_t>(cell.index()));
  if (const auto* integer = std::get_if<std::int64_t>(&cell)) out.put_signed(*integer);
  if (const auto* real = std::get_if<double>(&cell)) {
    out.put_u64(std::bit_cast<std::uint64_t>(*real));
  }
  if (const auto* text = std::get_if<std::string>(&cell)) out.put_text(*text);
}

model::Cell parse_cell(VarReader& in) {
  switch (in.u8()) {
    case kCellNull:
      return std::monostate{};
    case kCellInteger:
      return in.signed_varint();
    case kCellReal: {
      const auto bits = load<std::uint64_t>(in.bytes(8), 0, ByteOrder::kLittle);
      return std::bit_cast<double>(bits.value_or(0));
    }
    case kCellText:
      return std::string(in.text());
    default:
      in.fail();
      return std::monostate{};
  }
}

// The columns of every interval table as this program knows them: a file whose tables have other
// columns must not be read with ours.
void put_tables(ByteSink& out) {
  out.put_varint(model::table_defs().size());
  for (const model::TableDef& def : model::table_defs()) {
    out.put_text(def.name);
    out.put_u8(static_cast<std::uint8_t>((def.points ? 1 : 0) | (def.overlaps ? 2 : 0)));
    out.put_varint(def.columns.size());
    for (const model::ColumnDef& column : def.columns) {
      out.put_text(column.name);
      out.put_u8(static_cast<std::uint8_t>(column.type));
      out.put_u8(static_cast<std::uint8_t>(column.role));
    }
  }
}

void put_meta(const std::map<std::string, std::string>& meta, ByteSink& out) {
  out.put_varint(meta.size());
  for (const auto& [key, value] : meta) {
    out.put_text(key);
    out.put_text(value);
  }
}

void put_totals(std::span<const StateTotal> totals, ByteSink& out) {
  out.put_varint(totals.size());
  for (const StateTotal& total : totals) {
    out.put_value(total.value);
    out.put_varint(static_cast<std::uint64_t>(total.duration_ns));
    out.put_varint(total.rows);
  }
}

void put_entities(const Footer& footer, ByteSink& out) {
  out.put_varint(footer.entities.size());
  std::int64_t base_ns = 0;
  for (const EntityInfo& entity : footer.entities) {
    out.put_u8(static_cast<std::uint8_t>(entity.table));
    for (const std::int64_t value : footer.key_of(entity)) out.put_value(value);
    out.put_varint(entity.is_view() ? std::uint64_t{entity.shows} + 1 : 0);
    if (!entity.is_view()) {
      out.put_varint(entity.rows);
      if (entity.rows == 0) continue;
      out.put_signed(entity.first_ns - base_ns);
      out.put_varint(static_cast<std::uint64_t>(entity.last_ns - entity.first_ns));
      base_ns = entity.first_ns;
    }
    put_totals(footer.totals_of(entity), out);
  }
}

void put_pieces(const std::vector<PieceInfo>& pieces, ByteSink& out) {
  out.put_varint(pieces.size());
  for (const PieceInfo& piece : pieces) {  // offsets follow from the sizes: pieces lie end to end
    out.put_u8(static_cast<std::uint8_t>(static_cast<unsigned>(piece.kind) |
                                         static_cast<unsigned>(piece.codec) << 2 |
                                         static_cast<unsigned>(piece.tier) << 4));
    out.put_u8(static_cast<std::uint8_t>(piece.table));
    out.put_varint(piece.stored);
    out.put_varint(piece.raw);
    out.put_varint(piece.first_entity);
    out.put_varint(piece.last_entity - piece.first_entity);
    out.put_u64(piece.checksum);
  }
}

void put_small_tables(const std::vector<model::SmallTable>& tables, ByteSink& out) {
  out.put_varint(tables.size());
  for (const model::SmallTable& table : tables) {
    out.put_u8(static_cast<std::uint8_t>(table.id));
    out.put_varint(table.rows.size());
    for (const model::Row& row : table.rows) {
      out.put_varint(row.size());
      for (const model::Cell& cell : row) put_cell(cell, out);
    }
  }
}

void put_drawn_values(const Footer& footer, ByteSink& out) {
  for (const DrawnValues& columns : footer.drawn_values) {
    for (std::size_t i = 1; i < kMaxDrawn; ++i) {
      out.put_varint(columns[i].size());
      for (const std::int64_t value : columns[i]) out.put_value(value);
    }
  }
}

void parse_drawn_values(VarReader& in, Footer& footer) {
  for (DrawnValues& columns : footer.drawn_values) {
    for (std::size_t i = 1; i < kMaxDrawn; ++i) {
      const std::uint64_t count = in.varint_up_to(kMaxStates);
      for (std::size_t k = 0; k < count && in.ok(); ++k) {
        columns[i].push_back(in.value());
        if (k != 0 && columns[i][k - 1] >= columns[i][k]) in.fail();
      }
    }
  }
}

void parse_meta(VarReader& in, Footer& footer) {
  const std::size_t count = in.count();
  for (std::size_t i = 0; i < count && in.ok(); ++i) {
    std::string key(in.text());
    footer.meta.insert_or_assign(std::move(key), std::string(in.text()));
  }
}

void parse_strings(VarReader& in, Footer& footer) {
  const std::size_t count = in.count();
  if (count > kMaxStrings) in.fail();
  for (std::size_t i = 0; i < count && in.ok(); ++i) footer.strings.add(in.text());
}

void parse_totals(VarReader& in, Footer& footer, EntityInfo& entity) {
  const std::size_t count = in.count();
  entity.totals_at = static_cast<std::uint32_t>(footer.totals.size());
  entity.total_count = static_cast<std::uint32_t>(count);
  for (std::size_t i = 0; i < count && in.ok(); ++i) {
    StateTotal total;
    total.value = in.value();
    total.duration_ns = static_cast<std::int64_t>(in.varint_up_to(2ULL * kTimeLimit - 1));
    total.rows = in.varint();
    if (i != 0 && footer.totals.back().value >= total.value) in.fail();
    footer.totals.push_back(total);
  }
}

/// A view has its rows from an entity before it, of a table that has all of its columns.
void parse_view(std::uint64_t shows, VarReader& in, Footer& footer, EntityInfo& entity) {
  const EntityInfo& of = footer.entities[static_cast<std::size_t>(shows)];
  if (of.is_view() || model::view_slots(entity.table, of.table).empty()) return in.fail();
  entity.shows = static_cast<EntityId>(shows);
  entity.rows = of.rows;
  entity.first_ns = of.first_ns;
  entity.last_ns = of.last_ns;
  parse_totals(in, footer, entity);
}

void parse_entities(VarReader& in, Footer& footer) {
  const std::size_t count = in.count();
  if (count > kMaxEntities) in.fail();
  std::uint64_t base_ns = 0;
  for (std::size_t i = 0; i < count && in.ok(); ++i) {
    EntityInfo& entity = footer.entities.emplace_back();
    const std::uint8_t table = in.u8();
    if (table >= model::table_defs().size() || !model::table_defs()[table].interval) in.fail();
    if (!in.ok()) return;
    entity.table = static_cast<TableId>(table);
    entity.key_at = static_cast<std::uint32_t>(footer.keys.size());
    for (std::size_t k = 0; k < layout_of(entity.table).keys; ++k) {
      footer.keys.push_back(in.value());
    }
    if (const std::uint64_t shows = in.varint_up_to(i); shows != 0) {
      parse_view(shows - 1, in, footer, entity);
      continue;
    }
    entity.rows = in.varint();
    if (entity.rows == 0) continue;
    base_ns += static_cast<std::uint64_t>(in.signed_varint());
    entity.first_ns = static_cast<std::int64_t>(base_ns);
    entity.last_ns = static_cast<std::int64_t>(base_ns + in.varint());
    if (entity.first_ns < -kTimeLimit || entity.last_ns > kTimeLimit ||
        entity.last_ns < entity.first_ns) {
      in.fail();
    }
    parse_totals(in, footer, entity);
  }
}

void parse_pieces(VarReader& in, Footer& footer) {
  const std::size_t count = in.count();
  std::uint64_t offset = kHeaderBytes;
  for (std::size_t i = 0; i < count && in.ok(); ++i) {
    PieceInfo piece;
    piece.offset = offset;
    const std::uint8_t bits = in.u8();
    const auto kind = static_cast<std::uint8_t>(bits & 3);
    const auto codec = static_cast<std::uint8_t>((bits >> 2) & 3);
    piece.tier = bits >> 4;
    const std::uint8_t table = in.u8();
    if (kind >= static_cast<std::uint8_t>(PieceKind::kFooter) ||
        codec > static_cast<std::uint8_t>(Codec::kZstd) || table >= model::table_defs().size() ||
        !model::table_defs()[table].interval) {
      return in.fail();
    }
    piece.kind = static_cast<PieceKind>(kind);
    piece.codec = static_cast<Codec>(codec);
    piece.table = static_cast<TableId>(table);
    piece.stored = static_cast<std::uint32_t>(in.varint_up_to(kMaxPieceBytes));
    piece.raw = static_cast<std::uint32_t>(in.varint_up_to(kMaxPieceBytes));
    piece.first_entity = static_cast<EntityId>(in.varint_up_to(kMaxEntities));
    piece.last_entity = piece.first_entity + static_cast<EntityId>(in.varint_up_to(kMaxEntities));
    piece.checksum = load<std::uint64_t>(in.bytes(8), 0, ByteOrder::kLittle).value_or(0);
    offset += piece.stored;
    footer.pieces.push_back(piece);
  }
}

void parse_small_tables(VarReader& in, Footer& footer) {
  const std::size_t count = in.count();
  std::size_t cells = 0;
  for (std::size_t i = 0; i < count && in.ok(); ++i) {
    model::SmallTable table;
    const std::uint8_t id = in.u8();
    if (id >= model::table_defs().size() || model::table_defs()[id].interval) return in.fail();
    table.id = static_cast<TableId>(id);
    const std::size_t width = model::table_defs()[id].columns.size();
    const std::size_t rows = in.count();
    for (std::size_t r = 0; r < rows && in.ok(); ++r) {
      cells += width;
      if (in.varint() != width || cells > kMaxCells) return in.fail();
      model::Row& row = table.rows.emplace_back();
      for (std::size_t c = 0; c < width && in.ok(); ++c) row.push_back(parse_cell(in));
    }
    footer.small_tables.push_back(std::move(table));
  }
}

}  // namespace

void put_footer(const Footer& footer, ByteSink& out) {
  put_tables(out);
  put_meta(footer.meta, out);
  out.put_varint(footer.strings.size());
  for (std::size_t i = 0; i < footer.strings.size(); ++i) out.put_text(footer.strings[i]);
  put_entities(footer, out);
  put_pieces(footer.pieces, out);
  put_small_tables(footer.small_tables, out);
  put_drawn_values(footer, out);
}

Result<Footer> parse_footer(Bytes raw) {
  ByteSink tables;
  put_tables(tables);
  VarReader in(raw);
  const Bytes stored_tables = in.bytes(tables.size());
  if (!in.ok() || as_text(stored_tables) != as_text(tables.bytes())) {
    return Error{ErrorCode::kUnsupported, "the history has tables with other columns", "",
                 std::string(kRebuilt)};
  }
  Footer footer;
  parse_meta(in, footer);
  parse_strings(in, footer);
  parse_entities(in, footer);
  parse_pieces(in, footer);
  parse_small_tables(in, footer);
  parse_drawn_values(in, footer);
  if (!in.ok() || in.remaining() != 0) {
    return malformed("the history's footer breaks its format at byte " +
                     std::to_string(in.offset()));
  }
  return footer;
}

void put_header(ByteSink& out) {
  out.put_bytes(as_bytes(kMagic));
  out.put_u32(kVersion);
  out.put_u32(static_cast<std::uint32_t>(kHeaderBytes));
  out.put_u64(0);  // reserved
  out.put_u64(checksum_of(out.bytes()));
}

Status check_header(Bytes header) {
  ByteCursor in(header, ByteOrder::kLittle);
  const auto magic = in.read_bytes(kMagic.size());
  if (!magic || as_text(*magic) != kMagic) return malformed("this is not a history file");
  const auto version = in.read<std::uint32_t>();
  if (!version) return malformed("the history's header is cut short");
  if (*version != kVersion) {
    return Error{ErrorCode::kUnsupported,
                 "the history has version " + std::to_string(*version) +
                     ", this program reads version " + std::to_string(kVersion),
                 "", std::string(kRebuilt)};
  }
  ByteSink expected;
  put_header(expected);
  if (as_text(header) != as_text(expected.bytes())) {
    return malformed("the history's header is damaged");
  }
  return {};
}

void put_trailer(const Trailer& trailer, ByteSink& out) {
  ByteSink bytes;
  bytes.put_u64(trailer.footer.offset);
  bytes.put_u64(trailer.footer.checksum);
  bytes.put_u32(trailer.footer.stored);
  bytes.put_u32(trailer.footer.raw);
  bytes.put_u32(static_cast<std::uint32_t>(trailer.footer.codec));
  bytes.put_u32(kVersion);
  bytes.put_u64(trailer.file_size);
  bytes.put_u64(checksum_of(bytes.bytes()));
  bytes.put_bytes(as_bytes(kEndMagic));
  out.put_bytes(bytes.bytes());
}

Result<Trailer> parse_trailer(Bytes bytes, std::uint64_t file_size) {
  if (bytes.size() != kTrailerBytes || as_text(bytes.last(kEndMagic.size())) != kEndMagic) {
    return malformed("the history is cut short");
  }
  const std::size_t covered = kTrailerBytes - kEndMagic.size() - 8;
  const auto word = [bytes](std::size_t at) {
    return load_unchecked<std::uint64_t>(bytes, at, ByteOrder::kLittle);
  };
  const auto half = [bytes](std::size_t at) {
    return load_unchecked<std::uint32_t>(bytes, at, ByteOrder::kLittle);
  };
  if (word(covered) != checksum_of(bytes.first(covered))) {
    return malformed("the history's trailer has a wrong checksum");
  }
  Trailer trailer;
  trailer.footer.offset = word(0);
  trailer.footer.checksum = word(8);
  trailer.footer.stored = half(16);
  trailer.footer.raw = half(20);
  trailer.footer.kind = PieceKind::kFooter;
  trailer.file_size = word(32);
  if (half(24) > static_cast<std::uint32_t>(Codec::kZstd) || half(28) != kVersion) {
    return malformed("the history's trailer breaks its format");
  }
  trailer.footer.codec = static_cast<Codec>(half(24));
  if (trailer.file_size != file_size || trailer.footer.offset < kHeaderBytes ||
      trailer.footer.offset > file_size ||
      file_size - trailer.footer.offset != trailer.footer.stored + std::uint64_t{kTrailerBytes}) {
    return malformed("the history's trailer tells sizes that the file does not have");
  }
  return trailer;
}

}  // namespace vs::history
