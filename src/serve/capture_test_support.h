#pragma once
// A shipped capture behind a Service, as `virtscope serve` opens it. For tests only.
//
// Ownership: owns the session and all that refers to it. Threads: one, beside the Service's own.

#include <gtest/gtest.h>

#include <memory>
#include <string>

#include "os/file.h"
#include "query/session_source.h"
#include "serve/service.h"
#include "session/session.h"

namespace vs::serve::test {

class ServedCapture {
 public:
  /// `name`: of a folder of tests/captures. Opened and joined, its analysis not begun.
  explicit ServedCapture(const std::string& name) {
    session::SessionOptions options;
    options.inputs.paths = {std::string(VS_SOURCE_DIR) + "/tests/captures/" + name};
    session_ = std::move(session::Session::open(os::real_files(), std::move(options)).value());
    EXPECT_TRUE(session_->join().ok());
    summary_ = query::summarise(*session_);
    source_ = std::make_unique<query::SessionSource>(*session_);
    const auto analyse = [this]() -> Status {
      VS_TRY(session_->analyse());
      source_->attach_history();
      return {};
    };
    service_ = std::make_unique<Service>(
        Service::Sources{summary_, *source_, analyse, {}, "virtscope serve " + name});
  }
  ServedCapture(const ServedCapture&) = delete;
  ServedCapture& operator=(const ServedCapture&) = delete;

  [[nodiscard]] Service& service() { return *service_; }
  void analyse() {
    service_->start();
    service_->wait();
  }

 private:
  std::unique_ptr<session::Session> session_;
  query::ExperimentSummary summary_;
  std::unique_ptr<query::SessionSource> source_;
  std::unique_ptr<Service> service_;
};

}  // namespace vs::serve::test
