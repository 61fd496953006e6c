#include "session/fingerprint.h"

#include <algorithm>
#include <memory>
#include <vector>

#include <fmt/format.h>
#include <xxhash.h>

namespace vs::session {
namespace {

constexpr std::uint64_t kWholeBytes = 4ULL << 20;
constexpr std::uint64_t kEndBytes = 256ULL << 10;
constexpr std::uint64_t kBlockBytes = 4096;
constexpr std::uint64_t kBlocks = 64;
constexpr std::size_t kBufferBytes = 1U << 20;
constexpr int kDepth = 6;

class Hash {
 public:
  Hash() : state_(XXH3_createState(), &XXH3_freeState) { XXH3_128bits_reset(state_.get()); }
  void add(const void* data, std::size_t size) { XXH3_128bits_update(state_.get(), data, size); }
  void add(const std::string& text) {
    add(static_cast<std::uint64_t>(text.size()));
    add(text.data(), text.size());
  }
  void add(std::uint64_t value) { add(&value, sizeof(value)); }
  [[nodiscard]] std::string hex() const {
    const XXH128_hash_t hash = XXH3_128bits_digest(state_.get());
    return fmt::format("{:016x}{:016x}", hash.high64, hash.low64);
  }

 private:
  std::unique_ptr<XXH3_state_t, decltype(&XXH3_freeState)> state_;
};

Status add_range(const os::File& file, std::uint64_t begin, std::uint64_t size, Hash& hash) {
  std::vector<std::byte> buffer(
      static_cast<std::size_t>(std::min<std::uint64_t>(size, kBufferBytes)));
  while (size > 0) {
    const std::size_t want = static_cast<std::size_t>(std::min<std::uint64_t>(size, buffer.size()));
    VS_ASSIGN(const std::size_t got, file.read_at(begin, std::span(buffer).first(want)));
    if (got == 0) break;
    hash.add(buffer.data(), got);
    begin += got;
    size -= got;
  }
  return {};
}

Status add_file(os::FileSystem& files, const std::string& path, const os::FileStat& stat,
                Hash& hash) {
  hash.add(path);
  hash.add(stat.size);
  hash.add(static_cast<std::uint64_t>(stat.modified_ns));
  VS_ASSIGN(const std::unique_ptr<os::File> file, files.open(path));
  const std::uint64_t size = file->size();
  if (size <= kWholeBytes) return add_range(*file, 0, size, hash);
  VS_TRY(add_range(*file, 0, kEndBytes, hash));
  for (std::uint64_t i = 1; i <= kBlocks; ++i) {
    VS_TRY(add_range(*file, size / (kBlocks + 1) * i, kBlockBytes, hash));
  }
  return add_range(*file, size - kEndBytes, kEndBytes, hash);
}

Status add_path(os::FileSystem& files, const std::string& path, int depth, Hash& hash) {
  VS_ASSIGN(const os::FileStat stat, files.stat(path));
  if (!stat.folder) return add_file(files, path, stat, hash);
  if (depth == 0) return {};
  VS_ASSIGN(const std::vector<os::Entry> entries, files.list(path));
  for (const os::Entry& entry : entries) {
    VS_TRY(add_path(files, os::join_path(path, entry.name), depth - 1, hash));
  }
  return {};
}

}  // namespace

Result<std::string> fingerprint(os::FileSystem& files, std::span<const std::string> paths,
                                const std::string& options) {
  Hash hash;
  hash.add(options);
  for (const std::string& path : paths) VS_TRY(add_path(files, path, kDepth, hash));
  return hash.hex();
}

}  // namespace vs::session
