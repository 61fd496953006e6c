// kernel_floor TRACE...: how cheap can a whole kernel analysis be? Decode, merge by clock, and a
// state machine that makes the same state changes per event as Trace Compass's kernel analysis
// (thread status, system call, run queue CPU, priority and name; CPU status and current thread;
// interrupt and softirq per CPU and over all), into a packed history in memory (varint duration and
// value byte by attribute). One thread; every trace has its own state machine, one merged pass.
#include <fmt/format.h>

#include <memory>
#include <string_view>
#include <unordered_map>

#include "floor/ctf_cursor.h"
#include "floor/loser_tree.h"

namespace {

using namespace vs::bench;
using std::int32_t;
using std::int64_t;
using std::uint32_t;
using std::uint64_t;
using std::uint8_t;

/// The present value of each attribute, and what is closed.
class Store {
 public:
  [[nodiscard]] int32_t value(uint32_t attribute) const { return rows_[attribute].value; }
  [[nodiscard]] uint64_t closed() const { return closed_ + rows_.size(); }
  [[nodiscard]] uint64_t bytes() const {
    uint64_t out = 0;
    for (const Row& row : rows_) out += row.bytes.size();
    return out;
  }

  uint32_t add(uint64_t time) {
    rows_.emplace_back();
    rows_.back().start = time;
    return static_cast<uint32_t>(rows_.size() - 1);
  }
  void set(uint32_t attribute, uint64_t time, int32_t value) {
    Row& row = rows_[attribute];
    if (row.value == value) return;
    if (time > row.start) {
      ++closed_;
      uint64_t duration = time - row.start;
      uint8_t packed[12];
      int size = 0;
      for (; duration >= 128; duration >>= 7) {
        packed[size++] = static_cast<uint8_t>(duration | 128);
      }
      packed[size++] = static_cast<uint8_t>(duration);
      packed[size++] = static_cast<uint8_t>(row.value);
      row.bytes.insert(row.bytes.end(), packed, packed + size);
    }
    row.value = value;
    row.start = time;
  }

 private:
  struct Row {
    uint64_t start = 0;
    int32_t value = -1;
    std::vector<uint8_t> bytes;
  };
  std::vector<Row> rows_;
  uint64_t closed_ = 0;
};

struct ThreadRows {
  uint32_t status, syscall, queue, priority, name;
};
struct CpuRows {
  uint32_t status = 0, thread = 0;
  std::vector<uint32_t> interrupts, softirqs;
  int32_t tid = 0;
  uint32_t current = 0;  ///< index of the thread that runs
};

constexpr uint32_t kNone = ~0U;
constexpr uint32_t kIdleTids = 60000;  // one idle thread per CPU, from here on

class Machine {
 public:
  explicit Machine(uint64_t start) : start_(start), by_tid_(65536, kNone) {}

  Store store;

  CpuRows& cpu(uint32_t n) {
    while (cpus_.size() <= n) {
      CpuRows rows;
      rows.status = store.add(start_);
      rows.thread = store.add(start_);
      cpus_.push_back(rows);
      cpus_.back().current = thread(0, static_cast<uint32_t>(cpus_.size() - 1));
    }
    return cpus_[n];
  }
  uint32_t thread(int32_t tid, uint32_t cpu) {
    uint32_t& index = by_tid_[tid == 0 ? kIdleTids + cpu : static_cast<uint32_t>(tid) & 0xffffU];
    if (index == kNone) {
      index = static_cast<uint32_t>(threads_.size());
      ThreadRows rows{};
      for (uint32_t* row : {&rows.status, &rows.syscall, &rows.queue, &rows.priority, &rows.name}) {
        *row = store.add(start_);
      }
      threads_.push_back(rows);
    }
    return index;
  }
  [[nodiscard]] const ThreadRows& rows(uint32_t index) const { return threads_[index]; }
  uint32_t slot(std::vector<uint32_t>& slots, uint32_t n) {
    while (slots.size() <= n) slots.push_back(kNone);
    if (slots[n] == kNone) slots[n] = store.add(start_);
    return slots[n];
  }
  int32_t name(const uint8_t* comm) {
    const uint64_t key = load<uint64_t>(comm) ^ (load<uint64_t>(comm + 8) * 0x9E3779B97F4A7C15ULL);
    return names_.try_emplace(key, static_cast<int32_t>(names_.size())).first->second;
  }
  [[nodiscard]] bool in_syscall(uint32_t thread) const {
    return store.value(threads_[thread].syscall) >= 0;
  }
  /// Status of the thread that runs, outside interrupts.
  [[nodiscard]] int32_t running(uint32_t thread) const { return in_syscall(thread) ? 3 : 2; }

