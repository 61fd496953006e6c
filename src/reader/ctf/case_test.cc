// Runs every case of tests/reject/ctf: one file each, with metadata, stream bytes, and what must
// come out, the exact error or issue included. tests/reject/ctf/README.md has the notation. With
// VS_BLESS=1 the files are rewritten with what came out (then read the difference!).
#include <gtest/gtest.h>

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <map>
#include <sstream>

#include "base/strings.h"
#include "os/file.h"
#include "reader/ctf/differential.h"
#include "reader/ctf/format.h"
#include "reader/ctf/metadata.h"
#include "reader/ctf/tsdl_parser.h"

namespace vs::reader::ctf {
namespace {

namespace fs = std::filesystem;

const fs::path kFolder = fs::path(VS_SOURCE_DIR) / "tests/reject/ctf";

std::string slurp(const fs::path& path) {
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), {}};
}

// Bytes from text: "c1 1f", 0b10100000, u32:5 s16:-1 f32:1.5, "text\0", 00*16 (repeat), fill:64:00
// (up to that size), le and be (order of the numbers from here on).
class BytesText {
 public:
  std::string parse(const std::string& text) {
    std::istringstream lines(text);
    std::string line;
    while (std::getline(lines, line)) {
      if (const auto hash = line.find('#'); hash != std::string::npos) line.resize(hash);
      std::istringstream words(line);
      std::string word;
      while (words >> word) add(word);
    }
    return out_;
  }

 private:
  void add(const std::string& word) {
    if (word == "le" || word == "be") {
      big_ = word == "be";
    } else if (word.front() == '"') {
      add_text(word);
    } else if (word.starts_with("0b") && word.size() > 2) {
      out_.push_back(static_cast<char>(std::stoul(word.substr(2), nullptr, 2)));
    } else if (word.starts_with("fill:")) {
      const auto parts = split(word, ':');
      out_.resize(*parse_int<std::size_t>(parts[1]),
                  static_cast<char>(*parse_int<unsigned>(parts[2], 16)));
    } else if (const auto colon = word.find(':'); colon != std::string::npos) {
      add_number(word, colon);
    } else if (const auto star = word.find('*'); star != std::string::npos) {
      out_.append(std::stoul(word.substr(star + 1)),
                  static_cast<char>(std::stoul(word.substr(0, star), nullptr, 16)));
    } else {
      out_.push_back(static_cast<char>(std::stoul(word, nullptr, 16)));
    }
  }

  void add_text(const std::string& word) {
    for (std::size_t i = 1; i + 1 < word.size(); ++i) {
      const bool nul = word[i] == '\\' && word[i + 1] == '0';
      out_.push_back(nul ? '\0' : word[i]);
      if (nul) ++i;
    }
  }

  void add_number(const std::string& word, std::size_t colon) {
    const std::string value = word.substr(colon + 1);
    const int bits = std::stoi(word.substr(1, colon - 1));
    std::uint64_t number = 0;
    if (word[0] == 'f') {
      number = bits == 64 ? std::bit_cast<std::uint64_t>(std::stod(value))
                          : std::bit_cast<std::uint32_t>(std::stof(value));
    } else {
      number = word[0] == 's' ? static_cast<std::uint64_t>(std::stoll(value, nullptr, 0))
                              : std::stoull(value, nullptr, 0);
    }
    for (int i = 0; i < bits / 8; ++i) {
      out_.push_back(static_cast<char>(number >> (8 * (big_ ? bits / 8 - 1 - i : i))));
    }
  }

  bool big_ = false;
  std::string out_;
};

struct Case {
  std::string head;  ///< everything before the expectation, verbatim
  std::vector<std::pair<std::string, std::string>> parts;
  std::string expected;
};

Case parse_case(const std::string& text) {
  Case out;
  std::istringstream lines(text);
  std::string line;
  bool expecting = false;
  while (std::getline(lines, line)) {
    if (line == "--- expect") {
      expecting = true;
      continue;
    }
    if (expecting) {
      out.expected += line + "\n";
      continue;
    }
    out.head += line + "\n";
    if (line.starts_with("--- ")) {
      out.parts.emplace_back(line.substr(4), "");
    } else if (!out.parts.empty()) {
      out.parts.back().second += line + "\n";
    }
  }
  return out;
}

std::string metadata_of(const Case& one) {
  std::string metadata;
  for (const auto& [title, text] : one.parts) {
    if (title.starts_with("prelude "))
      metadata += slurp(kFolder / "prelude" / (title.substr(8) + ".tsdl"));
    if (title == "metadata") metadata += text;
    if (title == "metadata bytes") metadata += BytesText().parse(text);
  }
  return metadata;
}

void put_files(const Case& one, os::MemoryFiles& files) {
  files.put("/t/metadata", metadata_of(one));
  for (const auto& [title, text] : one.parts) {
    if (title.starts_with("stream ")) files.put("/t/" + title.substr(7), BytesText().parse(text));
    if (title.starts_with("index ")) {
      files.put("/t/index/" + title.substr(6) + ".idx", BytesText().parse(text));
    }
  }
}

