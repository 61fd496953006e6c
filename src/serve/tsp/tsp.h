#pragma once
// make_tsp: the Trace Server Protocol 0.6.0, read side, over the service (docs/tsp.md). One handler
// per endpoint and a table of them (routes.cc); the paths are those below /tsp/api.
//
// Every answer that is not an error is `application/json` and nothing more, because the clients
// compare the whole text. Integers that the clients keep as plain numbers stay below 2^53, y values
// are written with a point. UUIDs come from names, paths, times and sizes: the same capture has the
// same UUIDs on every start.
//
// Ownership: service and opener must outlive the handler. Threads: handle() from several at once.

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "serve/message.h"
#include "serve/service.h"

namespace vs::serve {

/// Traces that were opened because a client asked. Its end stops what still runs.
class OpenedTraces {
 public:
  virtual ~OpenedTraces() = default;
  /// Not started yet.
  [[nodiscard]] virtual Service& service() = 0;
};

/// Opens what clients name; the program implements it, below a folder of the command line.
class TraceOpener {
 public:
  virtual ~TraceOpener() = default;
  enum class Purpose : std::uint8_t {
    kLook,    ///< its summary is all that is wanted: machines, times and event counts
    kAnalyse  ///< its service will be started, which reads all of that
  };
  /// Paths as the client wrote them. kNotFound for what does not exist or lies outside. Any thread.
  [[nodiscard]] virtual Result<std::unique_ptr<OpenedTraces>> open(
      const std::vector<std::string>& paths, Purpose purpose) = 0;
};

struct TspOptions {
  std::string version;              ///< of the program, "0.1.0"
  std::size_t kept_lines = 100000;  ///< of a table; further ones are computed when asked for
  TraceOpener* opener = nullptr;    ///< nullptr: nothing is opened that the service does not show
};

[[nodiscard]] std::unique_ptr<Handler> make_tsp(Service& service, TspOptions options);

}  // namespace vs::serve
