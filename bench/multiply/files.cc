#include "multiply/files.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <filesystem>
#include <utility>
#include <vector>

namespace vs::bench {
namespace {

Error io_error(const std::string& path, const char* doing) {
  return Error{ErrorCode::kIo, std::string(doing) + ": " + std::strerror(errno), path, ""};
}

}  // namespace

Result<MappedFile> MappedFile::open(const std::string& path) {
  const int file = ::open(path.c_str(), O_RDONLY | O_CLOEXEC);
  struct stat status {};
  if (file < 0 || ::fstat(file, &status) != 0) {
    const Error error = io_error(path, "cannot be opened");
    if (file >= 0) ::close(file);
    return error;
  }
  const auto size = static_cast<std::size_t>(status.st_size);
  void* at = nullptr;
  if (S_ISREG(status.st_mode) && size != 0) {
    at = ::mmap(nullptr, size, PROT_READ, MAP_SHARED, file, 0);
  }
  ::close(file);
  if (at == MAP_FAILED) return io_error(path, "cannot be mapped");
  return MappedFile(at, at == nullptr ? 0 : size);
}

MappedFile::MappedFile(MappedFile&& other) noexcept
    : at_(std::exchange(other.at_, nullptr)), size_(std::exchange(other.size_, 0)) {}

MappedFile& MappedFile::operator=(MappedFile&& other) noexcept {
  std::swap(at_, other.at_);
  std::swap(size_, other.size_);
  return *this;
}

MappedFile::~MappedFile() {
  if (at_ != nullptr) ::munmap(at_, size_);
}

Result<OutFile> OutFile::create(const std::string& path) {
  std::FILE* file = std::fopen(path.c_str(), "wbx");
  if (file == nullptr) return io_error(path, "cannot be created");
  OutFile out(file, path);
  std::setvbuf(file, nullptr, _IOFBF, 1U << 20);
  return out;
}

Error OutFile::error(const char* doing) const { return io_error(path_, doing); }

Status OutFile::append(Bytes bytes) {
  if (std::fwrite(bytes.data(), 1, bytes.size(), file_.get()) != bytes.size()) {
    return error("cannot be written");
  }
  size_ += bytes.size();
  return {};
}

Status OutFile::align(std::uint64_t alignment) {
  const std::vector<std::byte> zeros(
      static_cast<std::size_t>((alignment - size_ % alignment) % alignment));
  return append(zeros);
}

Status OutFile::overwrite(std::uint64_t offset, Bytes bytes) {
  if (::fseeko(file_.get(), static_cast<off_t>(offset), SEEK_SET) != 0 ||
      std::fwrite(bytes.data(), 1, bytes.size(), file_.get()) != bytes.size() ||
      ::fseeko(file_.get(), 0, SEEK_END) != 0) {
    return error("cannot be written");
  }
  return {};
}

Status OutFile::close() {
  if (std::fclose(file_.release()) != 0) return error("cannot be written");
  return {};
}

Status make_folder(const std::string& path) {
  std::error_code code;
  std::filesystem::create_directories(path, code);
  if (code) return Error{ErrorCode::kIo, "cannot be created: " + code.message(), path, ""};
  return {};
}

}  // namespace vs::bench
