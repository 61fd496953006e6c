#include "analysis/vcpu/grouping.h"

#include <algorithm>
#include <cstdlib>
#include <map>
#include <numeric>

namespace vs::analysis::vcpu {
namespace {

using model::kNoVcpu;

// How far apart the thread ids of one VM's vCPUs may lie when nothing but their order speaks for
// them.
constexpr std::int32_t kNeighbour = 64;
constexpr std::int32_t kNeighbourWithoutIds = 16;

struct Group {
  std::vector<std::size_t> members;
  std::int32_t pid = -1;
  std::int32_t hint = -1;
};

bool overlap(const VcpuRun& a, const VcpuRun& b) { return a.first < b.last && b.first < a.last; }

class Grouper {
 public:
  explicit Grouper(const GroupingInput& input) : in_(input) {
    for (std::size_t i = 0; i < in_.threads.size(); ++i) {
      Group& group = groups_.emplace_back();
      group.members = {i};
      ids_.push_back(id_of(in_.threads[i]));
    }
  }

  std::vector<model::FoundVm> run() {
    by_hints();
    by_process();
    by_links();
    by_order();
    name_by_order();
    return result();
  }

 private:
  static std::int32_t id_of(const VcpuThreadFacts& thread) {
    if (thread.runs.size() == 1 && thread.runs[0].id == kNoVcpu) return thread.name_id;
    return thread.runs[0].id;
  }

  /// Two threads that cannot be of one VM: the same number at the same time.
  [[nodiscard]] bool clash(std::size_t a, std::size_t b) const {
    const auto& runs_a = in_.threads[a].runs;
    const auto& runs_b = in_.threads[b].runs;
    if (runs_a.size() > 1 || runs_b.size() > 1) return false;
    return ids_[a] != kNoVcpu && ids_[a] == ids_[b] && overlap(runs_a[0], runs_b[0]);
  }
  [[nodiscard]] bool clash(const Group& a, const Group& b) const {
    for (const std::size_t x : a.members) {
      for (const std::size_t y : b.members) {
        if (clash(x, y)) return true;
      }
    }
    return false;
  }

  [[nodiscard]] bool joinable(const Group& a, const Group& b) const {
    if (a.pid > 0 && b.pid > 0 && a.pid != b.pid) return false;
    if (a.hint >= 0 && b.hint >= 0 && a.hint != b.hint) return false;
    return !clash(a, b);
  }

  void join(std::size_t into, std::size_t from) {
    Group& a = groups_[into];
    Group& b = groups_[from];
    a.members.insert(a.members.end(), b.members.begin(), b.members.end());
    if (a.pid <= 0) a.pid = b.pid;
    if (a.hint < 0) a.hint = b.hint;
    b.members.clear();
  }

  /// Joins any two groups for which `same` holds.
  template <typename Same>
  void join_where(Same same) {
    for (std::size_t a = 0; a < groups_.size(); ++a) {
      for (std::size_t b = a + 1; b < groups_.size(); ++b) {
        if (groups_[a].members.empty() || groups_[b].members.empty()) continue;
        if (same(groups_[a], groups_[b]) && joinable(groups_[a], groups_[b])) join(a, b);
      }
    }
  }

  void by_hints() {
    for (std::size_t h = 0; h < in_.hints.size(); ++h) {
      for (const VmHint::Thread& told : in_.hints[h].threads) {
        for (std::size_t i = 0; i < in_.threads.size(); ++i) {
          if (in_.threads[i].tid != told.tid || groups_[i].hint >= 0) continue;
          groups_[i].hint = static_cast<std::int32_t>(h);
          groups_[i].pid = in_.hints[h].vmm_pid;
          if (ids_[i] == kNoVcpu) ids_[i] = told.vcpu;
        }
      }
    }
    join_where([](const Group& a, const Group& b) { return a.hint >= 0 && a.hint == b.hint; });
  }

  void by_process() {
    for (Group& group : groups_) {
      for (const std::size_t i : group.members) {
        const VcpuThreadFacts& thread = in_.threads[i];
        if (group.pid <= 0) group.pid = thread.tgid > 0 ? thread.tgid : thread.helper_pid;
      }
    }
    join_where([](const Group& a, const Group& b) { return a.pid > 0 && a.pid == b.pid; });
  }

  void by_links() {
    std::vector<std::size_t> at(in_.threads.size());
    for (const auto& [x, y] : in_.links) {
      for (std::size_t g = 0; g < groups_.size(); ++g) {
        for (const std::size_t i : groups_[g].members) at[i] = g;
      }
      if (at[x] != at[y] && joinable(groups_[at[x]], groups_[at[y]])) join(at[x], at[y]);
    }
    // The forking thread is one of the VMM's: of the same VM, or, where its own id is known to be a
    // VMM's pid, of that very process.
    join_where([this](const Group& a, const Group& b) {
      for (const std::size_t x : a.members) {
        const std::int32_t parent = in_.threads[x].parent_tid;
        if (parent <= 0) continue;
        if (parent == b.pid) return true;
        for (const std::size_t y : b.members) {
          if (in_.threads[y].parent_tid == parent) return true;
        }
      }
      return std::ranges::any_of(b.members, [&](std::size_t y) {
        return a.pid > 0 && in_.threads[y].parent_tid == a.pid;
      });
    });
  }

