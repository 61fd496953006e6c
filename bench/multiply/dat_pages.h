#pragma once
// The pages of one CPU of a trace.dat, run by run, and the same moved on and written out.
//
// A run is a chunk of a packed file, or as many pages as such a chunk would have in a plain one.
// Ownership: views of the mapped file. Threads: one.

#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "base/bytes.h"
#include "base/result.h"
#include "multiply/files.h"
#include "multiply/ftrace_page.h"
#include "multiply/multiply.h"
#include "reader/ftrace/codec.h"

namespace vs::bench {

struct CpuPages {
  Bytes bytes;  ///< pages, or (packed) a count of chunks and the chunks
  bool packed = false;
  std::string place;  ///< for errors
};

/// What all CPUs of a file share.
struct PageFormat {
  std::size_t page_bytes = 4096;
  reader::ftrace::Codec codec = reader::ftrace::Codec::kNone;
};

class PageRuns {
 public:
  explicit PageRuns(const PageFormat& format);
  ~PageRuns();
  PageRuns(const PageRuns&) = delete;
  PageRuns& operator=(const PageRuns&) = delete;

  /// Hands every run, unpacked, to `take`; the span is valid until it returns, may be written to,
  /// and has kPatchRoom bytes behind it.
  [[nodiscard]] Status read(const CpuPages& cpu,
                            const std::function<Status(std::span<std::byte>)>& take);
  /// The run packed as in the file: u32 packed size, u32 size, data.
  [[nodiscard]] Status append_packed(Bytes run, OutFile& out);

 private:
  struct Zstd;
  [[nodiscard]] Status hand_out(std::size_t size,
                                const std::function<Status(std::span<std::byte>)>& take,
                                const CpuPages& cpu);

  PageFormat format_;
  reader::ftrace::Unpacker unpacker_;
  std::unique_ptr<Zstd> zstd_;
  std::vector<std::byte> run_;
  std::vector<std::byte> packed_;
};

/// Events, times, and how payload nanoseconds go with the file's clock.
struct CpuSurvey {
  TraceSpan span;
  /// Pairs of time stamp and hrtimer_expire_entry.now, summed up for a least-squares slope; x and y
  /// count from the first pair.
  struct Fit {
    std::uint64_t x0 = 0, y0 = 0;
    double n = 0, x = 0, y = 0, xx = 0, xy = 0;
    void add(std::uint64_t time, std::uint64_t reading);
    /// Nanoseconds per tick, or 0 where too few readings tell it.
    [[nodiscard]] double slope() const;
  };
};

/// Adds a CPU's pages to the survey; fails where a page breaks its format.
[[nodiscard]] Status survey_cpu(const CpuPages& cpu, const PageFormat& format,
                                const FieldMoves& fields, CpuSurvey& survey, CpuSurvey::Fit& fit);

}  // namespace vs::bench
