#pragma once
// FlowSource: the data source as the analyses of analysis/flow read it, with the index of machines,
// threads and CPUs they need, which is made when it is first asked for.
//
// Ownership: borrows the data source, which must be complete (analysed) by the first use. Threads:
// those of the source.

#include <memory>
#include <optional>
#include <string_view>
#include <vector>

#include "analysis/flow/world.h"
#include "base/result.h"
#include "query/data_source.h"

namespace vs::query {

class FlowSource final : public analysis::flow::StateSource {
 public:
  explicit FlowSource(const DataSource& source) : source_(source) {}

  [[nodiscard]] const analysis::flow::World& world() const;

  [[nodiscard]] const model::SmallTable& small(model::TableId table) const override;
  [[nodiscard]] std::vector<analysis::flow::StateEntity> entities(
      model::TableId table) const override;
  [[nodiscard]] Result<std::unique_ptr<analysis::flow::StateRows>> rows(model::EntityId entity,
                                                                        HostTime from,
                                                                        HostTime to) const override;
  [[nodiscard]] std::string_view string(std::int64_t id) const override;
  [[nodiscard]] std::optional<std::int64_t> find_string(std::string_view text) const override;
  [[nodiscard]] std::int64_t vcpu_of_cpu(std::string_view machine, std::int64_t cpu) const override;

 private:
  const DataSource& source_;
  mutable std::unique_ptr<analysis::flow::World> world_;
};

/// The machine of this name; else kBadUse with the nearest name.
[[nodiscard]] Result<analysis::flow::MachineNumber> find_machine(const analysis::flow::World& world,
                                                                 std::string_view name);
/// kBadUse with the nearest threads unless the machine has this thread.
[[nodiscard]] Status require_thread(const analysis::flow::World& world,
                                    analysis::flow::MachineNumber machine, std::int64_t tid);

}  // namespace vs::query
