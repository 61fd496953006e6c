#include "serve/tsp/pattern.h"

#include <algorithm>
#include <optional>
#include <string>

#include <fmt/format.h>

#include "base/strings.h"

namespace vs::serve::tsp {
namespace {

constexpr std::size_t kMostSteps = 4096;
constexpr std::size_t kMostDepth = 64;      // of groups
constexpr std::size_t kMostRepeats = 1000;  // of {m,n}

}  // namespace

/// Recursive descent; every part becomes a run of steps that can be put anywhere.
class PatternParser {
 public:
  explicit PatternParser(std::string_view text) : text_(text) {}

  Result<Pattern> parse() {
    VS_ASSIGN(out_.steps_, alternatives(0));
    if (at_ < text_.size()) return wrong("a ) without its (");
    return std::move(out_);
  }

 private:
  using Steps = std::vector<Pattern::Step>;
  using Kind = Pattern::Kind;

  [[nodiscard]] Error wrong(std::string_view what) const {
    return Error{ErrorCode::kBadUse, fmt::format("the expression has {}", what),
                 fmt::format("character {}", at_ + 1), ""};
  }
  [[nodiscard]] bool more() const { return at_ < text_.size(); }
  bool take(char c) {
    if (!more() || text_[at_] != c) return false;
    ++at_;
    return true;
  }

  Result<Steps> alternatives(std::size_t depth) {
    if (depth > kMostDepth) return wrong("too many groups in groups");
    VS_ASSIGN(Steps out, sequence(depth));
    while (take('|')) {
      VS_ASSIGN(const Steps other, sequence(depth));
      Steps both{split(1, size(out) + 2)};
      append(both, out);
      both.push_back(jump(size(other) + 1));
      append(both, other);
      out = std::move(both);
      if (out.size() > kMostSteps) return wrong("too many parts");
    }
    return out;
  }

  Result<Steps> sequence(std::size_t depth) {
    Steps out;
    while (more() && text_[at_] != '|' && text_[at_] != ')') {
      VS_ASSIGN(Steps part, atom(depth));
      VS_ASSIGN(part, repeated(std::move(part)));
      append(out, part);
      if (out.size() > kMostSteps) return wrong("too many parts");
    }
    return out;
  }

  Result<Steps> atom(std::size_t depth) {
    const char c = text_[at_++];
    if (c == '(') return group(depth);
    if (c == '[') return set();
    if (c == '^') return Steps{{Kind::kBegin}};
    if (c == '$') return Steps{{Kind::kEnd}};
    if (c == '*' || c == '+' || c == '?') return wrong("nothing before * + or ?");
    Pattern::Bytes bytes;
    if (c == '.') {
      bytes.set();
    } else if (c == '\\') {
      VS_ASSIGN(bytes, escape());
    } else {
      bytes.set(static_cast<unsigned char>(c));
    }
    return one_of(bytes);
  }

  Result<Steps> group(std::size_t depth) {
    if (take('?') && !take(':')) return wrong("a group (?..) of a kind that is not known");
    VS_ASSIGN(Steps out, alternatives(depth + 1));
    if (!take(')')) return wrong("a ( without its )");
    return out;
  }