  std::vector<uint32_t> all_interrupts, all_softirqs;

 private:
  uint64_t start_;
  std::vector<CpuRows> cpus_;
  std::vector<ThreadRows> threads_;
  std::vector<uint32_t> by_tid_;
  std::unordered_map<uint64_t, int32_t> names_;
};

struct Step {
  uint64_t time;
  uint32_t cpu;
  uint32_t id;
  const uint8_t* payload;
};
using Handler = void (*)(Machine&, const Step&);

void on_switch(Machine& m, const Step& e) {
  const auto prev = load<int32_t>(e.payload + 16);
  const auto state = load<int64_t>(e.payload + 24);
  const auto next = load<int32_t>(e.payload + 48);
  m.cpu(e.cpu);
  const uint32_t from = m.thread(prev, e.cpu);
  const uint32_t to = m.thread(next, e.cpu);
  const ThreadRows a = m.rows(from);
  const ThreadRows b = m.rows(to);
  const bool syscall = m.in_syscall(to);
  const int32_t stopped = (state & 3) != 0 ? 1 : 0;
  m.store.set(b.status, e.time, syscall ? 3 : 2);
  m.store.set(b.queue, e.time, static_cast<int32_t>(e.cpu));
  m.store.set(a.status, e.time, state == 0 ? 5 : stopped);
  m.store.set(a.queue, e.time, state == 0 ? static_cast<int32_t>(e.cpu) : -1);
  CpuRows& cpu = m.cpu(e.cpu);
  const int32_t busy = syscall ? 2 : 1;
  m.store.set(cpu.status, e.time, next != 0 ? busy : 0);
  m.store.set(cpu.thread, e.time, next & 127);
  cpu.tid = next;
  cpu.current = to;
  m.store.set(b.priority, e.time, load<int32_t>(e.payload + 52));
  m.store.set(b.name, e.time, m.name(e.payload + 32));
}

void on_wake(Machine& m, const Step& e) {
  const auto target = load<int32_t>(e.payload + 24);
  const ThreadRows rows =
      m.rows(m.thread(load<int32_t>(e.payload + 16), static_cast<uint32_t>(target)));
  const int32_t status = m.store.value(rows.status);
  if (status != 2 && status != 3) m.store.set(rows.status, e.time, 5);
  m.store.set(rows.queue, e.time, target);
  m.store.set(rows.priority, e.time, load<int32_t>(e.payload + 20));
}

void on_interrupt(Machine& m, const Step& e) {
  const uint32_t line = load<uint32_t>(e.payload) & 255U;
  CpuRows& cpu = m.cpu(e.cpu);
  m.store.set(m.slot(cpu.interrupts, line), e.time, static_cast<int32_t>(e.cpu));
  m.store.set(m.rows(cpu.current).status, e.time, 6);
  m.store.set(cpu.status, e.time, 4);
  m.store.set(m.slot(m.all_interrupts, line), e.time, static_cast<int32_t>(e.cpu));
}

void on_interrupt_end(Machine& m, const Step& e) {
  const uint32_t line = load<uint32_t>(e.payload) & 255U;
  CpuRows& cpu = m.cpu(e.cpu);
  m.store.set(m.slot(cpu.interrupts, line), e.time, -1);
  m.store.set(m.rows(cpu.current).status, e.time, m.running(cpu.current));
  m.store.set(cpu.status, e.time, cpu.tid != 0 ? 1 : 0);
  m.store.set(m.slot(m.all_interrupts, line), e.time, -1);
}

void on_softirq_raise(Machine& m, const Step& e) {
  const uint32_t vector = load<uint32_t>(e.payload) & 15U;
  m.store.set(m.slot(m.cpu(e.cpu).softirqs, vector), e.time, 7);
  m.store.set(m.slot(m.all_softirqs, vector), e.time, 7);
}

void on_softirq(Machine& m, const Step& e) {
  const uint32_t vector = load<uint32_t>(e.payload) & 15U;
  CpuRows& cpu = m.cpu(e.cpu);
  m.store.set(m.slot(cpu.softirqs, vector), e.time, 8);
  m.store.set(m.slot(m.all_softirqs, vector), e.time, 8);
  m.store.set(m.rows(cpu.current).status, e.time, 6);
  m.store.set(cpu.status, e.time, 5);
}

void on_softirq_end(Machine& m, const Step& e) {
  const uint32_t vector = load<uint32_t>(e.payload) & 15U;
  CpuRows& cpu = m.cpu(e.cpu);
  m.store.set(m.slot(cpu.softirqs, vector), e.time, -1);
  m.store.set(m.slot(m.all_softirqs, vector), e.time, -1);
  m.store.set(cpu.status, e.time, cpu.tid != 0 ? 1 : 0);
  m.store.set(m.rows(cpu.current).status, e.time, m.running(cpu.current));
}

void set_running(Machine& m, const Step& e, int32_t syscall, int32_t thread, int32_t status) {
  const CpuRows& cpu = m.cpu(e.cpu);
  m.store.set(m.rows(cpu.current).syscall, e.time, syscall);
  m.store.set(m.rows(cpu.current).status, e.time, thread);
  m.store.set(cpu.status, e.time, status);
}
void on_syscall(Machine& m, const Step& e) {
  set_running(m, e, static_cast<int32_t>(e.id & 127U), 3, 2);
}
void on_syscall_end(Machine& m, const Step& e) { set_running(m, e, -1, 2, 1); }

void set_guest(Machine& m, const Step& e, int32_t thread, int32_t status) {
  const CpuRows& cpu = m.cpu(e.cpu);
  m.store.set(m.rows(cpu.current).status, e.time, thread);
  m.store.set(cpu.status, e.time, status);
}
void on_entry(Machine& m, const Step& e) { set_guest(m, e, 9, 9); }
void on_exit(Machine& m, const Step& e) { set_guest(m, e, 3, 2); }

Handler handler_of(std::string_view name) {
  static constexpr std::pair<std::string_view, Handler> kHandlers[] = {
      {"sched_switch", on_switch},
      {"sched_waking", on_wake},
      {"sched_wakeup", on_wake},
      {"sched_wakeup_new", on_wake},
      {"irq_handler_entry", on_interrupt},
      {"irq_handler_exit", on_interrupt_end},
      {"irq_softirq_raise", on_softirq_raise},
      {"irq_softirq_entry", on_softirq},
      {"irq_softirq_exit", on_softirq_end},
      {"kvm_x86_entry", on_entry},
      {"kvm_x86_exit", on_exit},
  };
  for (const auto& [known, handler] : kHandlers) {
    if (name == known) return handler;
  }
  if (name.starts_with("syscall_entry_")) return on_syscall;
  return name.starts_with("syscall_exit_") ? on_syscall_end : nullptr;
}

struct Input {
  std::vector<CtfTrace> traces;
  std::vector<std::vector<Handler>> handlers;  ///< by trace and event id
  std::vector<CtfCursor> cursors;
  std::vector<std::size_t> trace_of;  ///< by cursor
  std::vector<uint32_t> cpu_of;       ///< by cursor
};

Input open_input(int count, char** folders) {
  Input out;
  out.traces.resize(static_cast<std::size_t>(count));
  for (std::size_t t = 0; t < out.traces.size(); ++t) {
    out.traces[t] = read_ctf_trace(folders[t]);
    out.handlers.emplace_back();
    for (const CtfLayout& event : out.traces[t].events) {
      out.handlers[t].push_back(handler_of(event.name));
    }
    for (const std::string& path : ctf_streams(folders[t])) {
      CtfCursor cursor;
      cursor.trace = &out.traces[t];
      cursor.file = map_file(path);
      out.cpu_of.push_back(load<uint32_t>(cursor.file.bytes + kPacketCpuOffset));
      out.trace_of.push_back(t);
      out.cursors.push_back(cursor);
    }
  }
  return out;
}

}  // namespace

