// ftrace_floor walk|merge FILE: how cheap can reading a trace.dat be? Walks the ring-buffer pages
// (4 KiB, 64 bit, little endian) of every CPU; times, event ids, and the two threads of
// sched_switch. Compressed files: every chunk is unpacked once, with zstd, into memory that is used
// again. Where the pages lie and which id sched_switch has is read with the project's own reader,
// outside the time that counts.
#include <fmt/format.h>
#include <zstd.h>

#include <string_view>
#include <vector>

#include "floor/floor.h"
#include "floor/loser_tree.h"
#include "os/file.h"
#include "reader/ftrace/container.h"

namespace {

using namespace vs::bench;
namespace ftrace = vs::reader::ftrace;

constexpr std::size_t kPageBytes = 4096;

/// The pages of one CPU.
struct PageCursor {
  const std::uint8_t* input = nullptr;  ///< pages; compressed: chunks
  const std::uint8_t* input_end = nullptr;
  bool compressed = false;
  std::vector<std::uint8_t> unpacked;
  const std::uint8_t* page = nullptr;  ///< the next page
  const std::uint8_t* pages_end = nullptr;
  const std::uint8_t* at = nullptr;
  const std::uint8_t* end = nullptr;
  std::uint64_t time = 0;
  const std::uint8_t* data = nullptr;

  bool refill() {
    if (input >= input_end) return false;
    if (!compressed) {
      page = input;
      pages_end = input_end;
      input = input_end;
      return true;
    }
    const auto packed = load<std::uint32_t>(input);
    unpacked.resize(load<std::uint32_t>(input + 4));
    static ZSTD_DCtx* const kContext = ZSTD_createDCtx();
    ZSTD_decompressDCtx(kContext, unpacked.data(), unpacked.size(), input + 8, packed);
    input += 8 + packed;
    page = unpacked.data();
    pages_end = page + unpacked.size();
    return true;
  }
  bool open_page() {
    while (page == pages_end) {
      if (!refill()) return false;
    }
    time = load<std::uint64_t>(page);
    at = page + 16;
    end = at + (load<std::uint64_t>(page + 8) & 0xfffff);
    page += kPageBytes;
    return true;
  }
  bool next() {
    for (;;) {
      while (at >= end) {
        if (!open_page()) return false;
      }
      const auto header = load<std::uint32_t>(at);
      const std::uint32_t type = header & 31U;
      const std::uint32_t delta = header >> 5;
      if (type != 0 && type <= 28) {
        time += delta;
        data = at + 4;
        at += 4 + std::size_t{type} * 4;
        return true;
      }
      if (type == 0) {
        time += delta;
        data = at + 8;
        at += 4 + ((load<std::uint32_t>(at + 4) + 3) & ~3U);
        return true;
      }
      special(type, delta);
    }
  }

 private:
  void special(std::uint32_t type, std::uint32_t delta) {
    const std::uint64_t word = load<std::uint32_t>(at + 4);
    if (type == 29) {  // padding; the rest of the page where the delta is 0
      at = delta == 0 ? end : at + 4 + word;
      if (delta > 1) time += delta;
      return;
    }
    at += 8;
    if (type == 30) {
      time += (word << 27) + delta;
    } else {  // absolute, 59 bits
      time = (word << 27 | delta) | (time & (0x1fULL << 59));
    }
  }
};

struct Sums {
  std::uint64_t events = 0;
  std::uint64_t switches = 0;
  std::uint64_t sum = 0;
};

struct SwitchFormat {
  std::uint16_t id = 0;
  std::size_t prev = 24;
  std::size_t next = 56;
};

void take(Sums& sums, const PageCursor& cursor, const SwitchFormat& format) {
  ++sums.events;
  sums.sum += cursor.time;
  if (load<std::uint16_t>(cursor.data) != format.id) return;
  ++sums.switches;
  sums.sum +=
      static_cast<std::uint64_t>(std::int64_t{load<std::int32_t>(cursor.data + format.prev)} +
                                 std::int64_t{load<std::int32_t>(cursor.data + format.next)});
}

std::size_t number_after(std::string_view text, std::string_view key, std::size_t from = 0) {
  const std::size_t at = text.find(key, from);
  if (at == std::string_view::npos) return 0;
  return std::strtoul(text.data() + at + key.size(), nullptr, 10);
}

SwitchFormat switch_format(const ftrace::Container& container) {
  SwitchFormat out;
  for (const ftrace::FormatText& format : container.formats) {
    if (!format.text.starts_with("name: sched_switch\n")) continue;
    out.id = static_cast<std::uint16_t>(number_after(format.text, "ID: "));
    out.prev = number_after(format.text, "offset:", format.text.find("prev_pid;"));
    out.next = number_after(format.text, "offset:", format.text.find("next_pid;"));
  }
  return out;
}

std::vector<PageCursor> cursors_of(const ftrace::Container& container, const Mapping& file) {
  std::vector<PageCursor> out;
  for (const ftrace::Buffer& buffer : container.buffers) {
    for (const ftrace::CpuRegion& region : buffer.cpus) {
      if (region.size == 0) continue;
      PageCursor cursor;
      cursor.input = file.bytes + region.offset + (buffer.compressed ? 4 : 0);
      cursor.input_end = file.bytes + region.offset + region.size;
      cursor.compressed = buffer.compressed;
      out.push_back(std::move(cursor));
    }
  }
  return out;
}

vs::Result<ftrace::Container> read_file(const std::string& path) {
  VS_ASSIGN(const auto file, vs::os::real_files().open(path));
  vs::model::IssueLog issues;
  const ftrace::Reporter reporter(issues, path, path);
  return ftrace::read_container(*file, path, reporter);
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 3) return 2;
  const auto container = read_file(argv[2]);
  if (!container.ok()) {
    fmt::print(stderr, "{}\n", container.error().to_string());
    return 1;
  }
  const SwitchFormat format = switch_format(*container);
  const Mapping file = map_file(argv[2]);
  std::vector<PageCursor> cursors = cursors_of(*container, file);
  const double begin = cpu_seconds();
  Sums sums;
  if (std::string_view(argv[1]) == "merge") {
    LoserTree<PageCursor> tree(cursors);
    for (; !tree.done(); tree.advance()) take(sums, cursors[tree.top()], format);
  } else {
    for (PageCursor& cursor : cursors) {
      while (cursor.next()) take(sums, cursor, format);
    }
  }
  const double spent = cpu_seconds() - begin;
  fmt::print("{}: {} events {} switches sum {:x} | {:.2f} ns/event\n", argv[1], sums.events,
             sums.switches, sums.sum, spent * 1e9 / static_cast<double>(sums.events));
}
