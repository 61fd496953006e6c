#pragma once
// The pieces of a page for people: colours, padding, bars, figures, tables of aligned columns.
//
// Text from a trace must be escaped (base/escape.h) before it comes here. Widths are terminal
// columns. Threads: values.

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/time.h"

namespace vs::report {

struct TextOptions {
  bool colour = false;
  std::size_t width = 100;
};

enum class Tone : std::uint8_t {
  kPlain,
  kTitle,
  kDim,
  kGood,
  kWarn,
  kBad,
  kGuest,
  kOverhead,
  kStolen,
  kIdle
};

/// Puts colours around text, or nothing.
class Painter {
 public:
  explicit Painter(bool colour) : colour_(colour) {}
  [[nodiscard]] std::string operator()(Tone tone, std::string_view text) const;

 private:
  bool colour_;
};

[[nodiscard]] std::string pad_left(std::string_view text, std::size_t width);
[[nodiscard]] std::string pad_right(std::string_view text, std::size_t width);
/// At most `width` columns, the end replaced by "…" when it is longer.
[[nodiscard]] std::string clip(std::string_view text, std::size_t width);
/// Breaks at blanks so that no line is longer than `width`; lines after the first begin with
/// `indent`.
[[nodiscard]] std::string wrap(std::string_view text, std::size_t width, std::string_view indent);

/// One part of a stacked bar.
struct BarPart {
  double share = 0;  ///< of the whole bar
  std::string_view glyph;
  Tone tone = Tone::kPlain;
};
/// `width` columns. A part of 1 % or more always gets a column.
[[nodiscard]] std::string stacked_bar(std::span<const BarPart> parts, std::size_t width,
                                      const Painter& paint);
/// A bar of eighths, at most `width` columns, not padded.
[[nodiscard]] std::string plain_bar(double share, std::size_t width);

[[nodiscard]] std::string count_text(std::uint64_t count);  ///< "312,963"
[[nodiscard]] std::string percent_text(double share);       ///< "41.2" ("0.0" below 0.05 %)
[[nodiscard]] std::string bytes_text(std::uint64_t bytes);  ///< "3.1 MB"
[[nodiscard]] std::string rate_text(double per_second);     ///< "4,290" or "0.3"
/// Never "100 %" when something is missing, never "0 %" when something is there.
[[nodiscard]] std::string share_text(double share);
/// "2026-11-20 19:47:46.123456789 UTC", or plain ns where the timeline has no epoch.
[[nodiscard]] std::string time_text(HostTime time, bool epoch);
[[nodiscard]] std::string plural(std::uint64_t count, std::string_view one, std::string_view many);
/// "vm1", "vm1 and vm2", "vm1, vm2 and 3 more".
[[nodiscard]] std::string name_list(std::span<const std::string> names, std::size_t most);

/// A shell command over several lines that can still be pasted: breaks outside quotes end in " \\";
/// inside quotes a break stands for a blank, which SQL does not mind.
[[nodiscard]] std::string wrap_command(std::string_view command, std::size_t width,
                                       std::string_view indent);

/// A word that a POSIX shell takes literally.
[[nodiscard]] std::string shell_word(std::string_view text);

/// One cell of a table. `width` 0: counted from the text; else the text holds colours already.
struct Piece {
  std::string text;
  Tone tone = Tone::kPlain;
  std::size_t width = 0;
};

/// Aligned columns. Heads and cells of right-aligned columns end together.
class Grid {
 public:
  struct Column {
    std::string head;
    bool right = false;
  };
  explicit Grid(std::vector<Column> columns, std::size_t gap = 2)
      : columns_(std::move(columns)), gap_(gap) {}

  void add(std::vector<Piece> row) { rows_.push_back(std::move(row)); }
  /// A line of its own between the rows, not aligned.
  void add_line(std::string text, Tone tone) { rows_.push_back({{std::move(text), tone, 0}}); }
  [[nodiscard]] bool empty() const { return rows_.empty(); }
  [[nodiscard]] std::string render(const Painter& paint, std::size_t indent,
                                   bool heads = true) const;

 private:
  [[nodiscard]] std::string line(std::span<const Piece> row, std::span<const std::size_t> widths,
                                 const Painter& paint, std::size_t indent) const;
  std::vector<Column> columns_;
  std::size_t gap_;  ///< blanks between columns
  std::vector<std::vector<Piece>> rows_;
};

}  // namespace vs::report
