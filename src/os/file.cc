#include "os/file.h"

#include <dirent.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <utility>

#include "os/beneath.h"

namespace vs::os {
namespace {

Error io_error(const std::string& path, std::string_view verb, int number) {
  const ErrorCode code =
      number == ENOENT || number == ENOTDIR ? ErrorCode::kNotFound : ErrorCode::kIo;
  return Error{code, std::string("cannot ") + std::string(verb) + ": " + std::strerror(number),
               path, ""};
}

class RealFile final : public File {
 public:
  RealFile(std::string path, int fd, std::uint64_t size)
      : path_(std::move(path)), fd_(fd), size_(size) {}
  RealFile(const RealFile&) = delete;
  RealFile& operator=(const RealFile&) = delete;
  ~RealFile() override { ::close(fd_); }

  [[nodiscard]] std::uint64_t size() const override { return size_; }

  [[nodiscard]] Result<std::size_t> read_at(std::uint64_t offset,
                                            std::span<std::byte> out) const override {
    std::size_t done = 0;
    while (done < out.size()) {
      const ssize_t got =
          ::pread(fd_, out.data() + done, out.size() - done, static_cast<off_t>(offset + done));
      if (got < 0 && errno == EINTR) continue;
      if (got < 0) return io_error(path_, "read", errno);
      if (got == 0) break;
      done += static_cast<std::size_t>(got);
    }
    return done;
  }

  void advise_sequential() const override { ::posix_fadvise(fd_, 0, 0, POSIX_FADV_SEQUENTIAL); }

 private:
  const std::string path_;
  const int fd_;
  const std::uint64_t size_;
};

FileStat from_system(const struct ::stat& st) {
  return FileStat{static_cast<std::uint64_t>(st.st_size),
                  std::int64_t{st.st_mtim.tv_sec} * 1'000'000'000 + st.st_mtim.tv_nsec,
                  static_cast<std::uint64_t>(st.st_ino), S_ISDIR(st.st_mode)};
}

/// What is opened must be closed.
class Descriptor {
 public:
  explicit Descriptor(int fd) : fd_(fd) {}
  ~Descriptor() {
    if (fd_ >= 0) ::close(fd_);
  }
  Descriptor(const Descriptor&) = delete;
  Descriptor& operator=(const Descriptor&) = delete;
  [[nodiscard]] int get() const { return fd_; }
  int release() { return std::exchange(fd_, -1); }

 private:
  int fd_;
};

class RealFiles : public FileSystem {
 public:
  [[nodiscard]] Result<std::unique_ptr<File>> open(const std::string& path) override {
    Descriptor file(open_path(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK));
    if (file.get() < 0) return io_error(path, "open", errno);
    struct ::stat st {};
    if (::fstat(file.get(), &st) != 0 || !S_ISREG(st.st_mode)) {
      return Error{ErrorCode::kIo, "not a regular file", path, ""};
    }
    return std::unique_ptr<File>(
        std::make_unique<RealFile>(path, file.release(), static_cast<std::uint64_t>(st.st_size)));
  }

  [[nodiscard]] Result<std::vector<Entry>> list(const std::string& path) override {
    Descriptor opened(open_path(path, O_RDONLY | O_CLOEXEC | O_DIRECTORY));
    if (opened.get() < 0) return io_error(path, "list", errno);
    DIR* const folder = ::fdopendir(opened.get());
    if (folder == nullptr) return io_error(path, "list", errno);
    opened.release();  // the folder's now
    std::vector<Entry> entries;
    while (const dirent* item = ::readdir(folder)) {
      const std::string_view name = item->d_name;
      if (name == "." || name == "..") continue;
      struct ::stat st {};
      const bool known = ::fstatat(::dirfd(folder), item->d_name, &st, 0) == 0;
      entries.push_back(Entry{std::string(name), known && S_ISDIR(st.st_mode)});
    }
    ::closedir(folder);
    std::sort(entries.begin(), entries.end(),
              [](const Entry& a, const Entry& b) { return a.name < b.name; });
    return entries;
  }

  [[nodiscard]] Result<FileStat> stat(const std::string& path) override {
    const Descriptor file(open_path(path, O_PATH | O_CLOEXEC));
    struct ::stat st {};
    if (file.get() < 0 || ::fstat(file.get(), &st) != 0) return io_error(path, "open", errno);
    return from_system(st);
  }

 protected:
  /// A descriptor, or -1 and errno.
  [[nodiscard]] virtual int open_path(const std::string& path, int flags) const {
    return ::open(path.c_str(), flags);
  }
};

int open_beneath(int root, const char* path, int flags) {
  struct ::open_how how {};
  how.flags = static_cast<decltype(how.flags)>(flags);
  how.resolve = RESOLVE_BENEATH | RESOLVE_NO_MAGICLINKS;
  return static_cast<int>(::syscall(SYS_openat2, root, path, &how, sizeof how));
}

class FilesBeneath final : public RealFiles {
 public:
  FilesBeneath(std::string root, int fd) : root_(std::move(root)), fd_(fd) {}

