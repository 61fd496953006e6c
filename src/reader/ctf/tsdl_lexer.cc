#include "reader/ctf/tsdl_lexer.h"

#include <algorithm>
#include <array>

#include "base/escape.h"
#include "base/limits.h"
#include "base/strings.h"

namespace vs::reader::ctf {
namespace {

enum CharClass : std::uint8_t {
  kDigit = 1,
  kLetter = 2,
  kHexLetter = 4,
  kBlank = 8,
  kSingle = 16,     ///< a symbol of one character, or the first one of a longer one
  kEndsBraces = 32  ///< TsdlLexer::braces_ahead() goes up to it
};

constexpr std::array<std::uint8_t, 256> make_classes() {
  std::array<std::uint8_t, 256> classes{};
  const auto add = [&classes](std::string_view chars, CharClass more) {
    for (const char c : chars) classes[static_cast<unsigned char>(c)] |= more;
  };
  add("0123456789", kDigit);
  add("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ_", kLetter);
  add("abcdefABCDEF", kHexLetter);
  add(" \t\n\r\f\v", kBlank);
  add("{}[]()<>;,:.*+-=", kSingle);
  add("}\n\"'/", kEndsBraces);
  return classes;
}
constexpr std::array<std::uint8_t, 256> kClasses = make_classes();

bool is(char c, unsigned classes) {
  return (kClasses[static_cast<unsigned char>(c)] & classes) != 0;
}
bool is_digit(char c) { return is(c, kDigit); }
bool is_hex(char c) { return is(c, kDigit | kHexLetter); }
bool is_word(char c) { return is(c, kDigit | kLetter); }

std::string shown(char c) {
  std::string out = "'";
  escape_terminal(std::string_view(&c, 1), out);
  return out + "'";
}

}  // namespace

std::string describe(const Token& token) {
  if (token.kind == TokenKind::kEnd) return "end of metadata";
  if (token.kind == TokenKind::kString) {
    return "\"" + terminal_text(std::string_view(token.string).substr(0, 40)) + "\"";
  }
  return "'" + terminal_text(token.text.substr(0, 40)) + "'";
}

Status TsdlLexer::skip_blanks() {
  for (; offset_ < text_.size(); ++offset_) {
    const char c = text_[offset_];
    if (is(c, kBlank)) {
      if (c != '\n') continue;
      ++line_;
      line_begin_ = offset_ + 1;
    } else if (c == '/' && (peek(1) == '/' || peek(1) == '*')) {
      VS_TRY(skip_comment());
    } else {
      break;
    }
  }
  return {};
}

// Up to its last character; that of one to the end of the line is the one before that end.
Status TsdlLexer::skip_comment() {
  if (peek(1) == '/') {
    offset_ = std::min(text_.find('\n', offset_), text_.size()) - 1;
    return {};
  }
  const std::size_t end = text_.find("*/", offset_ + 2);
  if (end == std::string_view::npos) return metadata_error(place(), "comment is not closed");
  for (; offset_ < end; ++offset_) {
    if (text_[offset_] != '\n') continue;
    ++line_;
    line_begin_ = offset_ + 1;
  }
  ++offset_;
  return {};
}

std::string_view TsdlLexer::braces_ahead() const {
  std::size_t at = offset_;
  while (at < text_.size() && !is(text_[at], kEndsBraces)) ++at;
  const bool whole = at < text_.size() && text_[at] == '}';
  return whole ? text_.substr(offset_, at + 1 - offset_) : std::string_view();
}

void TsdlLexer::skip(std::string_view braces) { offset_ += braces.size(); }

Status TsdlLexer::next(Token& token) {
  VS_TRY(skip_blanks());
  token.kind = TokenKind::kEnd;
  token.text = {};
  token.number = 0;
  token.string.clear();
  token.place = place();
  if (offset_ >= text_.size()) return {};
  const char c = text_[offset_];
  if (is(c, kSingle)) return lex_symbol(token);
  if (c == 'L' && (peek(1) == '"' || peek(1) == '\'')) {
    ++offset_;
    return lex_quoted(token, peek());
  }
  if (is(c, kLetter)) {
    const std::size_t begin = offset_;
    while (offset_ < text_.size() && is_word(text_[offset_])) ++offset_;
    token.kind = TokenKind::kIdentifier;
    token.text = text_.substr(begin, offset_ - begin);
    return {};
  }
  if (is_digit(c)) return lex_number(token);
  if (c == '"' || c == '\'') return lex_quoted(token, c);
  return metadata_error(token.place, "unexpected character " + shown(c));
}

Status TsdlLexer::lex_number(Token& token) {
  const std::size_t begin = offset_;
  int base = 10;
  std::size_t prefix = 0;
  if (peek() == '0' && (peek(1) == 'x' || peek(1) == 'X')) {
    base = 16;
    prefix = 2;
  } else if (peek() == '0' && (peek(1) == 'b' || peek(1) == 'B')) {
    base = 2;
    prefix = 2;
  } else if (peek() == '0' && is_digit(peek(1))) {
    base = 8;
    prefix = 1;
  }
  offset_ += prefix;
  const std::size_t digits = offset_;
  while (base == 16 ? is_hex(peek()) : is_digit(peek())) ++offset_;
  const std::string_view number = text_.substr(digits, offset_ - digits);
  while (peek() == 'u' || peek() == 'U' || peek() == 'l' || peek() == 'L') ++offset_;
  if (is_word(peek())) {
    return metadata_error(token.place, "number is followed by " + shown(peek()));
  }
  token.kind = TokenKind::kNumber;
  token.text = text_.substr(begin, offset_ - begin);
  const auto value = parse_int<std::uint64_t>(number, base);
  if (!value) {
    return metadata_error(token.place, "number " + std::string(token.text.substr(0, 40)) +
                                           " is malformed or larger than 64 bits");
  }
  token.number = *value;
  return {};
}

Status TsdlLexer::lex_escape(std::string& out) {
  const TextPlace begin_place = place();
  ++offset_;  // the backslash
  static constexpr std::string_view kFrom = "abfnrtv\\'\"?";
  static constexpr std::string_view kTo = "\a\b\f\n\r\t\v\\'\"?";
  const char c = peek();
  if (const std::size_t simple = kFrom.find(c); c != '\0' && simple != std::string_view::npos) {
    out.push_back(kTo[simple]);
    ++offset_;
    return {};
  }
  const int base = c == 'x' ? 16 : 8;
  if (c == 'x') ++offset_;
  const std::size_t begin = offset_;
  while (offset_ - begin < (base == 16 ? 2U : 3U) &&
         (base == 16 ? is_hex(peek()) : (peek() >= '0' && peek() <= '7'))) {
    ++offset_;
  }
  const auto value = parse_int<unsigned>(text_.substr(begin, offset_ - begin), base);
  if (!value || *value > 255) return metadata_error(begin_place, "unknown escape in a string");
  out.push_back(static_cast<char>(*value));
  return {};
}

Status TsdlLexer::lex_quoted(Token& token, char quote) {
  ++offset_;
  while (true) {
    if (offset_ >= text_.size() || peek() == '\n') {
      return metadata_error(token.place,
                            quote == '"' ? "string is not closed" : "character is not closed");
    }
    const char c = peek();
    if (c == quote) break;
    if (c == '\\') {
      VS_TRY(lex_escape(token.string));
      continue;
    }
    if (token.string.size() >= limits::kStringBytes) {
      return metadata_error(token.place, "string exceeds the limit of 1048576 bytes",
                            ErrorCode::kLimit);
    }
    token.string.push_back(c);
    ++offset_;
  }
  ++offset_;
  if (quote == '"') {
    token.kind = TokenKind::kString;
    return {};
  }
  if (token.string.size() != 1) {
    return metadata_error(token.place, "character constant needs exactly one character");
  }
  token.kind = TokenKind::kNumber;
  token.number = static_cast<unsigned char>(token.string[0]);
  token.text = "character";
  return {};
}

Status TsdlLexer::lex_symbol(Token& token) {
  const char c = text_[offset_];
  std::size_t size = 1;
  if (c == '.') {
    if (peek(1) == '.' && peek(2) == '.') size = 3;
  } else if ((c == ':' && peek(1) == '=') || (c == '-' && peek(1) == '>')) {
    size = 2;
  }
  token.kind = TokenKind::kSymbol;
  token.text = text_.substr(offset_, size);
  offset_ += size;
  return {};
}

}  // namespace vs::reader::ctf
