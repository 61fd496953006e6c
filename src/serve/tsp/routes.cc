#include <array>

#include "base/strings.h"
#include "serve/tsp/endpoints.h"
#include "serve/tsp/registry.h"

namespace vs::serve::tsp {
namespace {

constexpr Method kGet = Method::kGet;
constexpr Method kPost = Method::kPost;
constexpr Method kPut = Method::kPut;
constexpr Method kDelete = Method::kDelete;

// The first that fits answers: fixed words stand before arguments.
constexpr std::array kRoutes = {
    Route{kGet, "health", health},
    Route{kGet, "identifier", identifier},
    Route{kGet, "traces", traces},
    Route{kPost, "traces", open_trace},
    Route{kGet, "traces/{}", trace},
    Route{kDelete, "traces/{}", close_trace},
    Route{kGet, "experiments", experiments},
    Route{kPost, "experiments", open_experiment},
    Route{kGet, "experiments/{}", experiment},
    Route{kDelete, "experiments/{}", close_experiment},
    Route{kGet, "experiments/{}/bookmarks", bookmarks},
    Route{kPost, "experiments/{}/bookmarks", add_bookmark},
    Route{kGet, "experiments/{}/bookmarks/{}", bookmark},
    Route{kPut, "experiments/{}/bookmarks/{}", change_bookmark},
    Route{kDelete, "experiments/{}/bookmarks/{}", remove_bookmark},
    Route{kGet, "experiments/{}/outputs", list_outputs},
    Route{kGet, "experiments/{}/outputs/markerSets", marker_sets},
    Route{kPost, "experiments/{}/outputs/timeGraph/{}/tree", time_graph_tree},
    Route{kPost, "experiments/{}/outputs/timeGraph/{}/states", time_graph_states},
    Route{kPost, "experiments/{}/outputs/timeGraph/{}/arrows", time_graph_arrows},
    Route{kPost, "experiments/{}/outputs/timeGraph/{}/tooltip", time_graph_tooltip},
    Route{kPost, "experiments/{}/outputs/XY/{}/tree", xy_tree},
    Route{kPost, "experiments/{}/outputs/XY/{}/xy", xy_values},
    Route{kPost, "experiments/{}/outputs/genericXY/{}/tree", generic_xy_tree},
    Route{kPost, "experiments/{}/outputs/genericXY/{}/xy", generic_xy_values},
    Route{kPost, "experiments/{}/outputs/data/{}/tree", data_tree},
    Route{kPost, "experiments/{}/outputs/table/{}/columns", table_columns},
    Route{kPost, "experiments/{}/outputs/table/{}/lines", table_lines},
    Route{kGet, "experiments/{}/outputs/{}", one_output},
    Route{kPost, "experiments/{}/outputs/{}", no_derived},
    Route{kPost, "experiments/{}/outputs/{}/style", styles},
    Route{kGet, "experiments/{}/outputs/{}/annotations", annotation_categories},
    Route{kPost, "experiments/{}/outputs/{}/annotations", annotations},
    Route{kGet, "experiments/{}/outputs/{}/configTypes", output_config_types},
    Route{kGet, "experiments/{}/outputs/{}/configTypes/{}", no_derived},
    Route{kDelete, "experiments/{}/outputs/{}/{}", no_derived},
    Route{kGet, "config/types", config_types},
    Route{kGet, "config/types/{}", no_config},
    Route{kPost, "config/types/{}", no_config},
    Route{kGet, "config/types/{}/configs", no_config},
    Route{kPost, "config/types/{}/configs", no_config},
    Route{kGet, "config/types/{}/configs/{}", no_config},
    Route{kPut, "config/types/{}/configs/{}", no_config},
    Route{kDelete, "config/types/{}/configs/{}", no_config},
};

/// The arguments when the path fits the pattern.
std::optional<std::vector<std::string>> match(std::string_view pattern,
                                              const std::vector<std::string>& path) {
  const std::vector<std::string_view> parts = split(pattern, '/');
  if (parts.size() != path.size()) return {};
  std::vector<std::string> arguments;
  for (std::size_t i = 0; i < parts.size(); ++i) {
    if (parts[i] == "{}") {
      arguments.push_back(path[i]);
    } else if (parts[i] != path[i]) {
      return {};
    }
  }
  return arguments;
}

class Tsp final : public Handler {
 public:
  Tsp(Service& service, TspOptions options) : registry_(service, std::move(options)) {}

  Response handle(const Request& request) override {
    const Method method = request.method == Method::kHead ? Method::kGet : request.method;
    bool known = false;
    for (const Route& route : kRoutes) {
      std::optional<std::vector<std::string>> arguments = match(route.pattern, request.path);
      if (!arguments) continue;
      known = true;
      if (route.method != method) continue;
      return answer(route, Call{request, std::move(*arguments)});
    }
    if (known) return problem(405, "Method not allowed", "this path takes other methods");
    return problem(404, "No such endpoint", "the protocol 0.6.0 has no such path");
  }

  /// Traces that are opened; tables and the critical path, which are queries.
  [[nodiscard]] bool is_slow(const Request& request) const override {
    const auto& path = request.path;
    const bool opens = path.size() == 1 && request.method == Method::kPost;
    if (opens || path.size() < 5 || path[2] != "outputs") return opens;
    const Output* const output = find_output(path[4]);
    const bool drawn = path[3] == "timeGraph" && output != nullptr && !output->view.empty();
    return path[3] == "table" || (path[3] == "timeGraph" && !drawn);
  }

 private:
  Response answer(const Route& route, const Call& call) {
    if (const auto* const server = std::get_if<ServerEndpoint>(&route.endpoint)) {
      return (*server)(registry_, call);
    }
    const auto experiment = registry_.experiment(call.arguments.front());
    if (experiment == nullptr) return no_experiment();
    return std::get<Endpoint>(route.endpoint)(*experiment->context, call);
  }

  Registry registry_;
};

}  // namespace
}  // namespace vs::serve::tsp

namespace vs::serve {

std::unique_ptr<Handler> make_tsp(Service& service, TspOptions options) {
  return std::make_unique<tsp::Tsp>(service, std::move(options));
}

}  // namespace vs::serve
