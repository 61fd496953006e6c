#pragma once
// The stream files of a trace: which there are, and which of them continue each other.

#include <optional>
#include <string>
#include <vector>

#include "base/result.h"
#include "model/issue.h"
#include "os/file.h"
#include "reader/ctf/stream_cursor.h"
#include "reader/ctf/trace_model.h"
#include "reader/trace.h"

namespace vs::reader::ctf {

/// One stream: its files in time order and what the reader interface says of it.
struct StreamChain {
  StreamInfo info;
  std::vector<StreamFile> files;
};

/// Reads the first (and where cheap the last) packet of every stream file in `folders`. Files of
/// the same stream instance or CPU whose times follow each other become one chain.
[[nodiscard]] Result<std::vector<StreamChain>> find_streams(const TraceModel& model,
                                                            os::FileSystem& files,
                                                            const std::vector<std::string>& folders,
                                                            const std::string& trace_path,
                                                            model::IssueLog& issues);

}  // namespace vs::reader::ctf
