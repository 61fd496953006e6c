// Files that are cut, flipped, or lie with right checksums.
#include <gtest/gtest.h>

#include <cstring>

#include "history/block.h"
#include "history/history_test_util.h"
#include "history/index.h"
#include "history/pack.h"
#include "history/piece.h"
#include "history/summary.h"

namespace vs::history {
namespace {

using test::MemoryOutputs;
using test::Model;

std::string sample(std::size_t rows = 4000, Codec codec = Codec::kLz4) {
  MemoryOutputs outputs;
  WriterOptions options;
  options.codec = codec;
  options.outputs = &outputs;
  auto writer = std::move(Writer::create("h", options)).value();
  Model model(Model::Shape{21, 7, rows, 1000});
  model.fill(*writer);
  writer->set_meta("fingerprint", "f");
  EXPECT_TRUE(writer->commit().ok());
  return outputs.bytes();
}

/// Everything that a reader can say, as text; empty when anything is refused.
std::string everything(const std::string& bytes) {
  const auto opened = test::open_bytes(bytes);
  if (!opened.ok()) return "";
  const Reader& reader = **opened;
  std::string out;
  for (std::size_t i = 0; i < reader.entity_count(); ++i) {
    const auto id = static_cast<EntityId>(i);
    RowCursor cursor = reader.rows(id, kHostTimeMin, kHostTimeMax);
    Row row;
    while (cursor.next(row)) {
      out += std::to_string(row.begin.ns) + " " + std::to_string(row.end.ns);
      for (const std::int64_t value : row.values) out += " " + std::to_string(value);
      out += "\n";
    }
    if (!cursor.status().ok()) return "";
    const auto picture = reader.timeline(id, HostTime{reader.entity(id).first_ns},
                                         HostTime{reader.entity(id).last_ns + 1}, 5, 0);
    if (!picture.ok()) return "";
    for (const Pixel& pixel : *picture) out += std::to_string(pixel.value) + " ";
  }
  return out;
}

TEST(Damage, EveryCutIsRefused) {
  const std::string bytes = sample();
  for (std::size_t size = 0; size < bytes.size(); size += size < 200 ? 1 : 50) {
    const auto reader = test::open_bytes(bytes.substr(0, size));
    ASSERT_FALSE(reader.ok()) << size;
    EXPECT_FALSE(reader.error().where.empty()) << size;
  }
  for (std::size_t size = bytes.size() - 200; size < bytes.size(); ++size) {
    ASSERT_FALSE(test::open_bytes(bytes.substr(0, size)).ok()) << size;
  }
  EXPECT_FALSE(test::open_bytes(bytes + "x").ok());
}

TEST(Damage, EveryFlippedByteIsFoundByVerify) {
  std::string bytes = sample(700);
  for (std::size_t at = 0; at < bytes.size(); ++at) {
    const char before = bytes[at];
    bytes[at] = static_cast<char>(before ^ (1 << (at % 8)));
    const auto reader = test::open_bytes(bytes);
    ASSERT_FALSE(reader.ok() && (*reader)->verify().ok()) << at;
    bytes[at] = before;
  }
}

TEST(Damage, AFlippedBitNeverGivesAnotherAnswer) {
  std::string bytes = sample(700);
  const std::string truth = everything(bytes);
  ASSERT_FALSE(truth.empty());
  for (std::size_t at = 0; at < bytes.size(); at += 13) {
    const char before = bytes[at];
    bytes[at] = static_cast<char>(before ^ (1 << (at / 13 % 8)));
    const std::string answer = everything(bytes);
    ASSERT_TRUE(answer.empty() || answer == truth) << at;
    bytes[at] = before;
  }
}

TEST(Damage, OtherVersionsAndStrangersAreRefusedByName) {
  std::string bytes = sample(10);
  bytes[8] = 1;  // the version before
  EXPECT_EQ(test::open_bytes(bytes).error().code, ErrorCode::kUnsupported);
  EXPECT_EQ(test::open_bytes(bytes).error().to_string(),
            "h: the history has version 1, this program reads version 4 (the history will be "
            "rebuilt)");
  EXPECT_EQ(test::open_bytes("").error().what, "this is not a history file");
  EXPECT_EQ(test::open_bytes(std::string(5000, 'x')).error().what, "this is not a history file");
}

/// The trailer of a file, and the file with another one.
Trailer trailer_of(const std::string& bytes) {
  return parse_trailer(as_bytes(bytes).last(kTrailerBytes), bytes.size()).value();
}
std::string with_trailer(const std::string& bytes, const Trailer& trailer) {
  ByteSink out;
  put_trailer(trailer, out);
  return bytes.substr(0, bytes.size() - kTrailerBytes) + std::string(as_text(out.bytes()));
}

TEST(Damage, LyingSizesAreRefused) {
  const std::string bytes = sample(10);
  const Trailer good = trailer_of(bytes);
  ASSERT_TRUE(test::open_bytes(with_trailer(bytes, good)).ok());
  const auto code = [&](auto change) {
    Trailer trailer = good;
    change(trailer);
    const auto reader = test::open_bytes(with_trailer(bytes, trailer));
    return reader.ok() ? std::nullopt : std::optional(reader.error().code);
  };
  constexpr auto kMalformed = ErrorCode::kMalformed;
  EXPECT_EQ(code([](Trailer& t) { t.footer.raw = 0xffffffff; }), ErrorCode::kLimit);
  EXPECT_EQ(code([](Trailer& t) { t.footer.raw = t.footer.stored * 4096; }), kMalformed);
  EXPECT_EQ(code([](Trailer& t) { t.footer.raw = 0; }), kMalformed);
  EXPECT_EQ(code([](Trailer& t) { ++t.footer.stored; }), kMalformed);
  EXPECT_EQ(code([](Trailer& t) { --t.footer.offset; }), kMalformed);
  EXPECT_EQ(code([](Trailer& t) { t.footer.offset = ~std::uint64_t{0}; }), kMalformed);
  EXPECT_EQ(code([](Trailer& t) { t.footer.stored = 0xffffffff; }), kMalformed);
  EXPECT_EQ(code([](Trailer& t) { ++t.file_size; }), kMalformed);
  EXPECT_EQ(code([](Trailer& t) { t.footer.codec = Codec::kStored; }), kMalformed);
  EXPECT_EQ(code([](Trailer& t) { ++t.footer.checksum; }), kMalformed);
}

/// The file with another footer, packed and summed as it should be.
std::string with_footer(const std::string& bytes, Bytes raw) {
  Trailer trailer = trailer_of(bytes);
  Packer packer;
  std::string out = bytes.substr(0, trailer.footer.offset);
  out += as_text(packer.pack(raw, Codec::kZstd, trailer.footer));
  trailer.file_size = out.size() + kTrailerBytes;
  ByteSink sink;
  put_trailer(trailer, sink);
  return out + std::string(as_text(sink.bytes()));
}

std::vector<std::byte> raw_footer(const std::string& bytes) {
  const PieceInfo info = trailer_of(bytes).footer;
  const Bytes stored = as_bytes(bytes).subspan(info.offset, info.stored);
  auto raw = unpack(std::vector<std::byte>(stored.begin(), stored.end()), info, kMaxFooterBytes);
  raw->resize(raw->size() - kPackSlack);
  return std::move(raw).value();
}

TEST(Damage, OtherColumnsAreRefused) {
  const std::string bytes = sample(10);
  std::vector<std::byte> raw = raw_footer(bytes);
  ASSERT_TRUE(test::open_bytes(with_footer(bytes, raw)).ok());
  raw[3] ^= std::byte{1};  // a letter of the first table's name
  EXPECT_EQ(test::open_bytes(with_footer(bytes, raw)).error().code, ErrorCode::kUnsupported);
}

// Footers that lie with right checksums: whatever they say, queries end with rows or errors.
TEST(Damage, LyingFootersDoNoHarm) {
  const std::string bytes = sample(300);
  const std::vector<std::byte> good = raw_footer(bytes);
  std::mt19937_64 random(1);
  std::size_t refused = 0;
  for (int i = 0; i < 600; ++i) {
    std::vector<std::byte> raw = good;
    const std::size_t changes = 1 + random() % 3;
    for (std::size_t k = 0; k < changes; ++k) {
      raw[random() % raw.size()] = static_cast<std::byte>(random());
    }
    if (random() % 10 == 0) raw.resize(random() % raw.size());
    refused += everything(with_footer(bytes, raw)).empty() ? 1U : 0U;
  }
  EXPECT_GT(refused, 200U);
}

/// The file with another byte in some of its rows pieces, and with right checksums.
std::string with_other_rows(std::string bytes, std::mt19937_64& random) {
  Footer footer = parse_footer(raw_footer(bytes)).value();
  for (PieceInfo& piece : footer.pieces) {
    if (piece.kind != PieceKind::kRows || random() % 2 == 0) continue;
    bytes[piece.offset + random() % piece.stored] = static_cast<char>(random());
    piece.checksum = checksum_of(as_bytes(bytes).subspan(piece.offset, piece.stored));
  }
  ByteSink raw;
  put_footer(footer, raw);
  return with_footer(bytes, raw.bytes());
}

/// False when one of the states is refused; the rows of the others hold at their times.
bool states_hold(const Reader& reader, std::mt19937_64& random) {
  FullState state;
  for (std::size_t i = 0; i < reader.entity_count(); ++i) {
    const EntityInfo& info = reader.entity(static_cast<EntityId>(i));
    const auto span = static_cast<std::uint64_t>(info.last_ns - info.first_ns + 1);
    for (int k = 0; k < 5; ++k) {
      const std::int64_t time_ns = info.first_ns + static_cast<std::int64_t>(random() % span);
      if (!reader.full_state(info.table, HostTime{time_ns}, state).ok()) return false;
      for (const FullState::Row& row : state.rows) {
        EXPECT_LE(row.begin.ns, time_ns);
        EXPECT_GT(row.end.ns, time_ns);
        EXPECT_EQ(row.values.size(), layout_of(info.table).values);
      }
    }
  }
  return true;
}

TEST(Damage, StatesOfOtherRows) {
  const std::string bytes = sample(2000, Codec::kStored);
  std::mt19937_64 random(3);
  std::size_t refused = 0;
  for (int i = 0; i < 400; ++i) {
    const auto reader = test::open_bytes(with_other_rows(bytes, random));
    ASSERT_TRUE(reader.ok());
    refused += states_hold(**reader, random) ? 0U : 1U;
  }
  EXPECT_GT(refused, 20U);
  EXPECT_LT(refused, 400U);
}

/// Calls `parse` with many damaged versions of `good`; it must come back, mostly with an error.
template <typename Parse>
void damage(const std::vector<std::byte>& good, Parse parse) {
  ASSERT_TRUE(parse(good));
  std::mt19937_64 random(2);
  std::size_t refused = 0;
  for (int i = 0; i < 3000; ++i) {
    std::vector<std::byte> raw = good;
    if (random() % 4 == 0) raw.resize(random() % raw.size());
    for (std::size_t k = 0; k < 1 + random() % 4 && !raw.empty(); ++k) {
      const std::size_t reach =
          random() % 2 == 0 ? raw.size() : std::min<std::size_t>(raw.size(), 40);
      raw[random() % reach] = static_cast<std::byte>(random());
    }
    refused += parse(raw) ? 0U : 1U;
  }
  EXPECT_GT(refused, 300U);
}

std::vector<std::byte> raw_piece(const std::string& bytes, PieceKind kind, PieceInfo& info) {
  const Footer footer = parse_footer(raw_footer(bytes)).value();
  for (const PieceInfo& piece : footer.pieces) {
    if (piece.kind != kind) continue;
    info = piece;
    const Bytes stored = as_bytes(bytes).subspan(piece.offset, piece.stored);
    auto raw = unpack(std::vector<std::byte>(stored.begin(), stored.end()), piece, kMaxPieceBytes);
    raw->resize(raw->size() - kPackSlack);
    return std::move(raw).value();
  }
  return {};
}

/// A piece as parse() wants it.
std::vector<std::byte> with_slack(std::vector<std::byte> raw) {
  raw.resize(raw.size() + kPackSlack);
  return raw;
}

TEST(Damage, RowsPieces) {
  PieceInfo info;
  damage(raw_piece(sample(), PieceKind::kRows, info), [&](std::vector<std::byte> raw) {
    const auto piece = Piece::parse(with_slack(std::move(raw)), info.table, {});
    if (!piece.ok()) return false;
    bool good = true;
    BlockCursor rows;
    for (const BlockRef& block : (*piece)->blocks()) {
      rows.open(**piece, block);
      std::int64_t end_ns = -kTimeLimit;
      while (rows.next()) {
        EXPECT_GE(rows.begin_ns(), end_ns);
        EXPECT_GE(rows.end_ns(), rows.begin_ns());
        end_ns = rows.end_ns();
        (void)rows.values();
      }
      good = good && rows.ok();
    }
    return good;
  });
}

TEST(Damage, IndexPieces) {
  PieceInfo info;
  damage(raw_piece(sample(), PieceKind::kIndex, info), [](const std::vector<std::byte>& raw) {
    return IndexPiece::parse(with_slack(raw), 12, false).ok();
  });
}

TEST(Damage, SummaryPieces) {
  PieceInfo info;
  damage(raw_piece(sample(), PieceKind::kSummary, info), [](std::vector<std::byte> raw) {
    return SummaryPiece::parse(with_slack(std::move(raw)), {}).ok();
  });
}

// A summary that is the rows themselves: times that go back or leave their range, values that the
// column does not have.
TEST(Damage, SummariesOfFewRows) {
  const std::int64_t values[] = {3, 5, 8};
  std::vector<Span> rows;
  for (std::int64_t i = 0; i < 200; ++i) {
    rows.push_back(Span{1000 * i, 1000 * i + 700, static_cast<std::uint8_t>(i % 3)});
  }
  SummaryEncoder encoder;
  encoder.start(values);
  encoder.add_rows(7, rows);
  encoder.add_rows(9, rows);
  const Bytes bytes = encoder.finish();
  damage({bytes.begin(), bytes.end()}, [&](std::vector<std::byte> raw) {
    const auto piece = SummaryPiece::parse(with_slack(std::move(raw)), values);
    SummaryLevel level;
    if (!piece.ok() || !(*piece)->level_for(7, 1, level)) return false;
    std::int64_t end_ns = -kTimeLimit;
    for (const Span& row : level.rows) {
      EXPECT_GE(row.begin_ns, end_ns);
      EXPECT_GE(row.end_ns, row.begin_ns);
      EXPECT_LE(row.end_ns, kTimeLimit);
      EXPECT_LT(row.value, std::size(values));
      end_ns = row.end_ns;
    }
    return true;
  });
  EXPECT_FALSE(SummaryPiece::parse(with_slack({bytes.begin(), bytes.end()}), {}).ok());
}

TEST(Varint, RefusesCutAndOverlong) {
  for (const std::uint64_t value :
       {std::uint64_t{0}, std::uint64_t{127}, std::uint64_t{128}, std::uint64_t{1} << 21,
        (std::uint64_t{1} << 28) - 1, std::uint64_t{1} << 35, ~std::uint64_t{0}}) {
    ByteSink out;
    out.put_varint(value);
    EXPECT_EQ(out.size(), varint_size(value));
    VarReader in(out.bytes());
    EXPECT_EQ(in.varint(), value);
    EXPECT_TRUE(in.ok() && in.remaining() == 0);
    VarReader cut(out.bytes().first(out.size() - 1));
    EXPECT_EQ(cut.varint(), 0U);
    EXPECT_FALSE(cut.ok());
    out.put_bytes(as_bytes("12345678"));  // the fast way reads the same
    VarReader fast(out.bytes());
    EXPECT_EQ(fast.varint(), value);
  }
  const std::string overlong(11, '\xff');
  VarReader in(as_bytes(overlong));
  (void)in.varint();
  EXPECT_FALSE(in.ok());
  for (const std::int64_t value : {model::kNull, INT64_MAX, std::int64_t{-1}, std::int64_t{0}}) {
    EXPECT_EQ(value_of(code_of(value)), value);
    EXPECT_EQ(unzigzag(zigzag(value)), value);
  }
}

}  // namespace
}  // namespace vs::history
