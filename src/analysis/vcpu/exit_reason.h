#pragma once
// What an exit's number means: its symbolic name and its class (algorithms A.7). The names are the
// constants of the kernel's uapi headers (asm/vmx.h EXIT_REASON_*, asm/svm.h SVM_EXIT_*, arm64
// asm/esr.h ESR_ELx_EC_*) without their prefix.
//
// Ownership: compile-time tables. Threads: immutable, but for ExitTexts. Errors: none, an unknown
// number has no name.

#include <cstdint>
#include <string_view>
#include <unordered_map>

#include "model/event.h"
#include "model/interval_sink.h"
#include "model/states.h"

namespace vs::analysis::vcpu {

/// Instruction set of the virtualisation extension that made the exit.
enum class Isa : std::uint8_t { kUnknown, kVmx, kSvm, kArm };

/// An exit as recorded, reduced to what decides its name and class.
struct ExitCode {
  Isa isa = Isa::kUnknown;
  std::uint64_t reason = 0;   ///< VMX: low 16 bits; SVM: exit code; ARM: `ret`
  std::uint64_t esr_ec = 0;   ///< ARM with ret = trap
  bool failed_entry = false;  ///< VMX bit 31: the vCPU never was in the guest

  friend bool operator==(const ExitCode&, const ExitCode&) = default;
};

inline constexpr std::uint64_t kArmTrap = 2;  ///< ARM `ret`: synchronous trap, esr_ec says which

/// Requires a kvm_exit event. The instruction set is unknown when the event names none.
[[nodiscard]] ExitCode exit_code_of(const model::Event& event);

/// The symbolic name ("HLT", "NPF", "EPT_VIOLATION"), empty when the tables have none.
[[nodiscard]] std::string_view exit_name(const ExitCode& code);

/// The class by the number alone; what was done in the exit may refine it (analysis/exits).
[[nodiscard]] model::ExitClass exit_class(const ExitCode& code);

/// Room for the text of any reason.
inline constexpr std::size_t kExitTextBytes = 40;

/// The `reason` column: the name, else `0x…`, else the plain number when the instruction set is not
/// known. Written into `buffer` unless the name is static.
[[nodiscard]] std::string_view exit_text(const ExitCode& code, char (&buffer)[kExitTextBytes]);

/// The texts of exits as texts of a sink, which must outlive it. Threads: one.
class ExitTexts {
 public:
  explicit ExitTexts(model::IntervalSink& sink) : sink_(sink) {}
  [[nodiscard]] model::StringId of(const ExitCode& code);

 private:
  model::IntervalSink& sink_;
  std::unordered_map<std::uint64_t, model::StringId> known_;
  std::uint64_t last_key_ = ~std::uint64_t{0};  ///< most exits are like the one before
  model::StringId last_ = model::kNull;
};

}  // namespace vs::analysis::vcpu
