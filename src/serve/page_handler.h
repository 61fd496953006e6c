#pragma once
// PageHandler: the files of the built page (page_files.h); without one, a few words on how to build
// it.
//
// Threads: immutable.

#include "serve/message.h"
#include "serve/page_files.h"

namespace vs::serve {

class PageHandler final : public Handler {
 public:
  explicit PageHandler(std::span<const PageFile> files) : files_(files) {}
  [[nodiscard]] Response handle(const Request& request) override;

 private:
  std::span<const PageFile> files_;
};

}  // namespace vs::serve
