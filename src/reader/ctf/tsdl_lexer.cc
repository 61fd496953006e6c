#include "reader/ctf/tsdl_lexer.h"

#include "base/escape.h"
#include "base/limits.h"
#include "base/strings.h"

namespace vs::reader::ctf {
namespace {

bool is_digit(char c) { return c >= '0' && c <= '9'; }
bool is_letter(char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_'; }
bool is_hex(char c) { return is_digit(c) || (c >= 'a' && c <= 'f') || (c >= 'A' && c <= 'F'); }
bool is_blank(char c) {
  return c == ' ' || c == '\t' || c == '\n' || c == '\r' || c == '\f' || c == '\v';
}

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

void TsdlLexer::advance() {
  if (text_[offset_] == '\n') {
    ++place_.line;
    place_.column = 1;
  } else {
    ++place_.column;
  }
  ++offset_;
}

Status TsdlLexer::skip_blanks() {
  while (offset_ < text_.size()) {
    if (is_blank(peek())) {
      advance();
    } else if (peek() == '/' && peek(1) == '/') {
      while (offset_ < text_.size() && peek() != '\n') advance();
    } else if (peek() == '/' && peek(1) == '*') {
      const TextPlace begin = place_;
      advance();
      advance();
      while (offset_ < text_.size() && !(peek() == '*' && peek(1) == '/')) advance();
      if (offset_ >= text_.size()) return metadata_error(begin, "comment is not closed");
      advance();
      advance();
    } else {
      break;
    }
  }
  return {};
}

std::string_view TsdlLexer::braces_ahead() const {
  for (std::size_t at = offset_; at < text_.size(); ++at) {
    const char c = text_[at];
    if (c == '}') return text_.substr(offset_, at + 1 - offset_);
    if (c == '\n' || c == '"' || c == '\'' || c == '/') break;
  }
  return {};
}

void TsdlLexer::skip(std::string_view braces) {
  offset_ += braces.size();
  place_.column += static_cast<std::uint32_t>(braces.size());
}

Result<Token> TsdlLexer::next() {
  VS_TRY(skip_blanks());
  Token token;
  token.place = place_;
  if (offset_ >= text_.size()) return token;
  const char c = peek();
  if (is_digit(c)) return lex_number(std::move(token));
  if (c == '"') return lex_quoted(std::move(token), '"');
  if (c == '\'') return lex_quoted(std::move(token), '\'');
  if (c == 'L' && (peek(1) == '"' || peek(1) == '\'')) {
    advance();
    return lex_quoted(std::move(token), peek());
  }
  if (!is_letter(c)) return lex_symbol(std::move(token));
  const std::size_t begin = offset_;
  while (offset_ < text_.size() && (is_letter(peek()) || is_digit(peek()))) advance();
  token.kind = TokenKind::kIdentifier;
  token.text = text_.substr(begin, offset_ - begin);
  return token;
}

Result<Token> TsdlLexer::lex_number(Token token) {
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
  for (std::size_t i = 0; i < prefix; ++i) advance();
  const std::size_t digits = offset_;
  while (base == 16 ? is_hex(peek()) : is_digit(peek())) advance();
  const std::string_view number = text_.substr(digits, offset_ - digits);
  while (peek() == 'u' || peek() == 'U' || peek() == 'l' || peek() == 'L') advance();
  while (is_letter(peek()) || is_digit(peek())) {
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
  return token;
}

Status TsdlLexer::lex_escape(std::string& out) {
  const TextPlace place = place_;
  advance();  // the backslash
  static constexpr std::string_view kFrom = "abfnrtv\\'\"?";
  static constexpr std::string_view kTo = "\a\b\f\n\r\t\v\\'\"?";
  const char c = peek();
  if (const std::size_t simple = kFrom.find(c); c != '\0' && simple != std::string_view::npos) {
    out.push_back(kTo[simple]);
    advance();
    return {};
  }
  const int base = c == 'x' ? 16 : 8;
  if (c == 'x') advance();
  const std::size_t begin = offset_;
  while (offset_ - begin < (base == 16 ? 2U : 3U) &&
         (base == 16 ? is_hex(peek()) : (peek() >= '0' && peek() <= '7'))) {
    advance();
  }
  const auto value = parse_int<unsigned>(text_.substr(begin, offset_ - begin), base);
  if (!value || *value > 255) return metadata_error(place, "unknown escape in a string");
  out.push_back(static_cast<char>(*value));
  return {};
}

Result<Token> TsdlLexer::lex_quoted(Token token, char quote) {
  advance();
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
    advance();
  }
  advance();
  if (quote == '"') {
    token.kind = TokenKind::kString;
    return token;
  }
  if (token.string.size() != 1) {
    return metadata_error(token.place, "character constant needs exactly one character");
  }
  token.kind = TokenKind::kNumber;
  token.number = static_cast<unsigned char>(token.string[0]);
  token.text = "character";
  return token;
}

Result<Token> TsdlLexer::lex_symbol(Token token) {
  static constexpr std::string_view kSingles = "{}[]()<>;,:.*+-=";
  token.kind = TokenKind::kSymbol;
  std::size_t size = 1;
  if (text_.substr(offset_, 3) == "...") {
    size = 3;
  } else if (text_.substr(offset_, 2) == ":=" || text_.substr(offset_, 2) == "->") {
    size = 2;
  } else if (kSingles.find(peek()) == std::string_view::npos || peek() == '\0') {
    return metadata_error(token.place, "unexpected character " + shown(peek()));
  }
  token.text = text_.substr(offset_, size);
  for (std::size_t i = 0; i < size; ++i) advance();
  return token;
}

}  // namespace vs::reader::ctf
