#include "os/random.h"

#include <sys/random.h>

#include <vector>

#include <cerrno>

namespace vs::os {

Result<std::string> random_hex(std::size_t bytes) {
  constexpr char kDigits[] = "0123456789abcdef";
  std::vector<unsigned char> random(bytes);
  std::size_t done = 0;
  while (done < bytes) {
    const auto got = ::getrandom(random.data() + done, bytes - done, 0);
    if (got < 0 && errno == EINTR) continue;
    if (got <= 0) return Error{ErrorCode::kIo, "the kernel gives no random bytes", "getrandom", ""};
    done += static_cast<std::size_t>(got);
  }
  std::string text;
  for (const unsigned char byte : random) {
    text += kDigits[byte >> 4U];
    text += kDigits[byte & 15U];
  }
  return text;
}

}  // namespace vs::os
