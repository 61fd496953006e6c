#include "cli/testing/scene_backend.h"

#include "query/testing/scene.h"

namespace vs::cli::testing {
namespace {

class SceneOpened final : public Opened {
 public:
  SceneOpened(query::testing::Scene scene, int& analysed)
      : scene_(std::move(scene)), analysed_(analysed) {}
  [[nodiscard]] const query::ExperimentSummary& summary() const override { return scene_.summary; }
  [[nodiscard]] Status analyse() override {
    ++analysed_;
    return {};
  }
  [[nodiscard]] const query::DataSource& source() const override { return *scene_.source; }

 private:
  query::testing::Scene scene_;
  int& analysed_;
};

}  // namespace

Result<std::unique_ptr<Opened>> SceneBackend::open(const OpenOptions& options) {
  last = options;
  const std::string name = options.paths.empty() ? "" : options.paths.front();
  const auto give = [&](query::testing::Scene scene) {
    return std::unique_ptr<Opened>(std::make_unique<SceneOpened>(std::move(scene), analysed));
  };
  if (name == "twovms") return give(query::testing::two_vms());
  if (name == "robbed") return give(query::testing::robbed_task());
  if (name == "idle") return give(query::testing::idle_vm());
  if (name == "bare") return give(query::testing::bare_host());
  if (name == "troubled") return give(query::testing::troubled());
  return Error{ErrorCode::kNotFound, "no such file or folder", name, ""};
}

}  // namespace vs::cli::testing
