#pragma once
// What a trace.dat file holds around its pages: header, format texts, options, buffers (v6 and v7).
//
// read_container() follows the file's own structure; where that is broken it goes on with what can
// be found (v7: sections by their headers), reports each fault to the Reporter and keeps the rest.
// It fails only where nothing can be read at all. The layout is described in
// docs/formats/trace-dat.md.
//
// Ownership: values. Threads: pure function of the file.

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "base/bytes.h"
#include "base/result.h"
#include "os/file.h"
#include "reader/ftrace/codec.h"
#include "reader/ftrace/report.h"
#include "reader/trace.h"

namespace vs::reader::ftrace {

struct FileHeader {
  std::uint32_t version = 0;  ///< 6 or 7
  ByteOrder order = ByteOrder::kLittle;
  std::uint32_t long_size = 8;  ///< of the traced machine's user space
  std::uint32_t page_size = 4096;
  Codec codec = Codec::kNone;
  std::uint64_t options_offset = 0;  ///< v7: first options section
  std::uint64_t end = 0;             ///< first byte after this header
};

/// Magic, version, endianness, long size, page size; v7: compression and the first options' offset.
[[nodiscard]] Result<FileHeader> read_file_header(const os::File& file, const std::string& name);

/// One event format file of the trace.
struct FormatText {
  std::string system;
  std::string text;
  std::uint64_t offset = 0;  ///< in the trace file (of the section where that is compressed)
};

/// The pages of one CPU of one buffer.
struct CpuRegion {
  std::uint32_t cpu = 0;
  std::uint64_t offset = 0;
  std::uint64_t size = 0;  ///< bytes by the file's table, may pass the file's end
  bool open_end = false;   ///< the file was cut in it: found without a table, its size is not known
};

struct Buffer {
  std::string name;             ///< empty: the top instance
  std::string clock;            ///< empty: not stated
  std::uint32_t page_size = 0;  ///< 0: not stated
  bool compressed = false;
  std::uint64_t place = 0;  ///< offset of the buffer's table or option, for messages
  std::vector<CpuRegion> cpus;
};

struct TscToNs {
  std::uint32_t mult = 0;
  std::uint32_t shift = 0;
  std::uint64_t offset = 0;
};

/// What the options say.
struct Options {
  std::string clock_text;
  std::string uname;
  std::string tracer_version;
  std::optional<std::uint64_t> trace_id;
  std::optional<std::uint32_t> cpu_count;
  std::vector<std::string> cpu_stats;
  std::optional<TimeShift> time_shift;
  std::vector<GuestLink> guests;
  std::optional<TscToNs> tsc_to_ns;
  std::optional<std::int64_t> date_us;    ///< own time + this = Unix epoch
  std::optional<std::int64_t> offset_ns;  ///< --ts-offset: an offset the user wished, not an epoch
};

struct Container {
  FileHeader header;
  std::string header_page;
  std::string header_event;
  std::vector<FormatText> formats;
  std::string saved_cmdlines;
  std::uint64_t saved_cmdlines_offset = 0;
  Options options;
  std::vector<Buffer> buffers;
};

[[nodiscard]] Result<Container> read_container(const os::File& file, const std::string& name,
                                               const Reporter& report);

}  // namespace vs::reader::ftrace
