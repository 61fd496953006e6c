#include "session/survey.h"

#include <atomic>
#include <map>
#include <memory>
#include <optional>
#include <thread>

#include "session/surveyor.h"

namespace vs::session {
namespace {

/// Events at the begin of each stream that are looked at for those of vCPUs.
constexpr std::size_t kFirstLook = 1024;

/// Whether a stream shows a vCPU right away. A tracer describes KVM's events whether they come or
/// not, and most machines that are traced are no hosts.
Result<bool> shows_vcpus_early(const reader::Trace& trace) {
  model::IssueLog told_later;
  reader::StreamRequest request;
  request.arguments = false;
  const model::KindSet kinds = analysis::vcpu::Discovery::vcpu_kinds();
  for (std::size_t s = 0; s < trace.streams().size(); ++s) {
    VS_ASSIGN(const std::unique_ptr<reader::StreamCursor> cursor,
              trace.open_stream(s, request, told_later));
    for (std::size_t seen = 0; seen < kFirstLook;) {
      VS_ASSIGN(const std::span<const model::Event> events, cursor->next());
      if (events.empty()) break;
      for (const model::Event& event : events) {
        if (kinds.has(event.kind)) return true;
      }
      seen += events.size();
    }
  }
  return false;
}

/// Tells progress once per byte, however often the trace is read.
class Teller {
 public:
  /// `told`: before.
  explicit Teller(Progress& progress, std::uint64_t told = 0) : progress_(progress), told_(told) {}
  [[nodiscard]] std::uint64_t told() const { return told_; }
  void end_stream(std::uint64_t bytes) { done_ += bytes; }
  /// `bytes`: of the stream. False: it shall stop.
  [[nodiscard]] bool at(std::uint64_t bytes) {
    constexpr std::uint64_t kStep = 1U << 20;
    if (done_ + bytes <= told_ + kStep) return true;
    progress_.add(done_ + bytes - told_);
    told_ = done_ + bytes;
    return !progress_.cancelled();
  }

 private:
  Progress& progress_;
  std::uint64_t done_ = 0;
  std::uint64_t told_;
};

/// Streams of a trace that follow each other.
struct Part {
  std::size_t begin = 0;
  std::size_t end = 0;
};

/// Stops early when the surveyor should have looked for VMs.
Status read_part(const reader::Trace& trace, const Part& part, Surveyor& surveyor,
                 model::IssueLog& issues, Teller& teller) {
  const reader::StreamRequest request = surveyor.whole_request();
  for (std::size_t s = part.begin; s < part.end; ++s) {
    VS_ASSIGN(const std::unique_ptr<reader::StreamCursor> cursor,
              trace.open_stream(s, request, issues));
    surveyor.begin_stream(s);
    for (;;) {
      VS_ASSIGN(const std::span<const model::Event> events, cursor->next());
      if (events.empty()) break;
      surveyor.on_events(events);
      if (surveyor.found_vcpu()) return {};
      if (!teller.at(cursor->bytes_done())) return Progress::cancel_error();
    }
    surveyor.end_stream();
    teller.end_stream(cursor->bytes_done());
  }
  return {};
}

std::uint64_t bytes_of(const reader::Trace& trace) {
  std::uint64_t bytes = 0;
  for (const reader::StreamInfo& stream : trace.streams()) bytes += stream.bytes;
  return bytes;
}

/// True when no CPU has streams in two parts: what is known of it while they are read goes from one
/// to the next.
bool are_apart(const reader::Trace& trace, const std::vector<Part>& parts) {
  std::map<std::uint32_t, std::size_t> part_of_cpu;
  for (std::size_t p = 0; p < parts.size(); ++p) {
    for (std::size_t s = parts[p].begin; s < parts[p].end; ++s) {
      if (part_of_cpu.try_emplace(trace.streams()[s].cpu, p).first->second != p) return false;
    }
  }
  return true;
}

/// About equally large ones. They depend on the trace alone, so that the survey does.
std::vector<Part> parts_of(const reader::Trace& trace) {
  constexpr std::uint64_t kLeastBytes = 1U << 20;
  constexpr std::uint64_t kMostParts = 16;
  const std::size_t streams = trace.streams().size();
  const std::uint64_t share = std::max(bytes_of(trace) / kMostParts, kLeastBytes);
  std::vector<Part> parts(1);
  std::uint64_t bytes = 0;
  for (std::size_t s = 0; s < streams; ++s) {
    parts.back().end = s + 1;
    bytes += trace.streams()[s].bytes;
    if (bytes < share || s + 1 == streams) continue;
    parts.push_back({s + 1, s + 1});
    bytes = 0;
  }
  if (!are_apart(trace, parts)) return {{0, streams}};
  return parts;
}

/// One part's survey, and what it met.
struct PartSurvey {
  PartSurvey(const reader::Trace& trace, SurveyScope scope, Progress& progress)
      : surveyor(trace, scope, Surveyor::VmSearch::kLeft), teller(progress) {}