  [[nodiscard]] std::int32_t lowest_tid(const Group& group) const {
    std::int32_t low = 0x7fffffff;
    for (const std::size_t i : group.members) low = std::min(low, in_.threads[i].tid);
    return low;
  }
  [[nodiscard]] std::int32_t distance(const Group& group, std::int32_t tid) const {
    std::int32_t best = 0x7fffffff;
    for (const std::size_t i : group.members) {
      best = std::min(best, std::abs(in_.threads[i].tid - tid));
    }
    return best;
  }
  [[nodiscard]] bool has_id(const Group& group, std::int32_t id) const {
    return std::ranges::any_of(group.members, [&](std::size_t i) { return ids_[i] == id; });
  }

  // A thread that nothing ties to another: the nearest VM below it that has no such vCPU yet.
  void by_order() {
    std::vector<std::size_t> order(groups_.size());
    std::iota(order.begin(), order.end(), 0U);
    std::ranges::sort(order, {}, [this](std::size_t g) { return lowest_tid(groups_[g]); });
    for (const std::size_t g : order) {
      Group& loner = groups_[g];
      if (loner.members.size() != 1 || loner.pid > 0 || loner.hint >= 0) continue;
      const std::size_t i = loner.members[0];
      const std::int32_t id = ids_[i];
      if (id == 0) continue;  // begins a VM
      const std::int32_t reach = id == kNoVcpu ? kNeighbourWithoutIds : kNeighbour;
      std::size_t best = groups_.size();
      for (const std::size_t c : order) {
        const Group& candidate = groups_[c];
        if (c == g || candidate.members.empty() || !joinable(candidate, loner)) continue;
        if (lowest_tid(candidate) > in_.threads[i].tid) continue;
        const std::int32_t far = distance(candidate, in_.threads[i].tid);
        // Distance 0: an earlier life of the same thread id, in whatever VM that was.
        if (far == 0 || far > reach || (id != kNoVcpu && has_id(candidate, id))) continue;
        if (best == groups_.size() || far < distance(groups_[best], in_.threads[i].tid)) best = c;
      }
      if (best != groups_.size()) join(best, g);
    }
  }

  // Helpers' names tell VMM pids even where nothing ties a helper to a vCPU. VMMs that started one
  // after the other have pids and vCPU threads in the same order; only a full match is taken.
  void name_by_order() {
    std::vector<std::int32_t> free = in_.helper_pids;
    std::vector<Group*> nameless;
    for (Group& group : groups_) {
      if (group.members.empty()) continue;
      if (group.pid > 0) {
        std::erase(free, group.pid);
      } else {
        nameless.push_back(&group);
      }
    }
    if (nameless.size() != free.size()) return;
    std::ranges::sort(nameless, {}, [this](const Group* group) { return lowest_tid(*group); });
    for (std::size_t i = 0; i < free.size(); ++i) {
      if (free[i] > lowest_tid(*nameless[i])) return;
    }
    for (std::size_t i = 0; i < free.size(); ++i) nameless[i]->pid = free[i];
  }

  [[nodiscard]] model::FoundVm vm_of(const Group& group) const {
    model::FoundVm vm;
    vm.vmm_pid = group.pid;
    if (group.hint >= 0) vm.name = in_.hints[static_cast<std::size_t>(group.hint)].name;
    std::map<std::int32_t, model::FoundVcpu> vcpus;
    std::vector<std::size_t> members = group.members;
    std::ranges::sort(members, {}, [this](std::size_t i) { return in_.threads[i].tid; });
    std::vector<std::size_t> unnumbered;
    const auto add = [&](std::int32_t id, const VcpuThreadFacts& thread, const VcpuRun& run) {
      model::FoundVcpu& vcpu = vcpus[id];
      vcpu.id = id;
      vcpu.threads.push_back({thread.tid, run.first, run.last});
      return &vcpu;
    };
    for (const std::size_t i : members) {
      if (ids_[i] == kNoVcpu) {
        unnumbered.push_back(i);
        continue;
      }
      for (const VcpuRun& run : in_.threads[i].runs) {
        add(run.id == kNoVcpu ? ids_[i] : run.id, in_.threads[i], run);
      }
    }
    std::int32_t next = 0;
    for (const std::size_t i : unnumbered) {
      while (vcpus.contains(next)) ++next;
      add(next, in_.threads[i], in_.threads[i].runs[0])->guessed = true;
    }
    for (auto& [id, vcpu] : vcpus) {
      std::ranges::sort(vcpu.threads, {}, &model::VcpuThread::first);
      vm.vcpus.push_back(std::move(vcpu));
    }
    return vm;
  }

  [[nodiscard]] std::vector<model::FoundVm> result() const {
    std::vector<model::FoundVm> vms;
    for (const Group& group : groups_) {
      if (!group.members.empty()) vms.push_back(vm_of(group));
    }
    std::ranges::sort(vms, {}, &model::FoundVm::lowest_tid);
    return vms;
  }

  const GroupingInput& in_;
  std::vector<Group> groups_;
  std::vector<std::int32_t> ids_;  ///< by thread; of several, the lowest
};

}  // namespace

std::vector<model::FoundVm> group(const GroupingInput& input) { return Grouper(input).run(); }

}  // namespace vs::analysis::vcpu
