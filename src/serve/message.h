#pragma once
// Request, Response and Handler: what the HTTP core (http_server.h) hands to those who answer, with
// nothing of the network in it. The core has already checked Host, Origin, token and limits
// (limits.h); a handler never sees a request that failed one of them.
//
// Ownership: values; `cancel` belongs to the core and outlives the call. Threads: handle() is
// called from several threads at once.

#include <atomic>
#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace vs::serve {

enum class Method : std::uint8_t { kGet, kHead, kPost, kPut, kDelete };
[[nodiscard]] std::string_view name_of(Method method);

struct Request {
  Method method = Method::kGet;
  /// Decoded segments below the handler's own prefix: "/tsp/api/traces/x" gives {"traces", "x"}.
  /// Never ".", ".." or empty, and without '/', '\\' and control characters.
  std::vector<std::string> path;
  std::map<std::string, std::string> query;  ///< decoded; of equal names the last one
  std::string body;  ///< JSON of at most limits::kBodyBytes and limits::kJsonDepth, or empty
  std::string content_type;  ///< without parameters, in small letters
  /// Set when the client has gone, a budget is used up or the program ends: stop soon.
  const std::atomic<bool>* cancel = nullptr;

  [[nodiscard]] bool cancelled() const { return cancel != nullptr && cancel->load(); }
};

struct Response {
  unsigned status = 200;
  std::string content_type = "application/json";  ///< sent exactly as it is
  std::string body;
  std::vector<std::pair<std::string, std::string>> headers;  ///< beside those of the core
};

/// {"title": ..., "detail": ...} with a status of 400 and above.
[[nodiscard]] Response problem(unsigned status, std::string_view title, std::string_view detail);
[[nodiscard]] Response json_answer(std::string body);
/// 204.
[[nodiscard]] Response nothing();

class Handler {
 public:
  virtual ~Handler() = default;
  /// Must not throw for anything that a client can send.
  [[nodiscard]] virtual Response handle(const Request& request) = 0;
  /// Whether its answer may take long or wait for others that do, as queries do: those are kept off
  /// the threads that answer everything else.
  [[nodiscard]] virtual bool is_slow(const Request& request) const {
    (void)request;
    return false;
  }
};

}  // namespace vs::serve
