// Suggestions for names that do not exist, and the caret under the place of an SQL error.

#include <algorithm>
#include <cctype>

#include "base/escape.h"
#include "query/database.h"

namespace vs::query {
namespace {

char lower(char c) { return static_cast<char>(std::tolower(static_cast<unsigned char>(c))); }

// Edit distance with swaps of neighbours counted as one (optimal string alignment).
std::size_t distance(std::string_view a, std::string_view b) {
  std::vector<std::vector<std::size_t>> d(a.size() + 1, std::vector<std::size_t>(b.size() + 1));
  for (std::size_t i = 0; i <= a.size(); ++i) d[i][0] = i;
  for (std::size_t j = 0; j <= b.size(); ++j) d[0][j] = j;
  for (std::size_t i = 1; i <= a.size(); ++i) {
    for (std::size_t j = 1; j <= b.size(); ++j) {
      const std::size_t change = lower(a[i - 1]) == lower(b[j - 1]) ? 0 : 1;
      d[i][j] = std::min({d[i - 1][j] + 1, d[i][j - 1] + 1, d[i - 1][j - 1] + change});
      const bool swapped = i > 1 && j > 1 && lower(a[i - 1]) == lower(b[j - 2]) &&
                           lower(a[i - 2]) == lower(b[j - 1]);
      if (swapped) d[i][j] = std::min(d[i][j], d[i - 2][j - 2] + 1);
    }
  }
  return d[a.size()][b.size()];
}

}  // namespace

std::optional<std::string_view> nearest(std::string_view word,
                                        std::span<const std::string_view> candidates) {
  constexpr std::size_t kLongestWord = 64;  // the table below is quadratic
  if (word.empty() || word.size() > kLongestWord) return std::nullopt;
  std::optional<std::string_view> best;
  std::size_t best_distance = 1 + std::max<std::size_t>(1, word.size() / 3);
  for (const std::string_view candidate : candidates) {
    const std::size_t here = distance(word, candidate);
    if (here < best_distance) {
      best = candidate;
      best_distance = here;
    }
  }
  return best;
}

std::string caret_lines(std::string_view sql, std::size_t offset, std::size_t width) {
  offset = std::min(offset, sql.size());
  // Only the line that holds the place, and of a long line the part around it.
  const std::size_t before = sql.rfind('\n', offset == 0 ? 0 : offset - 1);
  std::size_t begin = before == std::string_view::npos || before >= offset ? 0 : before + 1;
  const std::size_t end = std::min(sql.find('\n', offset), sql.size());
  if (offset - begin > width / 2) begin = offset - width / 2;
  const auto is_inside = [&](std::size_t i) {
    return i < sql.size() && (static_cast<unsigned char>(sql[i]) & 0xc0U) == 0x80U;
  };
  while (begin < offset && is_inside(begin)) ++begin;
  std::size_t stop = std::min(end, begin + width);
  while (stop > begin && is_inside(stop)) --stop;
  const std::string head = terminal_text(sql.substr(begin, offset - begin));
  const std::string tail = terminal_text(sql.substr(offset, stop > offset ? stop - offset : 0));
  return head + tail + "\n" + std::string(display_width(head), ' ') + "^";
}

}  // namespace vs::query
