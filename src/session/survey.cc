#include "session/survey.h"

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
  explicit Teller(Progress& progress) : progress_(progress) {}
  void restart() { done_ = 0; }
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
  std::uint64_t told_ = 0;
};

/// Stops early when the surveyor should have looked for VMs.
Status read_whole(const reader::Trace& trace, Surveyor& surveyor, model::IssueLog& issues,
                  Teller& teller) {
  const reader::StreamRequest request = surveyor.whole_request();
  for (std::size_t s = 0; s < trace.streams().size(); ++s) {
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

}  // namespace

Result<TraceSurvey> survey_trace(const reader::Trace& trace,
                                 std::vector<analysis::vcpu::VmHint> hints, model::IssueLog& issues,
                                 Progress& progress, SurveyScope scope) {
  Teller teller(progress);
  bool search = !hints.empty() || !trace.info().guests.empty();
  if (!search && trace.info().is_kernel && Surveyor::may_show_vms(trace)) {
    VS_ASSIGN(search, shows_vcpus_early(trace));
  }
  if (!search) {
    Surveyor surveyor(trace, scope, Surveyor::VmSearch::kLeft);
    model::IssueLog found;
    VS_TRY(read_whole(trace, surveyor, found, teller));
    if (!surveyor.found_vcpu()) {
      for (model::Issue& issue : found.rows()) issues.add(std::move(issue));
      return surveyor.finish(std::move(hints), issues);
    }
    teller.restart();
  }
  Surveyor surveyor(trace, scope, Surveyor::VmSearch::kDone);
  VS_TRY(read_whole(trace, surveyor, issues, teller));
  return surveyor.finish(std::move(hints), issues);
}

}  // namespace vs::session
