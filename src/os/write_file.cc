#include "os/write_file.h"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <cstring>

namespace vs::os {
namespace {

Error io_error(const std::string& path, std::string_view verb, int number) {
  const ErrorCode code =
      number == ENOENT || number == ENOTDIR ? ErrorCode::kNotFound : ErrorCode::kIo;
  return Error{code, "cannot " + std::string(verb) + ": " + std::strerror(number), path, ""};
}

std::string folder_of(const std::string& path) {
  const std::size_t slash = path.rfind('/');
  if (slash == std::string::npos) return ".";
  return slash == 0 ? "/" : path.substr(0, slash);
}

/// A descriptor of its own on the same file: positional reads, the size at opening time.
class DescriptorFile final : public File {
 public:
  DescriptorFile(std::string path, int fd, std::uint64_t size)
      : path_(std::move(path)), fd_(fd), size_(size) {}
  DescriptorFile(const DescriptorFile&) = delete;
  DescriptorFile& operator=(const DescriptorFile&) = delete;
  ~DescriptorFile() override { ::close(fd_); }
  [[nodiscard]] std::uint64_t size() const override { return size_; }
  [[nodiscard]] Result<std::size_t> read_at(std::uint64_t offset,
                                            std::span<std::byte> out) const override {
    std::size_t done = 0;
    while (done < out.size()) {
      const std::span<std::byte> rest = out.subspan(done);
      const ssize_t got = ::pread(fd_, rest.data(), rest.size(), static_cast<off_t>(offset + done));
      if (got < 0 && errno == EINTR) continue;
      if (got < 0) return io_error(path_, "read", errno);
      if (got == 0) break;
      done += static_cast<std::size_t>(got);
    }
    return done;
  }

 private:
  const std::string path_;
  const int fd_;
  const std::uint64_t size_;
};

class RealOutput final : public OutputFile {
 public:
  RealOutput(std::string target, std::string temporary, int fd)
      : target_(std::move(target)), temporary_(std::move(temporary)), fd_(fd) {}
  RealOutput(const RealOutput&) = delete;
  RealOutput& operator=(const RealOutput&) = delete;
  ~RealOutput() override {
    if (!temporary_.empty()) ::unlink(temporary_.c_str());
    ::close(fd_);
  }

  [[nodiscard]] Status append(Bytes bytes) override {
    while (!bytes.empty()) {
      const ssize_t put = ::write(fd_, bytes.data(), bytes.size());
      if (put < 0 && errno == EINTR) continue;
      if (put < 0) return io_error(name(), "write", errno);
      if (put == 0) return io_error(name(), "write", ENOSPC);
      size_ += static_cast<std::uint64_t>(put);
      bytes = bytes.subspan(static_cast<std::size_t>(put));
    }
    return {};
  }

  [[nodiscard]] std::uint64_t size() const override { return size_; }

  [[nodiscard]] Status commit() override {
    if (temporary_.empty()) return {};
    if (::fsync(fd_) != 0) return io_error(temporary_, "sync", errno);
    if (::rename(temporary_.c_str(), target_.c_str()) != 0) {
      return io_error(target_, "rename into place", errno);
    }
    temporary_.clear();
    return sync_folder();
  }

  [[nodiscard]] Result<std::unique_ptr<File>> reopen() const override {
    const int fd = ::fcntl(fd_, F_DUPFD_CLOEXEC, 0);
    if (fd < 0) return io_error(name(), "open", errno);
    return std::unique_ptr<File>(std::make_unique<DescriptorFile>(name(), fd, size_));
  }

 private:
  [[nodiscard]] const std::string& name() const {
    return temporary_.empty() ? target_ : temporary_;
  }

  // Without this the rename itself may be lost with the power. Some file systems cannot sync a
  // folder and say EINVAL; then there is nothing more to do.
  [[nodiscard]] Status sync_folder() const {
    const std::string folder = folder_of(target_);
    const int fd = ::open(folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0) return io_error(folder, "open", errno);
    const int failed = ::fsync(fd) != 0 ? errno : 0;
    ::close(fd);
    if (failed != 0 && failed != EINVAL) return io_error(folder, "sync", failed);
    return {};
  }

  const std::string target_;
  std::string temporary_;  ///< empty when anonymous or committed
  const int fd_;
  std::uint64_t size_ = 0;
};

std::string temporary_prefix(const std::string& path) {
  return "." + std::string(base_name(path)) + ".";
}
constexpr std::string_view kTemporarySuffix = ".part";

/// Every writer holds a lock on its temporary file, so one that can be locked belongs to nobody.
void remove_leftovers(const std::string& path) {
  const std::string folder = folder_of(path);
  const auto entries = real_files().list(folder);
  if (!entries.ok()) return;
  const std::string prefix = temporary_prefix(path);
  for (const Entry& entry : *entries) {
    if (!entry.name.starts_with(prefix) || !entry.name.ends_with(kTemporarySuffix)) continue;
    const std::string name = join_path(folder, entry.name);
    const int fd = ::open(name.c_str(), O_RDONLY | O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK);
    if (fd < 0) continue;
    if (::flock(fd, LOCK_EX | LOCK_NB) == 0) ::unlink(name.c_str());
    ::close(fd);
  }
}

class RealOutputs final : public Outputs {
 public:
  [[nodiscard]] Result<std::unique_ptr<OutputFile>> create(const std::string& path) override {
    remove_leftovers(path);
    std::string name = join_path(folder_of(path), temporary_prefix(path) + "XXXXXX");
    name += kTemporarySuffix;
    const int fd = ::mkostemps(name.data(), static_cast<int>(kTemporarySuffix.size()), O_CLOEXEC);
    if (fd < 0) return io_error(path, "create a file beside it", errno);
    (void)::flock(fd, LOCK_EX | LOCK_NB);  // only marks it as in use; without locks nothing is lost
    return std::unique_ptr<OutputFile>(std::make_unique<RealOutput>(path, std::move(name), fd));
  }

