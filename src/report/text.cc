#include "report/text.h"

#include <algorithm>
#include <array>
#include <chrono>
#include <cmath>

#include <fmt/format.h>

#include "base/escape.h"
#include "base/strings.h"

namespace vs::report {
namespace {

bool is_continuation(char c) { return (static_cast<unsigned char>(c) & 0xc0U) == 0x80U; }

// The bytes of the first `width` columns.
std::string_view columns_of(std::string_view text, std::size_t width) {
  std::size_t seen = 0;
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (is_continuation(text[i])) continue;
    if (seen++ == width) return text.substr(0, i);
  }
  return text;
}

void repeat(std::string_view glyph, std::size_t count, std::string& out) {
  for (std::size_t i = 0; i < count; ++i) out += glyph;
}

std::string rtrim(std::string text) {
  text.erase(text.find_last_not_of(' ') + 1);
  return text;
}

}  // namespace

std::string Painter::operator()(Tone tone, std::string_view text) const {
  constexpr std::array<std::string_view, 10> kCodes = {"",     "1",  "2",  "32", "33",
                                                       "1;31", "32", "33", "31", "2"};
  const std::string_view code = kCodes[static_cast<std::size_t>(tone)];
  if (!colour_ || code.empty() || text.empty()) return std::string(text);
  return fmt::format("\x1b[{}m{}\x1b[0m", code, text);
}

std::string pad_left(std::string_view text, std::size_t width) {
  const std::size_t used = display_width(text);
  return std::string(width > used ? width - used : 0, ' ') + std::string(text);
}

std::string pad_right(std::string_view text, std::size_t width) {
  const std::size_t used = display_width(text);
  return std::string(text) + std::string(width > used ? width - used : 0, ' ');
}

std::string clip(std::string_view text, std::size_t width) {
  if (display_width(text) <= width) return std::string(text);
  if (width == 0) return {};
  return std::string(columns_of(text, width - 1)) + "…";
}

namespace {

// "1.5 %" and "24.2 ms" stay on one line.
bool is_unit_of(std::string_view number, std::string_view word) {
  constexpr std::array<std::string_view, 5> kUnits = {"%", "ns", "µs", "ms", "s"};
  if (number.empty() || number.back() < '0' || number.back() > '9') return false;
  while (!word.empty() && std::string_view(",.:;)").find(word.back()) != std::string_view::npos) {
    word.remove_suffix(1);
  }
  return std::find(kUnits.begin(), kUnits.end(), word) != kUnits.end();
}

}  // namespace

std::string wrap(std::string_view text, std::size_t width, std::string_view indent) {
  std::string out;
  std::size_t used = 0;
  const auto words = split_words(text);
  for (std::size_t i = 0; i < words.size(); ++i) {
    std::string word(words[i]);
    if (i + 1 < words.size() && is_unit_of(word, words[i + 1])) {
      word += ' ';
      word += words[++i];
    }
    const std::size_t size = display_width(word);
    if (used > 0 && used + 1 + size > width) {
      out += '\n';
      out += indent;
      used = display_width(indent);
    } else if (used > 0) {
      out += ' ';
      ++used;
    }
    out += word;
    used += size;
  }
  return out;
}

std::string wrap_command(std::string_view command, std::size_t width, std::string_view indent) {
  std::string out;
  std::size_t used = 0;
  char quote = 0;
  for (const std::string_view word : split(command, ' ')) {
    const std::size_t size = display_width(word);
    if (used > 0 && used + 1 + size > width) {
      out += quote == 0 ? " \\\n" : "\n";
      out += indent;
      used = display_width(indent);
    } else if (used > 0) {
      out += ' ';
      ++used;
    }
    out += word;
    used += size;
    bool escaped = false;
    for (const char c : word) {
      const bool is_quote = (c == '"' || c == '\'') && !escaped;
      escaped = c == '\\' && quote != '\'' && !escaped;
      if (!is_quote) continue;
      if (quote == 0) {
        quote = c;
      } else if (quote == c) {
        quote = 0;
      }
    }
  }
  return out;
}

std::string stacked_bar(std::span<const BarPart> parts, std::size_t width, const Painter& paint) {
  std::vector<std::size_t> cells;
  std::vector<std::pair<double, std::size_t>> remainders;
  std::size_t used = 0;
  for (std::size_t i = 0; i < parts.size(); ++i) {
    // The comparison also turns NaN into nothing.
    const double share = parts[i].share > 0 ? std::min(parts[i].share, 1.0) : 0;
    const double exact = share * static_cast<double>(width);
    std::size_t whole = static_cast<std::size_t>(exact);
    if (whole == 0 && parts[i].share >= 0.01) whole = 1;  // what matters must be seen
    cells.push_back(whole);
    used += whole;
    remainders.emplace_back(exact - static_cast<double>(whole), i);
  }
  std::sort(remainders.rbegin(), remainders.rend());
  for (std::size_t i = 0; used < width && i < remainders.size(); ++i) {
    if (remainders[i].first < 0.25) break;
    ++cells[remainders[i].second];
    ++used;
  }
  while (used > width) {
    --*std::max_element(cells.begin(), cells.end());
    --used;
  }
  std::string out;
  for (std::size_t i = 0; i < parts.size(); ++i) {
    std::string piece;
    repeat(parts[i].glyph, cells[i], piece);
    out += paint(parts[i].tone, piece);
  }
  return out + std::string(width - used, ' ');
}

