#pragma once
// Which guest trace belongs to which VM of which host trace (algorithms B.2, B.7). Internal to
// join_clocks.
//
// A trace is tried against every VM of every other trace that hosts VMs. A trace that hosts VMs
// itself may be a guest as well (nested virtualisation); events of a nested guest also lie inside
// the runs of its host's own vCPUs, so of two VMs that fit, the inner one is right.
//
// Ownership: borrows inputs and clocks. Threads: one caller; bind() uses
// up to JoinOptions::jobs inside. Errors: none; what is not bound is said.

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <tuple>
#include <vector>

#include "model/clock_map.h"
#include "model/issue.h"
#include "session/join.h"
#include "session/join_pair.h"

namespace vs::session {

/// How one trace's own time becomes ns, and these the host timeline.
struct TraceClock {
  clock::Scale to_ns;  ///< identity for ns clocks and for ticks without a rate
  bool ticks = false;
  bool rate_known = true;
  bool placed = false;  ///< the line below holds
  // timeline = anchor_host + (ns - anchor_ns) * rate
  std::int64_t anchor_ns = 0;
  std::int64_t anchor_host = 0;
  std::int64_t rate = model::kRateOne;
  std::int64_t error_ns = 0;

  [[nodiscard]] std::int64_t to_host(std::int64_t ns) const {
    const Int128 product = static_cast<Int128>(ns - anchor_ns) * rate;
    return anchor_host + static_cast<std::int64_t>(product >> model::kRateShift);
  }
};

/// One guest against one VM.
struct Candidate {
  std::size_t guest = 0;
  std::size_t host = 0;
  std::size_t vm = 0;
  std::size_t depth = 0;  ///< of the VM: how many hosts its host is inside of
  std::string named;      ///< how the VM is known without evidence; empty: it is not
  PairResult result;

  [[nodiscard]] double score() const;
  [[nodiscard]] bool certain() const;
  [[nodiscard]] bool acceptable() const { return certain() || result.convincing(); }
};

class Binder {
 public:
  /// `clocks` is read at each call.
  Binder(const JoinInput& input, const std::vector<TraceClock>& clocks, model::IssueLog& issues);

  [[nodiscard]] bool hosts_vms(std::size_t trace) const { return hosts_vms_[trace]; }
  [[nodiscard]] bool may_be_guest(std::size_t trace) const { return may_be_guest_[trace]; }
  /// The binding that bind() found.
  [[nodiscard]] const std::optional<Binding>& binding(std::size_t trace) const {
    return bindings_[trace];
  }
  /// 0 for a trace that is no known guest, else one more than its host's.
  [[nodiscard]] std::size_t depth(std::size_t trace) const;

  /// Gives each of `guests` its best VM, the strongest claims first. A trace that hosts VMs itself
  /// and fits no other's is no guest and no issue.
  [[nodiscard]] std::vector<Candidate> bind(const std::vector<std::size_t>& guests);
  [[nodiscard]] Candidate evaluate(std::size_t guest, std::size_t host, std::size_t vm,
                                   SyncMode mode) const;

 private:
  void choose_roles();
  [[nodiscard]] const reader::TraceInfo& info(std::size_t t) const {
    return *input_.traces[t].info;
  }
  [[nodiscard]] bool inside(std::size_t trace, std::size_t host) const;
  [[nodiscard]] PairClocks clocks_of(std::size_t guest, std::size_t host) const;
  [[nodiscard]] std::string naming(std::size_t guest, std::size_t host,
                                   const model::FoundVm& vm) const;
  [[nodiscard]] PairTask task_of(std::size_t guest, std::size_t host, std::size_t vm) const;
  [[nodiscard]] std::vector<std::vector<Candidate>> all_candidates(
      const std::vector<std::size_t>& guests) const;
  [[nodiscard]] std::vector<Candidate> candidates_of(std::size_t guest) const;
  [[nodiscard]] std::optional<Candidate> decide(std::vector<Candidate>& list,
                                                const std::vector<Candidate>& chosen);
  [[nodiscard]] double margin_of(const std::vector<Candidate>& list) const;
  void refuse(std::size_t guest, model::IssueCode code, std::string message);

  const JoinInput& input_;
  const std::vector<TraceClock>& clocks_;
  model::IssueLog& issues_;
  std::vector<bool> hosts_vms_;
  std::vector<bool> may_be_guest_;
  std::vector<std::optional<Binding>> bindings_;
};

}  // namespace vs::session
