// Development tool, not shipped: gathers evidence of the named traces, joins their clocks and
// prints what came out. Discovery is the simplest one: threads with runs, grouped into VMs of the
// vCPU ids.
//
//   sync_try [--mode auto|none|...] [--drop-beacons] [--drop-offset] TRACE...
//   A trace may be followed by "=OFFSET": the true guest-minus-host offset in own units, to
//   compare.

#include <chrono>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "os/file.h"
#ifdef VS_HAVE_CTF
#include "reader/ctf/format.h"
#endif
#include "reader/ftrace/format.h"
#include "session/evidence.h"
#include "session/join.h"

namespace {

struct Loaded {
  std::unique_ptr<vs::reader::Trace> trace;
  vs::model::TraceEvidence evidence;
  std::vector<vs::model::FoundVm> vms;
  std::map<std::int32_t, std::int32_t> vcpu_of;  // by kvm_exit
  double truth = NAN;
};

bool has_kind(const vs::reader::Trace& trace, vs::model::EventKind kind) {
  for (const auto& type : trace.event_types()) {
    if (type.kind == kind) return true;
  }
  return false;
}

void gather(Loaded& loaded, vs::model::IssueLog& issues) {
  using vs::model::EventKind;
  const bool host = has_kind(*loaded.trace, EventKind::kKvmEntry);
  const vs::session::EvidenceRoles roles{host, !host};
  vs::session::EvidenceGatherer gatherer(roles);
  vs::reader::StreamRequest request;
  request.kinds = vs::session::EvidenceGatherer::kinds(roles);
  const auto streams = loaded.trace->streams();
  for (std::size_t s = 0; s < streams.size(); ++s) {
    auto cursor = loaded.trace->open_stream(s, request, issues);
    if (!cursor.ok()) continue;
    for (;;) {
      auto events = (*cursor)->next();
      if (!events.ok() || events->empty()) break;
      gatherer.on_events(*events, streams[s].cpu);
      for (const auto& event : *events) {
        if (event.kind == EventKind::kKvmExit && event.has(vs::model::arg::kExitVcpu)) {
          loaded.vcpu_of[event.tid] = static_cast<std::int32_t>(event.i(vs::model::arg::kExitVcpu));
        }
      }
    }
  }
  loaded.evidence = gatherer.finish();
}

// A VM per block of threads with ascending vCPU ids.
void discover(Loaded& loaded) {
  for (const auto& thread : loaded.evidence.threads) {
    const std::int32_t id = loaded.vcpu_of.contains(thread.tid) ? loaded.vcpu_of[thread.tid] : 0;
    const bool next = !loaded.vms.empty() && id > loaded.vms.back().vcpus.back().id;
    if (!next) loaded.vms.emplace_back();
    vs::model::FoundVcpu vcpu;
    vcpu.id = id;
    vcpu.threads.push_back({thread.tid, vs::kOwnTimeMin, vs::kOwnTimeMax});
    loaded.vms.back().vcpus.push_back(vcpu);
  }
}

void print(const Loaded& loaded, const vs::session::TraceJoin& join) {
  const auto& info = loaded.trace->info();
  std::printf(
      "%s [%s] clock %s events %llu runs of %zu threads, marks %zu, beacons %zu, packets %zu\n",
      info.machine_name.c_str(), info.path.c_str(), info.clock.name.c_str(),
      static_cast<unsigned long long>(loaded.evidence.events), loaded.evidence.threads.size(),
      loaded.evidence.marks.size(), loaded.evidence.host_beacons.size(),
      loaded.evidence.packets.size());
  if (join.binding) {
    std::printf("  bound to vm %zu how=%s score=%.6f margin=%.3f cpus:", join.binding->vm,
                join.binding->how.c_str(), join.binding->score, join.binding->margin);
    for (const auto& cpu : join.binding->cpus) std::printf(" %u->%d", cpu.guest_cpu, cpu.vcpu);
    std::printf("\n");
  }
  const auto methods = vs::model::sync_method_names();
  const auto qualities = vs::model::sync_quality_names();
  const auto segments = join.clock.segments();
  for (std::size_t i = 0; i < segments.size(); ++i) {
    const auto& s = segments[i];
    const auto& share = join.shares[i];
    std::printf("  seg %zu %s/%s %s err min/med/max %lld/%lld/%lld drift %lld ppb facts", i,
                std::string(methods[static_cast<std::size_t>(s.method)]).c_str(),
                std::string(qualities[static_cast<std::size_t>(s.quality)]).c_str(),
                join.source.c_str(), static_cast<long long>(s.error_min_ns),
                static_cast<long long>(s.error_median_ns), static_cast<long long>(s.error_max_ns),
                static_cast<long long>(s.drift_ppb));
    for (const auto& fact : s.facts) {
      std::printf(" %llu-%llu", static_cast<unsigned long long>(fact.used),
                  static_cast<unsigned long long>(fact.rejected));
    }
    std::printf(" outside %.5f -> %.6f of %llu worst %lld\n", share.outside_before,
                share.outside_after, static_cast<unsigned long long>(share.covered),
                static_cast<long long>(join.worst_outside_ns));
    if (!std::isnan(loaded.truth)) {
      for (const vs::OwnTime own : {loaded.evidence.first, loaded.evidence.last}) {
        const double shift =
            static_cast<double>(join.clock.to_host(own).ns - own.value) + loaded.truth;
        std::printf("    error against truth at %lld: %.0f\n", static_cast<long long>(own.value),
                    shift);
      }
    }
  }
}

}  // namespace

