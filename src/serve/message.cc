#include "serve/message.h"

#include "serve/json.h"

namespace vs::serve {

std::string_view name_of(Method method) {
  constexpr std::string_view kNames[] = {"GET", "HEAD", "POST", "PUT", "DELETE"};
  return kNames[static_cast<std::size_t>(method)];
}

Response problem(unsigned status, std::string_view title, std::string_view detail) {
  JsonWriter json;
  json.open('{').key("title").text(title).key("detail").text(detail).close('}');
  return {status, "application/json", json.take(), {}};
}

Response json_answer(std::string body) { return {200, "application/json", std::move(body), {}}; }

Response nothing() { return {204, "", "", {}}; }

}  // namespace vs::serve
