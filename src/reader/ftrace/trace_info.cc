#include "reader/ftrace/trace_info.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <bit>
#include <cmath>
#include <set>

#include "base/checked.h"
#include "base/limits.h"
#include "base/strings.h"
#include "reader/ftrace/format_file.h"

namespace vs::reader::ftrace {
namespace {

using model::IssueCode;

struct HeaderPage {
  Field time, commit, data;
};

Result<HeaderPage> parse_header_page(std::string_view text, std::uint32_t long_size) {
  HeaderPage out;
  for (const std::string_view line : split(text, '\n')) {
    if (!trim(line).starts_with("field")) continue;
    VS_ASSIGN(const Field field, parse_field_line(line, long_size));
    if (field.name == "timestamp") out.time = field;
    if (field.name == "commit") out.commit = field;
    if (field.name == "data") out.data = field;
  }
  const auto broken = [](std::string what) {
    return Error{ErrorCode::kMalformed, std::move(what), "", ""};
  };
  if (out.time.size != 8)
    return broken(fmt::format("time stamp of {} bytes, 8 expected", out.time.size));
  if (out.commit.size != 4 && out.commit.size != 8) {
    return broken(fmt::format("commit word of {} bytes, 4 or 8 expected", out.commit.size));
  }
  if (out.data.name.empty()) return broken("no field 'data'");
  if (out.data.offset < out.time.offset + out.time.size ||
      out.data.offset < out.commit.offset + out.commit.size) {
    return broken(fmt::format("data at byte {} lies inside the page header", out.data.offset));
  }
  return out;
}

/// True for the header of kernels before 2.6.31: two bits of type, three of length.
bool is_old_header(std::string_view text) {
  for (const std::string_view line : split(text, '\n')) {
    const auto words = split_words(line);
    if (words.size() >= 3 && words[0] == "type" && words[2] == "2") return true;
  }
  return false;
}

bool usable_page_size(std::uint64_t size, const PageLayout& layout) {
  return size > layout.data_offset && size <= limits::kSubBufferBytes && std::has_single_bit(size);
}

std::optional<std::uint64_t> stat_value(std::string_view line, std::string_view key) {
  if (!line.starts_with(key)) return std::nullopt;
  return parse_int<std::uint64_t>(trim(line.substr(key.size())));
}

/// overrun + commit overrun + dropped events of one CPU; nothing when the text has none of them.
std::optional<std::uint64_t> lost_in(std::string_view stat) {
  std::optional<std::uint64_t> sum;
  for (const std::string_view line : split(stat, '\n')) {
    for (const std::string_view key : {"overrun:", "commit overrun:", "dropped events:"}) {
      if (const auto value = stat_value(trim(line), key)) sum = sum.value_or(0) + *value;
    }
  }
  return sum;
}

void take_losses(const Container& container, TraceInfo& info, const Reporter& report) {
  std::uint64_t known = 0;
  for (const std::string& stat : container.options.cpu_stats) {
    if (const auto lost = lost_in(stat)) {
      ++known;
      info.lost_events = info.lost_events.value_or(0) + *lost;
    }
  }
  if (known < info.cpu_count) {
    report.add_at(IssueCode::kLossCounterUnknown, report.file(),
                  fmt::format("statistics for {} of {} CPUs", known, info.cpu_count));
    // A sum over some of the CPUs is no total.
    if (info.lost_events == 0U) info.lost_events.reset();
  }
  if (info.lost_events.value_or(0) != 0) {
    report.add_at(IssueCode::kLostEvents, report.file(),
                  fmt::format("the tracer's statistics count {} lost events", *info.lost_events),
                  *info.lost_events);
  }
}

void take_cmdlines(const Container& container, TraceInfo& info, const Reporter& report) {
  std::size_t number = 0;
  std::uint64_t broken = 0;
  std::size_t first_broken = 0;
  for (const std::string_view raw : split(container.saved_cmdlines, '\n')) {
    ++number;
    const std::string_view line = trim(raw.substr(0, raw.find('\0')));
    if (line.empty()) continue;
    const std::size_t space = line.find(' ');
    const auto tid = parse_int<std::int32_t>(line.substr(0, space));
    if (!tid || space == std::string_view::npos) {
      if (broken++ == 0) first_broken = number;
      continue;
    }
    info.thread_names.push_back({*tid, std::string(trim(line.substr(space + 1)))});
  }
  if (broken == 0) return;
  report.add(IssueCode::kBadSection, container.saved_cmdlines_offset,
             fmt::format("{} saved command lines are no 'tid name', first in line {}", broken,
                         first_broken),
             {}, broken);
}

/// Clocks that the kernel marks as not counting nanoseconds (trace_clocks[] .in_ns = 0).
void take_clock(const Container& container, TraceInfo& info) {
  std::string name;
  if (!container.buffers.empty()) name = selected_clock(container.buffers.front().clock);
  if (name.empty()) name = selected_clock(container.options.clock_text);
  if (name.empty()) name = "local";  // ftrace's default
  info.clock.name = name;
  for (const std::string_view ticks :
       {"x86-tsc", "tsc2nsec", "counter", "uptime", "ppc-tb", "s390-tod"}) {
    if (name == ticks) info.clock.unit = ClockInfo::Unit::kTicks;
  }
  if (info.clock.unit == ClockInfo::Unit::kTicks && container.options.tsc_to_ns) {
    const TscToNs& rate = *container.options.tsc_to_ns;
    info.clock.ticks_per_second = std::ldexp(1e9 / rate.mult, static_cast<int>(rate.shift));
  }
  if (name == "uptime") info.clock.ticks_per_second = 100;  // USER_HZ
  if (!container.options.date_us) return;
  const auto date_ns = checked_mul<std::int64_t>(*container.options.date_us, 1000);
  const auto sum = checked_add(date_ns.value_or(0), container.options.offset_ns.value_or(0));
  if (date_ns && sum) info.clock.epoch_offset_ns = *sum;
}

std::string label_of(const Buffer& buffer, std::uint32_t cpu) {
  if (buffer.name.empty()) return fmt::format("cpu {}", cpu);
  return fmt::format("buffer {} cpu {}", buffer.name, cpu);
}

struct Taken {
  std::uint64_t begin;
  std::uint64_t end;
  std::string label;
};

/// Why a region cannot be read; empty when it can.
std::string region_fault(const CpuRegion& region, std::uint64_t header_end,
                         const std::set<std::uint32_t>& cpus, const std::vector<Taken>& taken) {
  if (region.cpu >= limits::kCpus)
    return fmt::format("CPU {}, the limit kCpus is {}", region.cpu, limits::kCpus);
  if (cpus.contains(region.cpu)) return "this CPU is listed twice";
  if (region.size == 0) return {};
  const auto end = checked_add(region.offset, region.size);
  if (!end) return fmt::format("{} bytes at byte {} overflow", region.size, region.offset);
  if (region.offset < header_end) return "the CPU data begin inside the file's header";
  for (const Taken& other : taken) {
    if (region.offset < other.end && other.begin < *end)
      return fmt::format("the CPU data overlap those of {}", other.label);
  }
  return {};
}

}  // namespace

Result<PageLayout> layout_of(const Container& container, const Reporter& report) {
  PageLayout layout;
  layout.order = container.header.order;
  layout.commit_size = container.header.long_size;
  layout.data_offset = 8 + layout.commit_size;
  layout.page_size = container.header.page_size;
  if (is_old_header(container.header_event)) {
    return Error{ErrorCode::kUnsupported, "events of a kernel before 2.6.31 are not read",
                 report.file(), ""};
  }
  if (container.header_page.empty()) return layout;
  const auto page = parse_header_page(container.header_page, container.header.long_size);
  if (!page.ok()) {
    report.add(IssueCode::kBadSection, container.header.end,
               fmt::format("header_page: {}; the usual layout is taken", page.error().what));
    return layout;
  }
  layout.time_offset = page->time.offset;
  layout.commit_offset = page->commit.offset;
  layout.commit_size = page->commit.size;
  layout.data_offset = page->data.offset;
  const std::uint64_t size = std::uint64_t{page->data.offset} + page->data.size;
  if (usable_page_size(size, layout)) layout.page_size = static_cast<std::uint32_t>(size);
  return layout;
}

PageLayout layout_for(const PageLayout& common, const Buffer& buffer, const Container& container,
                      const Reporter& report) {
  PageLayout layout = common;
  if (buffer.page_size != 0 && usable_page_size(buffer.page_size, layout)) {
    layout.page_size = buffer.page_size;
  } else if (buffer.page_size != 0) {
    report.add(IssueCode::kBadSection, buffer.place,
               fmt::format("buffer '{}' has pages of {} bytes; {} are taken", buffer.name,
                           buffer.page_size, layout.page_size));
  }
  if (!usable_page_size(layout.page_size, layout)) {
    constexpr std::uint32_t kUsualPage = 4096;
    layout.page_size = std::max(kUsualPage, std::bit_ceil(layout.data_offset + 1));
    report.add(IssueCode::kBadSection, container.header.end,
               fmt::format("no usable page size; {} is taken", layout.page_size));
  }
  return layout;
}

void check_regions(Container& container, std::uint64_t file_size, const Reporter& report) {
  std::vector<Taken> taken;
  for (Buffer& buffer : container.buffers) {
    std::set<std::uint32_t> cpus;
    std::vector<CpuRegion> kept;
    for (const CpuRegion& region : buffer.cpus) {
      const std::string label = label_of(buffer, region.cpu);
      const std::string fault = region_fault(region, container.header.end, cpus, taken);
      if (!fault.empty()) {
        report.add(IssueCode::kBadSection, region.offset, fault, label);
        continue;
      }
      cpus.insert(region.cpu);
      kept.push_back(region);
      if (region.size == 0) continue;
      taken.push_back({region.offset, region.offset + region.size, label});
      if (region.offset + region.size <= file_size) continue;
      const std::uint64_t there = region.offset < file_size ? file_size - region.offset : 0;
      report.add(IssueCode::kTruncatedFile, std::min(region.offset, file_size) + there,
                 fmt::format("{} of {} bytes are missing", region.size - there, region.size),
                 label);
    }
    buffer.cpus = std::move(kept);
  }
}

void drop_foreign_clocks(Container& container, const Reporter& report) {
  if (container.buffers.empty()) return;
  const std::string first = selected_clock(container.buffers.front().clock);
  std::erase_if(container.buffers, [&](const Buffer& buffer) {
    const std::string clock = selected_clock(buffer.clock);
    if (clock == first || clock.empty() || first.empty()) return false;
    report.add(IssueCode::kClockNotJoined, buffer.place,
               fmt::format("buffer '{}' uses clock {}, the trace {}: its {} CPUs are left out",
                           buffer.name, clock, first, buffer.cpus.size()));
    return true;
  });
}

TraceInfo make_info(const Container& container, const std::string& path, const Reporter& report) {
  TraceInfo info;
  info.path = path;
  info.format = "trace.dat";
  info.format_detail = fmt::format("trace.dat v{}", container.header.version);
  if (container.header.version == 7)
    info.format_detail += fmt::format(", {}", name_of(container.header.codec));
  const auto words = split_words(container.options.uname);
  if (words.size() > 1) info.machine_name = words[1];
  if (words.size() > 2) info.kernel = words[2];
  const auto version = split_words(container.options.tracer_version);
  if (!version.empty()) info.tracer = fmt::format("trace-cmd {}", version.front());
  info.trace_id = container.options.trace_id.value_or(0);
  info.is_kernel = true;
  for (const Buffer& buffer : container.buffers) {
    info.buffers.push_back(buffer.name);
    for (const CpuRegion& region : buffer.cpus)
      info.cpu_count = std::max(info.cpu_count, region.cpu + 1);
  }
  info.cpu_count = std::max(info.cpu_count, container.options.cpu_count.value_or(0));
  take_clock(container, info);
  take_losses(container, info, report);
  take_cmdlines(container, info, report);
  info.guests = container.options.guests;
  info.time_shift = container.options.time_shift;
  if (info.time_shift) {
    report.add_at(IssueCode::kTimeShiftPresent, report.file(),
                  fmt::format("the file has {} time-shift samples for its peer",
                              info.time_shift->samples.size()));
  }
  return info;
}

std::string selected_clock(std::string_view text) {
  text = trim(text.substr(0, text.find('\0')));
  const std::size_t open = text.find('[');
  if (open == std::string_view::npos) return std::string(text);
  const std::size_t close = text.find(']', open);
  if (close == std::string_view::npos) return std::string(trim(text.substr(open + 1)));
  return std::string(text.substr(open + 1, close - open - 1));
}

}  // namespace vs::reader::ftrace
