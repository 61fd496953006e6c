#include "serve/page_handler.h"

#include <algorithm>

namespace vs::serve {
namespace {

constexpr std::string_view kNoPage =
    "<!doctype html><html lang=\"en\"><meta charset=\"utf-8\"><title>virtscope</title>"
    "<h1>This virtscope was built without its page</h1>"
    "<p>Install nodejs and npm, then <code>make build</code> again. The page API and the trace "
    "server protocol work without it.</p></html>\n";

std::string joined(const std::vector<std::string>& path) {
  std::string name;
  for (const std::string& segment : path) name += (name.empty() ? "" : "/") + segment;
  return name.empty() ? "index.html" : name;
}

}  // namespace

Response PageHandler::handle(const Request& request) {
  const std::string name = joined(request.path);
  const auto file = std::find_if(files_.begin(), files_.end(),
                                 [&name](const PageFile& one) { return one.name == name; });
  if (file != files_.end()) {
    Response answer{200, std::string(file->content_type), std::string(file->bytes), {}};
    // Names below assets/ carry a hash of their content.
    const bool hashed = name.starts_with("assets/");
    answer.headers.emplace_back("Cache-Control",
                                hashed ? "private, max-age=31536000, immutable" : "no-cache");
    return answer;
  }
  if (files_.empty() && name == "index.html") {
    return {200, "text/html; charset=utf-8", std::string(kNoPage), {}};
  }
  return problem(404, "Nothing here", "");
}

}  // namespace vs::serve
