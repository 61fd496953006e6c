#pragma once
// One stream file of a CTF trace with its index, written packet by packet.
//
// Ownership: a stream owns its two files until close(). Threads: one. Times: cycles of the trace's
// clock (1 GHz). Write errors end the program: a generator has nothing to save.

#include <cstdint>
#include <cstdio>
#include <cstring>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "gen/ctf_events.h"

namespace vs::bench {

/// What the streams of one run share.
struct StreamTotals {
  std::uint64_t events = 0;
  std::uint64_t content_bytes = 0;
  std::uint32_t packet_bytes = 1U << 20;
};

class CtfStream {
 public:
  /// `uuid` points at 16 bytes that outlive the stream.
  void open(const std::string& folder, std::uint32_t cpu, const std::uint8_t* uuid,
            StreamTotals& totals);
  void close();

  /// Begins an event; its fields follow by put(), fields(), text() and comm().
  void event(EventType type, std::uint64_t cycles);

  /// Each value as a T.
  template <typename T, typename... Values>
  void put(Values... values) {
    (put_one(static_cast<T>(values)), ...);
  }
  /// Each value as what it is.
  template <typename... Values>
  void fields(Values... values) {
    (put_one(values), ...);
  }
  void text(std::string_view value) {
    raw(value.data(), value.size());
    put<std::uint8_t>(0);
  }
  /// 16 bytes, as the kernel's task names.
  void comm(std::string_view value) {
    char name[16] = {};
    value.substr(0, 15).copy(name, 15);
    raw(name, sizeof name);
  }

 private:
  struct Closer {
    void operator()(std::FILE* file) const { std::fclose(file); }
  };
  using File = std::unique_ptr<std::FILE, Closer>;

  template <typename T>
  void put_one(T value) {
    raw(&value, sizeof value);
  }
  void raw(const void* bytes, std::size_t size) {
    std::memcpy(&packet_[position_], bytes, size);
    position_ += size;
  }
  void flush();
  void write_index(std::span<const std::uint64_t> values);

  File file_;
  File index_;
  std::uint32_t cpu_ = 0;
  const std::uint8_t* uuid_ = nullptr;
  StreamTotals* totals_ = nullptr;

  std::vector<std::uint8_t> packet_;
  std::size_t position_ = 0;
  std::uint64_t begin_ = 0;
  std::uint64_t last_ = 0;
  std::uint64_t sequence_ = 0;
  std::uint64_t offset_ = 0;
};

/// Writes a whole file, or ends the program.
void write_file(const std::string& path, std::string_view content);

}  // namespace vs::bench
