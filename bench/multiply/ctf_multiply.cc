// CTF traces: every packet is copied with its numbers moved on; metadata stays, indexes follow.
#include <fmt/format.h>

#include <algorithm>
#include <filesystem>
#include <vector>

#include "base/limits.h"
#include "multiply/ctf_stream_plan.h"
#include "multiply/files.h"
#include "multiply/multiply.h"
#include "reader/ctf/metadata.h"
#include "reader/ctf/tsdl_parser.h"

namespace vs::bench {
namespace {

namespace fs = std::filesystem;

constexpr std::uint64_t kMarkStep = 1U << 20;

// LTTng's index (lttng-tools, ctf-index.h): big-endian, 16 bytes of header, then records.
constexpr std::uint32_t kIndexMagic = 0xC1F1DCC1;
constexpr std::size_t kIndexHeaderBytes = 16;
constexpr std::size_t kIndexSizeOffset = 12;
struct IndexField {
  std::size_t offset;
  Moves moves;
};
constexpr std::size_t kIndexOffsetField = 0;
constexpr IndexField kIndexFields[] = {
    {24, Moves::kTime}, {32, Moves::kTime}, {40, Moves::kDiscarded}, {64, Moves::kSequence}};
constexpr std::size_t kIndexLeastBytes = 56;

struct Stream {
  std::string name;  ///< of the file
  MappedFile file;
  StreamPlan plan;
};

/// One trace: a folder with `metadata`.
struct Trace {
  fs::path folder;
  fs::path relative;  ///< to the input
  std::vector<Stream> streams;
  double ticks_per_ns = 1;
  ByteOrder order = ByteOrder::kLittle;
};

std::vector<fs::path> trace_folders(const fs::path& in) {
  std::vector<fs::path> out;
  std::error_code code;
  if (fs::is_regular_file(in / "metadata", code)) return {in};
  for (const auto& entry : fs::recursive_directory_iterator(in, code)) {
    if (entry.path().filename() == "metadata" && entry.is_regular_file()) {
      out.push_back(entry.path().parent_path());
    }
  }
  std::sort(out.begin(), out.end());
  return out;
}

Result<Trace> load_trace(const fs::path& in, const fs::path& folder) {
  Trace trace{folder, fs::relative(folder, in), {}, 1, ByteOrder::kLittle};
  VS_ASSIGN(const MappedFile metadata, MappedFile::open((folder / "metadata").string()));
  VS_ASSIGN(const reader::ctf::MetadataText text, reader::ctf::unwrap_metadata(metadata.bytes()));
  if (text.fault) return *text.fault;
  const reader::ctf::ParsedMetadata parsed = reader::ctf::parse_tsdl(text.text);
  if (parsed.fault) return *parsed.fault;
  VS_ASSIGN(const reader::ctf::Layout layout, reader::ctf::build_layout(*parsed.schema));
  if (layout.fault) return *layout.fault;
  trace.order = parsed.schema->order;
  if (!parsed.schema->clocks.empty()) {
    trace.ticks_per_ns = static_cast<double>(parsed.schema->clocks[0].frequency) / 1e9;
  }
  std::vector<fs::path> paths;
  for (const auto& entry : fs::directory_iterator(folder)) {
    const std::string name = entry.path().filename().string();
    if (entry.is_regular_file() && name != "metadata" && !name.starts_with('.')) {
      paths.push_back(entry.path());
    }
  }
  std::sort(paths.begin(), paths.end());
  for (const fs::path& path : paths) {
    VS_ASSIGN(MappedFile file, MappedFile::open(path.string()));
    const std::string name = path.filename().string();
    VS_ASSIGN(StreamPlan plan, plan_stream({*parsed.schema, layout, name, file.bytes()}));
    trace.streams.push_back(Stream{name, std::move(file), std::move(plan)});
  }
  return trace;
}

Steps steps_of(const Trace& trace, const Stream& stream, const MultiplyOptions& options,
               std::uint64_t period) {
  Steps steps;
  const double ns = static_cast<double>(period) / trace.ticks_per_ns;
  steps[Moves::kTime] = period;
  steps[Moves::kNs] = trace.ticks_per_ns == 1 ? period : static_cast<std::uint64_t>(ns);
  steps[Moves::kTsc] = options.tsc_hz ? static_cast<std::uint64_t>(ns * *options.tsc_hz / 1e9) : 0;
  steps[Moves::kSequence] = stream.plan.packet_numbers;
  steps[Moves::kDiscarded] = stream.plan.discarded + (options.seam_loss ? 1 : 0);
  steps[Moves::kMark] = kMarkStep;
  return steps;
}

Result<std::uint64_t> write_stream(const Trace& trace, const Stream& stream, const Steps& steps,
                                   std::uint64_t copies, const std::string& path) {
  VS_ASSIGN(OutFile out, OutFile::create(path));
  std::vector<std::byte> packet;
  for (std::uint64_t k = 0; k < copies; ++k) {
    for (const PacketPlan& plan : stream.plan.packets) {
      const Bytes from = stream.file.bytes().subspan(static_cast<std::size_t>(plan.offset),
                                                     static_cast<std::size_t>(plan.bytes));
      packet.assign(from.begin(), from.end());
      packet.resize(from.size() + kPatchRoom);
      for (std::size_t i = 0; i < plan.patches; ++i) {
        const Patch& patch = stream.plan.patches[plan.first_patch + i];
        apply_patch(packet, patch, trace.order, step_of(steps, patch.moves, k));
      }
      VS_TRY(out.append(Bytes(packet).first(from.size())));
    }
  }
  const std::uint64_t size = out.size();
  VS_TRY(out.close());
  return size;
}

/// The index beside a stream, where there is one.
Status write_index(const Trace& trace, const Stream& stream, const Steps& steps,
                   std::uint64_t copies, const fs::path& out_folder) {
  const fs::path from = trace.folder / "index" / (stream.name + ".idx");
  if (!fs::exists(from)) return {};
  VS_ASSIGN(const MappedFile file, MappedFile::open(from.string()));
  const Bytes bytes = file.bytes();
  const auto magic = load<std::uint32_t>(bytes, 0, ByteOrder::kBig);
  const auto size = load<std::uint32_t>(bytes, kIndexSizeOffset, ByteOrder::kBig);
  const std::size_t packets = stream.plan.packets.size();
  if (!magic || *magic != kIndexMagic || !size || *size < kIndexLeastBytes ||
      bytes.size() != kIndexHeaderBytes + packets * *size) {
    return Error{ErrorCode::kMalformed,
                 fmt::format("the index does not fit a stream of {} packets", packets),
                 from.string(), ""};
  }
  VS_TRY(make_folder((out_folder / "index").string()));
  VS_ASSIGN(OutFile out, OutFile::create((out_folder / "index" / (stream.name + ".idx")).string()));
  VS_TRY(out.append(bytes.first(kIndexHeaderBytes)));
  std::vector<std::byte> record;
  for (std::uint64_t k = 0; k < copies; ++k) {
    for (std::size_t i = 0; i < packets; ++i) {
      const Bytes row = bytes.subspan(kIndexHeaderBytes + i * *size, *size);
      record.assign(row.begin(), row.end());
      apply_patch(record, {kIndexOffsetField * 8, 64, Moves::kTime}, ByteOrder::kBig,
                  k * stream.file.bytes().size());
      for (const IndexField& field : kIndexFields) {
        if (field.offset + 8 > *size) continue;
        apply_patch(record, {field.offset * 8, 64, field.moves}, ByteOrder::kBig,
                    step_of(steps, field.moves, k));
      }
      VS_TRY(out.append(record));
    }
  }
  return out.close();
}

Result<std::uint64_t> write_trace(const Trace& trace, const MultiplyOptions& options,
                                  std::uint64_t period) {
  const fs::path folder = (fs::path(options.out) / trace.relative).lexically_normal();
  VS_TRY(make_folder(folder.string()));
  VS_ASSIGN(const MappedFile metadata, MappedFile::open((trace.folder / "metadata").string()));
  VS_ASSIGN(OutFile copy, OutFile::create((folder / "metadata").string()));
  VS_TRY(copy.append(metadata.bytes()));
  VS_TRY(copy.close());
  std::uint64_t bytes = 0;
  for (const Stream& stream : trace.streams) {
    const Steps steps = steps_of(trace, stream, options, period);
    VS_ASSIGN(const std::uint64_t size,
              write_stream(trace, stream, steps, options.copies, (folder / stream.name).string()));
    VS_TRY(write_index(trace, stream, steps, options.copies, folder));
    bytes += size;
  }
  return bytes;
}

}  // namespace

Result<MultiplyResult> multiply_ctf(const MultiplyOptions& options) {
  const std::vector<fs::path> folders = trace_folders(options.in);
  if (folders.empty()) {
    return Error{ErrorCode::kNotFound, "no trace in this folder", options.in, ""};
  }
  std::vector<Trace> traces;
  MultiplyResult result;
  for (const fs::path& folder : folders) {
    VS_ASSIGN(Trace trace, load_trace(options.in, folder));
    for (const Stream& stream : trace.streams) {
      if (stream.plan.span.events != 0) result.span.add(stream.plan.span);
    }
    traces.push_back(std::move(trace));
  }
  if (result.span.events == 0) {
    return Error{ErrorCode::kMalformed, "the trace has no events", options.in, ""};
  }
  result.period = options.period.value_or(result.span.period());
  if (result.period <= result.span.end - result.span.begin) {
    return Error{ErrorCode::kBadUse,
                 fmt::format("a period of {} ticks is shorter than the trace with {}",
                             result.period, result.span.end - result.span.begin),
                 options.in, ""};
  }
  if (options.copies == 0) return result;
  for (const Trace& trace : traces) {
    VS_ASSIGN(const std::uint64_t bytes, write_trace(trace, options, result.period));
    result.bytes += bytes;
  }
  return result;
}

}  // namespace vs::bench
