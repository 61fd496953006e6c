#pragma once
// Parameters: the body of a request, checked. Unknown members are ignored, as the protocol wants;
// a known member of the wrong kind is an error that names it.
//
// Threads: values.

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "base/time.h"

namespace vs::serve::tsp {

struct TimeRange {
  HostTime from;
  HostTime to;
  std::int64_t samples = 0;  ///< 0: not asked
};

struct Element {
  std::string type;  ///< in small letters
  HostTime time;
  std::int64_t duration_ns = 0;  ///< as it was drawn, in whole pixels
  std::optional<std::int32_t> entry;
};

struct Parameters {
  std::optional<TimeRange> range;
  std::optional<std::vector<std::int32_t>> items;
  std::optional<Element> element;
  std::vector<HostTime> times;
  std::optional<std::string> thread;  ///< selected_thread, "vm1/156"
  std::optional<std::vector<std::string>> categories;
  // table lines
  std::optional<std::int64_t> table_index;
  std::optional<std::int64_t> table_count;
  std::optional<std::vector<std::int64_t>> columns;
  std::map<std::int64_t, std::string> searches;
  std::string direction;  ///< NEXT, PREVIOUS or empty
  // what is made
  std::optional<std::string> name;
  std::optional<std::string> uri;
  std::optional<std::vector<std::string>> traces;
  std::optional<std::int64_t> start;
  std::optional<std::int64_t> end;
};

/// `body` is the whole request: {"parameters": {...}}. kBadUse on anything that does not hold.
[[nodiscard]] Result<Parameters> parse_parameters(std::string_view body);

}  // namespace vs::serve::tsp
