#pragma once
// PageApi: what the page asks below /api (docs/serve.md). Paths are the segments after /api; the
// login is the HTTP core's. Bad input is 400, an unknown endpoint 404, a wrong method 405, and 503
// what needs the analysis while it still runs.
//
// Ownership: borrows the service. Threads: handle() from any.

#include "serve/message.h"
#include "serve/service.h"

namespace vs::serve {

class PageApi final : public Handler {
 public:
  explicit PageApi(Service& service) : service_(service) {}
  [[nodiscard]] Response handle(const Request& request) override;

 private:
  Service& service_;
};

}  // namespace vs::serve
