#include "multiply/dat_pages.h"

#include <fmt/format.h>
#include <zstd.h>

#include <algorithm>

namespace vs::bench {
namespace {

using reader::ftrace::Codec;

constexpr std::size_t kChunkHeaderBytes = 8;
constexpr std::size_t kPlainRunBytes = 1U << 16;
constexpr int kZstdLevel = 3;  // trace-cmd's own

Error damaged(const CpuPages& cpu, std::string what) {
  return Error{ErrorCode::kMalformed, std::move(what), cpu.place,
               "a damaged trace cannot be multiplied"};
}

}  // namespace

struct PageRuns::Zstd {
  ZSTD_CCtx* context = ZSTD_createCCtx();
  Zstd() = default;
  Zstd(const Zstd&) = delete;
  Zstd& operator=(const Zstd&) = delete;
  ~Zstd() { ZSTD_freeCCtx(context); }
};

PageRuns::PageRuns(const PageFormat& format)
    : format_(format),
      unpacker_(format.codec == Codec::kNone ? Codec::kZstd : format.codec),
      zstd_(std::make_unique<Zstd>()) {}

PageRuns::~PageRuns() = default;

Status PageRuns::hand_out(std::size_t size, const std::function<Status(std::span<std::byte>)>& take,
                          const CpuPages& cpu) {
  if (size % format_.page_bytes != 0) {
    return damaged(cpu, fmt::format("{} bytes are no whole number of pages", size));
  }
  return take(std::span(run_).first(size));
}

Status PageRuns::read(const CpuPages& cpu,
                      const std::function<Status(std::span<std::byte>)>& take) {
  if (!cpu.packed) {
    const std::size_t step = std::max(kPlainRunBytes, format_.page_bytes);
    for (std::size_t at = 0; at < cpu.bytes.size(); at += step) {
      const Bytes run = cpu.bytes.subspan(at, std::min(step, cpu.bytes.size() - at));
      run_.assign(run.begin(), run.end());
      run_.resize(run.size() + kPatchRoom);
      VS_TRY(hand_out(run.size(), take, cpu));
    }
    return {};
  }
  ByteCursor cursor(cpu.bytes, ByteOrder::kLittle);
  const auto count = cursor.read<std::uint32_t>();
  if (!count) return damaged(cpu, "no count of chunks");
  for (std::uint32_t i = 0; i < *count; ++i) {
    const auto packed_size = cursor.read<std::uint32_t>();
    const auto size = cursor.read<std::uint32_t>();
    if (!packed_size || !size) return damaged(cpu, fmt::format("chunk {} has no header", i));
    const std::string fault = reader::ftrace::check_sizes(*packed_size, *size, 1U << 30, "1 GiB");
    const auto packed = cursor.read_bytes(*packed_size);
    if (!fault.empty() || !packed) {
      return damaged(cpu, fmt::format("chunk {} {}", i, fault.empty() ? "is cut" : fault));
    }
    run_.assign(*size + kPatchRoom, std::byte{0});
    const auto outcome = unpacker_.unpack(*packed, std::span(run_).first(*size));
    if (!outcome.fault.empty()) return damaged(cpu, fmt::format("chunk {}: {}", i, outcome.fault));
    VS_TRY(hand_out(*size, take, cpu));
  }
  return {};
}

Status PageRuns::append_packed(Bytes run, OutFile& out) {
  std::size_t size = 0;
  if (format_.codec == Codec::kZstd) {
    packed_.resize(ZSTD_compressBound(run.size()) + kChunkHeaderBytes);
    size =
        ZSTD_compressCCtx(zstd_->context, packed_.data() + kChunkHeaderBytes,
                          packed_.size() - kChunkHeaderBytes, run.data(), run.size(), kZstdLevel);
    if (ZSTD_isError(size) != 0) {
      return Error{ErrorCode::kInternal, ZSTD_getErrorName(size), "zstd", ""};
    }
  } else {
    return Error{ErrorCode::kUnsupported, "only zstd can be packed again; use --plain", "", ""};
  }
  const std::uint64_t header = size | std::uint64_t{run.size()} << 32;
  for (std::size_t i = 0; i < kChunkHeaderBytes; ++i) {
    packed_[i] = static_cast<std::byte>(header >> (8 * i));
  }
  return out.append(Bytes(packed_).first(kChunkHeaderBytes + size));
}

void CpuSurvey::Fit::add(std::uint64_t time, std::uint64_t reading) {
  constexpr std::uint64_t kEpochScale = 100'000'000'000'000'000;  // wall clocks are left out
  if (reading >= kEpochScale) return;
  if (n == 0) {
    x0 = time;
    y0 = reading;
  }
  const auto dx = static_cast<double>(static_cast<std::int64_t>(time - x0));
  const auto dy = static_cast<double>(static_cast<std::int64_t>(reading - y0));
  n += 1;
  x += dx;
  y += dy;
  xx += dx * dx;
  xy += dx * dy;
}

double CpuSurvey::Fit::slope() const {
  constexpr double kLeastReadings = 16;
  const double spread = n * xx - x * x;
  if (n < kLeastReadings || spread <= 0) return 0;
  return (n * xy - x * y) / spread;
}

Status survey_cpu(const CpuPages& cpu, const PageFormat& format, const FieldMoves& fields,
                  CpuSurvey& survey, CpuSurvey::Fit& fit) {
  PageRuns runs(format);
  const FieldMoves::Field now = fields.clock_reading();
  std::uint64_t number = 0;
  return runs.read(cpu, [&](std::span<std::byte> run) -> Status {
    for (std::size_t at = 0; at < run.size(); at += format.page_bytes, ++number) {
      const Bytes page = Bytes(run).subspan(at, format.page_bytes);
      const auto on_event = [&](const PageEvent& event) {
        if (now.size != 8 || event.size < std::size_t{now.offset} + now.size) return;
        if (load_unchecked<std::uint16_t>(page, event.offset, ByteOrder::kLittle) !=
            fields.clock_event()) {
          return;
        }
        fit.add(event.time,
                load_unchecked<std::uint64_t>(page, event.offset + now.offset, ByteOrder::kLittle));
      };
      const PageWalk walk = walk_page(page, on_event, {});
      if (!walk.fault.empty()) {
        return damaged(cpu, fmt::format("page {}: {}", number, walk.fault));
      }
      if (walk.begin == 0 && walk.events == 0) continue;  // an unused page
      survey.span.add({walk.begin, walk.end, std::max<std::uint64_t>(walk.events, 1)});
      if (walk.events == 0) --survey.span.events;
    }
    return {};
  });
}

}  // namespace vs::bench
