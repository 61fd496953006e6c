#pragma once
// Tokens of TSDL, the metadata language of CTF 1.8.
//
// Ownership: tokens view the text, except string literals, whose escapes are resolved. Threads:
// values. Errors: kMalformed at metadata:LINE:COLUMN.

#include <cstdint>
#include <string>
#include <string_view>

#include "base/result.h"
#include "reader/ctf/schema.h"

namespace vs::reader::ctf {

enum class TokenKind : std::uint8_t {
  kEnd,         ///< end of text
  kIdentifier,  ///< keywords included
  kNumber,      ///< unsigned; a sign is a symbol of its own
  kString,
  kFault,   ///< used by the parser: no token could be read
  kSymbol,  ///< one of { } [ ] ( ) < > ; , : . * + - = := ...
};

struct Token {
  TokenKind kind = TokenKind::kEnd;
  std::string_view text;     ///< identifier, symbol, or the number as written
  std::string string;        ///< kString: its value
  std::uint64_t number = 0;  ///< kNumber
  TextPlace place;

  [[nodiscard]] bool is(std::string_view symbol_or_word) const {
    return (kind == TokenKind::kSymbol || kind == TokenKind::kIdentifier) && text == symbol_or_word;
  }
};

class TsdlLexer {
 public:
  explicit TsdlLexer(std::string_view text) : text_(text) {}

  /// Makes `token` the next one; kEnd for ever at the end of the text.
  [[nodiscard]] Status next(Token& token);

  /// The text behind the last token up to and with the next '}', when it can be taken as it stands:
  /// nothing in it may hide the brace or begin a line. Else empty.
  [[nodiscard]] std::string_view braces_ahead() const;
  /// Takes what braces_ahead() gave.
  void skip(std::string_view braces);

 private:
  [[nodiscard]] char peek(std::size_t ahead = 0) const {
    return offset_ + ahead < text_.size() ? text_[offset_ + ahead] : '\0';
  }
  /// Of the next character.
  [[nodiscard]] TextPlace place() const {
    return {line_, static_cast<std::uint32_t>(offset_ - line_begin_ + 1)};
  }
  [[nodiscard]] Status skip_blanks();
  [[nodiscard]] Status skip_comment();
  [[nodiscard]] Status lex_number(Token& token);
  [[nodiscard]] Status lex_quoted(Token& token, char quote);
  [[nodiscard]] Status lex_escape(std::string& out);
  [[nodiscard]] Status lex_symbol(Token& token);

  std::string_view text_;
  std::size_t offset_ = 0;
  std::uint32_t line_ = 1;
  std::size_t line_begin_ = 0;
};

/// "';'" , "\"text\"", "end of metadata": for messages.
[[nodiscard]] std::string describe(const Token& token);

}  // namespace vs::reader::ctf
