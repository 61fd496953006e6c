#pragma once
// BlockRequests: one block_request row per request of a machine's block layer, host and guests
// alike (algorithms G.2): in the queue from insert to issue, in service from issue to completion.
//
// A request is known by its device and sectors. Requests that were merged are one row with the
// bytes of the whole, from the earliest insert; one that the driver gave back (requeue) is in the
// queue until its last issue; one completed in parts ends with the last part. Without an insert
// (no I/O scheduler, or the event not recorded) the row begins at the issue and queue_ns is 0. A
// request whose issue was not seen has neither queue_ns nor service_ns. One that is never completed
// is stored as [begin, begin) without service_ns. docs/analyses/disk.md has the rules.
//
// Ownership: what the setup points to outlives it. Threads: one. Errors: none; what does not fit is
// counted. Memory: RequestTable::kLimit requests per machine; beyond that the oldest becomes an
// unfinished row.

#include <array>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <unordered_map>
#include <vector>

#include "analysis/block/request_table.h"
#include "analysis/vcpu/vm_threads.h"
#include "model/stream_analysis.h"

namespace vs::analysis::block {

class BlockRequests final : public model::StreamAnalysis {
 public:
  static constexpr std::size_t kMaxDevices = 4096;  ///< per machine; rows of further ones get lost

  struct Counters {
    std::uint64_t completed = 0;
    std::uint64_t unfinished = 0;
    std::uint64_t merged = 0;             ///< requests that became part of another one
    std::uint64_t without_begin = 0;      ///< completions of what was never seen to begin
    std::uint64_t dropped_for_limit = 0;  ///< among the unfinished
    std::uint64_t devices_dropped = 0;    ///< rows of devices beyond the limit
  };

  explicit BlockRequests(const model::StreamSetup& setup);

  [[nodiscard]] model::KindSet kinds(model::MachineIndex machine) const override;
  void on_event(const model::StreamEvent& event) override;
  void on_loss(HostTime begin, HostTime end, model::MachineIndex machine,
               std::uint32_t cpu) override;
  void finish(model::MachineIndex machine, HostTime end) override;

  /// Per machine, the rows of devices beyond the limit.
  [[nodiscard]] std::vector<model::Issue> issues() const override;

  [[nodiscard]] const Counters& counters() const { return counters_; }

 private:
  struct Machine {
    std::string name;
    model::StringId name_id = model::kNull;
    bool is_host = false;
    HostTime lost_until = kHostTimeMin;  ///< begin of the last loss window
    std::unique_ptr<RequestTable> requests;
    std::unique_ptr<vcpu::VmThreads> vms;
    std::unordered_map<std::uint64_t, std::string> device_names;
    std::unordered_map<std::uint64_t, model::EntityId> entities;  ///< by device
    std::uint64_t over_limit = 0;  ///< rows of devices beyond the limit
  };
  using Handler = void (BlockRequests::*)(Machine&, const model::StreamEvent&);
  using HandlerTable = std::array<Handler, model::kEventKindCount>;
  [[nodiscard]] static const HandlerTable& handlers();

  void on_insert(Machine& machine, const model::StreamEvent& event);
  void on_issue(Machine& machine, const model::StreamEvent& event);
  void on_complete(Machine& machine, const model::StreamEvent& event);
  void on_requeue(Machine& machine, const model::StreamEvent& event);
  void on_request_merge(Machine& machine, const model::StreamEvent& event);
  void on_back_merge(Machine& machine, const model::StreamEvent& event);
  void on_front_merge(Machine& machine, const model::StreamEvent& event);

  Request& add(Machine& machine, const Request& request);
  [[nodiscard]] Request* take_queued(Machine& machine, const Request& issued);
  void absorb(Machine& machine, Request& into, const Request& whole);
  static void join(Request& into, const Request& part);
  void drop_lost(Machine& machine, const Request& again);
  void end(Machine& machine, Request& request, HostTime time);
  void end_unfinished(Machine& machine, Request& request);
  void write(Machine& machine, const Request& request, HostTime end, std::int64_t queue_ns,
             std::int64_t service_ns);
  [[nodiscard]] std::optional<model::EntityId> entity_of(Machine& machine, std::uint64_t device);

  const model::Experiment& experiment_;
  model::IntervalSink& sink_;
  std::vector<Machine> machines_;
  Counters counters_;
};

}  // namespace vs::analysis::block
