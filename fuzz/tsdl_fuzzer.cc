// TSDL text, plain or packetised, down to the compiled model.
#include <cstdint>
#include <cstdlib>

#include "reader/ctf/metadata.h"
#include "reader/ctf/program.h"
#include "reader/ctf/trace_model.h"
#include "reader/ctf/tsdl_parser.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace vs::reader::ctf;
  const auto text = unwrap_metadata(std::as_bytes(std::span(data, size)));
  if (!text.ok()) {
    if (text.error().what.empty()) std::abort();
    return 0;
  }
  ParsedMetadata parsed = parse_tsdl(text->text);
  if (parsed.fault && parsed.fault->where.empty()) std::abort();
  if (!parsed.usable) return 0;
  std::optional<vs::Error> left_out;
  const auto model = build_model(std::move(parsed.schema), left_out);
  if (!model.ok()) return 0;
  ProgramSet programs;
  for (const StreamModel& stream : (*model)->streams) {
    for (const EventModel& event : stream.events) {
      const std::uint32_t roots[] = {stream.layout->event_context, event.layout->context,
                                     event.layout->fields};
      (void)compile_program((*model)->layout, (*model)->schema->order, {roots, event.bindings, 1},
                            (*model)->special, programs);
    }
  }
  return 0;
}
