#include "query/duration.h"

#include <cmath>
#include <span>
#include <string_view>

#include <fmt/format.h>

namespace vs::query {
namespace {

struct Unit {
  double ns;
  std::string_view name;
};
constexpr Unit kUnits[] = {{86400e9, "d"}, {3600e9, "h"}, {60e9, "min"}, {1e9, "s"},
                           {1e6, "ms"},    {1e3, "µs"},   {1, "ns"}};

std::string three_digits(double value) {
  if (value >= 99.95) return fmt::format("{:.0f}", value);
  if (value >= 9.995) return fmt::format("{:.1f}", value);
  return fmt::format("{:.2f}", value);
}

}  // namespace

std::string duration_text(std::int64_t ns) {
  if (ns == 0) return "0";
  const double size = std::fabs(static_cast<double>(ns));
  const std::string_view sign = ns < 0 ? "-" : "";
  if (size < 999.5) return fmt::format("{}{:.0f} ns", sign, size);
  // 999.9 µs is 1.00 ms: choose the unit after rounding to three digits. Minutes and hours only
  // from 100 s and 100 min on; "95.3 s" reads better than "1.59 min".
  for (const Unit& unit : kUnits) {
    const double least = unit.ns > 1e9 ? 100.0 / 60.0 * unit.ns : 0.9995 * unit.ns;
    if (size >= least) return fmt::format("{}{} {}", sign, three_digits(size / unit.ns), unit.name);
  }
  return fmt::format("{}{:.0f} ns", sign, size);
}

}  // namespace vs::query
