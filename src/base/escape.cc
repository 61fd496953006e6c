#include "base/escape.h"

#include <array>
#include <cstdint>

namespace vs {
namespace {

constexpr std::uint32_t kInvalid = 0xffffffffU;

struct Decoded {
  std::uint32_t code = kInvalid;
  std::size_t size = 1;
};

[[nodiscard]] std::uint8_t byte_at(std::string_view text, std::size_t i) {
  return static_cast<std::uint8_t>(text[i]);
}

// One UTF-8 sequence (RFC 3629): no overlong forms, no surrogates.
[[nodiscard]] Decoded decode_utf8(std::string_view text, std::size_t i) {
  const std::uint8_t lead = byte_at(text, i);
  if (lead < 0x80) return {lead, 1};
  const std::size_t size = lead >= 0xf0 ? 4 : lead >= 0xe0 ? 3 : 2;
  constexpr std::array<std::uint32_t, 5> kLeast = {0, 0, 0x80, 0x800, 0x10000};
  if (lead < 0xc2 || lead > 0xf4 || text.size() - i < size) return {};
  std::uint32_t code = lead & (0xffU >> (size + 1));
  for (std::size_t k = 1; k < size; ++k) {
    const std::uint8_t next = byte_at(text, i + k);
    if ((next & 0xc0) != 0x80) return {};
    code = (code << 6) | (next & 0x3fU);
  }
  const bool surrogate = code >= 0xd800 && code <= 0xdfff;
  if (code < kLeast[size] || code > 0x10ffff || surrogate) return {};
  return {code, size};
}

[[nodiscard]] bool is_control(std::uint32_t code) {
  return code < 0x20 || code == 0x7f || (code >= 0x80 && code < 0xa0);
}

// Bidirectional controls and invisible formatting that can disguise text.
[[nodiscard]] bool is_disguise(std::uint32_t code) {
  return (code >= 0x202a && code <= 0x202e) || (code >= 0x2066 && code <= 0x2069) ||
         (code >= 0x200b && code <= 0x200f) || code == 0x2028 || code == 0x2029 || code == 0xfeff ||
         code == 0x061c;
}

void append_hex(std::string& out, std::uint32_t value, int digits) {
  constexpr std::string_view kDigits = "0123456789abcdef";
  for (int shift = (digits - 1) * 4; shift >= 0; shift -= 4) out += kDigits[(value >> shift) & 15U];
}

constexpr std::string_view kReplacement = "\xEF\xBF\xBD";

void append_json_code(std::string_view piece, std::uint32_t code, std::string& out) {
  if (code == '"' || code == '\\') {
    out += '\\';
    out += static_cast<char>(code);
  } else if (code == '\n') {
    out += "\\n";
  } else if (code == '\t') {
    out += "\\t";
  } else if (is_control(code) || is_disguise(code)) {
    out += "\\u";
    append_hex(out, code, 4);
  } else {
    out += piece;
  }
}

}  // namespace

void escape_terminal(std::string_view text, std::string& out) {
  for (std::size_t i = 0; i < text.size();) {
    const Decoded decoded = decode_utf8(text, i);
    if (decoded.code == kInvalid || is_control(decoded.code)) {
      out += "\\x";
      append_hex(out, decoded.code == kInvalid ? byte_at(text, i) : decoded.code, 2);
    } else if (is_disguise(decoded.code)) {
      out += "\\u{";
      append_hex(out, decoded.code, 4);
      out += '}';
    } else {
      out += text.substr(i, decoded.size);
    }
    i += decoded.size;
  }
}

void escape_json(std::string_view text, std::string& out) {
  for (std::size_t i = 0; i < text.size();) {
    const Decoded decoded = decode_utf8(text, i);
    if (decoded.code == kInvalid) {
      out += kReplacement;
    } else {
      append_json_code(text.substr(i, decoded.size), decoded.code, out);
    }
    i += decoded.size;
  }
}

void escape_html(std::string_view text, std::string& out) {
  for (std::size_t i = 0; i < text.size();) {
    const Decoded decoded = decode_utf8(text, i);
    switch (decoded.code) {
      case '<':
        out += "&lt;";
        break;
      case '>':
        out += "&gt;";
        break;
      case '&':
        out += "&amp;";
        break;
      case '"':
        out += "&quot;";
        break;
      case '\'':
        out += "&#39;";
        break;
      default:
        if (decoded.code == kInvalid || is_control(decoded.code) || is_disguise(decoded.code)) {
          out += kReplacement;
        } else {
          out += text.substr(i, decoded.size);
        }
    }
    i += decoded.size;
  }
}

void escape_csv(std::string_view text, std::string& out) {
  const bool formula = !text.empty() && std::string_view("=+-@\t\r").find(text[0]) != text.npos;
  const bool quote = text.find_first_of(",\"\n\r") != std::string_view::npos;
  if (quote) out += '"';
  if (formula) out += '\'';
  for (const char c : text) {
    if (c == '"') out += '"';
    out += c;
  }
  if (quote) out += '"';
}

std::string terminal_text(std::string_view text) {
  std::string out;
  escape_terminal(text, out);
  return out;
}

std::string json_text(std::string_view text) {
  std::string out = "\"";
  escape_json(text, out);
  return out + '"';
}

std::string sql_text(std::string_view text) {
  std::string out = "'";
  for (const char c : text) {
    if (c == '\'') out += '\'';
    out += c;
  }
  return out + '\'';
}

std::size_t display_width(std::string_view text) {
  std::size_t width = 0;
  for (const char c : text) {
    if ((static_cast<std::uint8_t>(c) & 0xc0U) != 0x80U) ++width;
  }
  return width;
}

}  // namespace vs
