#include "cli/options.h"

#include <fmt/format.h>

#include "base/escape.h"
#include "base/strings.h"
#include "query/database.h"

namespace vs::cli {
namespace {

Error bad(std::string what, std::string hint = {}) {
  return {ErrorCode::kBadUse, std::move(what), "", std::move(hint)};
}

Status set_host(Arguments& arguments, const std::string& value) {
  if (value.empty()) return bad("--host needs a path");
  arguments.open.hosts.push_back(value);
  return {};
}

Status set_guest(Arguments& arguments, const std::string& value) {
  const std::size_t equals = value.find('=');
  if (equals == 0 || equals == std::string::npos || equals + 1 == value.size()) {
    return bad(fmt::format("--guest {} is not NAME=PATH", terminal_text(value)),
               "for example --guest vm1=vm1.dat");
  }
  arguments.open.guests.emplace_back(value.substr(0, equals), value.substr(equals + 1));
  return {};
}

constexpr std::string_view kSyncModes = "auto|none|tsc|beacon|envelope|packets";
Status set_sync(Arguments& arguments, const std::string& value) {
  VS_TRY(check_word("--sync", value, kSyncModes));
  arguments.open.sync = value;
  return {};
}

Status set_tsc_hz(Arguments& arguments, const std::string& value) {
  const auto hz = parse_int<std::uint64_t>(value);
  if (!hz || *hz < 1'000'000 || *hz > 100'000'000'000) {
    return bad(fmt::format("--tsc-hz {} is no rate in Hz", terminal_text(value)),
               "for example --tsc-hz 2300000000");
  }
  arguments.open.tsc_hz = *hz;
  return {};
}

Status set_history(Arguments& arguments, const std::string& value) {
  if (value.empty()) return bad("--history needs a path");
  arguments.open.history = value;
  return {};
}

Status set_no_cache(Arguments& arguments, const std::string&) {
  arguments.open.no_cache = true;
  return {};
}

Status set_jobs(Arguments& arguments, const std::string& value) {
  const auto jobs = parse_int<unsigned>(value);
  if (!jobs || *jobs < 1 || *jobs > 1024) {
    return bad(fmt::format("--jobs {} is no number from 1 to 1024", terminal_text(value)));
  }
  arguments.open.jobs = *jobs;
  return {};
}

Status set_cache_size(Arguments& arguments, const std::string& value) {
  const auto mib = parse_int<unsigned>(value);
  if (!mib || *mib < 1 || *mib > 65536) {
    return bad(
        fmt::format("--cache-size {} is no number of MiB from 1 to 65536", terminal_text(value)));
  }
  arguments.open.cache_mib = *mib;
  return {};
}

constexpr std::string_view kFormats = "table|json|csv";
Status set_format(Arguments& arguments, const std::string& value) {
  VS_TRY(check_word("--format", value, kFormats));
  arguments.format = value == "json"  ? Format::kJson
                     : value == "csv" ? Format::kCsv
                                      : Format::kTable;
  return {};
}

constexpr std::string_view kProgressModes = "auto|always|never";
Status set_progress(Arguments& arguments, const std::string& value) {
  VS_TRY(check_word("--progress", value, kProgressModes));
  arguments.progress = value == "always"  ? ProgressMode::kAlways
                       : value == "never" ? ProgressMode::kNever
                                          : ProgressMode::kAuto;
  return {};
}

Status set_quiet(Arguments& arguments, const std::string&) {
  arguments.quiet = true;
  return {};
}

constexpr OptionSpec kGlobal[] = {
    {"--host", "PATH", "this trace is a host's; else it is told from the contents", set_host, true},
    {"--guest", "NAME=PATH", "this trace is the guest NAME's", set_guest, true},
    {"--sync", kSyncModes,
     "how clocks are joined (default auto); none takes the own\ntime stamps as one clock", set_sync,
     false},
    {"--tsc-hz", "N", "rate of a clock that counts ticks, in Hz", set_tsc_hz, false},
    {"--history", "PATH", "keep the rebuilt states in this file", set_history, false},
    {"--no-cache", "", "neither use nor keep rebuilt states", set_no_cache, false},
    {"--cache-size", "MIB", "keep at most so many MiB of unpacked states in memory\n(default 64)",
     set_cache_size, false},
    {"--jobs", "N", "use N threads (default: one per CPU)", set_jobs, false},
    {"--format", kFormats, "how the answer is written (default table)", set_format, false},
    {"--progress", kProgressModes,
     "show progress on stderr (default auto: on a terminal,\nafter a second)", set_progress, false},
    {"--quiet", "", "no messages and no progress on stderr, errors excepted", set_quiet, false},
};

}  // namespace

std::span<const OptionSpec> global_options() { return kGlobal; }

Status set_from(Arguments& arguments, const std::string& value) {
  arguments.from = value;
  return {};
}
Status set_to(Arguments& arguments, const std::string& value) {
  arguments.to = value;
  return {};
}

Status check_word(std::string_view option, const std::string& value, std::string_view words) {
  const auto list = split(words, '|');
  for (const std::string_view word : list) {
    if (word == value) return {};
  }
  const auto near = query::nearest(value, list);
  std::string hint = fmt::format("one of {}", fmt::join(list, ", "));
  if (near) hint = fmt::format("did you mean {} {}?", option, *near);
  return bad(fmt::format("{} cannot be {}", option, terminal_text(value)), std::move(hint));
}

}  // namespace vs::cli
