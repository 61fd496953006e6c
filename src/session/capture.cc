#include "session/capture.h"

#include <nlohmann/json.hpp>

namespace vs::session {
namespace {

using Json = nlohmann::json;

constexpr int kVersion = 1;

std::string text_of(const Json& object, const char* key) {
  const auto found = object.find(key);
  return found != object.end() && found->is_string() ? found->get<std::string>() : std::string{};
}

std::int32_t id_of(const Json& object, const char* key) {
  const auto found = object.find(key);
  if (found == object.end() || !found->is_number_integer()) return -1;
  const auto value = found->get<std::int64_t>();
  return value < 0 || value > INT32_MAX ? -1 : static_cast<std::int32_t>(value);
}

/// Offsets are signed or written as unsigned 64-bit; both mean the same modulo 2^64. Some tools
/// write them as text, because JSON readers lose digits.
std::optional<std::int64_t> offset_of(const Json& object, const char* key) {
  const auto found = object.find(key);
  if (found == object.end()) return std::nullopt;
  if (found->is_number_unsigned()) return static_cast<std::int64_t>(found->get<std::uint64_t>());
  if (found->is_number_integer()) return found->get<std::int64_t>();
  if (!found->is_string()) return std::nullopt;
  const Json number = Json::parse(found->get<std::string>(), nullptr, false);
  if (!number.is_number_integer()) return std::nullopt;
  return offset_of(Json{{"v", number}}, "v");
}

CaptureVcpu vcpu_of(const Json& object) {
  CaptureVcpu vcpu;
  vcpu.id = id_of(object, "id");
  vcpu.tid = id_of(object, "tid");
  vcpu.tsc_offset_begin = offset_of(object, "tsc_offset_begin");
  vcpu.tsc_offset_end = offset_of(object, "tsc_offset_end");
  if (const auto ratio = offset_of(object, "tsc_ratio"); ratio && *ratio != 0) {
    vcpu.tsc_ratio = static_cast<std::uint64_t>(*ratio);
  }
  if (const std::int32_t bits = id_of(object, "tsc_frac_bits"); bits >= 0 && bits < 64) {
    vcpu.tsc_frac_bits = static_cast<std::uint32_t>(bits);
  }
  return vcpu;
}

CaptureMachine machine_of(const Json& object) {
  CaptureMachine machine;
  machine.name = text_of(object, "name");
  machine.kind = text_of(object, "kind");
  machine.parent = text_of(object, "parent");
  machine.trace = text_of(object, "trace");
  machine.uuid = text_of(object, "uuid");
  machine.cmdline = text_of(object, "cmdline");
  machine.vmm_pid = id_of(object, "vmm_pid");
  if (const auto hz = object.find("tsc_hz"); hz != object.end() && hz->is_number()) {
    if (const double value = hz->get<double>(); value > 0) machine.tsc_hz = value;
  }
  if (const auto vcpus = object.find("vcpus"); vcpus != object.end() && vcpus->is_array()) {
    for (const Json& vcpu : *vcpus) {
      if (vcpu.is_object()) machine.vcpus.push_back(vcpu_of(vcpu));
    }
  }
  return machine;
}

}  // namespace

Result<Capture> parse_capture(Bytes content, const std::string& place) {
  const std::string_view text = as_text(content);
  const Json root = Json::parse(text, nullptr, /*allow_exceptions=*/false);
  const auto fail = [&place](std::string what) {
    return Error{ErrorCode::kMalformed, std::move(what), place,
                 "docs/recording.md shows its form; name the traces to go on without it"};
  };
  if (root.is_discarded()) return fail("capture.json is not valid JSON");
  if (!root.is_object()) return fail("capture.json is not an object");
  const std::int32_t version = id_of(root, "version");
  if (version != kVersion) {
    return fail("capture.json has version " + std::to_string(version) + ", this program reads " +
                std::to_string(kVersion));
  }
  const auto machines = root.find("machines");
  if (machines == root.end() || !machines->is_array()) {
    return fail("capture.json has no array \"machines\"");
  }
  Capture capture;
  for (const Json& machine : *machines) {
    if (!machine.is_object()) return fail("an entry of \"machines\" is not an object");
    capture.machines.push_back(machine_of(machine));
  }
  return capture;
}

}  // namespace vs::session
