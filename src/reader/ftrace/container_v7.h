#pragma once
// The sections of a version 7 file, and how they are found when the index of options is broken.
//
// Ownership: V7Reader refers to everything it is given. Threads: one thread.

#include <array>
#include <cstdint>
#include <optional>
#include <vector>

#include "reader/ftrace/container.h"
#include "reader/ftrace/file_reader.h"

namespace vs::reader::ftrace {

class V7Reader {
 public:
  V7Reader(const os::File& file, const std::string& name, const Reporter& report, Container& out)
      : file_(file), name_(name), report_(report), out_(out), unpacker_(out.header.codec) {}

  /// Fills the container. Damage is reported; nothing fails as a whole.
  void read();

 private:
  struct Section {
    std::uint16_t id = 0;
    std::uint16_t flags = 0;
    std::uint64_t header = 0;  ///< offset of the section header
    std::uint64_t data = 0;    ///< offset of the first byte after it
    std::uint64_t size = 0;    ///< declared
    [[nodiscard]] bool compressed() const { return (flags & 1U) != 0; }
  };
  using PartReader = Status (*)(FileReader&, Container&);

  /// The header at `offset`, of any kind.
  [[nodiscard]] Result<Section> header_at(std::uint64_t offset) const;
  /// The same; refuses kinds and flags that we do not know.
  [[nodiscard]] Result<Section> section_at(std::uint64_t offset) const;
  /// What the section holds. Packed data that break off are reported, and what came out is given.
  [[nodiscard]] Result<std::vector<std::byte>> load_section(const Section& section);
  [[nodiscard]] Result<std::vector<std::byte>> load_packed(const Section& section,
                                                           FileReader reader);

  /// False: the chain of options sections is broken.
  [[nodiscard]] bool follow_chain();
  /// Reads one options section; the offset of the next, or nothing when it has no end.
  [[nodiscard]] std::optional<std::uint64_t> read_options(const Section& section);
  void take_option(std::uint16_t id, Bytes data, std::uint64_t place);
  void take_buffer(Bytes data, std::uint64_t place);
  void clip_regions(const Section& section, Buffer& buffer);
  void scan();
  void check_end();
  void report_cut(const Section& section);
  [[nodiscard]] std::optional<Section> find(std::uint16_t id);
  void read_part(std::uint16_t id, PartReader part, std::string_view missing);

  void recover_buffers();
  void recover_packed(const Section& section, std::uint64_t end, Buffer& buffer);
  void recover_plain(const Section& section, std::uint64_t end, Buffer& buffer);
  [[nodiscard]] std::uint64_t walk_chunks(std::uint64_t offset, std::uint64_t end) const;
  [[nodiscard]] std::uint32_t cpu_limit() const;

  static constexpr std::size_t kIds = 24;

  const os::File& file_;
  const std::string& name_;
  const Reporter& report_;
  Container& out_;
  Unpacker unpacker_;

  bool scanned_ = false;
  bool buffer_lost_ = false;  ///< a BUFFER option could not be read
  std::size_t option_count_ = 0;
  std::vector<Section> sections_;               ///< found by their headers
  std::vector<std::uint64_t> seen_options_;     ///< options sections that were read
  std::array<std::uint64_t, kIds> pointers_{};  ///< offset by section id, from options; 0 = none
};

}  // namespace vs::reader::ftrace
