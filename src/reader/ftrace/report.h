#pragma once
// Reporter: turns a fault found in a trace.dat file into an issue row whose place names the file,
// the byte and, where it has one, the stream ("host.dat:4096 cpu 2 page 17").
//
// Ownership: refers to the IssueLog, which must outlive it. Threads: one per cursor; the log is
// shared.

#include <cstdint>
#include <string>
#include <string_view>
#include <utility>

#include "model/issue.h"

namespace vs::reader::ftrace {

class Reporter {
 public:
  /// `stream` is the part of the place after the byte offset: "cpu 2", "buffer net cpu 2" or empty.
  Reporter(model::IssueLog& issues, std::string trace, std::string file, std::string stream = {})
      : issues_(&issues),
        trace_(std::move(trace)),
        file_(std::move(file)),
        stream_(std::move(stream)) {}

  /// "host.dat:4096 cpu 2 page 17"; an empty `detail` leaves the last part out.
  [[nodiscard]] std::string place(std::uint64_t offset, std::string_view detail = {}) const {
    std::string text = file_ + ":" + std::to_string(offset);
    if (!stream_.empty()) text += " " + stream_;
    if (!detail.empty()) text.append(" ").append(detail);
    return text;
  }

  void add(model::IssueCode code, std::uint64_t offset, std::string message,
           std::string_view detail = {}, std::uint64_t count = 1) const {
    add_at(code, place(offset, detail), std::move(message), count);
  }
  void add_at(model::IssueCode code, std::string place, std::string message,
              std::uint64_t count = 1) const {
    issues_->add(model::Issue{code, trace_, std::move(place), count, std::move(message)});
  }

  [[nodiscard]] const std::string& file() const noexcept { return file_; }
  [[nodiscard]] const std::string& stream() const noexcept { return stream_; }
  [[nodiscard]] Reporter for_stream(model::IssueLog& issues, std::string stream) const {
    return Reporter(issues, trace_, file_, std::move(stream));
  }

 private:
  model::IssueLog* issues_;
  std::string trace_;
  std::string file_;
  std::string stream_;
};

}  // namespace vs::reader::ftrace
