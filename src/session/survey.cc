#include "session/survey.h"

#include "session/surveyor.h"

namespace vs::session {

Result<TraceSurvey> survey_trace(const reader::Trace& trace,
                                 std::vector<analysis::vcpu::VmHint> hints, model::IssueLog& issues,
                                 Progress& progress, bool alone) {
  Surveyor surveyor(trace, alone, !hints.empty());
  for (std::size_t s = 0; s < trace.streams().size(); ++s) {
    VS_ASSIGN(const std::unique_ptr<reader::StreamCursor> cursor,
              trace.open_stream(s, surveyor.request(), issues));
    std::uint64_t told = 0;
    surveyor.begin_stream(s);
    for (;;) {
      VS_ASSIGN(const std::span<const model::Event> events, cursor->next());
      if (events.empty()) break;
      surveyor.on_events(events);
      if (const std::uint64_t done = cursor->bytes_done(); done - told > (1U << 20)) {
        progress.add(done - told);
        told = done;
        if (progress.cancelled()) return Progress::cancel_error();
      }
    }
    surveyor.end_stream();
  }
  return surveyor.finish(std::move(hints), issues);
}

}  // namespace vs::session
