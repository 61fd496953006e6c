#include <algorithm>

#include "serve/json.h"
#include "serve/tsp/endpoints.h"

namespace vs::serve::tsp {
namespace {

std::string uuid(const Bookmark& mark) { return uuid_of("bookmark\n" + std::to_string(mark.id)); }

std::string json_of(const Bookmark& mark) {
  JsonWriter out;
  out.open('{').key("uuid").text(uuid(mark)).key("name").text(mark.name);
  out.key("start").integer(mark.from.ns).key("end").integer(mark.to.ns);
  return out.close('}').take();
}

std::optional<Bookmark> find(const Context& context, const Call& call) {
  for (Bookmark& mark : context.service.bookmarks()) {
    if (uuid(mark) == call.arguments[1]) return std::move(mark);
  }
  return {};
}

Response not_found() {
  return problem(404, "Bookmark not found", "there is no bookmark with this UUID");
}

/// Fills name and times from the body, or says what is wrong with it.
std::optional<Response> read(const Call& call, Bookmark& mark) {
  const Result<Parameters> asked = parse_parameters(call.request.body);
  if (!asked.ok()) return problem(400, "Invalid query parameters", asked.error().to_string());
  if (!asked->name || !asked->start || !asked->end || *asked->start > *asked->end) {
    return problem(400, "Invalid query parameters", "name, start and end are needed, in order");
  }
  mark.name = *asked->name;
  mark.from = HostTime{*asked->start};
  mark.to = HostTime{*asked->end};
  return {};
}

}  // namespace

Response bookmarks(Context& context, const Call& /*call*/) {
  JsonWriter out;
  out.open('[');
  for (const Bookmark& mark : context.service.bookmarks()) out.raw(json_of(mark));
  return json_answer(out.close(']').take());
}

Response add_bookmark(Context& context, const Call& call) {
  Bookmark mark;
  if (auto refusal = read(call, mark)) return std::move(*refusal);
  const std::optional<Bookmark> added = context.service.add_bookmark(std::move(mark));
  if (!added) return problem(400, "Too many bookmarks", "remove some first");
  return json_answer(json_of(*added));
}

Response bookmark(Context& context, const Call& call) {
  const std::optional<Bookmark> mark = find(context, call);
  return mark ? json_answer(json_of(*mark)) : not_found();
}

Response change_bookmark(Context& context, const Call& call) {
  std::optional<Bookmark> mark = find(context, call);
  if (!mark) return not_found();
  if (auto refusal = read(call, *mark)) return std::move(*refusal);
  mark = context.service.change_bookmark(*mark);
  return mark ? json_answer(json_of(*mark)) : not_found();
}

Response remove_bookmark(Context& context, const Call& call) {
  const std::optional<Bookmark> mark = find(context, call);
  if (!mark || !context.service.remove_bookmark(mark->id)) return not_found();
  return json_answer(json_of(*mark));
}

}  // namespace vs::serve::tsp
