#include "reader/ftrace/options.h"

#include <fmt/format.h>

#include <array>

#include "base/limits.h"
#include "base/strings.h"

namespace vs::reader::ftrace {
namespace {

constexpr std::array<std::string_view, option::kCount> kNames = {
    "DONE",          "DATE",     "CPUSTAT",  "BUFFER",   "TRACECLOCK",  "UNAME",
    "HOOK",          "OFFSET",   "CPUCOUNT", "VERSION",  "PROCMAPS",    "TRACEID",
    "TIME_SHIFT",    "GUEST",    "TSC2NSEC", "STRINGS",  "HEADER_INFO", "FTRACE_EVENTS",
    "EVENT_FORMATS", "KALLSYMS", "PRINTK",   "CMDLINES", "BUFFER_TEXT", "SAVED_TGIDS"};

Error malformed(std::string what) { return Error{ErrorCode::kMalformed, std::move(what), "", ""}; }

Error too_short(Bytes data, std::uint64_t needed) {
  return malformed(fmt::format("{} bytes, at least {} are needed", data.size(), needed));
}

/// "0x5f3..", "-12", "77": what the option's text says.
Result<std::int64_t> parse_number(Bytes data) {
  std::string_view text = trim(option_text(data));
  const bool negative = text.starts_with('-');
  if (negative || text.starts_with('+')) text.remove_prefix(1);
  const bool hex = text.starts_with("0x") || text.starts_with("0X");
  const auto value =
      hex ? parse_int<std::uint64_t>(text.substr(2), 16) : parse_int<std::uint64_t>(text);
  if (!value) return malformed("not a number");
  if (*value > static_cast<std::uint64_t>(INT64_MAX)) return malformed("number too large");
  const auto signed_value = static_cast<std::int64_t>(*value);
  return negative ? -signed_value : signed_value;
}

Status take_date(Bytes data, ByteOrder, Options& out) {
  VS_ASSIGN(out.date_us, parse_number(data));
  return {};
}
Status take_offset(Bytes data, ByteOrder, Options& out) {
  VS_ASSIGN(out.offset_ns, parse_number(data));
  return {};
}
Status take_cpu_stat(Bytes data, ByteOrder, Options& out) {
  if (option_text(data).empty()) return malformed("empty");
  out.cpu_stats.emplace_back(option_text(data));
  return {};
}
Status take_clock(Bytes data, ByteOrder, Options& out) {
  if (trim(option_text(data)).empty()) return malformed("empty");
  out.clock_text = option_text(data);
  return {};
}
Status take_uname(Bytes data, ByteOrder, Options& out) {
  out.uname = option_text(data);
  return {};
}
Status take_version(Bytes data, ByteOrder, Options& out) {
  out.tracer_version = option_text(data);
  return {};
}
Status take_cpu_count(Bytes data, ByteOrder order, Options& out) {
  const auto count = load<std::uint32_t>(data, 0, order);
  if (!count) return too_short(data, 4);
  if (*count == 0) return malformed("no CPUs");
  if (*count > limits::kCpus) {
    return malformed(
        fmt::format("{} CPUs, more than the limit kCpus of {}", *count, limits::kCpus));
  }
  out.cpu_count = *count;
  return {};
}
Status take_trace_id(Bytes data, ByteOrder order, Options& out) {
  const auto id = load<std::uint64_t>(data, 0, order);
  if (!id) return too_short(data, 8);
  out.trace_id = *id;
  return {};
}
Status take_tsc_to_ns(Bytes data, ByteOrder order, Options& out) {
  ByteCursor cursor(data, order);
  const auto mult = cursor.read<std::uint32_t>();
  const auto shift = cursor.read<std::uint32_t>();
  const auto offset = cursor.read<std::uint64_t>();
  if (!offset) return too_short(data, 16);
  if (*mult == 0) return malformed("multiplier 0");
  if (*shift > 63) return malformed(fmt::format("shift {}, at most 63", *shift));
  out.tsc_to_ns = TscToNs{*mult, *shift, *offset};
  return {};
}

Status take_guest(Bytes data, ByteOrder order, Options& out) {
  ByteCursor cursor(data, order);
  const auto name = cursor.read_c_string();
  if (!name) return malformed("the guest's name has no end");
  const auto id = cursor.read<std::uint64_t>();
  const auto cpus = cursor.read<std::uint32_t>();
  if (!id || !cpus) return malformed("ends inside the guest's trace id or CPU count");
  if (*cpus > cursor.remaining() / 8) {
    return malformed(fmt::format("{} guest CPUs, {} bytes remain", *cpus, cursor.remaining()));
  }
  GuestLink guest;
  guest.name = *name;
  guest.trace_id = *id;
  for (std::uint32_t i = 0; i < *cpus; ++i) {
    const std::uint32_t cpu = cursor.read<std::uint32_t>().value_or(0);
    const std::uint32_t pid = cursor.read<std::uint32_t>().value_or(0);
    if (cpu >= limits::kCpus) {
      return malformed(fmt::format("guest CPU {}, the limit kCpus is {}", cpu, limits::kCpus));
    }
    if (guest.vcpu_tids.size() <= cpu) guest.vcpu_tids.resize(cpu + 1, model::kNoTid);
    guest.vcpu_tids[cpu] = static_cast<std::int32_t>(pid);
  }
  out.guests.push_back(std::move(guest));
  return {};
}

/// The samples of one CPU: count, times[], offsets[], scalings[].
Status take_shift_cpu(ByteCursor& cursor, std::uint32_t cpu, TimeShift& shift) {
  const auto count = cursor.read<std::uint32_t>();
  if (!count) return malformed(fmt::format("ends before CPU {} of the time shift", cpu));
  constexpr std::size_t kSampleBytes = 24;
  if (*count > cursor.remaining() / kSampleBytes) {
    return malformed(
        fmt::format("{} samples for CPU {}, {} bytes remain", *count, cpu, cursor.remaining()));
  }
  const std::size_t first = shift.samples.size();
  shift.samples.resize(first + *count);
  const auto each = [&](auto&& assign) {
    for (std::size_t i = first; i < shift.samples.size(); ++i) {
      assign(shift.samples[i], cursor.read<std::uint64_t>().value_or(0));
    }
  };
  each([](TimeShiftSample& sample, std::uint64_t value) { sample.own_time = value; });
  each([](TimeShiftSample& sample, std::uint64_t value) {
    sample.offset = static_cast<std::int64_t>(value);
  });
  each([](TimeShiftSample& sample, std::uint64_t value) { sample.scaling = value; });
  for (std::size_t i = first; i < shift.samples.size(); ++i) shift.samples[i].cpu = cpu;
  return {};
}

/// trace-cmd 3.1 and later: after all CPUs, the fraction bits of every sample in the same order.
Status take_shift_fractions(ByteCursor& cursor, TimeShift& shift) {
  if (cursor.at_end()) return {};
  if (cursor.remaining() < shift.samples.size() * 8) {
    return malformed(fmt::format("{} bytes of fractions for {} samples", cursor.remaining(),
                                 shift.samples.size()));
  }
  for (TimeShiftSample& sample : shift.samples) {
    const std::uint64_t bits = cursor.read<std::uint64_t>().value_or(0);
    if (bits > 63) return malformed(fmt::format("{} fraction bits, at most 63", bits));
    sample.fraction_bits = static_cast<std::uint32_t>(bits);
  }
  return {};
}

Status take_time_shift(Bytes data, ByteOrder order, Options& out) {
  ByteCursor cursor(data, order);
  TimeShift shift;
  const auto peer = cursor.read<std::uint64_t>();
  const auto flags = cursor.read<std::uint32_t>();
  const auto cpus = cursor.read<std::uint32_t>();
  if (!peer || !flags || !cpus) return too_short(data, 16);
  if (*cpus > cursor.remaining() / 4) {
    return malformed(fmt::format("{} CPUs, {} bytes remain", *cpus, cursor.remaining()));
  }
  shift.peer_trace_id = *peer;
  shift.protocol_flags = *flags;
  for (std::uint32_t cpu = 0; cpu < *cpus; ++cpu) VS_TRY(take_shift_cpu(cursor, cpu, shift));
  VS_TRY(take_shift_fractions(cursor, shift));
  out.time_shift = std::move(shift);
  return {};
}

using Handler = Status (*)(Bytes, ByteOrder, Options&);
struct Entry {
  std::uint16_t id;
  Handler handler;
};
constexpr Entry kHandlers[] = {
    {option::kDate, take_date},
    {option::kCpuStat, take_cpu_stat},
    {option::kTraceClock, take_clock},
    {option::kUname, take_uname},
    {option::kOffset, take_offset},
    {option::kCpuCount, take_cpu_count},
    {option::kVersion, take_version},
    {option::kTraceId, take_trace_id},
    {option::kTimeShift, take_time_shift},
    {option::kGuest, take_guest},
    {option::kTscToNs, take_tsc_to_ns},
};

}  // namespace

std::string option_name(std::uint16_t id) {
  if (id < kNames.size()) return std::string(kNames[id]);
  return fmt::format("option {}", id);
}

std::string_view option_text(Bytes data) {
  const std::string_view text = as_text(data);
  return text.substr(0, text.find('\0'));
}

Status apply_option(std::uint16_t id, Bytes data, ByteOrder order, Options& out) {
  for (const Entry& entry : kHandlers) {
    if (entry.id == id) return entry.handler(data, order, out);
  }
  return {};
}

Result<Buffer> parse_buffer_option(Bytes data, ByteOrder order) {
  ByteCursor cursor(data, order);
  Buffer buffer;
  const auto place = cursor.read<std::uint64_t>();
  if (!place) return too_short(data, 8);
  const auto name = cursor.read_c_string();
  if (!name) return malformed("the buffer's name has no end");
  const auto clock = cursor.read_c_string();
  if (!clock) return malformed("the buffer's clock has no end");
  const auto page_size = cursor.read<std::uint32_t>();
  const auto cpus = cursor.read<std::uint32_t>();
  if (!page_size || !cpus) return malformed("ends inside the buffer's page size or CPU count");
  constexpr std::size_t kCpuBytes = 20;
  if (*cpus > cursor.remaining() / kCpuBytes) {
    return malformed(fmt::format("{} CPUs, {} bytes remain", *cpus, cursor.remaining()));
  }
  buffer.place = *place;
  buffer.name = *name;
  buffer.clock = *clock;
  buffer.page_size = *page_size;
  for (std::uint32_t i = 0; i < *cpus; ++i) {
    CpuRegion region;
    region.cpu = cursor.read<std::uint32_t>().value_or(0);
    region.offset = cursor.read<std::uint64_t>().value_or(0);
    region.size = cursor.read<std::uint64_t>().value_or(0);
    buffer.cpus.push_back(region);
  }
  return buffer;
}

}  // namespace vs::reader::ftrace
