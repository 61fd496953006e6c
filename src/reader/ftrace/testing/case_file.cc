#include "reader/ftrace/testing/case_file.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/strings.h"
#include "os/file.h"
#include "reader/ftrace/format.h"

namespace vs::reader::ftrace::testing {
namespace {

constexpr std::string_view kPath = "traces/host.dat";

std::string unescape(std::string_view text) {
  std::string out;
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text[i] != '\\' || i + 1 == text.size()) {
      out += text[i];
      continue;
    }
    const char next = text[++i];
    if (next == 'n')
      out += '\n';
    else if (next == 't')
      out += '\t';
    else if (next == '0')
      out += '\0';
    else
      out += next;
  }
  return out;
}

/// "a | b" -> a, b.
std::pair<std::string, std::string> halves(std::string_view text) {
  const std::size_t bar = text.find(" | ");
  if (bar == std::string_view::npos) return {std::string(trim(text)), ""};
  return {std::string(trim(text.substr(0, bar))), std::string(text.substr(bar + 3))};
}

void write_good(ByteWriter& out, const Variant& variant, std::uint64_t count) {
  for (std::uint32_t i = 0; i < count; ++i) {
    const std::string record = standard_record(variant, 0, i);
    out.u32(PageBuilder::head(variant.order, static_cast<std::uint32_t>(record.size() / 4), 1000))
        .text(record);
  }
}

std::string write_values(std::string_view text, const Variant& variant) {
  ByteWriter out(variant.order);
  const auto words = split_words(text);
  for (std::size_t i = 0; i < words.size(); ++i) {
    const std::string_view kind = words[i];
    const std::string_view word = i + 1 < words.size() ? words[++i] : std::string_view{};
    const bool hex = word.starts_with("0x");
    const std::uint64_t value =
        parse_int<std::uint64_t>(hex ? word.substr(2) : word, hex ? 16 : 10).value_or(0);
    if (kind == "head") {
      const auto delta = parse_int<std::uint32_t>(words[++i]).value_or(0);
      out.u32(PageBuilder::head(variant.order, static_cast<std::uint32_t>(value), delta));
    } else if (kind == "good") {
      write_good(out, variant, value);
    } else if (kind == "c") {
      out.c_string(word == "-" ? "" : word);
    } else if (kind == "text") {
      out.text(word);
    } else if (kind == "zeros") {
      out.fill_to(out.size() + value);
    } else if (kind == "fill") {
      out.text(std::string(value, '\xff'));
    } else {
      const std::size_t bytes = kind == "long"
                                    ? variant.long_size
                                    : parse_int<std::size_t>(kind.substr(1)).value_or(32) / 8;
      out.number(value, bytes);
    }
  }
  return out.str();
}

void replace_page(std::string_view line, TraceBuilder& builder) {
  const auto [where, values] = halves(line);
  const auto numbers = split_words(where);
  const auto cpu = parse_int<std::size_t>(numbers[0]).value_or(0);
  const auto number = parse_int<std::size_t>(numbers[1]).value_or(0);
  const std::string data = write_values(values, builder.variant);
  ByteWriter page(builder.variant.order);
  page.u64(1'000'000 + number * 100'000).number(data.size(), builder.variant.long_size).text(data);
  page.fill_to(builder.variant.page_size);
  builder.buffers[0].cpus[cpu].pages[number] = page.str();
}

void add_buffer(std::string_view line, TraceBuilder& builder) {
  const auto words = split_words(line);
  BufferSpec buffer;
  buffer.name = words[0];
  buffer.clock = words.size() > 1 ? words[1] : "mono";
  buffer.cpus.push_back({0, {builder.buffers[0].cpus[0].pages[1]}});
  builder.buffers.push_back(std::move(buffer));
}

void change_builder(const std::string& key, const std::string& rest, TraceBuilder& builder) {
  const auto [first, second] = halves(rest);
  if (key == "option") {
    builder.options.push_back(
        {parse_int<std::uint16_t>(first).value_or(0), write_values(second, builder.variant)});
  } else if (key == "option_text") {
    builder.options.push_back({parse_int<std::uint16_t>(first).value_or(0), unescape(second)});
  } else if (key == "drop_option") {
    const auto id = parse_int<std::uint16_t>(first);
    std::erase_if(builder.options, [&](const OptionSpec& spec) { return spec.id == id; });
  } else if (key == "format") {
    builder.formats.emplace_back(first, unescape(second));
  } else if (key == "header_page") {
    builder.header_page = unescape(rest);
  } else if (key == "header_event") {
    builder.header_event = unescape(rest);
  } else if (key == "cmdlines") {
    builder.cmdlines = unescape(rest);
  } else if (key == "page") {
    replace_page(rest, builder);
  } else if (key == "chunk_pages") {
    builder.variant.chunk_pages = parse_int<std::uint32_t>(rest).value_or(2);
  } else if (key == "buffer") {
    add_buffer(rest, builder);
  }
}

struct Count {
  std::uint64_t events = 0;
  std::uint64_t losses = 0;
  std::uint64_t lost = 0;
};

void count_stream(const Trace& trace, std::size_t stream, model::IssueLog& issues, Count& count) {
  auto cursor = trace.open_stream(stream, {}, issues);
  std::string json;
  while (cursor.ok()) {
    const auto run = (*cursor)->next();
    if (!run.ok() || run->empty()) return;
    for (const model::Event& event : *run) {
      (*cursor)->fields_json(event, json);
      json.clear();
      if (event.kind != model::EventKind::kLoss) {
        ++count.events;
        continue;
      }
      ++count.losses;
      if (event.has(model::arg::kLossLost)) count.lost += event.u(model::arg::kLossLost);
    }
  }
}

}  // namespace

