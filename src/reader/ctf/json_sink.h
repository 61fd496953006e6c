#pragma once
// Fields as JSON: see StreamCursor::fields_json() in reader/trace.h for the rules.

#include <string>
#include <string_view>
#include <vector>

#include "reader/ctf/plain_decoder.h"

namespace vs::reader::ctf {

/// Writes the members of scopes into one JSON object; the outermost structure of a scope has no
/// braces of its own.
class JsonSink final : public FieldSink {
 public:
  explicit JsonSink(std::string& out) : out_(out) { out_ += '{'; }
  void finish() { out_ += '}'; }
  /// From now on a direct member whose name is taken already gets "ctx_" before it.
  void begin_contexts() { contexts_ = true; }

  void begin_struct(std::string_view name) override;
  void end_struct() override;
  void begin_array(std::string_view name) override;
  void end_array() override;
  void integer(std::string_view name, const Node& node, std::uint64_t value) override;
  void real(std::string_view name, const Node& node, double value) override;
  void text(std::string_view name, std::string_view value) override;

 private:
  void key(std::string_view name);

  std::string& out_;
  std::vector<char> closers_;  ///< '\0' for a scope's own structure
  std::vector<std::string> taken_;
  bool comma_ = false;
  bool contexts_ = false;
};

}  // namespace vs::reader::ctf
