#pragma once
// HtmlWriter: builds a page from literals of the program and from text. Only a string literal gets
// in unescaped (Literal can be made of nothing else), so nothing of a trace can become markup.
//
// Ownership: the writer owns its bytes. Threads: values. Errors: none.

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "base/escape.h"

namespace vs::report {

/// Markup that was in the program's source.
class Literal {
 public:
  template <std::size_t N>
  consteval Literal(const char (&text)[N]) : text_(text, N - 1) {}  // NOLINT: implicit on purpose
  [[nodiscard]] std::string_view view() const { return text_; }

 private:
  std::string_view text_;
};

class HtmlWriter {
 public:
  HtmlWriter& markup(Literal literal) {
    out_ += literal.view();
    return *this;
  }
  /// Content of an element or of a quoted attribute; escaped.
  HtmlWriter& text(std::string_view text) {
    escape_html(text, out_);
    return *this;
  }
  HtmlWriter& number(std::int64_t value) {
    out_ += std::to_string(value);
    return *this;
  }
  /// <td>text</td>
  HtmlWriter& cell(std::string_view content) {
    return markup("<td>").text(content).markup("</td>");
  }
  /// A right-aligned figure.
  HtmlWriter& figure(std::string_view content) {
    return markup("<td class=\"n\">").text(content).markup("</td>");
  }
  [[nodiscard]] std::string take() { return std::move(out_); }

 private:
  std::string out_;
};

}  // namespace vs::report
