#include "analysis/kernel/thread_rows.h"

#include <algorithm>
#include <array>
#include <utility>

namespace vs::analysis::kernel {
namespace {

std::array<std::int64_t, 7> values_of(const ThreadRow& row, bool lossy) {
  std::array<std::int64_t, 7> values{};
  values[model::slot::kTsState] = static_cast<std::int64_t>(row.state);
  values[model::slot::kTsCpu] = row.cpu;
  values[model::slot::kTsEffective] = row.effective;
  values[model::slot::kTsDetail] = row.detail;
  values[model::slot::kTsWakerMachine] = row.waker_machine;
  values[model::slot::kTsWakerTid] = row.waker_tid;
  values[model::slot::kTsLossy] = lossy ? 1 : 0;
  return values;
}

}  // namespace

ThreadRows::ThreadRows(model::IntervalSink& sink, std::string machine_name)
    : sink_(sink),
      machine_name_(std::move(machine_name)),
      machine_id_(sink.intern(machine_name_)) {}

Thread& ThreadRows::add(std::int32_t tid, HostTime at, Birth birth) {
  index_.insert(tid, static_cast<std::uint32_t>(threads_.size()));
  Thread& thread = threads_.emplace_back();
  by_index_.push_back(&thread);
  thread.tid = tid;
  thread.birth = birth;
  thread.first = at;
  thread.since = at;
  return thread;
}

void ThreadRows::begin_life(Thread& thread, HostTime at, Birth birth) {
  Life ended = life_of(thread);
  if (!thread.exited()) ended.last = at;
  ended_.push_back(std::move(ended));
  Thread fresh;
  fresh.tid = thread.tid;
  fresh.birth = birth;
  fresh.first = at;
  fresh.since = thread.since;
  fresh.row = thread.row;
  fresh.entity = thread.entity;
  thread = std::move(fresh);
}

void ThreadRows::set(Thread& thread, HostTime at, const ThreadRow& row, HostTime loss_end) {
  if (row == thread.row) return;
  emit(thread, at, loss_end);
  thread.row = row;
}

// Called for nearly every event: what seldom happens is elsewhere, so that this needs few
// registers.
void ThreadRows::emit(Thread& thread, HostTime end, HostTime loss_end) {
  if (end <= thread.since) return;
  const bool noted =
      thread.row.memo != nullptr && thread.entity != kNoEntity && thread.since >= loss_end;
  if (!noted || !sink_.add_again(thread.entity, thread.since, end, *thread.row.memo)) [[unlikely]]
    return add(thread, end, loss_end);
  thread.since = end;
}

void ThreadRows::add(Thread& thread, HostTime end, HostTime loss_end) {
  if (thread.entity == kNoEntity) {
    const std::array<std::int64_t, 2> key = {machine_id_, thread.tid};
    thread.entity = sink_.entity(model::TableId::kThreadState, key);
  }
  const HostTime begin = std::exchange(thread.since, end);
  const bool lossy = begin < loss_end;
  model::RowMemo unused;
  const bool noted = !lossy && thread.row.memo != nullptr;
  sink_.add_noting(thread.entity, begin, end, values_of(thread.row, lossy),
                   noted ? *thread.row.memo : unused);
}

void ThreadRows::list_open(HostTime until, HostTime (*loss_end)(const void*, const Thread&),
                           const void* context, std::vector<model::OpenRow>& out) const {
  for (const Thread& thread : threads_) {
    if (thread.entity == kNoEntity || until <= thread.since) continue;
    const auto values = values_of(thread.row, thread.since < loss_end(context, thread));
    out.push_back({thread.entity, thread.since, until, {values.begin(), values.end()}});
  }
}

void ThreadRows::finish(HostTime end, HostTime (*loss_end)(const void*, const Thread&),
                        const void* context) {
  end_ = end;
  for (Thread& thread : threads_) {
    const HostTime begin = thread.since;
    emit(thread, end, loss_end(context, thread));
    if (thread.exited()) thread.since = begin;  // life_of() reads the end of the life there
  }
}

void ThreadRows::set_comm(Thread& thread, std::string_view comm) {
  comm = clip_comm(comm);
  if (comm.empty() || comm == thread.comm) return;
  thread.comm = std::string(comm);
  thread.comm_id = sink_.intern(comm);
  thread.kernel_comm = is_kernel_comm(comm);
}

ThreadRows::Life ThreadRows::life_of(const Thread& thread) const {
  Life life;
  life.tid = thread.tid;
  life.tgid = thread.tgid;
  life.parent_tid = thread.parent_tid;
  life.comm_id = thread.comm_id;
  life.comm = thread.comm;
  life.pid_ns = thread.pid_ns;
  life.first = thread.first;
  life.last = thread.exited() ? thread.since : end_;
  return life;
}

std::vector<ThreadRows::Life> ThreadRows::lives() const {
  std::vector<Life> all = ended_;
  for (const Thread& thread : threads_) all.push_back(life_of(thread));
  std::stable_sort(all.begin(), all.end(), [](const Life& a, const Life& b) {
    return a.tid != b.tid ? a.tid < b.tid : a.first < b.first;
  });
  return all;
}

}  // namespace vs::analysis::kernel
