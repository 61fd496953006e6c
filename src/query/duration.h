#pragma once
// Durations for people: three significant digits and a unit, at most 8 columns ("1.21 s", "252
// µs").

#include <cstdint>
#include <string>

namespace vs::query {

[[nodiscard]] std::string duration_text(std::int64_t ns);

}  // namespace vs::query
