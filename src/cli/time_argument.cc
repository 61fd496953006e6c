#include "cli/time_argument.h"

#include <limits>
#include <optional>
#include <string>

#include <fmt/format.h>

#include "base/checked.h"
#include "base/escape.h"
#include "base/strings.h"

namespace vs::cli {
namespace {

constexpr std::int64_t kSecond = 1'000'000'000;
constexpr std::int64_t kDay = 86400 * kSecond;

Error bad(std::string_view text, std::string_view why) {
  return {ErrorCode::kBadUse, fmt::format("{} is no time: {}", terminal_text(text), why), "",
          "type nanoseconds, HH:MM:SS.nnnnnnnnn or +1.5s"};
}

// "1.5" times unit_ns, exactly; digits beyond a nanosecond are dropped.
std::optional<std::int64_t> decimal(std::string_view text, std::int64_t unit_ns) {
  const std::size_t dot = text.find('.');
  const auto whole = parse_int<std::uint64_t>(text.substr(0, dot));
  if (!whole || *whole > static_cast<std::uint64_t>(std::numeric_limits<std::int64_t>::max()))
    return {};
  auto total = checked_mul<std::int64_t>(static_cast<std::int64_t>(*whole), unit_ns);
  if (dot == std::string_view::npos || !total) return total;
  const std::string_view digits = text.substr(dot + 1);
  if (digits.empty()) return std::nullopt;
  std::int64_t place = unit_ns;
  for (const char c : digits) {
    if (c < '0' || c > '9') return std::nullopt;
    place /= 10;
    total = checked_add<std::int64_t>(*total, place * (c - '0'));
    if (!total) return std::nullopt;
  }
  return total;
}

Result<HostTime> relative(std::string_view text, const Timeline& timeline) {
  struct Unit {
    std::string_view name;
    std::int64_t ns;
  };
  // Longer names first: "ms" also ends in "s".
  constexpr Unit kUnits[] = {{"ns", 1},         {"us", 1'000},  {"µs", 1'000},
                             {"ms", 1'000'000}, {"s", kSecond}, {"m", 60 * kSecond}};
  std::string_view number = text.substr(1);
  std::int64_t unit_ns = kSecond;
  for (const Unit& unit : kUnits) {
    if (!number.ends_with(unit.name)) continue;
    number.remove_suffix(unit.name.size());
    unit_ns = unit.ns;
    break;
  }
  const auto ns = decimal(number, unit_ns);
  if (!ns) return bad(text, "after + comes a number and ns, us, ms, s or m");
  const auto sum = checked_add<std::int64_t>(timeline.begin.ns, *ns);
  if (!sum) return bad(text, "too large");
  return HostTime{*sum};
}

Result<HostTime> time_of_day(std::string_view text, const Timeline& timeline) {
  if (!timeline.epoch) {
    return Error{ErrorCode::kBadUse,
                 fmt::format("{}: this timeline has no time of day", terminal_text(text)), "",
                 "type nanoseconds or +1.5s from the start"};
  }
  const auto parts = split(text, ':');
  if (parts.size() != 3) return bad(text, "a time of day is HH:MM:SS");
  const auto hours = parse_int<unsigned>(parts[0]);
  const auto minutes = parse_int<unsigned>(parts[1]);
  const auto seconds = decimal(parts[2], kSecond);
  if (!hours || !minutes || !seconds || *hours > 23 || *minutes > 59 || *seconds >= 60 * kSecond) {
    return bad(text, "a time of day is HH:MM:SS");
  }
  const std::int64_t of_day = (*hours * 60 + *minutes) * 60 * kSecond + *seconds;
  // The first such time of day that is not more than half a day before the trace begins, so that
  // 00:00:05 in a trace from 23:59 to 00:01 is tomorrow's.
  const std::int64_t begin = timeline.begin.ns;
  const std::int64_t midnight = begin - ((begin % kDay) + kDay) % kDay;
  std::int64_t time = midnight + of_day;
  if (begin - time > kDay / 2) time += kDay;
  return HostTime{time};
}

}  // namespace

Result<HostTime> parse_time(std::string_view text, const Timeline& timeline) {
  if (text.empty()) return bad(text, "it is empty");
  if (text.front() == '+') return relative(text, timeline);
  if (text.find(':') != std::string_view::npos) return time_of_day(text, timeline);
  const auto ns = parse_int<std::int64_t>(text);
  if (!ns) return bad(text, "not a whole number of nanoseconds");
  return HostTime{*ns};
}

}  // namespace vs::cli
