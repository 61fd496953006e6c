#pragma once
// Files that appear whole or not at all: written beside their target, synced, renamed into place.
//
// An OutputFile is appended to and either committed (its bytes and its name are on the disk when
// the call returns) or dropped (nothing remains). An anonymous one never has a name; it is read
// back through reopen(). Like os::FileSystem this is an interface, so that tests can make the n-th
// call fail (FaultyOutputs).
//
// Ownership: the OutputFile owns its descriptor and its temporary name. Threads: one thread per
// OutputFile; Outputs may be used from several. Errors carry the path and the system's words.

#include <cstdint>
#include <memory>
#include <span>
#include <string>

#include "base/bytes.h"
#include "base/result.h"
#include "os/file.h"

namespace vs::os {

class OutputFile {
 public:
  virtual ~OutputFile() = default;
  /// Appends all bytes. After an error the file can only be dropped.
  [[nodiscard]] virtual Status append(Bytes bytes) = 0;
  [[nodiscard]] virtual std::uint64_t size() const = 0;
  /// Syncs the file, renames it over its target and syncs the folder. At most once; a failed commit
  /// leaves the old target untouched. For an anonymous file: nothing to do.
  [[nodiscard]] virtual Status commit() = 0;
  /// A reader of what was appended so far; outlives this object.
  [[nodiscard]] virtual Result<std::unique_ptr<File>> reopen() const = 0;
};

class Outputs {
 public:
  virtual ~Outputs() = default;
  /// Writes beside `path`, in the same folder, with mode 0600. Leftovers of writers that died are
  /// removed on the way.
  [[nodiscard]] virtual Result<std::unique_ptr<OutputFile>> create(const std::string& path) = 0;
  /// A file in `folder` that has no name.
  [[nodiscard]] virtual Result<std::unique_ptr<OutputFile>> create_anonymous(
      const std::string& folder) = 0;
};

/// The real ones. One for the process, never destroyed.
[[nodiscard]] Outputs& real_outputs();

/// Creates a folder and those above it, for the user alone (mode 0700), where they do not exist.
[[nodiscard]] Status make_folders(const std::string& path);

/// Whether `path` may be written anew while `inputs` (files or folders) are read: refuses folders,
/// what is no regular file, and what is or lies inside an input. Links are followed. A name that
/// does not exist yet may be written.
[[nodiscard]] Status check_replaceable(const std::string& path,
                                       std::span<const std::string> inputs);

/// For tests: passes everything on, but the call number `fail_at` (counted from 0 over create,
/// append, commit and reopen) fails, and with `for_ever` every later one too. A failing append
/// writes half of its bytes first.
class FaultyOutputs final : public Outputs {
 public:
  FaultyOutputs(Outputs& inner, std::uint64_t fail_at, bool for_ever)
      : inner_(inner), fail_at_(fail_at), for_ever_(for_ever) {}
  [[nodiscard]] Result<std::unique_ptr<OutputFile>> create(const std::string& path) override;
  [[nodiscard]] Result<std::unique_ptr<OutputFile>> create_anonymous(
      const std::string& folder) override;
  /// Calls so far; fail_at >= calls() at the end means that nothing failed.
  [[nodiscard]] std::uint64_t calls() const { return calls_; }
  /// Counts a call; the error when it is one that fails.
  [[nodiscard]] Status step(std::string_view what);

 private:
  Outputs& inner_;
  const std::uint64_t fail_at_;
  const bool for_ever_;
  std::uint64_t calls_ = 0;
};

}  // namespace vs::os