int main(int argc, char** argv) {
  if (argc < 2) return 2;
  const double begin = cpu_seconds();
  Input input = open_input(argc - 1, argv + 1);
  LoserTree<CtfCursor> tree(input.cursors);
  std::vector<std::unique_ptr<Machine>> machines;
  for (std::size_t t = 0; t < input.traces.size(); ++t) {
    machines.push_back(std::make_unique<Machine>(tree.time()));
  }
  uint64_t events = 0;
  for (; !tree.done(); ++events) {
    const uint32_t top = tree.top();
    CtfCursor& cursor = input.cursors[top];
    const std::size_t trace = input.trace_of[top];
    if (const Handler handler = input.handlers[trace][cursor.id]; handler != nullptr) {
      handler(*machines[trace], {cursor.time, input.cpu_of[top], cursor.id, cursor.payload});
    }
    cursor.skip(cursor.trace->events[cursor.id]);
    tree.advance();
  }
  uint64_t intervals = 0;
  uint64_t bytes = 0;
  for (const auto& machine : machines) {
    intervals += machine->store.closed();
    bytes += machine->store.bytes();
  }
  const double spent = cpu_seconds() - begin;
  fmt::print("kernel: {} events {} intervals {:.2f} B/interval | {:.2f} ns/event\n", events,
             intervals, static_cast<double>(bytes) / static_cast<double>(intervals),
             spent * 1e9 / static_cast<double>(events));
}
