#pragma once
// What the floor programs share. A floor is the least code that does a piece of work: no checks, a
// subset of the format, warm memory. It says where the limit lies and is no product; it reads only
// what the generators and tracers of these benchmarks write. All times are CPU times.

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <ctime>
#include <string>

namespace vs::bench {

/// CPU time of this process in seconds: the machines that this runs on are shared.
inline double cpu_seconds() {
  struct timespec time {};
  clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &time);
  return static_cast<double>(time.tv_sec) + static_cast<double>(time.tv_nsec) * 1e-9;
}

template <typename T>
inline T load(const std::uint8_t* bytes) {
  T value;
  std::memcpy(&value, bytes, sizeof value);
  return value;
}

struct Mapping {
  const std::uint8_t* bytes = nullptr;
  std::size_t size = 0;
};

/// Maps a file for the rest of the program, or ends it.
inline Mapping map_file(const std::string& path, int advice = MADV_SEQUENTIAL) {
  const int file = ::open(path.c_str(), O_RDONLY | O_CLOEXEC);
  struct stat status {};
  if (file < 0 || ::fstat(file, &status) != 0) {
    std::perror(path.c_str());
    std::exit(1);
  }
  Mapping out;
  out.size = static_cast<std::size_t>(status.st_size);
  void* at = ::mmap(nullptr, out.size, PROT_READ, MAP_SHARED, file, 0);
  ::close(file);
  if (at == MAP_FAILED) {
    std::perror(path.c_str());
    std::exit(1);
  }
  ::madvise(at, out.size, advice);
  out.bytes = static_cast<const std::uint8_t*>(at);
  return out;
}

}  // namespace vs::bench
