// Event format texts (and header_page lines), and the decoding of an arbitrary record by them.

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "base/bytes.h"
#include "model/issue.h"
#include "reader/ftrace/event_table.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace vs;
  using namespace vs::reader::ftrace;
  if (size < 2) return 0;
  const Bytes input = std::as_bytes(std::span(data, size));
  const std::uint32_t long_size = (data[0] & 1U) != 0 ? 4 : 8;
  const ByteOrder order = (data[0] & 2U) != 0 ? ByteOrder::kBig : ByteOrder::kLittle;
  model::IssueLog issues;
  const Reporter report(issues, "fuzz", "fuzz");
  const std::vector<FormatText> texts = {{"fuzz", std::string(as_text(input.subspan(1))), 0}};
  const EventTable table(texts, long_size, report);
  std::string out;
  for (const EventType& type : table.types()) {
    const Bytes record = input.last(input.size() / 2);
    for (const Field& field : type.fields) (void)text_of(field, record, order);
    append_fields_json(type, record, order, out);
  }
  return 0;
}
