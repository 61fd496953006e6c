#pragma once
// PageApi: what the page asks below /api (docs/serve.md). Paths are the segments after /api; the
// login is the HTTP core's. Bad input is 400, an unknown endpoint 404, a wrong method 405, and 503
// what needs more of the analysis than there is while it runs.
//
// Ownership: borrows the service. Threads: handle() from any.

#include <map>
#include <memory>
#include <mutex>
#include <string>

#include "serve/message.h"
#include "serve/service.h"

namespace vs::serve {

/// Answers that are the same for as long as the service lives. Who makes one takes its turn, so
/// that it is made once.
class AnswerCache {
 public:
  /// By the endpoint's name; nullptr where nobody asked yet.
  [[nodiscard]] std::shared_ptr<const std::string> find(const std::string& name) const {
    const std::scoped_lock lock(mutex_);
    const auto found = kept_.find(name);
    return found == kept_.end() ? nullptr : found->second;
  }
  [[nodiscard]] std::optional<std::unique_lock<std::mutex>> turn(const std::atomic<bool>* cancel) {
    return wait_for(turn_, cancel);
  }
  void keep(const std::string& name, std::string json) {
    auto kept = std::make_shared<const std::string>(std::move(json));
    const std::scoped_lock lock(mutex_);
    kept_[name] = std::move(kept);
  }

 private:
  std::mutex turn_;
  mutable std::mutex mutex_;
  std::map<std::string, std::shared_ptr<const std::string>> kept_;
};

class PageApi final : public Handler {
 public:
  explicit PageApi(Service& service) : service_(service) {}
  [[nodiscard]] Response handle(const Request& request) override;
  [[nodiscard]] bool is_slow(const Request& request) const override;

 private:
  Service& service_;
  AnswerCache cache_;
};

}  // namespace vs::serve
