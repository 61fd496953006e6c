// Developer's tool: what the trace.dat reader makes of a file.
//   dat_dump count FILE     events per name
//   dat_dump events FILE    one line per event: cpu own-time tid name fields
//   dat_dump info FILE      trace, streams, issues
//   dat_dump time FILE      nanoseconds per event, decoding every stream once

#include <fmt/format.h>

#include <chrono>
#include <map>

#include "os/file.h"
#include "reader/ftrace/format.h"

namespace {

using namespace vs;

template <typename OnEvent>
void each_event(const reader::Trace& trace, model::IssueLog& issues, OnEvent on_event) {
  for (std::size_t i = 0; i < trace.streams().size(); ++i) {
    auto cursor = trace.open_stream(i, {}, issues);
    if (!cursor.ok()) continue;
    while (true) {
      auto run = (*cursor)->next();
      if (!run.ok() || run->empty()) break;
      for (const model::Event& event : *run) on_event(**cursor, event);
    }
  }
}

void print_info(const reader::Trace& trace) {
  const reader::TraceInfo& info = trace.info();
  fmt::print(
      "{} machine={} kernel={} tracer={} id={:#x} cpus={} clock={} ticks={} rate={} lost={}\n",
      info.format_detail, info.machine_name, info.kernel, info.tracer, info.trace_id,
      info.cpu_count, info.clock.name, info.clock.unit == reader::ClockInfo::Unit::kTicks,
      info.clock.ticks_per_second.value_or(0),
      info.lost_events ? fmt::format("{}", *info.lost_events) : "?");
  fmt::print("threads={} types={}\n", info.thread_names.size(), trace.event_types().size());
  for (const auto& guest : info.guests) {
    fmt::print("guest '{}' id={:#x} tids={}\n", guest.name, guest.trace_id,
               fmt::join(guest.vcpu_tids, ","));
  }
  if (info.time_shift) {
    fmt::print("time shift peer={:#x} flags={}\n", info.time_shift->peer_trace_id,
               info.time_shift->protocol_flags);
    for (const auto& s : info.time_shift->samples) {
      fmt::print("  cpu {} at {} offset {} scaling {} >> {}\n", s.cpu, s.own_time, s.offset,
                 s.scaling, s.fraction_bits);
    }
  }
  for (const auto& stream : trace.streams()) {
    fmt::print("stream {} buffer={} bytes={} first={} last={}\n", stream.place, stream.buffer,
               stream.bytes, stream.first ? stream.first->value : -1,
               stream.last ? stream.last->value : -1);
  }
}

void print_issues(const model::IssueLog& issues) {
  for (const auto& row : issues.rows()) {
    fmt::print("{} {} x{}: {}\n", model::spec_of(row.code).name, row.place, row.count, row.message);
  }
}

void time_it(const reader::Trace& trace, model::IssueLog& issues) {
  for (int round = 0; round < 5; ++round) {
    std::uint64_t events = 0;
    std::uint64_t sum = 0;
    const auto begin = std::chrono::steady_clock::now();
    each_event(trace, issues, [&](const reader::StreamCursor&, const model::Event& event) {
      ++events;
      sum += event.args[0] + static_cast<std::uint64_t>(event.own.value);
    });
    const std::chrono::duration<double, std::nano> spent = std::chrono::steady_clock::now() - begin;
    fmt::print("{} events, {:.1f} ns/event, check sum {:x}\n", events,
               spent.count() / static_cast<double>(events), sum);
  }
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 3) return 2;
  const std::string mode = argv[1];
  model::IssueLog issues;
  auto opened = reader::ftrace::kTraceDatFormat.open(os::real_files(), argv[2], issues);
  if (!opened.ok()) {
    fmt::print("error: {}\n", opened.error().to_string());
    print_issues(issues);
    return 3;
  }
  const reader::Trace& trace = **opened;
  const auto types = trace.event_types();
  const auto name_of = [&](const model::Event& event) {
    return event.type == model::kLossType ? std::string("LOSS") : types[event.type].name;
  };
  if (mode == "count" || mode == "info") {
    std::map<std::string, std::uint64_t> counts;
    std::uint64_t total = 0;
    each_event(trace, issues, [&](const reader::StreamCursor&, const model::Event& event) {
      ++counts[name_of(event)];
      ++total;
    });
    if (mode == "info") {
      print_info(trace);
      print_issues(issues);
      return 0;
    }
    for (const auto& [name, count] : counts) fmt::print("{} {}\n", name, count);
    fmt::print("total {}\n", total);
  } else if (mode == "events") {
    std::string json;
    each_event(trace, issues, [&](const reader::StreamCursor& cursor, const model::Event& event) {
      json.clear();
      cursor.fields_json(event, json);
      fmt::print("{} {} {} {} {}\n", event.cpu, event.own.value, event.tid, name_of(event), json);
    });
  } else if (mode == "time") {
    time_it(trace, issues);
  } else {
    return 2;
  }
}
