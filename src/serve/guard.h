#pragma once
// Guard: which requests are let in at all, decided from the head of a request before anything is
// routed. A local server that trusts any Host or Origin can be driven by every web page its user
// visits (DNS rebinding, cross-site requests), so: Host must be a name that we print, Origin must
// be ours, a token opened by the link we print must be there, and only POST, PUT and DELETE with
// JSON change anything.
//
// Threads: immutable after construction; values otherwise.

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "serve/message.h"

namespace vs::serve {

/// The head of a request as it came.
struct Head {
  std::string method;
  std::string target;
  std::vector<std::pair<std::string, std::string>> headers;
  bool has_body = false;
};

enum class Area : std::uint8_t { kPage, kLogin, kApi, kTsp };

/// A request that was let in; path and query are those of Request.
struct Admitted {
  Area area = Area::kPage;
  Method method = Method::kGet;
  std::vector<std::string> path;  ///< below the area
  std::map<std::string, std::string> query;
  std::string content_type;
  std::string origin;  ///< set only where CORS headers are due (--tsp-open)
  bool preflight = false;
};

struct GuardOptions {
  std::uint16_t port = 0;
  std::string prefix;     ///< "" or "/name", in front of every path
  std::string token;      ///< 32 hexadecimal digits
  bool tsp_open = false;  ///< Host, Origin and token are not asked of /tsp/api
};

class Guard {
 public:
  explicit Guard(GuardOptions options);

  /// Exactly one of the two is set.
  struct Verdict {
    std::optional<Admitted> admitted;
    std::optional<Response> refused;
  };
  [[nodiscard]] Verdict judge(const Head& head) const;

  /// Answers POST /api/login with the cookie, or 401. `body` is {"token": "..."}.
  [[nodiscard]] Response login(std::string_view body) const;
  /// JSON nested deeper than limits::kJsonDepth, or none at all: 400.
  [[nodiscard]] static std::optional<Response> bad_body(std::string_view body);

  [[nodiscard]] const GuardOptions& options() const { return options_; }
  [[nodiscard]] std::string link() const;  ///< what the person opens, token included

 private:
  [[nodiscard]] bool is_our_name(std::string_view authority) const;
  [[nodiscard]] bool has_token(const Head& head) const;
  [[nodiscard]] std::optional<Response> check_names(const Head& head, bool open) const;

  GuardOptions options_;
  std::string cookie_name_;
};

/// In time that depends on the lengths alone.
[[nodiscard]] bool equal_in_constant_time(std::string_view a, std::string_view b);

/// A target's path, decoded; nothing for what is no plain path below "/".
[[nodiscard]] std::optional<std::vector<std::string>> decode_path(std::string_view path);
[[nodiscard]] std::optional<std::map<std::string, std::string>> decode_query(
    std::string_view query);

}  // namespace vs::serve
