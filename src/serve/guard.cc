#include "serve/guard.h"

#include <algorithm>
#include <array>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "serve/limits.h"

namespace vs::serve {
namespace {

char lower(char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c; }

bool same_name(std::string_view a, std::string_view b) {
  return std::equal(a.begin(), a.end(), b.begin(), b.end(),
                    [](char x, char y) { return lower(x) == lower(y); });
}

std::vector<std::string_view> values_of(const Head& head, std::string_view name) {
  std::vector<std::string_view> values;
  for (const auto& [key, value] : head.headers) {
    if (same_name(key, name)) values.emplace_back(value);
  }
  return values;
}

std::optional<Method> method_of(std::string_view word) {
  constexpr std::array kMethods = {Method::kGet, Method::kHead, Method::kPost, Method::kPut,
                                   Method::kDelete};
  for (const Method method : kMethods) {
    if (name_of(method) == word) return method;
  }
  return std::nullopt;
}

int digit_of(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  const char small = lower(c);
  return small >= 'a' && small <= 'f' ? small - 'a' + 10 : -1;
}

bool is_control(char c) { return static_cast<unsigned char>(c) < 0x20 || c == 0x7f; }

std::optional<std::string> decode(std::string_view text) {
  std::string out;
  for (std::size_t i = 0; i < text.size(); ++i) {
    char c = text[i];
    if (c == '%') {
      if (i + 2 >= text.size()) return std::nullopt;
      const int high = digit_of(text[i + 1]);
      const int low = digit_of(text[i + 2]);
      if (high < 0 || low < 0) return std::nullopt;
      c = static_cast<char>(high * 16 + low);
      i += 2;
    }
    if (is_control(c)) return std::nullopt;
    out += c;
  }
  return out;
}

/// UTF-8 without overlong forms or surrogates is what JSON's own reader accepts.
bool is_utf8(const std::string& text) {
  return nlohmann::json::accept(
             nlohmann::json(text).dump(-1, ' ', false, nlohmann::json::error_handler_t::ignore)) &&
         nlohmann::json(text).dump(-1, ' ', false, nlohmann::json::error_handler_t::ignore) ==
             nlohmann::json(text).dump(-1, ' ', false, nlohmann::json::error_handler_t::replace);
}

Response bad(std::string_view title, std::string_view detail) {
  return problem(400, title, detail);
}

std::string without_parameters(std::string_view type) {
  std::string out(type.substr(0, type.find(';')));
  while (!out.empty() && out.back() == ' ') out.pop_back();
  std::transform(out.begin(), out.end(), out.begin(), lower);
  return out;
}

/// The part of a path below `area`, and which area it is.
std::pair<Area, std::size_t> area_of(const std::vector<std::string>& path) {
  if (path.size() == 2 && path[0] == "api" && path[1] == "login") return {Area::kLogin, 2};
  if (!path.empty() && path[0] == "api") return {Area::kApi, 1};
  if (path.size() >= 2 && path[0] == "tsp" && path[1] == "api") return {Area::kTsp, 2};
  return {Area::kPage, 0};
}

std::optional<Response> check_size(const Head& head) {
  if (head.target.size() > limits::kTargetBytes) {
    return problem(414, "Address too long", fmt::format("at most {} bytes", limits::kTargetBytes));
  }
  if (head.headers.size() > limits::kHeaders) {
    return problem(431, "Too many headers", fmt::format("at most {}", limits::kHeaders));
  }
  return std::nullopt;
}

/// The target's segments below the prefix and its query, in `admitted`.
std::optional<Response> take_target(const Head& head, std::string_view prefix, Admitted& admitted) {
  const std::string_view target = head.target;
  const std::size_t mark = target.find('?');
  std::string_view path = target.substr(0, mark);
  if (path.empty() || path.front() != '/') return bad("Bad address", "a path begins with /");
  if (!path.starts_with(prefix)) return problem(404, "Nothing here", "the page has a prefix");
  path.remove_prefix(prefix.size());
  if (!path.empty() && path.front() != '/') return problem(404, "Nothing here", "");
  auto segments = decode_path(path);
  auto query = decode_query(mark == std::string_view::npos ? "" : target.substr(mark + 1));
  if (!segments || !query) return bad("Bad address", "no plain path below the page");
  const auto [area, depth] = area_of(*segments);
  admitted.area = area;
  admitted.path.assign(segments->begin() + static_cast<std::ptrdiff_t>(depth), segments->end());
  admitted.query = std::move(*query);
  return std::nullopt;
}

std::optional<Response> take_method(const Head& head, Admitted& admitted) {
  const auto method = method_of(head.method);
  const bool only_reads = method == Method::kGet || method == Method::kHead;
  if (!method || (admitted.area == Area::kPage && !only_reads) ||
      (admitted.area == Area::kLogin && method != Method::kPost)) {
    return problem(405, "Method not allowed", "");
  }
  admitted.method = *method;
  const auto types = values_of(head, "content-type");
  if (!types.empty()) admitted.content_type = without_parameters(types.front());
  if (!only_reads && (head.has_body || method != Method::kDelete) &&
      admitted.content_type != "application/json") {
    return problem(415, "Wrong content type", "a body is application/json");
  }
  return std::nullopt;
}

}  // namespace

bool equal_in_constant_time(std::string_view a, std::string_view b) {
  unsigned differs = a.size() == b.size() ? 0U : 1U;
  for (std::size_t i = 0; i < a.size(); ++i) {
    const char other = b.empty() ? '\0' : b[i % b.size()];
    differs |= static_cast<unsigned>(a[i] != other);
  }
  return differs == 0;
}

std::optional<std::vector<std::string>> decode_path(std::string_view path) {
  std::vector<std::string> segments;
  while (!path.empty()) {
    path.remove_prefix(1);
    const std::size_t end = path.find('/');
    const auto segment = decode(path.substr(0, end));
    const bool last = end == std::string_view::npos;
    if (!segment || *segment == "." || *segment == ".." || !is_utf8(*segment)) return std::nullopt;
    if (segment->find_first_of("/\\") != std::string::npos) return std::nullopt;
    if (segment->empty() && !last) return std::nullopt;
    if (!segment->empty()) segments.push_back(*segment);
    path.remove_prefix(last ? path.size() : end);
  }
  return segments;
}

std::optional<std::map<std::string, std::string>> decode_query(std::string_view query) {
  std::map<std::string, std::string> values;
  while (!query.empty()) {
    const std::size_t end = query.find('&');
    const std::string_view part = query.substr(0, end);
    const std::size_t equals = part.find('=');
    const auto name = decode(part.substr(0, equals));
    const auto value = decode(equals == std::string_view::npos ? "" : part.substr(equals + 1));
    if (!name || !value || !is_utf8(*name) || !is_utf8(*value)) return std::nullopt;
    values[*name] = *value;
    query.remove_prefix(end == std::string_view::npos ? query.size() : end + 1);
  }
  return values;
}

Guard::Guard(GuardOptions options)
    // Cookies do not know ports; the name keeps two servers of one person apart.
    : options_(std::move(options)), cookie_name_(fmt::format("virtscope_{}", options_.port)) {}

bool Guard::is_our_name(std::string_view authority) const {
  for (const std::string_view host : {"127.0.0.1", "localhost"}) {
    if (authority == fmt::format("{}:{}", host, options_.port)) return true;
  }
  return false;
}

bool Guard::has_token(const Head& head) const {
  const std::string wanted = cookie_name_ + "=";
  for (std::string_view cookies : values_of(head, "cookie")) {
    while (!cookies.empty()) {
      const std::size_t end = cookies.find(';');
      std::string_view cookie = cookies.substr(0, end);
      while (!cookie.empty() && cookie.front() == ' ') cookie.remove_prefix(1);
      if (cookie.starts_with(wanted) &&
          equal_in_constant_time(cookie.substr(wanted.size()), options_.token)) {
        return true;
      }
      cookies.remove_prefix(end == std::string_view::npos ? cookies.size() : end + 1);
    }
  }
  return false;
}

std::optional<Response> Guard::check_names(const Head& head, bool open) const {
  const auto hosts = values_of(head, "host");
  if (hosts.size() != 1) return bad("Bad request", "exactly one Host header");
  if (open) return std::nullopt;
  if (!is_our_name(hosts.front())) {
    return problem(421, "Wrong host", "this server answers to the name in its link only");
  }
  const auto origins = values_of(head, "origin");
  for (const std::string_view origin : origins) {
    constexpr std::string_view kScheme = "http://";
    if (!origin.starts_with(kScheme) || !is_our_name(origin.substr(kScheme.size()))) {
      return problem(403, "Wrong origin", "this server answers its own page only");
    }
  }
  return std::nullopt;
}

Guard::Verdict Guard::judge(const Head& head) const {
  Admitted admitted;
  const auto refuse = [](Response answer) { return Verdict{std::nullopt, std::move(answer)}; };
  if (auto answer = check_size(head)) return refuse(std::move(*answer));
  auto bad_target = take_target(head, options_.prefix, admitted);
  const bool open = options_.tsp_open && !bad_target && admitted.area == Area::kTsp;
  if (auto answer = check_names(head, open)) return refuse(std::move(*answer));
  if (bad_target) return refuse(std::move(*bad_target));
  if (open) {
    const auto origins = values_of(head, "origin");
    admitted.origin = origins.empty() ? "" : std::string(origins.front());
    admitted.preflight = head.method == "OPTIONS";
    if (admitted.preflight) return {std::move(admitted), std::nullopt};
  }
  // Before the method: who may not come in learns nothing about what there is.
  const bool needs_token = admitted.area == Area::kApi || (admitted.area == Area::kTsp && !open);
  if (needs_token && method_of(head.method) && !has_token(head)) {
    return refuse(problem(401, "No token", "open the link that virtscope serve printed"));
  }
  if (auto answer = take_method(head, admitted)) return refuse(std::move(*answer));
  return {std::move(admitted), std::nullopt};
}

Response Guard::login(std::string_view body) const {
  const auto json = nlohmann::json::parse(body, nullptr, false);
  const auto given = json.is_object() ? json.find("token") : json.end();
  const bool text = json.is_object() && given != json.end() && given->is_string();
  if (!text || !equal_in_constant_time(given->get<std::string>(), options_.token)) {
    return problem(401, "Wrong token", "open the link that virtscope serve printed");
  }
  Response answer = nothing();
  answer.headers.emplace_back(
      "Set-Cookie", fmt::format("{}={}; Path={}/; HttpOnly; SameSite=Strict", cookie_name_,
                                options_.token, options_.prefix));
  return answer;
}

std::optional<Response> Guard::bad_body(std::string_view body) {
  std::size_t depth = 0;
  bool inside = false;
  for (std::size_t i = 0; i < body.size(); ++i) {
    const char c = body[i];
    if (inside) {
      if (c == '\\') ++i;
      if (c == '"') inside = false;
      continue;
    }
    inside = c == '"';
    if (c == '{' || c == '[') ++depth;
    if ((c == '}' || c == ']') && depth > 0) --depth;
    if (depth > limits::kJsonDepth) {
      return bad("Bad JSON", fmt::format("nested deeper than {}", limits::kJsonDepth));
    }
  }
  if (!nlohmann::json::accept(body)) return bad("Bad JSON", "the body is no JSON");
  return std::nullopt;
}

std::string Guard::link() const {
  return fmt::format("http://127.0.0.1:{}{}/#token={}", options_.port, options_.prefix,
                     options_.token);
}

}  // namespace vs::serve
