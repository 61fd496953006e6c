#pragma once
// HttpServer: the page, the page API and TSP over HTTP/1.1 on the loopback (Boost.Beast). It
// parses, asks the Guard, hands what is let in to a Handler and sends the answer with the headers
// that every answer has. All limits are in limits.h.
//
// Connections are served by callbacks on the thread that calls run(); handlers run in a small pool
// of threads, and those that may take long (Handler::is_slow) in another one, so that queries, of
// however many clients, do not keep pictures waiting. A handler's Request::cancel is set when its
// client goes away and when the server stops.
//
// Ownership: borrows handlers and guard. Threads: run() on one; stop() from any.

#include <atomic>
#include <cstdint>
#include <memory>

#include "base/result.h"
#include "serve/guard.h"
#include "serve/message.h"

namespace vs::serve {

struct Handlers {
  Handler& page;
  Handler& api;
  Handler& tsp;
};

class HttpServer {
 public:
  /// Opens 127.0.0.1:`port`; 0 = any free one. kIo when it is taken.
  [[nodiscard]] static Result<std::unique_ptr<HttpServer>> listen(std::uint16_t port);
  ~HttpServer();
  HttpServer(const HttpServer&) = delete;
  HttpServer& operator=(const HttpServer&) = delete;

  [[nodiscard]] std::uint16_t port() const;
  /// Serves until stop(), or until `interrupt` is set.
  void run(const Guard& guard, const Handlers& handlers, const std::atomic<bool>* interrupt);
  void stop();

 private:
  struct State;
  explicit HttpServer(std::unique_ptr<State> state);
  std::unique_ptr<State> state_;
};

}  // namespace vs::serve
