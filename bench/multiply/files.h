#pragma once
// Files of multiply: a mapped input, and an output whose earlier bytes can still be changed.
//
// Ownership: each owns its mapping or descriptor. Threads: one. Errors carry path and reason.

#include <cstdint>
#include <cstdio>
#include <memory>
#include <string>

#include "base/bytes.h"
#include "base/result.h"

namespace vs::bench {

class MappedFile {
 public:
  [[nodiscard]] static Result<MappedFile> open(const std::string& path);
  MappedFile(MappedFile&& other) noexcept;
  MappedFile& operator=(MappedFile&& other) noexcept;
  ~MappedFile();

  [[nodiscard]] Bytes bytes() const { return {static_cast<const std::byte*>(at_), size_}; }

 private:
  MappedFile(void* at, std::size_t size) : at_(at), size_(size) {}
  void* at_ = nullptr;  ///< null: an empty file
  std::size_t size_ = 0;
};

class OutFile {
 public:
  /// Fails where something stands at `path` already.
  [[nodiscard]] static Result<OutFile> create(const std::string& path);

  [[nodiscard]] std::uint64_t size() const { return size_; }
  [[nodiscard]] Status append(Bytes bytes);
  /// Zeros up to a multiple of `alignment`.
  [[nodiscard]] Status align(std::uint64_t alignment);
  /// Writes over bytes that are there.
  [[nodiscard]] Status overwrite(std::uint64_t offset, Bytes bytes);
  [[nodiscard]] Status close();

 private:
  struct Closer {
    void operator()(std::FILE* file) const { std::fclose(file); }
  };
  OutFile(std::FILE* file, std::string path) : file_(file), path_(std::move(path)) {}
  [[nodiscard]] Error error(const char* doing) const;

  std::unique_ptr<std::FILE, Closer> file_;
  std::string path_;
  std::uint64_t size_ = 0;
};

[[nodiscard]] Status make_folder(const std::string& path);

}  // namespace vs::bench
