#include "history/snapshot.h"

#include <algorithm>
#include <utility>

#include "history/sealer.h"

namespace vs::history {
namespace {

class SnapshotFile final : public os::File {
 public:
  SnapshotFile(std::unique_ptr<os::File> sealed, ByteSink tail)
      : sealed_(std::move(sealed)), tail_(std::move(tail)) {}
  [[nodiscard]] std::uint64_t size() const override {
    return sealed_->size() + tail_.bytes().size();
  }
  [[nodiscard]] Result<std::size_t> read_at(std::uint64_t offset,
                                            std::span<std::byte> out) const override {
    const std::uint64_t sealed = sealed_->size();
    std::size_t got = 0;
    if (offset < sealed) {
      const std::size_t here = std::min<std::uint64_t>(out.size(), sealed - offset);
      VS_ASSIGN(got, sealed_->read_at(offset, out.first(here)));
      if (got < here) return got;  // somebody cut the file
    }
    const Bytes tail = tail_.bytes();
    const std::uint64_t at = std::min<std::uint64_t>(offset + got - sealed, tail.size());
    const Bytes rest = tail.subspan(at, std::min(out.size() - got, tail.size() - at));
    std::ranges::copy(rest, out.begin() + static_cast<std::ptrdiff_t>(got));
    return got + rest.size();
  }

 private:
  const std::unique_ptr<os::File> sealed_;
  const ByteSink tail_;
};

/// Takes the pieces that close a copy of the index, numbered after those of the file.
class TailSink final : public PieceSink {
 public:
  TailSink(std::vector<PieceInfo>& pieces, std::uint64_t offset, Codec codec, ByteSink& out)
      : pieces_(pieces), offset_(offset), codec_(codec), out_(out) {}
  [[nodiscard]] std::uint32_t next_piece() const override {
    return static_cast<std::uint32_t>(pieces_.size());
  }
  void put_piece(const PieceInfo& info, Bytes raw) override {
    fits_ = fits_ && raw.size() <= kMaxPieceBytes;
    if (!fits_) return;
    PieceInfo& piece = pieces_.emplace_back(info);
    piece.offset = offset_ + out_.size();
    out_.put_bytes(packer_.pack(raw, codec_, piece));
  }
  [[nodiscard]] bool fits() const { return fits_; }
  [[nodiscard]] Packer& packer() { return packer_; }

 private:
  std::vector<PieceInfo>& pieces_;
  const std::uint64_t offset_;
  const Codec codec_;
  ByteSink& out_;
  Packer packer_;
  bool fits_ = true;
};

}  // namespace

void SnapshotBoard::publish(std::unique_ptr<os::File> snapshot) {
  wanted_.store(false, std::memory_order_relaxed);
  const std::scoped_lock lock(mutex_);
  if (snapshot == nullptr) return;
  latest_ = std::move(snapshot);
  ready_.store(true, std::memory_order_relaxed);
}

std::unique_ptr<os::File> SnapshotBoard::take() {
  const std::scoped_lock lock(mutex_);
  ready_.store(false, std::memory_order_relaxed);
  return std::move(latest_);
}

std::unique_ptr<os::File> make_snapshot(std::unique_ptr<os::File> sealed, ByteSink tail) {
  return std::make_unique<SnapshotFile>(std::move(sealed), std::move(tail));
}

Result<ByteSink> Sealer::snapshot_tail(Footer footer) const {
  VS_TRY(status_);
  ByteSink out;
  footer.pieces = pieces_;
  TailSink sink(footer.pieces, offset_, codec_, out);
  for (std::size_t i = 0; i < kTables; ++i) {
    if (trees_[i] != nullptr) IndexTree(*trees_[i], sink).finish(values_[i]);
  }
  if (!sink.fits()) return Error{ErrorCode::kLimit, "a piece is too large", path_, ""};
  fill_in(footer);
  // Not packed: it is parsed a moment later, and goes.
  VS_TRY(put_end(footer, offset_ + out.size(), Codec::kStored, sink.packer(), out));
  return out;
}

}  // namespace vs::history
