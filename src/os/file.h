#pragma once
// The one door to files. Readers take a FileSystem, so that tests can use one in memory or a faulty
// one.
//
// Threads: FileSystem and File may be used from several threads (reads are positional). Errors
// carry the path and the system's words. No call follows a declared size: sizes come from the file
// itself.

#include <cstddef>
#include <cstdint>
#include <map>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/bytes.h"
#include "base/result.h"

namespace vs::os {

class File {
 public:
  virtual ~File() = default;
  /// Size when it was opened; a file that grows is read as far as this.
  [[nodiscard]] virtual std::uint64_t size() const = 0;
  /// Reads up to out.size() bytes at offset; returns how many were there (short at the end of the
  /// file, also when it was truncated after opening: never a signal).
  [[nodiscard]] virtual Result<std::size_t> read_at(std::uint64_t offset,
                                                    std::span<std::byte> out) const = 0;
  /// Tells the system that reads will go forward.
  virtual void advise_sequential() const {}
};

struct Entry {
  std::string name;
  bool folder = false;
};

struct FileStat {
  std::uint64_t size = 0;
  std::int64_t modified_ns = 0;
  std::uint64_t inode = 0;
  bool folder = false;
};

class FileSystem {
 public:
  virtual ~FileSystem() = default;
  [[nodiscard]] virtual Result<std::unique_ptr<File>> open(const std::string& path) = 0;
  /// Sorted by name, without "." and "..".
  [[nodiscard]] virtual Result<std::vector<Entry>> list(const std::string& path) = 0;
  [[nodiscard]] virtual Result<FileStat> stat(const std::string& path) = 0;
};

/// The real file system. One for the process, never destroyed.
[[nodiscard]] FileSystem& real_files();

/// Files in memory, for tests and fuzzers.
class MemoryFiles final : public FileSystem {
 public:
  void put(std::string path, std::string content);
  void put(std::string path, std::vector<std::byte> content);
  [[nodiscard]] Result<std::unique_ptr<File>> open(const std::string& path) override;
  [[nodiscard]] Result<std::vector<Entry>> list(const std::string& path) override;
  [[nodiscard]] Result<FileStat> stat(const std::string& path) override;

 private:
  std::map<std::string, std::shared_ptr<const std::vector<std::byte>>, std::less<>> files_;
};

/// The whole file. Refuses with kLimit when it is larger than `limit`.
[[nodiscard]] Result<std::vector<std::byte>> read_whole(const File& file, std::uint64_t limit,
                                                        std::string_view place);

/// "a/b" without doubled slashes.
[[nodiscard]] std::string join_path(std::string_view folder, std::string_view name);
[[nodiscard]] std::string_view base_name(std::string_view path);

}  // namespace vs::os