int main(int argc, char** argv) {
  vs::model::IssueLog issues;
  vs::session::JoinInput input;
  bool drop_beacons = false;
  bool drop_offset = false;
  std::vector<Loaded> all;
  const auto start = std::chrono::steady_clock::now();
  for (int i = 1; i < argc; ++i) {
    std::string word = argv[i];
    if (word == "--mode") {
      input.options.mode = vs::session::parse_sync_mode(argv[++i]).value();
    } else if (word == "--drop-beacons") {
      drop_beacons = true;
    } else if (word == "--drop-offset") {
      drop_offset = true;
    } else {
      Loaded loaded;
      if (const auto at = word.find('='); at != std::string::npos) {
        loaded.truth = std::atof(word.c_str() + at + 1);
        word.resize(at);
      }
      const bool dat = word.ends_with(".dat");
#ifdef VS_HAVE_CTF
      const auto& format = dat ? vs::reader::ftrace::kTraceDatFormat : vs::reader::ctf::kCtfFormat;
#else
      const auto& format = vs::reader::ftrace::kTraceDatFormat;
      if (!dat) return 2;
#endif
      auto trace = format.open(vs::os::real_files(), word, issues);
      if (!trace.ok()) {
        std::fprintf(stderr, "%s\n", trace.error().to_string().c_str());
        return 3;
      }
      loaded.trace = std::move(trace).value();
      gather(loaded, issues);
      discover(loaded);
      all.push_back(std::move(loaded));
    }
  }
  const auto gathered = std::chrono::steady_clock::now();
  std::vector<vs::reader::TraceInfo> infos;
  for (Loaded& loaded : all) {
    if (drop_beacons) {
      loaded.evidence.marks.clear();
      loaded.evidence.host_beacons.clear();
    }
    infos.push_back(loaded.trace->info());
    if (drop_offset) {
      infos.back().time_shift.reset();
      infos.back().guests.clear();
      infos.back().clock.epoch_offset_ns = 0;
      infos.back().clock.epoch = false;
    }
  }
  for (std::size_t i = 0; i < all.size(); ++i) {
    input.traces.push_back({&infos[i], &all[i].evidence, all[i].vms});
  }
  auto result = vs::session::join_clocks(input, issues);
  if (!result.ok()) return 2;
  const auto joined = std::chrono::steady_clock::now();
  for (std::size_t i = 0; i < all.size(); ++i) print(all[i], result->traces[i]);
  std::printf("reference %zu epoch %d ticks/s %.0f; gather %.2f s join %.2f s\n", result->reference,
              result->epoch, result->ticks_per_second.value_or(0),
              std::chrono::duration<double>(gathered - start).count(),
              std::chrono::duration<double>(joined - gathered).count());
  for (const auto& issue : issues.rows()) {
    std::printf("  issue %s %s: %s\n", std::string(vs::model::spec_of(issue.code).name).c_str(),
                issue.trace.c_str(), issue.message.c_str());
  }
  return 0;
}