 protected:
  [[nodiscard]] int open_path(const std::string& path, int flags) const override {
    const std::string prefix = root_ == "/" ? root_ : root_ + "/";
    if (path == root_) return open_beneath(fd_.get(), ".", flags);
    if (!path.starts_with(prefix)) {
      errno = ENOENT;
      return -1;
    }
    const int fd = open_beneath(fd_.get(), path.c_str() + prefix.size(), flags);
    if (fd < 0 && (errno == EXDEV || errno == ELOOP)) errno = ENOENT;  // it leads out
    return fd;
  }

 private:
  const std::string root_;
  const Descriptor fd_;
};

class MemoryFile final : public File {
 public:
  explicit MemoryFile(std::shared_ptr<const std::vector<std::byte>> content)
      : content_(std::move(content)) {}
  [[nodiscard]] std::uint64_t size() const override { return content_->size(); }
  [[nodiscard]] Result<std::size_t> read_at(std::uint64_t offset,
                                            std::span<std::byte> out) const override {
    if (offset >= content_->size()) return std::size_t{0};
    const std::size_t size = std::min<std::size_t>(out.size(), content_->size() - offset);
    std::copy_n(content_->begin() + static_cast<std::ptrdiff_t>(offset), size, out.begin());
    return size;
  }

 private:
  std::shared_ptr<const std::vector<std::byte>> content_;
};

}  // namespace

FileSystem& real_files() {
  static RealFiles files;
  return files;
}

Result<std::string> real_folder(const std::string& path) {
  const std::unique_ptr<char, decltype(&std::free)> real(::realpath(path.c_str(), nullptr),
                                                         &std::free);
  if (real == nullptr) return io_error(path, "open", errno);
  struct ::stat st {};
  if (::stat(real.get(), &st) != 0) return io_error(path, "open", errno);
  if (!S_ISDIR(st.st_mode)) return Error{ErrorCode::kBadUse, "not a folder", path, "name a folder"};
  return std::string(real.get());
}

Result<std::unique_ptr<FileSystem>> files_beneath(const std::string& root) {
  Descriptor folder(::open(root.c_str(), O_PATH | O_CLOEXEC | O_DIRECTORY));
  if (folder.get() < 0) return io_error(root, "open", errno);
  const Descriptor probe(open_beneath(folder.get(), ".", O_PATH | O_CLOEXEC));
  if (probe.get() < 0) {
    return Error{ErrorCode::kUnsupported,
                 std::string("cannot confine paths to a folder: ") + std::strerror(errno), root,
                 "needs Linux 5.6 or newer"};
  }
  return std::unique_ptr<FileSystem>(std::make_unique<FilesBeneath>(root, folder.release()));
}

void MemoryFiles::put(std::string path, std::vector<std::byte> content) {
  files_[std::move(path)] = std::make_shared<const std::vector<std::byte>>(std::move(content));
}

void MemoryFiles::put(std::string path, std::string content) {
  const Bytes bytes = as_bytes(content);
  put(std::move(path), std::vector<std::byte>(bytes.begin(), bytes.end()));
}

Result<std::unique_ptr<File>> MemoryFiles::open(const std::string& path) {
  const auto found = files_.find(path);
  if (found == files_.end()) return io_error(path, "open", ENOENT);
  return std::unique_ptr<File>(std::make_unique<MemoryFile>(found->second));
}

Result<std::vector<Entry>> MemoryFiles::list(const std::string& path) {
  const std::string prefix = path + "/";
  std::map<std::string, bool> names;
  for (const auto& [name, content] : files_) {
    if (!name.starts_with(prefix)) continue;
    const std::string rest = name.substr(prefix.size());
    const std::size_t slash = rest.find('/');
    names[rest.substr(0, slash)] = slash != std::string::npos;
  }
  if (names.empty()) return io_error(path, "list", ENOENT);
  std::vector<Entry> entries;
  for (const auto& [name, folder] : names) entries.push_back(Entry{name, folder});
  return entries;
}

Result<FileStat> MemoryFiles::stat(const std::string& path) {
  if (const auto found = files_.find(path); found != files_.end()) {
    return FileStat{found->second->size(), 0, 0, false};
  }
  if (list(path).ok()) return FileStat{0, 0, 0, true};
  return io_error(path, "open", ENOENT);
}

Result<std::vector<std::byte>> read_whole(const File& file, std::uint64_t limit,
                                          std::string_view place) {
  if (file.size() > limit) {
    return Error{
        ErrorCode::kLimit,
        "file has " + std::to_string(file.size()) + " bytes, the limit is " + std::to_string(limit),
        std::string(place), ""};
  }
  std::vector<std::byte> content(static_cast<std::size_t>(file.size()));
  VS_ASSIGN(const std::size_t size, file.read_at(0, content));
  content.resize(size);
  return content;
}

std::string join_path(std::string_view folder, std::string_view name) {
  std::string out(folder);
  while (out.size() > 1 && out.back() == '/') out.pop_back();
  if (out != "/") out += '/';
  return out + std::string(name);
}

std::string_view base_name(std::string_view path) {
  while (path.size() > 1 && path.back() == '/') path.remove_suffix(1);
  const std::size_t slash = path.rfind('/');
  return slash == std::string_view::npos || path.size() == 1 ? path : path.substr(slash + 1);
}

}  // namespace vs::os
