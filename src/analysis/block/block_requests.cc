#include "analysis/block/block_requests.h"

#include <algorithm>

#include "analysis/block/rwbs.h"

namespace vs::analysis::block {
namespace {

using model::Event;
using model::EventKind;
using model::kNull;
using model::StreamEvent;
namespace arg = model::arg;

constexpr std::uint64_t kSectorBytes = 512;
// How Linux keeps a device number inside; both tracers record it so.
constexpr unsigned kMinorBits = 20;
// Absorbing parts whose merge was not recorded looks at all that is queued.
constexpr std::size_t kMaxSearch = 256;

/// What an event says of a request. Requests without a place (flushes, passed-through commands)
/// are at sector 0 in some events and at -1 in others.
Request request_of(const StreamEvent& event) {
  const Event& e = event.event;
  Request request;
  request.device = e.u(arg::kBlockDevice);
  request.position = e.u(arg::kBlockSector);
  if (request.position == ~std::uint64_t{0} || !e.has(arg::kBlockSector)) request.position = 0;
  request.sectors = e.u(arg::kBlockSectorCount);
  request.first_sector = request.position;
  request.bytes = e.has(arg::kBlockBytes) ? e.u(arg::kBlockBytes) : request.sectors * kSectorBytes;
  request.op = e.texts[0].empty() ? op_of_bits(e.u(arg::kBlockRwbs), request.sectors)
                                  : op_of_text(e.texts[0], request.sectors);
  request.tid = event.tid;
  request.begin = request.issued = event.time;
  return request;
}

bool inside(const Request& part, const Request& whole) {
  return part.device == whole.device && part.position >= whole.position && part.sectors > 0 &&
         part.position - whole.position <= whole.sectors &&
         part.sectors <= whole.sectors - (part.position - whole.position);
}

}  // namespace

BlockRequests::BlockRequests(const model::StreamSetup& setup)
    : experiment_(*setup.experiment),
      sink_(*setup.sink),
      machines_(setup.experiment->machines.size()) {
  for (const model::MachineIndex m : setup.machines) {
    Machine& machine = machines_[m];
    machine.name = experiment_.machines[m].name;
    machine.name_id = sink_.intern(machine.name);
    machine.is_host = experiment_.machines[m].parent == model::kNoMachine;
    machine.requests = std::make_unique<RequestTable>();
    machine.vms = std::make_unique<vcpu::VmThreads>(experiment_, m, setup.facts[m]);
  }
  for (const model::BlockDeviceName& device : setup.block_devices) {
    machines_[device.machine].device_names.emplace(device.device, device.name);
  }
}

const BlockRequests::HandlerTable& BlockRequests::handlers() {
  static const HandlerTable kHandlers = [] {
    using K = EventKind;
    HandlerTable table{};
    const auto set = [&table](K kind, Handler handler) {
      table[static_cast<std::size_t>(kind)] = handler;
    };
    set(K::kBlockRqInsert, &BlockRequests::on_insert);
    set(K::kBlockRqIssue, &BlockRequests::on_issue);
    set(K::kBlockRqComplete, &BlockRequests::on_complete);
    set(K::kBlockRqRequeue, &BlockRequests::on_requeue);
    set(K::kBlockRqMerge, &BlockRequests::on_request_merge);
    set(K::kBlockBioBackmerge, &BlockRequests::on_back_merge);
    set(K::kBlockBioFrontmerge, &BlockRequests::on_front_merge);
    return table;
  }();
  return kHandlers;
}

model::KindSet BlockRequests::kinds(model::MachineIndex machine) const {
  model::KindSet kinds;
  const bool hosts =
      std::any_of(experiment_.machines.begin(), experiment_.machines.end(),
                  [machine](const model::Machine& other) { return other.parent == machine; });
  for (std::size_t k = 0; k < model::kEventKindCount; ++k) {
    const auto kind = static_cast<EventKind>(k);
    if (handlers()[k] != nullptr) kinds.add(kind);
  }
  return hosts ? kinds.add(vcpu::VmThreads::kinds()) : kinds;
}

void BlockRequests::on_event(const StreamEvent& event) {
  const Handler handler = handlers()[static_cast<std::size_t>(event.event.kind)];
  Machine& machine = machines_[event.machine];
  if (machine.requests == nullptr) return;
  if (handler != nullptr) {
    (this->*handler)(machine, event);
  } else {
    machine.vms->on_event(event);
  }
}

void BlockRequests::on_loss(HostTime begin, HostTime, model::MachineIndex machine, std::uint32_t) {
  machines_[machine].lost_until = std::max(machines_[machine].lost_until, begin);
}

void BlockRequests::finish(model::MachineIndex index, HostTime) {
  Machine& machine = machines_[index];
  if (machine.requests == nullptr) return;
  machine.requests->each([&](Request& request) { end_unfinished(machine, request); });
}

// ---- the queue ----

Request& BlockRequests::add(Machine& machine, const Request& request) {
  if (machine.lost_until > kHostTimeMin) drop_lost(machine, request);
  if (machine.requests->full()) {
    ++counters_.dropped_for_limit;
    end_unfinished(machine, *machine.requests->oldest());
  }
  return machine.requests->add(request);
}

// Where events were lost, an equal request from before the loss has ended unseen.
void BlockRequests::drop_lost(Machine& machine, const Request& again) {
  Request* const stale =
      machine.requests->find(again.device, again.position, [&](const Request& r) {
        return r.sectors == again.sectors && r.op == again.op && r.begin <= machine.lost_until;
      });
  if (stale != nullptr) end_unfinished(machine, *stale);
}

void BlockRequests::on_insert(Machine& machine, const StreamEvent& event) {
  const Request inserted = request_of(event);
  Request* const given_back = machine.requests->find(
      inserted.device, inserted.position,
      [&](const Request& r) { return r.requeued && r.sectors == inserted.sectors; });
  if (given_back != nullptr) {
    given_back->requeued = false;
  } else {
    add(machine, inserted);
  }
}

void BlockRequests::on_issue(Machine& machine, const StreamEvent& event) {
  const Request issued = request_of(event);
  Request* found = take_queued(machine, issued);
  if (found == nullptr) found = &add(machine, issued);
  found->issued = event.time;
  found->in_service = true;
  found->requeued = false;
  found->bytes = std::max(found->bytes, issued.bytes);
  found->op = issued.op;
}

/// The queued request that is issued now, grown to what is issued.
Request* BlockRequests::take_queued(Machine& machine, const Request& issued) {
  const auto queued = [](const Request& r) { return !r.in_service; };
  RequestTable& requests = *machine.requests;
  Request* found = requests.find(issued.device, issued.position, [&](const Request& r) {
    return queued(r) && r.sectors == issued.sectors && r.op == issued.op;
  });
  if (found != nullptr) return found;
  found = requests.find(issued.device, issued.position, [&](const Request& r) {
    return queued(r) && r.sectors <= issued.sectors && r.op == issued.op;
  });
  if (found == nullptr && requests.size() <= kMaxSearch && issued.sectors > 0) {
    requests.each([&](Request& r) {
      if (found == nullptr && queued(r) && r.op == issued.op && inside(r, issued)) found = &r;
    });
  }
  if (found != nullptr) absorb(machine, *found, issued);
  return found;
}

// It grew by merges that were not recorded: whatever is queued inside of it is part of it.
void BlockRequests::absorb(Machine& machine, Request& into, const Request& whole) {
  if (machine.requests->size() <= kMaxSearch) {
    machine.requests->each([&](Request& r) {
      if (&r == &into || r.in_service || r.op != whole.op || !inside(r, whole)) return;
      join(into, r);
      ++counters_.merged;
      machine.requests->remove(r);
    });
  }
  machine.requests->move(into, whole.position, whole.sectors);
  into.first_sector = whole.position;
  into.bytes = whole.bytes;
}

// As the kernel accounts it: the whole has waited since its first part came.
void BlockRequests::join(Request& into, const Request& part) {
  if (part.begin >= into.begin) return;
  into.begin = part.begin;
  into.tid = part.tid;
}

void BlockRequests::on_requeue(Machine& machine, const StreamEvent& event) {
  const Request back = request_of(event);
  Request* const found = machine.requests->find(back.device, back.position,
                                                [](const Request& r) { return r.in_service; });
  if (found == nullptr) return;
  found->in_service = false;
  found->requeued = true;
}

// ---- merges of what is queued; those of a task's own plug list are over before the insert ----

void BlockRequests::on_request_merge(Machine& machine, const StreamEvent& event) {
  const Request part = request_of(event);
  RequestTable& requests = *machine.requests;
  Request* const next = requests.find(part.device, part.position, [&](const Request& r) {
    return !r.in_service && r.sectors == part.sectors;
  });
  Request* const into = requests.find_end(part.device, part.position, [&](const Request& r) {
    return !r.in_service && r.sectors > 0 && (next == nullptr || r.op == next->op);
  });
  if (next == nullptr || into == nullptr || next == into) return;
  join(*into, *next);
  into->bytes += next->bytes;
  const std::uint64_t sectors = into->sectors + next->sectors;
  ++counters_.merged;
  requests.remove(*next);
  requests.move(*into, into->position, sectors);
}

void BlockRequests::on_back_merge(Machine& machine, const StreamEvent& event) {
  const Request bio = request_of(event);
  Request* const into = machine.requests->find_end(bio.device, bio.position, [&](const Request& r) {
    return !r.in_service && r.sectors > 0 && r.op == bio.op;
  });
  if (into == nullptr) return;
  into->bytes += bio.bytes;
  machine.requests->move(*into, into->position, into->sectors + bio.sectors);
}

void BlockRequests::on_front_merge(Machine& machine, const StreamEvent& event) {
  const Request bio = request_of(event);
  Request* const into = machine.requests->find(
      bio.device, bio.position + bio.sectors,
      [&](const Request& r) { return !r.in_service && r.sectors > 0 && r.op == bio.op; });
  if (into == nullptr) return;
  into->bytes += bio.bytes;
  into->first_sector = bio.position;
  machine.requests->move(*into, bio.position, into->sectors + bio.sectors);
}

// ---- the end ----

void BlockRequests::on_complete(Machine& machine, const StreamEvent& event) {
  const Request done = request_of(event);
  RequestTable& requests = *machine.requests;
  const auto find = [&](auto&& wanted) {
    return requests.find(done.device, done.position, wanted);
  };
  Request* found = find([&](const Request& r) {
    return r.in_service && r.sectors == done.sectors && r.op == done.op;
  });
  if (found == nullptr)
    found = find([&](const Request& r) {
      return r.in_service && (r.sectors >= done.sectors || r.sectors == 0);
    });
  if (found == nullptr)
    found = find([&](const Request& r) { return r.sectors == done.sectors && r.op == done.op; });
  if (found == nullptr) {
    ++counters_.without_begin;
    return;
  }
  const bool partly = found->sectors > done.sectors && done.sectors > 0;
  if (partly) {
    requests.move(*found, found->position + done.sectors, found->sectors - done.sectors);
  } else {
    end(machine, *found, event.time);
  }
}

void BlockRequests::end(Machine& machine, Request& request, HostTime time) {
  ++counters_.completed;
  const bool issued = request.in_service;
  write(machine, request, time, issued ? request.issued - request.begin : kNull,
        issued ? time - request.issued : kNull);
  machine.requests->remove(request);
}

void BlockRequests::end_unfinished(Machine& machine, Request& request) {
  ++counters_.unfinished;
  write(machine, request, request.begin,
        request.in_service ? request.issued - request.begin : kNull, kNull);
  machine.requests->remove(request);
}

void BlockRequests::write(Machine& machine, const Request& request, HostTime end,
                          std::int64_t queue_ns, std::int64_t service_ns) {
  const std::optional<model::EntityId> entity = entity_of(machine, request.device);
  if (!entity) {
    ++counters_.devices_dropped;
    ++machine.over_limit;
    return;
  }
  std::array<std::int64_t, 7> values{};
  values[model::slot::kBrVm] = machine.is_host ? kNull : machine.name_id;
  const vcpu::VmThread submitter = machine.vms->of(request.tid);
  if (submitter.vm != model::kNoMachine) {
    values[model::slot::kBrVm] = sink_.intern(experiment_.machines[submitter.vm].name);
  }
  values[model::slot::kBrSector] = static_cast<std::int64_t>(request.first_sector);
  values[model::slot::kBrBytes] = static_cast<std::int64_t>(request.bytes);
  values[model::slot::kBrOp] = static_cast<std::int64_t>(request.op);
  values[model::slot::kBrQueueNs] = queue_ns;
  values[model::slot::kBrServiceNs] = service_ns;
  values[model::slot::kBrTid] = request.tid < 0 ? kNull : request.tid;
  sink_.add(*entity, request.begin, end, values);
}

std::optional<model::EntityId> BlockRequests::entity_of(Machine& machine, std::uint64_t device) {
  const auto found = machine.entities.find(device);
  if (found != machine.entities.end()) return found->second;
  if (machine.entities.size() == kMaxDevices) return std::nullopt;
  const auto named = machine.device_names.find(device);
  const std::string name = named != machine.device_names.end()
                               ? named->second
                               : std::to_string(device >> kMinorBits) + ":" +
                                     std::to_string(device & ((1U << kMinorBits) - 1));
  const std::int64_t key[] = {machine.name_id, sink_.intern(name)};
  const model::EntityId entity = sink_.entity(model::TableId::kBlockRequest, key);
  machine.entities.emplace(device, entity);
  return entity;
}

std::vector<model::Issue> BlockRequests::issues() const {
  std::vector<model::Issue> out;
  for (std::size_t m = 0; m < machines_.size(); ++m) {
    if (machines_[m].over_limit == 0) continue;
    out.push_back({model::IssueCode::kDevicesOverLimit, "", experiment_.machines[m].name,
                   machines_[m].over_limit,
                   "requests of block devices after the first " + std::to_string(kMaxDevices)});
  }
  return out;
}

}  // namespace vs::analysis::block
