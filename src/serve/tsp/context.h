#pragma once
// Context and Call: what the handlers of the endpoints share. Experiments are in registry.h.
//
// Threads: what may change is behind `mutex`.

#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

#include "serve/message.h"
#include "serve/service.h"
#include "serve/tsp/outputs.h"
#include "serve/tsp/parameters.h"
#include "serve/tsp/tsp.h"

namespace vs::serve::tsp {

/// A table whose first lines were computed once.
struct Lines {
  std::vector<std::string> columns;
  std::vector<std::vector<std::string>> rows;  ///< cells; at most TspOptions::kept_lines
  std::int64_t size = 0;                       ///< of the whole table
};

/// Where in the flow of events a line number is, so that the next request need not start at 0.
using Checkpoints = std::map<std::int64_t, HostTime>;

/// One experiment that is open. Borrows service and options.
struct Context {
  Context(Service& of, const TspOptions& with) : service(of), options(with) {}

  Service& service;
  const TspOptions& options;
  std::mutex mutex;                                                         // guards all below
  std::map<std::string, std::shared_ptr<const Lines>, std::less<>> tables;  // by output
  Checkpoints checkpoints;
};

class Registry;

struct Call {
  const Request& request;
  std::vector<std::string> arguments;  ///< what stood for the {} of the route
};

/// Of the whole server, or of the experiment that the first argument names.
using ServerEndpoint = Response (*)(Registry& registry, const Call& call);
using Endpoint = Response (*)(Context& context, const Call& call);

struct Route {
  Method method = Method::kGet;
  std::string_view pattern;  ///< segments, {} for an argument
  std::variant<ServerEndpoint, Endpoint> endpoint;
};

/// {"status": .., "statusMessage": .., "model": ..}; no model: null.
[[nodiscard]] Response generic(std::string_view status, std::string_view message,
                               std::string_view model);
[[nodiscard]] inline Response completed(std::string_view model) {
  return generic("COMPLETED", "", model);
}
/// COMPLETED, or RUNNING where the model is from a part of the experiment.
[[nodiscard]] Response answered(const Service& service, const Shown& shown, std::string_view model,
                                std::string_view message = "");
/// What is answered while nothing can be shown: RUNNING with a model that has nothing in it yet, or
/// FAILED.
[[nodiscard]] Response not_yet(const Service& service, std::string_view empty_model);
/// The empty model of every tree.
inline constexpr std::string_view kNoTree = R"({"headers":[],"entries":[]})";
[[nodiscard]] Response failed(const Error& error);
[[nodiscard]] Response cancelled();
[[nodiscard]] Response no_experiment();  ///< 404

[[nodiscard]] std::string uuid_of(std::string_view text);
/// What the endpoints of an output begin with: an output of the type that the endpoint is for, the
/// body. One of `refusal` and the rest.
struct Asked {
  std::optional<Response> refusal;
  const Output* output = nullptr;
  Parameters parameters;
};
[[nodiscard]] Asked asked(const Call& call, std::string_view type);

}  // namespace vs::serve::tsp
