#include "gen/ctf_stream.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstdlib>

namespace vs::bench {
namespace {

constexpr std::size_t kHeaderBytes = 32 + 52;
constexpr std::size_t kEventRoom = 512;  // longer than any event
constexpr std::uint8_t kIndexHeader[16] = {0xC1, 0xF1, 0xDC, 0xC1, 0, 0, 0, 1,
                                           0,    0,    0,    1,    0, 0, 0, 72};

std::FILE* open_for_writing(const std::string& path) {
  std::FILE* file = std::fopen(path.c_str(), "wb");
  if (file == nullptr) {
    std::perror(path.c_str());
    std::exit(1);
  }
  return file;
}

void write(std::FILE* file, const void* bytes, std::size_t size) {
  if (std::fwrite(bytes, 1, size, file) == size) return;
  std::perror("write");
  std::exit(1);
}

}  // namespace

void write_file(const std::string& path, std::string_view content) {
  std::FILE* file = open_for_writing(path);
  write(file, content.data(), content.size());
  std::fclose(file);
}

void CtfStream::open(const std::string& folder, std::uint32_t cpu, const std::uint8_t* uuid,
                     StreamTotals& totals) {
  cpu_ = cpu;
  uuid_ = uuid;
  totals_ = &totals;
  file_.reset(open_for_writing(fmt::format("{}/channel0_{}", folder, cpu)));
  index_.reset(open_for_writing(fmt::format("{}/index/channel0_{}.idx", folder, cpu)));
  write(index_.get(), kIndexHeader, sizeof kIndexHeader);
  packet_.assign(totals.packet_bytes, 0);
}

void CtfStream::close() {
  flush();
  file_.reset();
  index_.reset();
}

void CtfStream::write_index(std::span<const std::uint64_t> values) {
  for (const std::uint64_t value : values) {
    std::uint8_t bytes[8];
    for (unsigned i = 0; i < 8; ++i) bytes[i] = static_cast<std::uint8_t>(value >> (56 - 8 * i));
    write(index_.get(), bytes, sizeof bytes);
  }
}

void CtfStream::flush() {
  if (position_ == 0) return;
  const std::size_t end = position_;
  const std::uint64_t content_bits = end * 8;
  const std::uint64_t packet_bits = packet_.size() * 8;
  position_ = 0;
  put<std::uint32_t>(0xC1FC1FC1);
  raw(uuid_, 16);
  put<std::uint32_t>(0);
  put<std::uint64_t>(cpu_);
  put<std::uint64_t>(begin_, last_, content_bits, packet_bits, sequence_, 0);
  put<std::uint32_t>(cpu_);
  std::fill(packet_.begin() + static_cast<std::ptrdiff_t>(end), packet_.end(), std::uint8_t{0});
  write(file_.get(), packet_.data(), packet_.size());
  const std::uint64_t row[] = {offset_, packet_bits, content_bits, begin_,   last_,
                               0,       0,           cpu_,         sequence_};
  write_index(row);
  offset_ += packet_.size();
  ++sequence_;
  totals_->content_bytes += end;
  position_ = 0;
}

void CtfStream::event(EventType type, std::uint64_t cycles) {
  if (position_ != 0 && position_ + kEventRoom > packet_.size()) flush();
  if (position_ == 0) {
    position_ = kHeaderBytes;
    begin_ = last_ = cycles;
  }
  if ((cycles - last_) >> 32 != 0) {
    put<std::uint16_t>(0xffff);
    put<std::uint32_t>(id_of(type));
    put<std::uint64_t>(cycles);
  } else {
    put<std::uint16_t>(id_of(type));
    put<std::uint32_t>(static_cast<std::uint32_t>(cycles));
  }
  last_ = cycles;
  ++totals_->events;
}

}  // namespace vs::bench
