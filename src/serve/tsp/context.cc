#include "serve/tsp/context.h"

#include <array>

#include <fmt/format.h>
#include <xxhash.h>

#include "base/escape.h"

namespace vs::serve::tsp {

Response generic(std::string_view status, std::string_view message, std::string_view model) {
  return json_answer(fmt::format(R"({{"model":{},"statusMessage":{},"status":"{}"}})",
                                 model.empty() ? "null" : model, json_text(message), status));
}

Response answered(const Service& service, const Shown& shown, std::string_view model,
                  std::string_view message) {
  if (shown.complete) return generic("COMPLETED", message, model);
  return generic("RUNNING", message.empty() ? service.progress().text() : message, model);
}

Response not_yet(const Service& service, std::string_view empty_model) {
  const Progress progress = service.progress();
  if (progress.state == RunState::kFailed) return generic("FAILED", progress.message, "");
  return generic("RUNNING", progress.text(), empty_model);
}

Response failed(const Error& error) {
  if (error.code == ErrorCode::kCancelled) return cancelled();
  if (error.code == ErrorCode::kBadUse) return problem(400, "Bad request", error.to_string());
  return generic("FAILED", error.to_string(), "");
}

Response cancelled() { return generic("CANCELLED", "the request was given up", ""); }

Response no_experiment() {
  return problem(404, "Experiment not found", "there is no experiment with this UUID");
}

std::string uuid_of(std::string_view text) {
  XXH128_canonical_t bytes;
  XXH128_canonicalFromHash(&bytes, XXH3_128bits(text.data(), text.size()));
  // Version 8: made by a rule of our own (RFC 9562).
  bytes.digest[6] = static_cast<unsigned char>((bytes.digest[6] & 0x0fU) | 0x80U);
  bytes.digest[8] = static_cast<unsigned char>((bytes.digest[8] & 0x3fU) | 0x80U);
  std::string out;
  for (std::size_t i = 0; i < 16; ++i) {
    if (i == 4 || i == 6 || i == 8 || i == 10) out += '-';
    out += fmt::format("{:02x}", bytes.digest[i]);
  }
  return out;
}

Asked asked(const Call& call, std::string_view type) {
  Asked out;
  out.output = find_output(call.arguments[1]);
  if (out.output == nullptr) {
    out.refusal = problem(404, "Output not found", "there is no output with this id");
    return out;
  }
  if (!type.empty() && out.output->type != type) {
    out.refusal = problem(405, "Analysis cannot run",
                          fmt::format("output {} is of type {}, this endpoint is for {}",
                                      out.output->id, out.output->type, type));
    return out;
  }
  if (call.request.method != Method::kPost) return out;
  Result<Parameters> parameters = parse_parameters(call.request.body);
  if (!parameters.ok()) {
    out.refusal = problem(400, "Invalid query parameters", parameters.error().to_string());
    return out;
  }
  out.parameters = std::move(*parameters);
  return out;
}

}  // namespace vs::serve::tsp