  /// After the backslash.
  Result<Pattern::Bytes> escape() {
    if (!more()) return wrong("a \\ at its end");
    const char c = text_[at_++];
    Pattern::Bytes bytes;
    const char kind = static_cast<char>(c | 0x20);  // in small letters
    for (unsigned i = 0; i < 256; ++i) {
      const bool digit = i >= '0' && i <= '9';
      const bool letter = (i >= 'a' && i <= 'z') || (i >= 'A' && i <= 'Z') || i == '_';
      const bool space = i == ' ' || (i >= '\t' && i <= '\r');
      bytes[i] = kind == 'd' ? digit : kind == 'w' ? digit || letter : kind == 's' && space;
    }
    if (c == 'd' || c == 'w' || c == 's') return bytes;
    if (c == 'D' || c == 'W' || c == 'S') return ~bytes;
    bytes.reset();
    const bool plain =
        !((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9'));
    if (!plain && c != 't' && c != 'n') return wrong("an escape that is not known");
    bytes.set(static_cast<unsigned char>(c == 't' ? '\t' : c == 'n' ? '\n' : c));
    return bytes;
  }

  /// After the bracket.
  Result<Steps> set() {
    const bool negated = take('^');
    Pattern::Bytes bytes;
    bool first = true;
    while (more() && (first || text_[at_] != ']')) {
      first = false;
      VS_ASSIGN(const auto low, member(bytes));
      const bool range =
          low && at_ + 1 < text_.size() && text_[at_] == '-' && text_[at_ + 1] != ']';
      if (!range) continue;
      ++at_;
      VS_ASSIGN(const auto high, member(bytes));
      if (!high || *high < *low) return wrong("a range in [] that goes backwards");
      for (unsigned i = *low; i <= *high; ++i) bytes.set(i);
    }
    if (!take(']')) return wrong("a [ without its ]");
    return one_of(negated ? ~bytes : bytes);
  }

  /// One member of a set; nothing when it is a class of its own, which begins no range.
  Result<std::optional<unsigned>> member(Pattern::Bytes& bytes) {
    if (!more()) return wrong("a [ without its ]");
    if (text_[at_] != '\\') {
      const auto byte = static_cast<unsigned char>(text_[at_++]);
      bytes.set(byte);
      return std::optional<unsigned>(byte);
    }
    ++at_;
    VS_ASSIGN(const auto escaped, escape());
    bytes |= escaped;
    if (escaped.count() != 1) return std::optional<unsigned>();
    return std::optional(static_cast<unsigned>(escaped._Find_first()));
  }

  Result<Steps> repeated(Steps part) {
    while (more()) {
      if (take('*')) {
        part = star(part);
      } else if (take('+')) {
        part.push_back(split(-size(part), 1));
      } else if (take('?')) {
        part.insert(part.begin(), split(1, size(part) + 1));
      } else if (text_[at_] == '{') {
        VS_ASSIGN(part, counted(part));
      } else {
        return part;
      }
      take('?');  // lazy: the same, where only finding matters
      if (part.size() > kMostSteps) return wrong("too many parts");
    }
    return part;
  }

  Result<Steps> counted(const Steps& part) {
    const std::size_t end = text_.find('}', at_);
    if (end == std::string_view::npos) return wrong("a { without its }");
    const std::string_view inner = text_.substr(at_ + 1, end - at_ - 1);
    const std::size_t comma = inner.find(',');
    const auto least = parse_int<std::uint32_t>(inner.substr(0, comma));
    const bool open = comma != std::string_view::npos && comma + 1 == inner.size();
    const auto most = comma == std::string_view::npos
                          ? least
                          : parse_int<std::uint32_t>(open ? "0" : inner.substr(comma + 1));
    if (!least || !most || *least > kMostRepeats || *most > kMostRepeats ||
        (!open && *most < *least)) {
      return wrong("a {m,n} that is not like {2}, {2,} or {2,5}");
    }
    at_ = end + 1;
    if (part.size() * std::max<std::size_t>({1, *least, *most}) > kMostSteps) {
      return wrong("too many parts");
    }
    Steps out;
    for (std::uint32_t i = 0; i < *least; ++i) append(out, part);
    if (open) append(out, star(part));
    for (std::uint32_t i = *least; !open && i < *most; ++i) {
      out.push_back(split(1, size(part) + 1));
      append(out, part);
    }
    return out;
  }

  static std::int32_t size(const Steps& steps) { return static_cast<std::int32_t>(steps.size()); }
  static Pattern::Step split(std::int32_t first, std::int32_t second) {
    return {Kind::kSplit, first, second, 0};
  }
  static Pattern::Step jump(std::int32_t to) { return split(to, to); }
  static void append(Steps& out, const Steps& more) {
    out.insert(out.end(), more.begin(), more.end());
  }
  static Steps star(const Steps& part) {
    Steps out{split(1, size(part) + 2)};
    append(out, part);
    out.push_back(jump(-size(part) - 1));
    return out;
  }
  Steps one_of(const Pattern::Bytes& bytes) {
    out_.sets_.push_back(bytes);
    return Steps{{Kind::kByte, 1, 1, static_cast<std::uint32_t>(out_.sets_.size() - 1)}};
  }

  std::string_view text_;
  std::size_t at_ = 0;
  Pattern out_;
};

Result<Pattern> Pattern::parse(std::string_view text) { return PatternParser(text).parse(); }

bool Pattern::found_in(std::string_view text) const {
  std::vector<std::size_t> now;  // steps that wait for a byte
  std::vector<std::size_t> next;
  std::vector<std::size_t> open;
  std::vector<std::size_t> seen(steps_.size() + 1, text.size() + 1);  // at which place, last
  for (std::size_t at = 0; at <= text.size(); ++at) {
    next.push_back(0);  // a match may begin anywhere
    now.clear();
    for (const std::size_t start : next) {
      open.assign(1, start);
      while (!open.empty()) {
        const std::size_t number = open.back();
        open.pop_back();
        if (seen[number] == at) continue;
        seen[number] = at;
        if (number == steps_.size()) return true;
        const Step& step = steps_[number];
        const auto target = [&](std::int32_t by) {
          return static_cast<std::size_t>(static_cast<std::int64_t>(number) + by);
        };
        if (step.kind == Kind::kByte) now.push_back(number);
        if (step.kind == Kind::kBegin && at == 0) open.push_back(target(1));
        if (step.kind == Kind::kEnd && at == text.size()) open.push_back(target(1));
        if (step.kind != Kind::kSplit) continue;
        open.push_back(target(step.second));
        open.push_back(target(step.first));
      }
    }
    next.clear();
    if (at == text.size()) return false;
    const auto byte = static_cast<unsigned char>(text[at]);
    for (const std::size_t number : now) {
      if (sets_[steps_[number].bytes].test(byte)) next.push_back(number + 1);
    }
  }
  return false;
}

}  // namespace vs::serve::tsp
