#include "query/flow_source.h"

#include <algorithm>

#include <fmt/format.h>

#include "query/database.h"

namespace vs::query {
namespace {

namespace flow = analysis::flow;

class Rows final : public flow::StateRows {
 public:
  explicit Rows(std::unique_ptr<RowStream> rows) : rows_(std::move(rows)) {}
  Result<bool> next(flow::StateRow& row) override {
    IntervalView view;
    VS_ASSIGN(const bool more, rows_->next(view));
    if (more) row = {view.begin, view.end, view.values};
    return more;
  }

 private:
  std::unique_ptr<RowStream> rows_;
};

}  // namespace

const flow::World& FlowSource::world() const {
  if (!world_) world_ = std::make_unique<flow::World>(*this);
  return *world_;
}

const model::SmallTable& FlowSource::small(model::TableId table) const {
  return source_.small(table);
}

std::vector<flow::StateEntity> FlowSource::entities(model::TableId table) const {
  std::vector<flow::StateEntity> list;
  for (const EntityKey& entity : source_.entities(table)) list.push_back({entity.id, entity.key});
  return list;
}

Result<std::unique_ptr<flow::StateRows>> FlowSource::rows(model::EntityId entity, HostTime from,
                                                          HostTime to) const {
  VS_ASSIGN(auto rows, source_.rows(entity, from, to));
  return std::unique_ptr<flow::StateRows>(std::make_unique<Rows>(std::move(rows)));
}

std::string_view FlowSource::string(std::int64_t id) const {
  return id == model::kNull ? std::string_view{} : source_.string(id);
}

std::optional<std::int64_t> FlowSource::find_string(std::string_view text) const {
  return source_.find_string(text);
}

std::int64_t FlowSource::vcpu_of_cpu(std::string_view machine, std::int64_t cpu) const {
  return source_.vcpu_of_cpu(machine, cpu);
}

Result<flow::MachineNumber> find_machine(const flow::World& world, std::string_view name) {
  const flow::MachineNumber found = world.find_machine(name);
  if (found != flow::kNoMachine) return found;
  std::vector<std::string_view> names;
  for (const auto& machine : world.machines()) names.push_back(machine.name);
  const auto near = nearest(name, names);
  return Error{ErrorCode::kBadUse, fmt::format("there is no machine {}", name), "",
               near ? fmt::format("did you mean {}?", *near)
                    : fmt::format("machines: {}", fmt::join(names, ", "))};
}

Status require_thread(const flow::World& world, flow::MachineNumber machine, std::int64_t tid) {
  if (!world.lives(machine, tid).empty()) return {};
  const std::string_view name = world.machine(machine).name;
  std::vector<std::pair<std::int64_t, std::string>> near;
  for (const model::Row& row : world.source().small(model::TableId::kThread).rows) {
    const auto* const owner = std::get_if<std::string>(&row[0]);
    const auto* const number = std::get_if<std::int64_t>(&row[1]);
    const auto* const comm = std::get_if<std::string>(&row[4]);
    if (owner == nullptr || number == nullptr || *owner != name) continue;
    const std::int64_t distance = *number > tid ? *number - tid : tid - *number;
    near.emplace_back(distance,
                      fmt::format("{}{}", *number, comm == nullptr ? "" : " (" + *comm + ")"));
  }
  std::sort(near.begin(), near.end());
  std::string list;
  for (std::size_t i = 0; i < near.size() && i < 3; ++i) {
    list += (i == 0 ? "" : ", ") + near[i].second;
  }
  return Error{ErrorCode::kBadUse, fmt::format("{} has no thread {}", name, tid), "",
               near.empty() ? fmt::format("no thread of {} is known; is its trace there?", name)
                            : "the nearest are " + list};
}

}  // namespace vs::query