  Surveyor surveyor;
  model::IssueLog issues;
  Teller teller;
  Status status;
};

/// The survey of a trace that is thought to show no VM, in parts. Nothing when it shows one; `told`
/// is then how many bytes were told as done.
class SplitSurvey {
 public:
  SplitSurvey(const reader::Trace& trace, SurveyScope scope, Progress& progress)
      : trace_(trace), parts_(parts_of(trace)) {
    surveys_.push_back(std::make_unique<PartSurvey>(trace, scope, progress));
    if (!surveys_.front()->surveyor.may_be_split()) parts_ = {{0, trace.streams().size()}};
    while (surveys_.size() < parts_.size()) {
      surveys_.push_back(std::make_unique<PartSurvey>(trace, scope, progress));
    }
  }

  void read(unsigned jobs) {
    std::atomic<std::size_t> next = 0;
    // Parts before the one that ends it were begun before it, so the first such one is always met.
    std::atomic<bool> ended = false;
    const auto work = [&] {
      for (std::size_t i = next++; i < parts_.size() && !ended; i = next++) {
        PartSurvey& part = *surveys_[i];
        part.status = read_part(trace_, parts_[i], part.surveyor, part.issues, part.teller);
        if (!part.status.ok() || part.surveyor.found_vcpu()) ended = true;
      }
    };
    std::vector<std::jthread> helpers;
    const std::size_t threads = std::min<std::size_t>(jobs, parts_.size());
    for (std::size_t i = 1; i < threads; ++i) helpers.emplace_back(work);
    work();
  }

  [[nodiscard]] std::uint64_t told() const {
    std::uint64_t bytes = 0;
    for (const auto& part : surveys_) bytes += part->teller.told();
    return bytes;
  }

  /// After read(): what all of them found, in the order of the streams. Null: a vCPU.
  [[nodiscard]] Result<Surveyor*> join(model::IssueLog& issues) {
    Surveyor& all = surveys_.front()->surveyor;
    for (auto& part : surveys_) {
      VS_TRY(std::move(part->status));
      if (part->surveyor.found_vcpu()) return nullptr;
    }
    for (auto& part : surveys_) {
      for (model::Issue& issue : part->issues.rows()) issues.add(std::move(issue));
      if (&part->surveyor != &all) all.take(std::move(part->surveyor));
    }
    return &all;
  }

 private:
  const reader::Trace& trace_;
  std::vector<Part> parts_;
  std::vector<std::unique_ptr<PartSurvey>> surveys_;
};

}  // namespace

Result<TraceSurvey> survey_trace(const reader::Trace& trace,
                                 std::vector<analysis::vcpu::VmHint> hints, model::IssueLog& issues,
                                 Progress& progress, SurveyScope scope, unsigned jobs) {
  std::uint64_t told = 0;
  bool search = !hints.empty() || !trace.info().guests.empty();
  if (!search && trace.info().is_kernel && Surveyor::may_show_vms(trace)) {
    VS_ASSIGN(search, shows_vcpus_early(trace));
  }
  if (!search) {
    SplitSurvey survey(trace, scope, progress);
    survey.read(jobs);
    VS_ASSIGN(Surveyor* const found, survey.join(issues));
    if (found != nullptr) return found->finish(std::move(hints), issues);
    told = survey.told();
  }
  Surveyor surveyor(trace, scope, Surveyor::VmSearch::kDone);
  Teller teller(progress, told);
  VS_TRY(read_part(trace, {0, trace.streams().size()}, surveyor, issues, teller));
  return surveyor.finish(std::move(hints), issues);
}

}  // namespace vs::session
