#include "floor/ctf_cursor.h"

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <sstream>
#include <string_view>

namespace vs::bench {
namespace {

constexpr std::uint32_t kPacketMagic = 0x75D11D57;
constexpr std::size_t kMetadataHeaderBytes = 37;

std::string metadata_of(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  std::string raw{std::istreambuf_iterator<char>(file), {}};
  const auto word = [&](std::size_t at) {
    std::uint32_t value = 0;
    std::memcpy(&value, &raw[at], sizeof value);
    return value;
  };
  if (raw.size() < kMetadataHeaderBytes || word(0) != kPacketMagic) return raw;
  std::string out;
  for (std::size_t at = 0; at + kMetadataHeaderBytes <= raw.size(); at += word(at + 28) / 8) {
    out.append(raw, at + kMetadataHeaderBytes, word(at + 24) / 8 - kMetadataHeaderBytes);
  }
  return out;
}

/// Collects the fields of one structure, line by line.
class LayoutBuilder {
 public:
  CtfLayout layout;

  void line(const std::string& text) {
    if (text.find("string ") != std::string::npos) {
      layout.skip.push_back({CtfStep::kText, 0, 0});
      layout.fields.push_back({CtfStep::kText, 0, 0});
      fixed_ = false;
      return;
    }
    const std::size_t size = text.find("size = ");
    if (size == std::string::npos) {
      // Nested structures and variants: such an event cannot be stepped over.
      layout.fields.push_back({CtfStep::kSkip, 0, 0});
      fixed_ = false;
      return;
    }
    const auto bytes =
        static_cast<std::uint32_t>(std::strtoul(text.c_str() + size + 7, nullptr, 10) / 8);
    const std::string declaration = text.substr(text.find('}') + 1);
    const std::size_t bracket = declaration.find('[');
    if (bracket == std::string::npos) {
      scalar(declaration, bytes);
    } else {
      array(std::strtoul(declaration.c_str() + bracket + 1, nullptr, 10), bytes);
    }
  }
  CtfLayout finish() {
    layout.fixed = fixed_;
    layout.size = offset_;
    return std::move(layout);
  }

 private:
  static CtfStep::Kind kind_of(std::uint32_t bytes) {
    if (bytes == 1) return CtfStep::k8;
    if (bytes == 2) return CtfStep::k16;
    return bytes == 4 ? CtfStep::k32 : CtfStep::k64;
  }
  void skip(std::uint32_t bytes) {
    if (!layout.skip.empty() && layout.skip.back().kind == CtfStep::kSkip) {
      layout.skip.back().bytes = static_cast<std::uint16_t>(layout.skip.back().bytes + bytes);
    } else {
      layout.skip.push_back({CtfStep::kSkip, static_cast<std::uint16_t>(bytes), 0});
    }
    offset_ += bytes;
  }
  void scalar(const std::string& declaration, std::uint32_t bytes) {
    if (fixed_ && declaration.find("_prev_tid;") != std::string::npos) {
      layout.prev_tid = static_cast<int>(offset_);
    }
    if (fixed_ && declaration.find("_next_tid;") != std::string::npos) {
      layout.next_tid = static_cast<int>(offset_);
    }
    skip(bytes);
    last_bytes_ = bytes;
    layout.fields.push_back({kind_of(bytes), static_cast<std::uint16_t>(bytes), 0});
  }
  void array(std::size_t length, std::uint32_t bytes) {
    if (length == 0) {
      const CtfStep step{CtfStep::kSequence, static_cast<std::uint16_t>(bytes),
                         static_cast<std::uint16_t>(last_bytes_)};
      layout.skip.push_back(step);
      layout.fields.push_back(step);
      fixed_ = false;
      return;
    }
    skip(static_cast<std::uint32_t>(length) * bytes);
    if (bytes == 1) {  // text: kept as a pointer
      layout.fields.push_back({CtfStep::kSkip, static_cast<std::uint16_t>(length), 0});
      return;
    }
    for (std::size_t i = 0; i < length; ++i) {
      layout.fields.push_back({kind_of(bytes), static_cast<std::uint16_t>(bytes), 0});
    }
  }

  bool fixed_ = true;
  std::uint32_t offset_ = 0;
  std::uint32_t last_bytes_ = 0;
};

std::string text_after(const std::string& line, std::string_view key) {
  const std::size_t at = line.find(key);
  return at == std::string::npos ? "" : line.substr(at + key.size());
}

/// Reads fields until the brace that closes the structure.
CtfLayout read_fields(std::istream& in) {
  LayoutBuilder builder;
  int depth = 1;
  std::string line;
  while (std::getline(in, line)) {
    const bool integer = line.find("integer {") != std::string::npos;
    if (!integer && line.find('{') != std::string::npos) ++depth;
    if (!integer && line.find('}') != std::string::npos && --depth == 0) break;
    builder.line(line);
  }
  return builder.finish();
}

}  // namespace

CtfTrace read_ctf_trace(const std::string& folder) {
  CtfTrace out;
  std::istringstream in(metadata_of(folder + "/metadata"));
  std::string line;
  std::string name;
  std::size_t id = 0;
  while (std::getline(in, line)) {
    if (line.find("event.header := struct event_header_large") != std::string::npos) {
      out.large_header = true;
    } else if (line.find("event.context := struct {") != std::string::npos) {
      out.context_bytes = read_fields(in).size;
    } else if (line.starts_with("\tname = \"")) {
      name = text_after(line, "\"");
      name.resize(name.find('"'));
    } else if (line.starts_with("\tid = ")) {
      id = std::strtoul(line.c_str() + 6, nullptr, 10);
    } else if (line.find("fields := struct {") != std::string::npos) {
      if (out.events.size() <= id) out.events.resize(id + 1);
      out.events[id] = read_fields(in);
      out.events[id].name = name;
    }
  }
  return out;
}

std::vector<std::string> ctf_streams(const std::string& folder) {
  std::vector<std::string> out;
  for (const auto& entry : std::filesystem::directory_iterator(folder)) {
    const std::string name = entry.path().filename().string();
    if (name != "metadata" && name[0] != '.' && entry.is_regular_file() && entry.file_size() != 0) {
      out.push_back(entry.path().string());
    }
  }
  std::sort(out.begin(), out.end());
  return out;
}

}  // namespace vs::bench