std::vector<std::string> CaseFile::all(std::string_view key) const {
  std::vector<std::string> out;
  for (const auto& [name, rest] : lines) {
    if (name == key) out.push_back(rest);
  }
  return out;
}

std::string CaseFile::one(std::string_view key) const {
  const auto found = all(key);
  return found.empty() ? std::string() : found.front();
}

CaseFile parse_case(std::string_view text) {
  CaseFile out;
  for (const std::string_view line : split(text, '\n')) {
    const std::size_t colon = line.find(": ");
    if (line.empty() || line.front() == '#' || colon == std::string_view::npos) continue;
    out.lines.emplace_back(std::string(line.substr(0, colon)), std::string(line.substr(colon + 2)));
  }
  return out;
}

std::uint64_t CaseInput::place(std::string_view expression) const {
  std::uint64_t sum = 0;
  while (!expression.empty()) {
    const bool minus = expression.front() == '-';
    if (minus || expression.front() == '+') expression.remove_prefix(1);
    const std::string_view term = trim(expression.substr(0, expression.find_first_of("+-")));
    const auto mark = builder.marks.find(std::string(term));
    std::uint64_t value = parse_int<std::uint64_t>(term).value_or(0xdead);
    if (mark != builder.marks.end()) value = mark->second;
    if (term == "data") value = builder.variant.data_offset();
    if (term == "long") value = builder.variant.long_size;
    sum += minus ? 0 - value : value;
    expression.remove_prefix(std::min(expression.size(), expression.find_first_of("+-")));
  }
  return sum;
}

std::string CaseInput::expand(std::string_view text) const {
  std::string out;
  while (true) {
    const std::size_t open = text.find("${");
    const std::size_t close = text.find('}', open == std::string_view::npos ? 0 : open);
    if (open == std::string_view::npos || close == std::string_view::npos) return out += text;
    out += text.substr(0, open);
    out += std::to_string(place(text.substr(open + 2, close - open - 2)));
    text = text.substr(close + 1);
  }
}

CaseInput make_input(const CaseFile& recipe, const Variant& variant) {
  CaseInput input{"", standard_trace(variant)};
  for (const auto& [key, rest] : recipe.lines) change_builder(key, rest, input.builder);
  input.bytes = input.builder.build();
  for (const std::string& line : recipe.all("patch")) {
    const auto [where, values] = halves(line);
    const std::string bytes = write_values(input.expand(values), variant);
    const std::uint64_t at = input.place(where);
    if (at + bytes.size() <= input.bytes.size()) input.bytes.replace(at, bytes.size(), bytes);
  }
  for (const std::string& line : recipe.all("cut")) {
    input.bytes.resize(std::min<std::size_t>(input.bytes.size(), input.place(line)));
  }
  return input;
}

std::vector<std::string> observe(const std::string& bytes) {
  os::MemoryFiles files;
  files.put(std::string(kPath), bytes);
  model::IssueLog issues;
  std::vector<std::string> out;
  {
    const auto trace = kTraceDatFormat.open(files, std::string(kPath), issues);
    if (!trace.ok()) {
      out.push_back("error: " + trace.error().to_string());
    } else {
      Count count;
      for (std::size_t i = 0; i < (*trace)->streams().size(); ++i)
        count_stream(**trace, i, issues, count);
      out.push_back(fmt::format("events: {}", count.events));
      out.push_back(fmt::format("losses: {} {}", count.losses, count.lost));
    }
  }
  for (const model::Issue& issue : issues.rows()) {
    out.push_back(fmt::format("issue: {} | {} | {}", model::spec_of(issue.code).name, issue.place,
                              issue.message));
  }
  std::sort(out.begin(), out.end());
  return out;
}

}  // namespace vs::reader::ftrace::testing
