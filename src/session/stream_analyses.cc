#include "session/stream_analyses.h"

#include <iterator>

#include "analysis/block/block_requests.h"
#include "analysis/net/packets.h"
#include "analysis/waits/waits.h"

namespace vs::session {
namespace {

/// One row per analysis: make_stream<T>.
constexpr std::array kFactories = {
    &make_stream<analysis::block::BlockRequests>,
    &make_stream<analysis::net::Packets>,
    &make_stream<analysis::waits::Waits>,
};

}  // namespace

std::span<const StreamFactory> stream_factories() { return kFactories; }

StreamDispatch::StreamDispatch(std::span<const StreamPart> parts, model::MachineIndex machine) {
  std::vector<model::KindSet> wanted;
  for (const StreamPart& part : parts) {
    wanted.push_back(part.analysis->kinds(machine));
    kinds_.add(wanted.back());
  }
  for (std::size_t kind = 0; kind < model::kEventKindCount; ++kind) {
    Wanted& who = by_kind_[kind];
    who.first = static_cast<std::uint16_t>(targets_.size());
    for (std::size_t p = 0; p < parts.size(); ++p) {
      if (wanted[p].has(static_cast<model::EventKind>(kind))) {
        targets_.push_back(parts[p].analysis.get());
        ++who.count;
      }
    }
  }
}

StreamAnalyses::StreamAnalyses(const model::StreamSetup& setup,
                               std::span<const StreamFactory> factories) {
  auto deliveries = std::make_unique<analysis::delivery::Deliveries>(setup);
  deliveries_ = deliveries.get();
  parts_.push_back({std::move(deliveries), deliveries_, nullptr});
  auto messages = std::make_unique<analysis::net::Messages>(setup);
  messages_ = messages.get();
  parts_.push_back({std::move(messages), nullptr, nullptr});
  for (const StreamFactory make : factories) {
    parts_.push_back(make(setup));
    if (parts_.back().deliveries != nullptr) deliveries_->add_observer(*parts_.back().deliveries);
  }
}

std::vector<analysis::vcpu::VcpuObserver*> StreamAnalyses::vcpu_observers() const {
  std::vector<analysis::vcpu::VcpuObserver*> observers;
  for (const StreamPart& part : parts_) {
    if (part.vcpus != nullptr) observers.push_back(part.vcpus);
  }
  return observers;
}

void StreamAnalyses::on_loss(HostTime begin, HostTime end, model::MachineIndex machine,
                             std::uint32_t cpu) {
  for (const StreamPart& part : parts_) part.analysis->on_loss(begin, end, machine, cpu);
}

void StreamAnalyses::finish(model::MachineIndex machine, HostTime end) {
  for (const StreamPart& part : parts_) part.analysis->finish(machine, end);
}

std::vector<model::SmallTable> StreamAnalyses::small_tables() const {
  std::vector<model::SmallTable> tables;
  for (const StreamPart& part : parts_) {
    auto own = part.analysis->small_tables();
    std::move(own.begin(), own.end(), std::back_inserter(tables));
  }
  return tables;
}

std::vector<model::Issue> StreamAnalyses::issues() const {
  std::vector<model::Issue> all;
  for (const StreamPart& part : parts_) {
    auto own = part.analysis->issues();
    std::move(own.begin(), own.end(), std::back_inserter(all));
  }
  return all;
}

}  // namespace vs::session