std::string plain_bar(double share, std::size_t width) {
  constexpr std::array<std::string_view, 8> kEighths = {"", "▏", "▎", "▍", "▌", "▋", "▊", "▉"};
  const double exact = (share > 0 ? std::min(share, 1.0) : 0) * static_cast<double>(width) * 8;
  auto eighths = static_cast<std::size_t>(std::lround(exact));
  if (eighths == 0 && share > 0) eighths = 1;
  std::string out;
  repeat("█", eighths / 8, out);
  out += kEighths[eighths % 8];
  return out;
}

std::string count_text(std::uint64_t count) {
  std::string digits = fmt::format("{}", count);
  for (std::size_t i = digits.size(); i > 3;) {
    i -= 3;
    digits.insert(i, 1, ',');
  }
  return digits;
}

std::string percent_text(double share) { return fmt::format("{:.1f}", 100 * share); }

std::string share_text(double share) {
  if (share <= 0) return "0 %";
  if (share >= 1) return "100 %";
  if (share < 0.0005) return "< 0.1 %";
  if (share > 0.9995) return "> 99.9 %";
  return share < 0.0995 ? fmt::format("{:.1f} %", 100 * share)
                        : fmt::format("{:.0f} %", std::min(99.0, 100 * share));
}

std::string bytes_text(std::uint64_t bytes) {
  constexpr std::array<std::string_view, 5> kUnits = {"kB", "MB", "GB", "TB", "PB"};
  if (bytes < 1000) return fmt::format("{} B", bytes);
  double size = static_cast<double>(bytes) / 1000;
  std::size_t unit = 0;
  while (size >= 999.5 && unit + 1 < kUnits.size()) {
    size /= 1000;
    ++unit;
  }
  return size < 9.95 ? fmt::format("{:.1f} {}", size, kUnits[unit])
                     : fmt::format("{:.0f} {}", size, kUnits[unit]);
}

std::string rate_text(double per_second) {
  if (per_second >= 9.95) return count_text(static_cast<std::uint64_t>(std::llround(per_second)));
  return fmt::format("{:.1f}", per_second);
}

std::string time_text(HostTime time, bool epoch) {
  if (!epoch) return fmt::format("{} ns", time.ns);
  using std::chrono::floor;
  using std::chrono::nanoseconds;
  using std::chrono::sys_time;
  const sys_time<nanoseconds> point{nanoseconds{time.ns}};
  const auto day = floor<std::chrono::days>(point);
  const std::chrono::year_month_day date{day};
  const std::chrono::hh_mm_ss clock{point - day};
  return fmt::format("{:04}-{:02}-{:02} {:02}:{:02}:{:02}.{:09} UTC", static_cast<int>(date.year()),
                     static_cast<unsigned>(date.month()), static_cast<unsigned>(date.day()),
                     clock.hours().count(), clock.minutes().count(), clock.seconds().count(),
                     clock.subseconds().count());
}

std::string plural(std::uint64_t count, std::string_view one, std::string_view many) {
  return count_text(count) + " " + std::string(count == 1 ? one : many);
}

std::string name_list(std::span<const std::string> names, std::size_t most) {
  std::string out;
  const std::size_t shown = names.size() <= most + 1 ? names.size() : most;
  for (std::size_t i = 0; i < shown; ++i) {
    if (i > 0) out += i + 1 == names.size() ? " and " : ", ";
    out += names[i];
  }
  if (shown < names.size()) out += fmt::format(" and {} more", names.size() - shown);
  return out;
}

std::string shell_word(std::string_view text) {
  constexpr std::string_view kSafe =
      "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-./:=,+@%";
  if (!text.empty() && text.find_first_not_of(kSafe) == std::string_view::npos) {
    return std::string(text);
  }
  if (text.find('\'') == std::string_view::npos) return fmt::format("'{}'", text);
  std::string out = "\"";
  for (const char c : text) {
    if (c == '"' || c == '\\' || c == '$' || c == '`') out += '\\';
    out += c;
  }
  return out + '"';
}

std::string Grid::line(std::span<const Piece> row, std::span<const std::size_t> widths,
                       const Painter& paint, std::size_t indent) const {
  std::string out(indent, ' ');
  for (std::size_t i = 0; i < row.size(); ++i) {
    if (i > 0) out.append(gap_, ' ');
    const std::size_t used = row[i].width > 0 ? row[i].width : display_width(row[i].text);
    const std::string gap(widths[i] > used ? widths[i] - used : 0, ' ');
    const std::string text = paint(row[i].tone, row[i].text);
    out += columns_[i].right ? gap + text : text + gap;
  }
  return rtrim(std::move(out)) + '\n';
}

std::string Grid::render(const Painter& paint, std::size_t indent, bool heads) const {
  std::vector<std::size_t> widths;
  for (const Column& column : columns_) widths.push_back(display_width(column.head));
  for (const auto& row : rows_) {
    if (row.size() != columns_.size()) continue;  // a line of its own
    for (std::size_t i = 0; i < row.size(); ++i) {
      const std::size_t used = row[i].width > 0 ? row[i].width : display_width(row[i].text);
      widths[i] = std::max(widths[i], used);
    }
  }
  std::string out;
  if (heads) {
    std::vector<Piece> head;
    for (const Column& column : columns_) head.push_back({column.head, Tone::kDim, 0});
    out += line(head, widths, paint, indent);
  }
  for (const auto& row : rows_) {
    if (row.size() == columns_.size()) {
      out += line(row, widths, paint, indent);
    } else {
      out += std::string(indent, ' ') + paint(row[0].tone, row[0].text) + '\n';
    }
  }
  return out;
}

}  // namespace vs::report
