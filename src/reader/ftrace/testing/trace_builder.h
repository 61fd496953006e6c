#pragma once
// Makes small trace.dat files for tests and fuzzers: version 6 and 7, plain and packed, both byte
// orders and long sizes, with named places ("marks") so that a test can damage one of them.
//
// Not part of the program. Ownership: values. Threads: values.

#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/bytes.h"
#include "reader/ftrace/codec.h"

namespace vs::reader::ftrace::testing {

/// Appends numbers in a byte order.
class ByteWriter {
 public:
  explicit ByteWriter(ByteOrder order) : order_(order) {}

  ByteWriter& u8(std::uint64_t value) { return number(value, 1); }
  ByteWriter& u16(std::uint64_t value) { return number(value, 2); }
  ByteWriter& u32(std::uint64_t value) { return number(value, 4); }
  ByteWriter& u64(std::uint64_t value) { return number(value, 8); }
  ByteWriter& number(std::uint64_t value, std::size_t bytes);
  ByteWriter& text(std::string_view text);
  ByteWriter& c_string(std::string_view text) { return this->text(text).u8(0); }
  /// `text` in a field of `size` bytes, filled with NUL.
  ByteWriter& padded(std::string_view text, std::size_t size);
  ByteWriter& align(std::size_t alignment);
  /// Zeros up to offset `size`.
  ByteWriter& fill_to(std::size_t size);

  [[nodiscard]] std::size_t size() const { return out_.size(); }
  [[nodiscard]] const std::string& str() const { return out_; }
  [[nodiscard]] ByteOrder order() const { return order_; }

 private:
  ByteOrder order_;
  std::string out_;
};

/// Overwrites `bytes` bytes at `offset`. Requires them to be there.
void overwrite(std::string& file, std::size_t offset, std::uint64_t value, std::size_t bytes,
               ByteOrder order);

/// The machine and container a file is made for.
struct Variant {
  int version = 7;
  Codec codec = Codec::kNone;
  ByteOrder order = ByteOrder::kLittle;
  std::uint32_t long_size = 8;
  std::uint32_t page_size = 4096;  ///< of the ring buffer
  std::uint32_t chunk_pages = 2;   ///< pages per packed chunk

  [[nodiscard]] std::uint32_t data_offset() const { return 8 + long_size; }
};

/// "v7-zstd-le8", "v6-be4". Empty optional semantics: version 0 for a name that is none.
[[nodiscard]] Variant variant_of(std::string_view name);

/// One ring-buffer page.
class PageBuilder {
 public:
  PageBuilder(const Variant& variant, std::uint64_t time)
      : variant_(variant), time_(time), data_(variant.order) {}

  /// The 32-bit header of a record.
  [[nodiscard]] static std::uint32_t head(ByteOrder order, std::uint32_t type_len,
                                          std::uint32_t delta);

  PageBuilder& event(std::uint32_t delta,
                     std::string_view record);  ///< the short form where it fits
  PageBuilder& long_event(std::uint32_t delta, std::string_view record);  ///< type_len 0
  PageBuilder& extend(std::uint64_t delta);
  PageBuilder& stamp(std::uint64_t time);
  PageBuilder& padding(std::uint32_t delta, std::uint32_t bytes);
  PageBuilder& word(std::uint32_t word);
  PageBuilder& missed() {
    flags_ |= 1ULL << 31;
    return *this;
  }
  PageBuilder& missed(std::uint64_t count) {
    flags_ |= 3ULL << 30;
    count_ = count;
    return *this;
  }

  [[nodiscard]] std::size_t data_size() const { return data_.size(); }
  [[nodiscard]] std::string build() const;

 private:
  Variant variant_;
  std::uint64_t time_;
  std::uint64_t flags_ = 0;
  std::uint64_t count_ = 0;
  ByteWriter data_;
};

struct CpuPages {
  std::uint32_t cpu = 0;
  std::vector<std::string> pages;
};

struct BufferSpec {
  std::string name;
  std::string clock = "mono";
  std::vector<CpuPages> cpus;
};

struct OptionSpec {
  std::uint16_t id = 0;
  std::string data;
};

/// A whole file. Fill the members, then build().
class TraceBuilder {
 public:
  explicit TraceBuilder(Variant made_for) : variant(made_for) {}

  Variant variant;
  std::string header_page;
  std::string header_event;
  std::vector<std::pair<std::string, std::string>> formats;  ///< system, text; "ftrace" for its own
  std::string kallsyms = "ffffffff81000000 T _text\n";
  std::string printk = "0xffffffff82000000 : \"x\"\n";
  std::string cmdlines = "10 alpha\n11 beta\n";
  std::vector<OptionSpec> options;
  std::vector<BufferSpec> buffers;
  std::uint32_t cpu_count = 2;

  [[nodiscard]] std::string build();
  /// Places in the last file built: "version", "first_options", "section.18", "option.12",
  /// "done.0", "cpu.0", "page.0.1" (plain), "chunk.0.1" (packed), "table", "table.0.1", "end".
  std::map<std::string, std::uint64_t> marks;

 private:
  void write_header(ByteWriter& out);
  [[nodiscard]] std::string header_info();
  [[nodiscard]] std::string ftrace_formats() const;
  [[nodiscard]] std::string event_formats() const;
  [[nodiscard]] std::string sized(std::string_view text, std::size_t size_bytes) const;
  [[nodiscard]] std::string build_v6();
  [[nodiscard]] std::string build_v7();
  void write_option(ByteWriter& out, const OptionSpec& spec);
  void write_section(ByteWriter& out, std::uint16_t id, const std::string& data);
  void write_flyrecord(ByteWriter& out, std::size_t index,
                       std::vector<std::string>& buffer_options);
  [[nodiscard]] std::string packed(std::string_view data) const;
  void write_cpu(ByteWriter& out, std::size_t buffer, const CpuPages& cpu);
  void write_v6_buffer(std::string& file, std::size_t index, std::size_t table);
  [[nodiscard]] std::string cpu_mark(std::size_t buffer, std::uint32_t cpu) const;
};

/// The standard trace of the tests: 2 CPUs with 4 and 3 pages of 10 events, all kinds of record in
/// page 0; formats, options and command lines of a small machine "box".
[[nodiscard]] TraceBuilder standard_trace(const Variant& variant);
inline constexpr std::uint64_t kStandardEvents = 70;
inline constexpr std::uint64_t kStandardPageEvents = 10;

/// Record i of the standard trace (i modulo 5 decides its type).
[[nodiscard]] std::string standard_record(const Variant& variant, std::uint32_t cpu,
                                          std::uint32_t i);

}  // namespace vs::reader::ftrace::testing