  [[nodiscard]] Result<std::unique_ptr<OutputFile>> create_anonymous(
      const std::string& folder) override {
    std::string name = join_path(folder, ".virtscope.XXXXXX");
    const int fd = ::mkostemp(name.data(), O_CLOEXEC);
    if (fd < 0) return io_error(folder, "create a temporary file", errno);
    ::unlink(name.c_str());
    return std::unique_ptr<OutputFile>(
        std::make_unique<RealOutput>(join_path(folder, "(temporary)"), "", fd));
  }
};

class FaultyOutput final : public OutputFile {
 public:
  FaultyOutput(FaultyOutputs& owner, std::unique_ptr<OutputFile> inner)
      : owner_(owner), inner_(std::move(inner)) {}
  [[nodiscard]] Status append(Bytes bytes) override {
    if (Status failed = owner_.step("write"); !failed.ok()) {
      VS_TRY(inner_->append(bytes.first(bytes.size() / 2)));
      return failed;
    }
    return inner_->append(bytes);
  }
  [[nodiscard]] std::uint64_t size() const override { return inner_->size(); }
  [[nodiscard]] Status commit() override {
    VS_TRY(owner_.step("commit"));
    return inner_->commit();
  }
  [[nodiscard]] Result<std::unique_ptr<File>> reopen() const override {
    VS_TRY(owner_.step("open"));
    return inner_->reopen();
  }

 private:
  FaultyOutputs& owner_;
  const std::unique_ptr<OutputFile> inner_;
};

/// The real path without links; empty when there is none.
std::string resolved(const std::string& path) {
  char* const real = ::realpath(path.c_str(), nullptr);
  if (real == nullptr) return {};
  std::string out = real;
  std::free(real);
  return out;
}

bool same_file(const std::string& a, const std::string& b) {
  struct ::stat one {};
  struct ::stat other {};
  return ::stat(a.c_str(), &one) == 0 && ::stat(b.c_str(), &other) == 0 &&
         one.st_dev == other.st_dev && one.st_ino == other.st_ino;
}

}  // namespace

Status check_replaceable(const std::string& path, std::span<const std::string> inputs) {
  const auto refuse = [&](std::string what) {
    return Error{ErrorCode::kBadUse, std::move(what), path, "name another file"};
  };
  struct ::stat st {};
  if (::stat(path.c_str(), &st) != 0) return {};
  if (S_ISDIR(st.st_mode)) return refuse("this is a directory");
  if (!S_ISREG(st.st_mode)) return refuse("this is not a regular file");
  for (const std::string& input : inputs) {
    for (std::string at = resolved(path); !at.empty(); at = folder_of(at)) {
      if (same_file(at, input)) return refuse("this file belongs to a trace that is read");
      if (at == "/") break;
    }
  }
  return {};
}

Outputs& real_outputs() {
  static RealOutputs* const kOutputs = new RealOutputs;
  return *kOutputs;
}

Status FaultyOutputs::step(std::string_view what) {
  const std::uint64_t call = calls_++;
  if (call != fail_at_ && !(for_ever_ && call > fail_at_)) return {};
  return io_error("call " + std::to_string(call), what, call % 2 == 0 ? EIO : ENOSPC);
}

Status make_folders(const std::string& path) {
  for (std::size_t end = path.find('/', 1);; end = path.find('/', end + 1)) {
    const std::string part = path.substr(0, end);
    if (::mkdir(part.c_str(), 0700) != 0 && errno != EEXIST) {
      return Error{ErrorCode::kIo, std::string("cannot create the folder: ") + std::strerror(errno),
                   part, ""};
    }
    if (end == std::string::npos) return {};
  }
}

Result<std::unique_ptr<OutputFile>> FaultyOutputs::create(const std::string& path) {
  VS_TRY(step("create"));
  VS_ASSIGN(auto inner, inner_.create(path));
  return std::unique_ptr<OutputFile>(std::make_unique<FaultyOutput>(*this, std::move(inner)));
}

Result<std::unique_ptr<OutputFile>> FaultyOutputs::create_anonymous(const std::string& folder) {
  VS_TRY(step("create"));
  VS_ASSIGN(auto inner, inner_.create_anonymous(folder));
  return std::unique_ptr<OutputFile>(std::make_unique<FaultyOutput>(*this, std::move(inner)));
}

}  // namespace vs::os
