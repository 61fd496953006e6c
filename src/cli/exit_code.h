#pragma once
// What the program's exit status means (docs/cli.md).

#include "base/result.h"

namespace vs::cli {

enum class ExitCode : int {
  kAnswered = 0,
  kAnsweredWithIssues = 1,  ///< answered, and an issue of severity warning or error exists
  kBadUse = 2,              ///< wrong use, SQL errors included
  kUnreadable = 3,          ///< cannot read the input
  kUnanswerable = 4,        ///< the question cannot be answered from these events
  kOurFault = 70,
  kInterrupted = 130,  ///< as a shell reports SIGINT
};

[[nodiscard]] constexpr ExitCode exit_code_of(ErrorCode code) {
  switch (code) {
    case ErrorCode::kBadUse:
      return ExitCode::kBadUse;
    case ErrorCode::kNotFound:
    case ErrorCode::kIo:
    case ErrorCode::kUnsupported:
    case ErrorCode::kMalformed:
    case ErrorCode::kTruncated:
    case ErrorCode::kLimit:
      return ExitCode::kUnreadable;
    case ErrorCode::kUnanswerable:
      return ExitCode::kUnanswerable;
    case ErrorCode::kCancelled:
      return ExitCode::kInterrupted;
    case ErrorCode::kInternal:
      break;
  }
  return ExitCode::kOurFault;
}

}  // namespace vs::cli
