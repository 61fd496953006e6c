// multiply IN OUT N [--period TICKS] [--plain] [--seam-loss] [--tsc-hz HZ]: a trace made N times as
// long (multiply.h). IN is a folder with CTF traces or a trace.dat; OUT must not exist. multiply IN
// --span: begin, end, events and period of a trace, as `name<TAB>value<TAB>unit`.
#include <fmt/format.h>

#include <charconv>
#include <cstdio>
#include <filesystem>
#include <string_view>
#include <vector>

#include "multiply/multiply.h"

namespace {

using namespace vs;
using namespace vs::bench;

constexpr const char* kUsage =
    "usage: multiply IN OUT N [--period TICKS] [--plain] [--seam-loss] [--tsc-hz HZ]\n"
    "       multiply IN --span\n";

template <typename T>
bool number(std::string_view text, T& out) {
  const auto [end, code] = std::from_chars(text.data(), text.data() + text.size(), out);
  return code == std::errc{} && end == text.data() + text.size();
}

bool parse(int argc, char** argv, MultiplyOptions& options) {
  std::vector<std::string_view> words;
  bool span = false;
  for (int i = 1; i < argc; ++i) {
    const std::string_view word = argv[i];
    if (word == "--plain") {
      options.plain = true;
    } else if (word == "--seam-loss") {
      options.seam_loss = true;
    } else if (word == "--span") {
      span = true;
    } else if (word == "--period" && i + 1 < argc) {
      if (!number(argv[++i], options.period.emplace())) return false;
    } else if (word == "--tsc-hz" && i + 1 < argc) {
      if (!number(argv[++i], options.tsc_hz.emplace()) || *options.tsc_hz <= 0) return false;
    } else if (word.starts_with("--")) {
      return false;
    } else {
      words.push_back(word);
    }
  }
  if (words.empty()) return false;
  options.in = words[0];
  if (span) {
    options.copies = 0;
    return words.size() == 1;
  }
  if (words.size() != 3 || !number(words[2], options.copies)) return false;
  options.out = words[1];
  return options.copies != 0;
}

Result<MultiplyResult> run(const MultiplyOptions& options) {
  std::error_code code;
  if (!options.out.empty() && std::filesystem::exists(options.out, code)) {
    return Error{ErrorCode::kBadUse, "exists already", options.out, ""};
  }
  return std::filesystem::is_directory(options.in, code) ? multiply_ctf(options)
                                                         : multiply_dat(options);
}

}  // namespace

int main(int argc, char** argv) {
  MultiplyOptions options;
  if (!parse(argc, argv, options)) {
    std::fputs(kUsage, stderr);
    return 2;
  }
  const auto result = run(options);
  if (!result.ok()) {
    fmt::print(stderr, "multiply: {}\n", result.error().to_string());
    return result.error().code == ErrorCode::kBadUse ? 2 : 3;
  }
  fmt::print("begin\t{}\tticks\nend\t{}\tticks\nevents\t{}\tcount\nperiod\t{}\tticks\n",
             result->span.begin, result->span.end, result->span.events, result->period);
  if (options.copies != 0) {
    fmt::print("copies\t{}\tcount\nbytes\t{}\tbytes\n", options.copies, result->bytes);
  }
}