void show_event(const Trace& trace, const StreamCursor& cursor, const model::Event& event,
                std::ostream& out) {
  std::string json;
  cursor.fields_json(event, json);
  if (event.kind == model::EventKind::kLoss) {
    out << "loss " << event.own.value << " " << event.i(model::arg::kLossEndOwn) << " " << json
        << "\n";
    return;
  }
  out << "event " << event.own.value << " " << trace.event_types()[event.type].name << " " << json
      << "\n";
}

std::string run_case(const Case& one) {
  os::MemoryFiles files;
  put_files(one, files);
  std::ostringstream out;
  model::IssueLog issues;
  const auto trace = kCtfFormat.open(files, "/t", issues);
  if (!trace.ok()) {
    out << "error " << trace.error().to_string() << "\n";
    return out.str();
  }
  for (std::size_t i = 0; i < (*trace)->streams().size(); ++i) {
    const StreamInfo& info = (*trace)->streams()[i];
    out << "stream " << info.place;
    if (info.cpu != model::kNoCpu) out << " cpu " << info.cpu;
    out << "\n";
    const auto cursor = (*trace)->open_stream(i, {}, issues);
    EXPECT_TRUE(cursor.ok());
    for (int rounds = 0; rounds < 10000; ++rounds) {
      const auto batch = (*cursor)->next();
      EXPECT_TRUE(batch.ok());
      if (!batch.ok() || batch->empty()) break;
      for (const model::Event& event : *batch) show_event(**trace, **cursor, event, out);
    }
  }
  for (const model::Issue& issue : issues.rows()) {
    out << "issue " << spec_of(issue.code).name << " " << issue.place << ": " << issue.message
        << "\n";
    EXPECT_FALSE(issue.place.empty());
  }
  return out.str();
}

class CaseTest : public testing::TestWithParam<std::string> {};

TEST_P(CaseTest, GivesExactlyWhatIsExpected) {
  const fs::path path = kFolder / GetParam();
  const Case one = parse_case(slurp(path));
  const std::string actual = run_case(one);
  if (std::getenv("VS_BLESS") != nullptr) {
    std::ofstream(path, std::ios::binary) << one.head << "--- expect\n" << actual;
    return;
  }
  EXPECT_FALSE(one.expected.empty());
  EXPECT_EQ(actual, one.expected);
}

// The fast decoder and the plain one agree on the bytes of every case, at every bit of the first
// bytes.
TEST_P(CaseTest, BothDecodersAgree) {
  const Case one = parse_case(slurp(kFolder / GetParam()));
  const auto text = unwrap_metadata(as_bytes(metadata_of(one)));
  if (!text.ok()) return;
  ParsedMetadata parsed = parse_tsdl(text->text);
  if (!parsed.usable) return;
  std::optional<Error> left_out;
  const auto model = build_model(std::move(parsed.schema), left_out);
  if (!model.ok()) return;
  for (const auto& [title, body] : one.parts) {
    if (!title.starts_with("stream ")) continue;
    const std::string bytes = BytesText().parse(body);
    for (const StreamModel& stream : (*model)->streams) {
      for (const EventModel& event : stream.events) {
        for (std::uint64_t bit = 0; bit < std::min<std::size_t>(bytes.size() * 8, 200); ++bit) {
          EXPECT_EQ(compare_decoders(**model, stream, event, as_bytes(bytes), bit), std::nullopt)
              << "event " << event.layout->event->name << " at bit " << bit;
        }
      }
    }
  }
}

std::vector<std::string> case_names() {
  std::vector<std::string> names;
  for (const auto& entry : fs::recursive_directory_iterator(kFolder)) {
    if (entry.path().extension() == ".case") {
      names.push_back(fs::relative(entry.path(), kFolder).string());
    }
  }
  std::sort(names.begin(), names.end());
  return names;
}

std::string case_title(const testing::TestParamInfo<std::string>& param) {
  std::string name = param.param.substr(0, param.param.rfind('.'));
  std::replace_if(
      name.begin(), name.end(), [](char c) { return !std::isalnum(c); }, '_');
  return name;
}
INSTANTIATE_TEST_SUITE_P(Ctf, CaseTest, testing::ValuesIn(case_names()), case_title);

// The folder must not shrink unnoticed.
TEST(Cases, ThereAreEnough) {
  const auto names = case_names();
  const auto in = [&](std::string_view folder) {
    return std::count_if(names.begin(), names.end(),
                         [&](const std::string& name) { return name.starts_with(folder); });
  };
  EXPECT_GE(in("metadata/") + in("packets/") + in("data/") + in("index/"), 150);
  EXPECT_GE(in("pass/"), 40);
}

}  // namespace
}  // namespace vs::reader::ctf
