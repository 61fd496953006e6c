#pragma once
// The event types that ctfgen writes, with the exact layouts of lttng-modules 2.13.

#include <cstdint>
#include <string>

namespace vs::bench {

enum EventType : std::uint16_t {
  kSchedSwitch,
  kSchedWaking,
  kSchedWakeup,
  kIrqEntry,
  kIrqExit,
  kSoftirqRaise,
  kSoftirqEntry,
  kSoftirqExit,
  kHrtimerEntry,
  kHrtimerExit,
  kKvmEntry,
  kKvmExit,
  kKvmHypercall,
  kKvmPio,
  kGuestToHostHost,
  kHostToGuestHost,
  kGuestToHostGuest,
  kHostToGuestGuest,
  kFork,
  kStatedumpStart,
  kStatedumpEnd,
  kStatedumpProcess,
  kEntryRead,
  kExitRead,
  kEntryWrite,
  kExitWrite,
  kEntryOpenat,
  kExitOpenat,
  kEntryFutex,
  kExitFutex,
  kEntryEpoll,
  kExitEpoll,
  kEntryIoctl,
  kExitIoctl,
  kEntryClose,
  kExitClose,
  kEventTypes
};

/// Spread over the id space, as in a channel with all events enabled.
constexpr std::uint16_t id_of(EventType type) { return static_cast<std::uint16_t>(type * 23 + 5); }

/// The whole text of a trace's metadata file. At least `types` event types are declared; those that
/// are never written look like system calls, since a real kernel declares hundreds of them.
struct MetadataInput {
  const std::uint8_t* uuid;  ///< 16 bytes
  std::string hostname;
  std::string clock_uuid;
  std::uint32_t types;
};
[[nodiscard]] std::string metadata_text(const MetadataInput& input);

}  // namespace vs::bench
