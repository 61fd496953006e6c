#pragma once
// SceneBackend: the command line over scenes in memory. A "path" is the scene's name: twovms, idle,
// bare, troubled; anything else cannot be opened.

#include "cli/backend.h"

namespace vs::cli::testing {

class SceneBackend final : public Backend {
 public:
  [[nodiscard]] Result<std::unique_ptr<Opened>> open(const OpenOptions& options) override;
  OpenOptions last;  ///< what the command line asked for
  int analysed = 0;
};

}  // namespace vs::cli::testing
